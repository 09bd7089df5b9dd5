"""What the warehouse answers for when the topics are read again: everything that `evalstream reconcile` asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import Select, select

from schemas.score import DecisionKey
from schemas.source import Source

from .load import in_chunks
from .part import Part
from .rows import read_key, read_source
from .tables import dead_letters, evaluators, monitor_positions, monitor_state, request_decisions, requests, scores
from .tables import gaps as gap_table
from .tables import spans as span_table
from .tables import traces as trace_table

ROWS_AT_ONCE = 5_000

SourcePlace = tuple[str, int, int]
"""(source topic, source partition, source epoch)"""


class MeasuredRow(NamedTuple):
    """A (trace, evaluator) that was measured, and the record whose decision it was."""

    trace_id: str
    evaluator: str
    source: Source
    stored_at: datetime


class WaitingRequest(NamedTuple):
    """A decision that waits for a judge, and the record that asked for it."""

    key: DecisionKey
    source: Source


class Gap(NamedTuple):
    """Offsets from `first` up to, not including, `after` that a component never read."""

    component: str
    topic: str
    partition: int
    first: int
    after: int


class MonitorAccount(NamedTuple):
    """What the monitor has counted, as of one moment.

    `positions`: partition of `measurements` → source → last offset counted. `scored`: segment key → traces counted.
    """

    positions: dict[int, dict[SourcePlace, int]]
    scored: dict[str, int]


class Accounts(Part):
    """Reads that go with a range of the topics. Iterators hold one reading transaction and fetch a few thousand rows at a
    time."""

    def span_versions(self, trace_ids: Sequence[str]) -> dict[str, dict[str, list[tuple[datetime, str]]]]:
        """Trace id → span id → (end, digest) of every version stored."""
        found: dict[str, dict[str, list[tuple[datetime, str]]]] = defaultdict(lambda: defaultdict(list))
        c = span_table.c
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                for row in connection.execute(
                    select(c.trace_id, c.span_id, c.end, c.digest).where(c.trace_id.in_(ids))
                ):
                    found[row.trace_id][row.span_id].append((row.end, row.digest))
        return found

    def letters_at(self, topic: str, offsets: Sequence[int]) -> set[tuple[int, int]]:
        """(partition, offset) of the dead letters of a topic that stand at one of `offsets`."""
        c = dead_letters.c
        found: set[tuple[int, int]] = set()
        with self.database.read() as connection:
            for some in _in_chunks_of_numbers(offsets):
                query = select(c.source_partition, c.source_offset).where(
                    c.source_topic == topic, c.source_offset.in_(some)
                )
                found.update((row.source_partition, row.source_offset) for row in connection.execute(query))
        return found

    def letters_with_keys(self, topic: str, keys: Sequence[str]) -> set[str]:
        """Those of `keys` under which a dead letter of the topic stands: a trace that could not be written whole."""
        found: set[str] = set()
        with self.database.read() as connection:
            for some in in_chunks(keys):
                query = select(dead_letters.c.key).where(
                    dead_letters.c.source_topic == topic, dead_letters.c.key.in_(some)
                )
                found.update(connection.execute(query).scalars())
        return found

    def decided_keys(self, trace_ids: Sequence[str]) -> set[DecisionKey]:
        """The decisions that are stored, of every version, those by people included."""
        columns = [scores.c[name] for name in DecisionKey._fields]
        found: set[DecisionKey] = set()
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                rows = connection.execute(select(*columns).where(scores.c.trace_id.in_(ids))).mappings()
                found.update(map(read_key, rows))
        return found

    def traces_stored_at(self, trace_ids: Sequence[str]) -> dict[str, datetime]:
        """When each trace last changed."""
        found: dict[str, datetime] = {}
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                query = select(trace_table.c.trace_id, trace_table.c.stored_at).where(trace_table.c.trace_id.in_(ids))
                found.update((row.trace_id, row.stored_at) for row in connection.execute(query))
        return found

    def current_evaluators(self) -> dict[str, tuple[str, datetime]]:
        """Decision name → the version that the workers use, and since when."""
        with self.database.read() as connection:
            return {
                row.name: (row.current_version, row.since)
                for row in connection.execute(
                    select(evaluators.c.name, evaluators.c.current_version, evaluators.c.since)
                )
            }

    def measured_rows(self) -> Iterator[MeasuredRow]:
        """Every (trace, evaluator, source) that was measured."""
        c = scores.c
        query = select(
            c.trace_id,
            c.evaluator,
            c.source_topic,
            c.source_partition,
            c.source_offset,
            c.source_epoch,
            c.stored_at,
        ).where(c.measured, c.source_topic.is_not(None))
        last = None
        for row in self._streamed(query.order_by(c.trace_id, c.evaluator)):
            source = read_source(row)
            if source is not None and (row["trace_id"], row["evaluator"], source) != last:
                last = (row["trace_id"], row["evaluator"], source)
                yield MeasuredRow(row["trace_id"], row["evaluator"], source, row["stored_at"])

    def waiting_requests(self) -> Iterator[WaitingRequest]:
        """Every decision that was asked of a judge and not answered yet."""
        wanted, made = request_decisions.c, requests.c
        query = select(
            *(wanted[name] for name in DecisionKey._fields),
            made.source_topic,
            made.source_partition,
            made.source_offset,
            made.source_epoch,
        ).join(requests, made.request_id == wanted.request_id)
        for row in self._streamed(query):
            source = read_source(row)
            if source is not None:
                yield WaitingRequest(read_key(row), source)

    def gaps(self) -> list[Gap]:
        """What retention took before it was read."""
        c = gap_table.c
        query = select(c.component, c.topic, c.partition, c.from_offset, c.to_offset)
        with self.database.read() as connection:
            return [Gap(*row) for row in connection.execute(query.order_by(*query.selected_columns))]

    def monitor_account(self) -> MonitorAccount:
        """Positions and counts of all partitions, of one moment."""
        positions: dict[int, dict[SourcePlace, int]] = defaultdict(dict)
        with self.database.read() as connection:
            for row in connection.execute(select(monitor_positions)).mappings():
                place = row["source_topic"], row["source_partition"], row["source_epoch"]
                positions[row["partition"]][place] = row["offset"]
            states = connection.execute(
                select(monitor_state.c.key, monitor_state.c.state).where(monitor_state.c.kind == "segment")
            )
            scored = {row.key: int(orjson.loads(bytes(row.state))["counts"]["scored"]) for row in states}
        return MonitorAccount(dict(positions), scored)

    def _streamed(self, query: Select) -> Iterator:  # type: ignore[type-arg]
        with self.database.read() as connection:
            yield from connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings()


def _in_chunks_of_numbers(numbers: Iterable[int]) -> Iterator[list[int]]:
    distinct = sorted(set(numbers))
    for start in range(0, len(distinct), ROWS_AT_ONCE):
        yield distinct[start : start + ROWS_AT_ONCE]
