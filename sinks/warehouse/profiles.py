"""What the monitor has learned, version by version, and the decisions that wait for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select

from schemas.profile import Profile, ProfileKey
from schemas.score import DecisionKey

from .database import Database, insert_sql
from .part import Part
from .rows import Row
from .tables import profiles, scores
from .types import json_text

OFFLINE = -1
"""The partition under which `evalstream run` learns: no monitor owns it."""
VERSIONS_KEPT = 50
OVERLAP = 500
"""Row numbers are given before a commit: what a slower transaction wrote under a lower one is read again."""

_KEY = ("project", "environment", "evaluator", "subject")
_REPLACE = (
    'ON CONFLICT (project, environment, evaluator, subject, "partition", number) DO UPDATE SET '
    "version = excluded.version, observations = excluded.observations, body = excluded.body, learned_at = excluded.learned_at"
)
_INSERT = insert_sql(profiles, _REPLACE)
_FORGET = (
    'DELETE FROM profiles WHERE project = ? AND environment = ? AND evaluator = ? AND subject = ? AND "partition" = ?'
)


class LearnedProfiles(Part):
    """Table `profiles`; `Monitoring.commit_monitor` writes it."""

    def profiles(self, *, after: int = 0, offline: bool = False) -> tuple[list[Profile], int]:
        """The newest version of each profile that was written behind row number `after`, and the last row number.

        Some of what was written shortly before is given again. `offline`: those that `evalstream run` learned, instead
        of the monitors'.
        """
        of_origin = profiles.c.partition == OFFLINE if offline else profiles.c.partition != OFFLINE
        query = select(profiles).where(of_origin, profiles.c.seq > max(0, after - OVERLAP)).order_by(profiles.c.number)
        with self.database.read() as connection:
            newest = {_key(row): row for row in connection.execute(query).mappings()}
            last = connection.execute(select(func.max(profiles.c.seq))).scalar() or 0
        return [_profile(key, row) for key, row in newest.items()], last

    def profile_versions(self, key: ProfileKey, *, offline: bool = False) -> list[Profile]:
        """The versions of one profile that are still kept, oldest first."""
        of_origin = profiles.c.partition == OFFLINE if offline else profiles.c.partition != OFFLINE
        mine = [profiles.c[name] == value for name, value in zip(_KEY, key, strict=True)]
        query = select(profiles).where(of_origin, *mine).order_by(profiles.c.number)
        with self.database.read() as connection:
            return [_profile(key, row) for row in connection.execute(query).mappings()]

    def skipped(
        self,
        reason: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> dict[str, dict[DecisionKey, datetime]]:
        """Decisions that stand as skipped for `reason`, with their event times, by trace: of those stored in
        [since, until), or of these traces."""
        columns = [scores.c[name] for name in (*DecisionKey._fields, "event_time")]
        query = select(*columns).where(scores.c.skip_reason == literal(reason, literal_execute=True))
        if since is not None:
            query = query.where(scores.c.stored_at >= since)
        if until is not None:
            query = query.where(scores.c.stored_at < until)
        if trace_ids is not None:
            query = query.where(scores.c.trace_id.in_(trace_ids))
        found: dict[str, dict[DecisionKey, datetime]] = defaultdict(dict)
        with self.database.read() as connection:
            for *key, when in connection.execute(query):
                found[key[0]][DecisionKey(*key)] = when
        return dict(found)


def write_profiles(
    database: Database,
    connection: Connection,
    partition: int,
    learned: Sequence[Profile],
    forgotten: Sequence[ProfileKey],
) -> None:
    """Add versions, and drop the oldest beyond `VERSIONS_KEPT` and all of what was forgotten."""
    now = database.time(datetime.now(UTC))
    database.many(connection, _FORGET, [(*key, partition) for key in forgotten])
    database.many(connection, _INSERT, [_row(partition, profile, now) for profile in learned])
    newest = {profile.key: profile.number for profile in learned}
    old = [(*key, partition, number - VERSIONS_KEPT) for key, number in newest.items() if number > VERSIONS_KEPT]
    database.many(connection, f"{_FORGET} AND number <= ?", old)


def _row(partition: int, profile: Profile, now: Any) -> Row:
    return (
        *profile.key,
        partition,
        profile.number,
        profile.version,
        profile.observations,
        json_text(profile.body),
        now,
    )


def _key(row: Mapping[Any, Any]) -> ProfileKey:
    return ProfileKey(*(row[name] for name in _KEY))


def _profile(key: ProfileKey, row: Mapping[Any, Any]) -> Profile:
    return Profile(key, row["number"], row["version"], row["observations"], row["body"])
