"""A traceback in a log shows no values."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy.exc import SQLAlchemyError

from sinks.warehouse import Warehouse
from tests.brokers import ROOT

FAILS = """
import structlog
from streams.logs import configure_logs

configure_logs()
value = "jane.doe" + "@example.com"
try:
    {}[len(value)]
except KeyError:
    structlog.get_logger().exception("it failed", offset=3)
"""


def test_a_traceback_shows_no_values() -> None:
    done = subprocess.run([sys.executable, "-c", FAILS], cwd=ROOT, capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr
    assert "it failed" in said and "KeyError: 20" in said and "offset=3" in said
    assert "jane.doe@example.com" not in said


def test_an_error_of_the_database_shows_no_parameters(sqlite_warehouse: Warehouse) -> None:
    try:
        with sqlite_warehouse.database.write() as connection:
            connection.exec_driver_sql("INSERT INTO no_such_table VALUES (?)", ("jane.doe@example.com",))
    except SQLAlchemyError as error:
        assert "no_such_table" in str(error) and "jane.doe" not in str(error)
    else:
        raise AssertionError("it must fail")
