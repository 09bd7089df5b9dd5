"""A database of its own for a benchmark, dropped at the end whatever happens."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import make_url

from tests.warehouses import POSTGRES_DEFAULT, POSTGRES_VARIABLE


@contextmanager
def benchmark_database() -> Iterator[str]:
    """The URL of an empty database on the server of EVALSTREAM_TEST_POSTGRES."""
    server = make_url(os.environ.get(POSTGRES_VARIABLE, POSTGRES_DEFAULT))
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"evalstream_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            connection.execute(f"ALTER DATABASE {name} SET random_page_cost = 1.1".encode())
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
