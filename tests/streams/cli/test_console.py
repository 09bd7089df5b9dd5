"""What comes from traces is shown as text: no markup, no control characters, in one line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.cli.console import MAX_CELL_CHARS, shown
from tests.streams.cli.conftest import Run


def test_cells() -> None:
    assert shown(None) == "" and shown(True) == "yes" and shown(0.123456) == "0.1235"
    assert shown(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05"
    assert shown("a\n\tb \x1b[31mred\x07") == "a b \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"
    assert len(shown("x" * 1000)) == MAX_CELL_CHARS


@pytest.fixture
def query(evalstream: Run) -> Run:
    url = "sqlite:///w.db"
    assert evalstream("warehouse", "migrate", EVALSTREAM_WAREHOUSE_URL=url).code == 0
    return lambda *arguments: evalstream("query", *arguments, EVALSTREAM_WAREHOUSE_URL=url)


def test_markup_is_text(query: Run) -> None:
    done = query("""SELECT '[bold]x[/nonsense]' AS "[/a]" """)
    assert done.code == 0 and "[bold]x[/nonsense]" in done.out and "[/a]" in done.out


def test_query_reads_only_and_is_bounded(query: Run) -> None:
    for sql in (
        "DELETE FROM traces",
        "CREATE TABLE x (a)",
        "ATTACH 'y.db' AS y",
        "PRAGMA user_version = 3",
        "nonsense",
    ):
        refused = query(sql)
        assert refused.code == 2 and "Traceback" not in refused.err, (sql, refused)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i, i * 2 AS i FROM n"
    found = query(numbers, "--limit", "3", "--json")
    assert found.documents == [{"i": 1, "i_2": 2}, {"i": 2, "i_2": 4}, {"i": 3, "i_2": 6}]
    assert "more than 3 rows" in found.err


def test_a_warehouse_that_is_not_there_is_not_made(evalstream: Run, tmp_path: object) -> None:
    for command in (["scores"], ["alerts"], ["drift"], ["why", "t"], ["query", "SELECT 1"]):
        done = evalstream(*command)
        assert done.code == 2 and "there is no warehouse at" in done.err and "evalstream up" in done.err
    assert not list(tmp_path.iterdir())  # type: ignore[attr-defined]


def test_nothing_found(evalstream: Run) -> None:
    url = {"EVALSTREAM_WAREHOUSE_URL": "sqlite:///w.db"}
    evalstream("warehouse", "migrate", **url)
    for command in (["scores"], ["alerts"], ["drift"], ["scores", "--summary"]):
        done = evalstream(*command, "--json", **url)
        assert (done.code, done.out) == (0, "")
        assert evalstream(*command, **url).code == 0
    missing = evalstream("why", "unknown", **url)
    assert missing.code == 1 and "no trace unknown is stored" in missing.err


def test_a_wrong_time_is_said(evalstream: Run) -> None:
    url = {"EVALSTREAM_WAREHOUSE_URL": "sqlite:///w.db"}
    evalstream("warehouse", "migrate", **url)
    done = evalstream("scores", "--since", "yesterday", **url)
    assert done.code == 2 and "'yesterday' is no time" in done.err
