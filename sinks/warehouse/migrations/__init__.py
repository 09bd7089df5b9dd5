"""Alembic migrations, run by `sinks.warehouse.schema`; never edited once released."""
