"""The example queries of the documentation run as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.warehouse import TraceDecisions, Warehouse
from sinks.warehouse.tables import metadata
from tests.sinks.making import conversation, score

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "warehouse.md"


def examples() -> Iterator[tuple[str, str]]:
    """(database or "", statement) of each SQL block."""
    for block in PAGE.read_text().split("```sql")[1:]:
        head, _, rest = block.partition("\n")
        yield head.strip(), rest.split("```")[0].strip()


@pytest.mark.parametrize(("database", "sql"), list(examples()))
def test_examples_run(warehouse: Warehouse, database: str, sql: str) -> None:
    if database and database != warehouse.database.dialect:
        pytest.skip(f"an example for {database}")
    warehouse.remember_evaluators({"ev": "v1"})
    warehouse.store_traces([conversation("t1")])
    failing = score("t1", span_id="c", target_digest="digest of c", passed=False)
    warehouse.write_decisions([TraceDecisions("t1", [failing])])
    assert warehouse.query(sql).columns


def test_every_table_is_described() -> None:
    page = PAGE.read_text().replace("`monitor_*`", "`monitor_partitions`, `monitor_state`, `monitor_positions`")
    assert [name for name in metadata.tables if f"`{name}`" not in page] == []
