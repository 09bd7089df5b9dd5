"""Profiles without Kafka: one process learns and decides, in file order.

What the monitors of an installation have learned is used as it is. Of everything else the profile is learned from the
files, and kept in the warehouse (under a partition of its own) for the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from evaluators.profiles.evaluator import LEARNING
from evaluators.profiles.learning import Learning
from evaluators.run import Decided, Suite
from schemas.errors import Fenced
from schemas.profile import Profile, ProfileKey, settled
from schemas.score import DecisionKey, Score
from schemas.trace import Trace
from sinks.warehouse import Warehouse
from sinks.warehouse.profiles import OFFLINE

log = structlog.get_logger(__name__)

MAX_HELD = 1_000  # traces with decisions that wait


class AllBut:
    """Known are all decisions but these."""

    def __init__(self, keys: frozenset[DecisionKey]) -> None:
        self._keys = keys

    def __contains__(self, key: object) -> bool:
        return key not in self._keys


class FileProfiles:
    """What is known, what is learned, and the decisions that wait for it.

    Parameters
    ----------
    warehouse : where profiles come from; none: nothing is known at first.
    keep : learn, and store what was learned there. Without it profiles are only read.
    """

    def __init__(self, suite: Suite, max_profiles: int, warehouse: Warehouse | None, *, keep: bool) -> None:
        self._suite, self._warehouse = suite, warehouse if keep else None
        self._learning = Learning(suite.learners(), max_profiles)
        self._held: list[tuple[Trace, frozenset[DecisionKey]]] = []
        self._online: dict[ProfileKey, Profile] = {}
        self._unsaved: list[Profile] = []
        self._epoch = 0
        self.known: dict[ProfileKey, Profile] = {}
        if warehouse is not None and suite.learners():
            self._take_up(warehouse, keep)

    def learn(self, trace: Trace, scores: Sequence[Score]) -> None:
        """Learn from the targets of these decisions."""
        self._learning.learn(feature for _, feature in self._suite.features(trace, scores))
        new = self._learning.published()
        self._unsaved += new
        for profile in new:
            if profile.key not in self._online:
                self.known[profile.key] = profile

    def hold(self, trace: Trace, decided: Decided) -> Decided:
        """Keep back the decisions that wait for a profile; the others."""
        waiting = frozenset(score.key for score in decided.scores if score.skip_reason == LEARNING)
        if not waiting or len(self._held) >= MAX_HELD:
            return decided
        self._held.append((trace, waiting))
        made = [score for score in decided.scores if score.key not in waiting]
        return Decided(made, decided.requests, decided.passed_over)

    def held(self) -> Iterator[tuple[Trace, frozenset[DecisionKey]]]:
        """The traces with decisions that waited, to be made now: there is no more to be learned."""
        held, self._held = self._held, []
        self.known = dict(settled(self.known))
        yield from held

    def save(self) -> None:
        """Store what was learned since the last time."""
        rows, profiles = self._learning.dirty(), self._unsaved
        self._unsaved = []
        if self._warehouse is None or not rows:
            return
        nothing: dict[str, Any] = {"positions": {}, "drift_events": (), "alerts": (), "notifications": ()}
        try:
            self._warehouse.commit_monitor(OFFLINE, self._epoch, rows=rows, profiles=profiles, **nothing)
        except Fenced:
            log.warning("another run learns in this warehouse; what this one learns is not kept")
            self._warehouse = None

    def _take_up(self, warehouse: Warehouse, keep: bool) -> None:
        self._online = {profile.key: profile for profile in warehouse.profiles()[0]}
        learned = {profile.key: profile for profile in warehouse.profiles(offline=True)[0]}
        self.known = {**learned, **self._online}
        if keep:
            claim = warehouse.claim_partition(OFFLINE)
            self._epoch = claim.epoch
            self._learning.load(claim.rows)
