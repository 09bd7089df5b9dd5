"""The monitor's state and findings: one transaction a batch, open only to the owner of the partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, select, update

from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.errors import Fenced
from schemas.measurement import Segment
from schemas.profile import LEARNER_KIND, Profile, ProfileKey
from schemas.state_row import StateRow

from .database import Database, insert_sql, replacing
from .part import Part
from .positions import advance
from .profiles import write_profiles
from .records import Claim, Notification, Position
from .rows import Row, text
from .tables import alerts, drift_events, monitor_partitions, monitor_positions, monitor_state, outbox
from .types import clean, json_text

_CLAIM = (
    'INSERT INTO monitor_partitions ("partition", epoch) VALUES (?, 1) '
    'ON CONFLICT ("partition") DO UPDATE SET epoch = monitor_partitions.epoch + 1 RETURNING epoch'
)
_FORGET_STATE = 'DELETE FROM monitor_state WHERE "partition" = ? AND kind = ? AND key = ?'
_WRITE_POSITION = insert_sql(monitor_positions, replacing(monitor_positions))


class Monitoring(Part):
    """State of detectors and alert rules, drift events, alerts, notifications."""

    def claim_partition(self, partition: int) -> Claim:
        """Become the owner of a partition of `measurements`: what its last owner still writes is refused from now on."""
        with self.database.write() as connection:
            epoch = int(connection.exec_driver_sql(self.database.sql(_CLAIM), (partition,)).scalar_one())
            states = connection.execute(
                select(monitor_state.c.kind, monitor_state.c.key, monitor_state.c.state)
                .where(monitor_state.c.partition == partition)
                .order_by(monitor_state.c.kind, monitor_state.c.key)
            )
            rows = [StateRow(kind, key, bytes(state)) for kind, key, state in states]
            counted = connection.execute(
                select(monitor_positions).where(monitor_positions.c.partition == partition)
            ).mappings()
            positions = {
                (row["source_topic"], row["source_partition"], row["source_epoch"]): row["offset"] for row in counted
            }
        return Claim(partition, epoch, rows, positions)

    def segment_counts(self) -> list[tuple[Segment, dict[str, int]]]:
        """Every segment that was ever measured, with the number of traces by outcome, in order of their keys."""
        query = select(monitor_state.c.state).where(monitor_state.c.kind == "segment").order_by(monitor_state.c.key)
        with self.database.read() as connection:
            rows = [orjson.loads(bytes(state)) for (state,) in connection.execute(query)]
        return [(Segment.model_validate(row["segment"]), row["counts"]) for row in rows]

    def monitor_states(self) -> dict[int, list[StateRow]]:
        """All stored state of detectors, rules and segments, by partition of `measurements`."""
        query = select(monitor_state).order_by(monitor_state.c.partition, monitor_state.c.kind, monitor_state.c.key)
        found: dict[int, list[StateRow]] = {}
        with self.database.read() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(row["partition"], []).append(StateRow(row["kind"], row["key"], bytes(row["state"])))
        return found

    def commit_monitor(
        self,
        partition: int,
        epoch: int,
        *,
        rows: Sequence[StateRow],
        positions: Mapping[tuple[str, int, int], int],
        read: Sequence[Position] = (),
        drift_events: Sequence[DriftEvent],
        alerts: Sequence[Alert],
        notifications: Sequence[Notification],
        profiles: Sequence[Profile] = (),
    ) -> None:
        """Store all that a batch changed, learned and found, or nothing. A learner's row without a state is deleted, and so
        are its profiles.

        Raises
        ------
        Fenced : another worker has claimed the partition.
        """
        with self.database.write() as connection:
            _check_owner(connection, partition, epoch)
            many = self.database.many
            gone = [row for row in rows if not row.state and row.kind.startswith(LEARNER_KIND)]
            states = [(partition, row.kind, row.key, row.state) for row in rows if row not in gone]
            many(connection, _FORGET_STATE, [(partition, row.kind, row.key) for row in gone])
            self.database.insert(connection, monitor_state, replacing(monitor_state), states)
            advance(self.database, connection, read)
            many(connection, _WRITE_POSITION, [(partition, *place, offset) for place, offset in positions.items()])
            _write_findings(self.database, connection, drift_events, alerts)
            forgotten = [ProfileKey.of_text(row.key) for row in gone]
            write_profiles(self.database, connection, partition, profiles, forgotten)
            now = self.database.time(datetime.now(UTC))
            many(connection, insert_sql(outbox), [_outbox_row(partition, one, now) for one in notifications])


def _check_owner(connection: Connection, partition: int, epoch: int) -> None:
    """Lock the partition's row, so that a claim waits until this transaction is done."""
    mine = (monitor_partitions.c.partition == partition) & (monitor_partitions.c.epoch == epoch)
    if connection.execute(update(monitor_partitions).where(mine).values(epoch=epoch)).rowcount != 1:
        raise Fenced(f"partition {partition} of measurements was claimed by another worker after epoch {epoch}")


def _write_findings(
    database: Database, connection: Connection, events: Sequence[DriftEvent], raised: Sequence[Alert]
) -> None:
    database.many(connection, insert_sql(drift_events), [_drift_row(database, event) for event in events])
    database.many(connection, insert_sql(alerts), [_alert_row(database, alert) for alert in raised])


def _segment_row(segment: Segment) -> Row:
    return (
        clean(segment.key),
        clean(segment.project),
        clean(segment.environment),
        segment.evaluator,
        text(segment.dimension),
        text(segment.dimension_value),
    )


def _drift_row(database: Database, event: DriftEvent) -> Row:
    return (
        event.event_id,
        *_segment_row(event.segment),
        event.detector,
        event.kind,
        database.time(event.detected_at),
        database.time(event.changed_at),
        event.before,
        event.after,
        event.statistic,
        event.threshold,
        event.observations,
        event.trace_id,
        clean(event.explanation),
        json_text(event.details),
        event.change,
        database.time(event.changed_earliest),
        database.time(event.changed_latest),
        event.before_low,
        event.before_high,
        event.after_low,
        event.after_high,
        event.observations_after,
        event.epoch,
        event.revision,
        event.revises,
        text(event.subject),
        json_text([change.model_dump() for change in event.labels_changed]) if event.labels_changed else None,
        None if event.cause is None else json_text(event.cause),
    )


def _alert_row(database: Database, alert: Alert) -> Row:
    return (
        alert.alert_id,
        alert.dedup_key,
        alert.rule,
        *_segment_row(alert.segment),
        alert.state,
        alert.previous_state,
        alert.sequence,
        alert.reason,
        alert.statistic,
        alert.value,
        alert.threshold,
        alert.samples,
        database.time(alert.window_start),
        database.time(alert.window_end),
        database.time(alert.fired_at),
        clean(alert.summary),
        alert.notify,
        json_text(alert.model_dump(mode="json")),
    )


def _outbox_row(partition: int, one: Notification, now: object) -> Row:
    return (partition, one.destination, one.kind, one.body, one.dedup_id, now, now, 0, "pending", None, None)
