"""Fixtures for all tests."""

pytest_plugins = ["tests.brokers", "tests.warehouses", "tests.worlds"]
