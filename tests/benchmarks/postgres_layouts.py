"""How to lay out table `scores` on PostgreSQL: plain, hashed by trace, or by month; behind decision record 71.

``python -m tests.benchmarks.postgres_layouts [MILLIONS]`` fills each with the same rows over twelve months, in the
order of time, in a database of its own that is dropped afterwards. EVALSTREAM_TEST_POSTGRES names the server.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import md5

import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks.postgres import benchmark_database
from tests.warehouses import open_warehouse

MONTHS, PER_TRACE, BATCH_TRACES, BATCHES = 12, 10, 200, 20
HASH_PARTITIONS = 16
KEY = "trace_id, evaluator, evaluator_version, target_id, target_digest"
COLUMNS = f"""{KEY}, score_id, target, project, environment, kind, revision, status, value, passed, explanation,
  evidence, inclusion_probability, event_time, source_topic, source_partition, source_offset, source_epoch, measured,
  attributes, stored_at"""
ROWS = """
  SELECT md5(n::text), 'evaluator_' || e, '0123456789ab', CASE WHEN e < 4 THEN '' ELSE left(md5(n::text || e), 16) END,
    md5('digest' || n || e), md5('score' || n || e), CASE WHEN e < 4 THEN 'trace' ELSE 'span' END, 'shop',
    'production', 'code', 3, 'scored', (n % 100) / 100.0, n % 20 > 0, 'an explanation of usual length, ' || n, '[]', 1.0,
    {time}, 'traces', n % 4, n, 0, true, '{{}}', {time}
  FROM generate_series({first}, {last}) AS n, generate_series(1, 10) AS e"""


@dataclass(frozen=True)
class Layout:
    """DDL of one layout, and how its rows are deleted when a month has passed."""

    name: str
    ddl: tuple[str, ...]
    key: str = KEY


def layouts() -> tuple[Layout, ...]:
    columns = "LIKE scores INCLUDING DEFAULTS"
    indices = (
        "CREATE INDEX ON {0} (evaluator, event_time)",
        "CREATE INDEX ON {0} (session_id) WHERE session_id IS NOT NULL",
        "CREATE INDEX ON {0} (stored_at) WHERE cost_usd > 0",
    )
    made = {
        "plain": (f"CREATE TABLE plain ({columns}, PRIMARY KEY ({KEY}))",),
        "hashed": (
            f"CREATE TABLE hashed ({columns}, PRIMARY KEY ({KEY})) PARTITION BY HASH (trace_id)",
            *(
                f"CREATE TABLE hashed_{i} PARTITION OF hashed FOR VALUES WITH (MODULUS {HASH_PARTITIONS}, REMAINDER {i})"
                for i in range(HASH_PARTITIONS)
            ),
        ),
        "monthly": (
            f"CREATE TABLE monthly ({columns}, PRIMARY KEY ({KEY}, event_time)) PARTITION BY RANGE (event_time)",
            *(
                f"CREATE TABLE monthly_{m} PARTITION OF monthly FOR VALUES FROM ('{month(m)}') TO ('{month(m + 1)}')"
                for m in range(MONTHS + 1)
            ),
        ),
    }
    return tuple(
        Layout(name, (*ddl, *(index.format(name) for index in indices)), KEY + ", event_time" * (name == "monthly"))
        for name, ddl in made.items()
    )


def month(number: int) -> str:
    return f"{2025 + number // 12}-{number % 12 + 1:02}-01 00:00:00+00"


class Bench:
    """One layout under the work of the product."""

    def __init__(self, connection: psycopg.Connection, layout: Layout, traces: int) -> None:
        self.connection, self.layout = connection, layout
        self.a_month = traces // MONTHS

    def run(self) -> dict[str, str]:
        """What a table of results shows, by the name of the line."""
        for statement in self.layout.ddl:
            self._do(statement)
        loads = [self._took(lambda m=m: self._load(m)) for m in range(MONTHS)]
        self._do(f"VACUUM ANALYZE {self.layout.name}")
        rows = self.a_month * PER_TRACE
        found = {
            "load, first month": f"{rows / loads[0] / 1e3:.0f}k rows/s",
            "load, last month": f"{rows / loads[-1] / 1e3:.0f}k rows/s",
            "size": f"{self._size():.2f} GB",
            "write 2,000 new rows": self._median(lambda i: self._upsert(self.a_month * MONTHS + i * BATCH_TRACES)),
            "write them again": self._median(lambda i: self._upsert(self.a_month * MONTHS + i * BATCH_TRACES)),
            "read 200 traces": self._median(self._known),
            "a day of one evaluator": self._median(self._day),
        }
        began = time.perf_counter()
        self._prune()
        found["prune the first month"] = f"{time.perf_counter() - began:.1f} s"
        began = time.perf_counter()
        self._do(f"VACUUM {self.layout.name}")
        found["vacuum after it"] = f"{time.perf_counter() - began:.1f} s"
        self._do(f"DROP TABLE {self.layout.name}")
        return found

    def _load(self, number: int) -> None:
        first = number * self.a_month
        step = f"'{month(number)}'::timestamptz + interval '28 days' * ((n - {first}) / {self.a_month}.0)"
        self._do(
            f"INSERT INTO {self.layout.name} ({COLUMNS}) "
            + ROWS.format(time=step, first=first, last=first + self.a_month - 1)
        )

    def _upsert(self, first: int) -> None:
        source = ROWS.format(time=f"'{month(MONTHS)}'::timestamptz", first=first, last=first + BATCH_TRACES - 1)
        better = "DO UPDATE SET status = excluded.status WHERE excluded.status > old.status"
        self._do(f"INSERT INTO {self.layout.name} AS old ({COLUMNS}) {source} ON CONFLICT ({self.layout.key}) {better}")

    def _known(self, turn: int) -> None:
        first = turn * 7919 % (self.a_month * MONTHS)
        wanted = [md5(str(n).encode()).hexdigest() for n in range(first, first + BATCH_TRACES)]
        query = f"SELECT {KEY}, status, source_offset FROM {self.layout.name} WHERE trace_id = ANY(%s)"
        self.connection.execute(query, (wanted,)).fetchall()

    def _day(self, turn: int) -> None:
        query = (
            f"SELECT count(*), avg(value) FROM {self.layout.name} WHERE evaluator = %s "
            f"AND event_time >= '{month(turn % MONTHS)}' AND event_time < '{month(turn % MONTHS)}'::timestamptz + '1 day'::interval"
        )
        self.connection.execute(query, (f"evaluator_{turn % PER_TRACE + 1}",)).fetchall()

    def _prune(self) -> None:
        if self.layout.name == "monthly":
            self._do("DROP TABLE monthly_0")
            return
        for first in range(0, self.a_month, 1000):
            ids = f"SELECT md5(n::text) FROM generate_series({first}, {min(first + 1000, self.a_month) - 1}) n"
            self._do(f"DELETE FROM {self.layout.name} WHERE trace_id = ANY(ARRAY({ids}))")

    def _size(self) -> float:
        parts = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s::regclass)"
        query = f"SELECT coalesce(({parts}), pg_total_relation_size(%s::regclass))"
        found = self.connection.execute(query, (self.layout.name, self.layout.name)).fetchone()
        assert found is not None
        return float(found[0]) / 2**30

    def _do(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def _median(self, work: Callable[[int], None]) -> str:
        return f"{statistics.median(self._took(lambda i=i: work(i)) for i in range(BATCHES)) * 1e3:.1f} ms"

    def _took(self, work: Callable[[], None]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def main(arguments: Sequence[str]) -> None:
    """Print one column a layout."""
    millions = float(arguments[0]) if arguments else 5.0
    with benchmark_database() as url:
        open_warehouse(url).migrate()
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            results = {}
            for layout in layouts():
                results[layout.name] = Bench(connection, layout, int(millions * 1e6) // PER_TRACE).run()
                print(layout.name, results[layout.name], flush=True)
    shown = Table("", *results, title=f"{millions:g} million scores")
    for line in next(iter(results.values())):
        shown.add_row(line, *(found[line] for found in results.values()))
    Console(width=100).print(shown)


if __name__ == "__main__":
    main(sys.argv[1:])
