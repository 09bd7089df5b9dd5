"""Every measured decision lies exactly once in `measurements`, at or below the monitor's positions when it has passed.

The topic is read as the monitor reads it: what lies at or below the position of its source is a repetition. So what is
counted here is what the monitor counts. After the warehouse was restored from a copy a decision may stand under another
record than the one whose measurement was counted: it is measured once all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from schemas.errors import InvalidRecord
from schemas.measurement import MeasurementBatch, Segment
from schemas.settings import Topics
from sinks.warehouse import MeasuredRow
from streams.base.repeats import SourcePlace, first_fresh, place_of
from streams.reconcile.ground import Ground
from streams.reconcile.report import Missing
from streams.reconcile.verdicts import LOST, pair_text

ROWS_AT_ONCE = 2_000
_SENT = (
    "INSERT INTO measured VALUES (?, ?, ?, ?, ?, ?, 1, 0) ON CONFLICT (trace_id, evaluator, topic, "
    '"partition", epoch, "offset") DO UPDATE SET times = times + 1'
)
_ASKED = "UPDATE measured SET asked = 1 WHERE trace_id = ? AND evaluator = ?"
_TIMES = "SELECT times FROM measured WHERE trace_id = ? AND evaluator = ?"


class Measured:
    """Checks `measurements` against the measured decisions, and against the positions and counts of the monitor."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._positions: dict[int, dict[SourcePlace, int]] = {}
        self._passed: dict[int, dict[SourcePlace, int]] = {}
        self._counted: Counter[str] = Counter()
        self._began: dict[int, float] = {}
        self._deleted: Counter[str] = Counter()
        """Measurements of deleted traces, by evaluator: the monitor does not count those that come after the deletion."""

    def take(self, records: Sequence[Any]) -> None:
        """Records of `measurements`."""
        unread = []
        for record in records:
            try:
                batch = MeasurementBatch.from_bytes(record.value or b"")
            except InvalidRecord:
                unread.append(record)
            else:
                self._count(record, batch)
        self._ground.account_unread("records", Topics.MEASUREMENTS, unread)

    def finish(self) -> None:
        """Compare."""
        rows = self._ground.warehouse.measured_rows()
        while some := list(islice(rows, ROWS_AT_ONCE)):
            self._compare([row for row in some if self._is_in_range(row)])
        self._look_for_twice()
        self._check_positions()
        self._check_counts()

    def _count(self, record: Any, batch: MeasurementBatch) -> None:
        partition, place = record.partition, place_of(batch)
        self._began.setdefault(partition, record.timestamp / 1000)
        first = first_fresh(batch, self._positions.setdefault(partition, {}))
        if first == len(batch.offset):
            return
        if record.offset < self._ground.done(Topics.MEASUREMENTS, partition):
            self._passed.setdefault(partition, {})[place] = batch.offset[-1]
        counted = self._ground.monitor.positions.get(partition, {}).get(place, -1)
        sent = []
        for i in range(first, len(batch.offset)):
            segment = batch.segments[batch.segment[i]]
            if segment.dimension is not None or batch.outcome[i] != "scored":
                continue
            sent.append((batch.traces[batch.trace[i]], segment.evaluator, *place, batch.offset[i]))
            if batch.offset[i] <= counted:
                self._counted[segment.key] += 1
        self._ground.scratch.many(_SENT, sent)

    # --- comparing -----------------------------------------------------------------------------------------------

    def _is_in_range(self, row: MeasuredRow) -> bool:
        source, ground = row.source, self._ground
        extent = ground.log.extents.get((source.topic, source.partition))
        if extent is None or source.epoch != ground.epoch(source.topic, source.partition):
            return False
        return extent.begin <= source.offset < extent.end

    def _compare(self, rows: Sequence[MeasuredRow]) -> None:
        ground, report = self._ground, self._ground.report
        for row in rows:
            source = row.source
            key = (row.trace_id, row.evaluator, source.topic, source.partition, source.epoch, source.offset)
            times = ground.scratch.one(_TIMES, row.trace_id, row.evaluator)
            if times is not None:
                report.add("measurements", "stored")
            elif source.offset >= ground.done(source.topic, source.partition) or row.stored_at >= ground.started:
                report.add("measurements", "in_flight")
            elif self._retention_took(row):
                report.add("measurements", "beyond_retention")
            else:
                self._miss("measurement_lost", key, "a measured decision was never sent to the monitor")
        ground.scratch.many(_ASKED, ((row.trace_id, row.evaluator) for row in rows))

    def _retention_took(self, row: MeasuredRow) -> bool:
        """Whether the log of `measurements` begins after the decision was stored."""
        cut = [
            self._began.get(partition, float("inf"))
            for (topic, partition), extent in self._ground.log.extents.items()
            if topic == Topics.MEASUREMENTS and extent.earliest > 0
        ]
        return any(row.stored_at.timestamp() <= began for began in cut)

    def _look_for_twice(self) -> None:
        """A (trace, evaluator) that passes more than once, from one source or several; what nothing asked for."""
        query = (
            'SELECT trace_id, evaluator, min(topic), min("partition"), min(epoch), min("offset"), sum(times) '
            "FROM measured GROUP BY trace_id, evaluator HAVING sum(times) > 1"
        )
        for rows in self._ground.scratch.rows(query):
            for *key, times in rows:
                self._miss("measured_twice", tuple(key), f"it passes the monitor's positions {times} times")
        unasked = 'SELECT trace_id, evaluator, topic, "partition", epoch, "offset" FROM measured WHERE asked = 0'
        for rows in self._ground.scratch.rows(unasked):
            self._account_unasked([row for row in rows if self._is_of_now(row)])

    def _is_of_now(self, row: tuple[Any, ...]) -> bool:
        _, _, topic, partition, epoch, offset = row
        extent = self._ground.log.extents.get((topic, partition))
        return extent is not None and epoch == self._ground.epoch(topic, partition) and offset >= extent.begin

    def _account_unasked(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """A measurement whose decision is gone. The trace may have been deleted with all that it had."""
        ids = [row[0] for row in rows]
        stored = self._ground.warehouse.traces_stored_at(ids)
        decided = {(key.trace_id, key.evaluator) for key in self._ground.warehouse.decided_keys(ids)}
        for row in rows:
            if row[0] not in stored:
                self._ground.report.add("measurements", "deleted")
                self._deleted[row[1]] += 1
            elif (row[0], row[1]) not in decided and not self._ground.scratch.met(LOST, [pair_text(row[0], row[1])]):
                self._miss("measured_unasked", row, "it was measured, and its decision is not stored")

    def _check_positions(self) -> None:
        """What lies below the monitor's commit must lie at or below its positions."""
        for partition, places in sorted(self._passed.items()):
            for place, passed in sorted(places.items()):
                held = self._ground.monitor.positions.get(partition, {}).get(place, -1)
                if passed > held:
                    self._ground.report.miss(
                        Missing(
                            "measurements",
                            "not_counted",
                            topic=place[0],
                            partition=place[1],
                            offset=held + 1,
                            detail=f"the monitor has passed partition {partition} of measurements and counted {place} "
                            f"up to {held}, not {passed}",
                        )
                    )

    def _check_counts(self) -> None:
        """The monitor's counts, where the topic still holds everything it was counted from."""
        extents = [e for (topic, _), e in self._ground.log.extents.items() if topic == Topics.MEASUREMENTS]
        remade = any(self._ground.epoch(Topics.MEASUREMENTS, p) for p in range(len(extents)))
        if remade or any(extent.begin > 0 for extent in extents):
            return
        held = {key: count for key, count in self._ground.monitor.scored.items() if _is_marginal(key)}
        for key in sorted(held.keys() | self._counted.keys()):
            evaluator = Segment.of_key(key).evaluator
            if not 0 <= self._counted[key] - held.get(key, 0) <= self._deleted[evaluator]:
                detail = f"segment {key}: the monitor has counted {held.get(key, 0)}, the log says {self._counted[key]}"
                self._ground.report.miss(Missing("measurements", "count_differs", detail=detail))

    def _miss(self, reason: Any, key: Sequence[Any], detail: str) -> None:
        trace_id, evaluator, topic, partition, _, offset = key
        place = {"topic": topic, "partition": partition, "offset": offset}
        self._ground.report.miss(
            Missing("measurements", reason, trace_id=trace_id, evaluator=evaluator, detail=detail, **place)
        )


def _is_marginal(key: str) -> bool:
    """Whether a segment is an evaluator alone, not within a dimension."""
    return key.count("/") == 2
