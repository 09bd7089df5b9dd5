"""A traceback in a log shows no values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_a_full_disk_under_the_log_ends_no_work() -> None:
    told = "from streams.logs import configure_logs; import structlog, sys; configure_logs()"
    work = "[structlog.get_logger().info('x' * 10_000) for _ in range(3)]; print('went on', file=sys.stderr)"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{told}; {work}; import os; os._exit(0)"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert done.stderr == "went on\n"


def test_an_error_of_the_database_shows_no_parameters(sqlite_warehouse: Warehouse) -> None:
    try:
        with sqlite_warehouse.database.write() as connection:
            connection.exec_driver_sql("INSERT INTO no_such_table VALUES (?)", ("jane.doe@example.com",))
    except SQLAlchemyError as error:
        assert "no_such_table" in str(error) and "jane.doe" not in str(error)
    else:
        raise AssertionError("it must fail")
