"""The profiles that an evaluate worker goes by, and the decisions that waited for them.

Profiles are polled. A decision that was put off while its profile was young is made once a new version of one is enough
for it, and after `profile_wait_s` by what there is. It is stored and published like any other, and not measured, for its
place in the order of the log has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog

from drift.segments import dimension_names, dimensions
from evaluators.profiles.evaluator import LEARNING
from evaluators.run import Suite
from schemas.profile import Profiles, settled
from schemas.score import DecisionKey
from schemas.trace import Trace
from sinks.warehouse import TraceDecisions
from streams.base.context import Context
from streams.base.emission import score_records

log = structlog.get_logger(__name__)

ANEW_EVERY = 60  # polls: then all are read, and what the monitor has forgotten is forgotten here
TRACES_AT_ONCE = 100
LATEST_S = 3_600.0  # decisions that waited longer than this, since no worker ran, are left as they are
CLOSED_REMEMBERED = 20_000

Waiting = Mapping[str, Mapping[DecisionKey, datetime]]
"""By trace: decisions that wait, with their event times."""


class KnownProfiles:
    """Of one worker. `known` is replaced, never changed: who has taken it up decides on one state."""

    def __init__(self, context: Context, suite: Suite) -> None:
        self._context, self._suite = context, suite
        self._learn = bool(suite.learners())
        self._dimensions = dimension_names(context.settings.monitor)
        self._polled = 0.0
        self._polls = self._cursor = 0
        self._closed: dict[str, None] = {}
        self.known: Profiles = {}

    async def start(self) -> None:
        """Take up what was learned so far."""
        if self._learn:
            await self._poll()

    async def tick(self) -> None:
        """Look for new versions every `profile_poll_s`, and make what waited for them."""
        now = asyncio.get_running_loop().time()
        if self._learn and now - self._polled >= self._context.settings.evaluate.profile_poll_s:
            self._polled = now
            if await self._poll():
                await self._make_up()
            await self._close()

    async def _poll(self) -> bool:
        """Whether there was something new."""
        warehouse, anew = self._context.warehouse, self._polls % ANEW_EVERY == 0
        self._polls += 1
        cursor = 0 if anew else self._cursor
        found, last = await self._context.in_thread(None, "profiles", lambda: warehouse.profiles(after=cursor))
        before = {} if anew else dict(self.known)
        known = {**before, **{p.key: p for p in found if p.key not in before or p.number > before[p.key].number}}
        changed = any(key not in self.known or self.known[key].number < p.number for key, p in known.items())
        self.known, self._cursor = known, max(last, self._cursor)
        return changed

    async def _make_up(self) -> None:
        """Decide what waits and can be decided by now."""
        now, wait = datetime.now(UTC), timedelta(seconds=self._context.settings.evaluate.profile_wait_s)
        await self._make_all(await self._waiting(now - wait, now), self.known)

    async def _close(self) -> None:
        """Decide what has waited for long enough; what even then cannot be decided stays skipped."""
        end = datetime.now(UTC) - timedelta(seconds=self._context.settings.evaluate.profile_wait_s)
        found = await self._waiting(end - timedelta(seconds=LATEST_S), end)
        late = {trace_id: keys for trace_id, keys in found.items() if trace_id not in self._closed}
        if late:
            await self._make_all(late, settled(self.known))
            self._closed = dict.fromkeys([*self._closed, *late][-CLOSED_REMEMBERED:])

    async def _waiting(self, since: datetime, until: datetime) -> Waiting:
        warehouse = self._context.warehouse
        return await self._context.in_thread(
            None, "decisions that wait", lambda: warehouse.skipped(LEARNING, since=since, until=until)
        )

    async def _make_all(self, waiting: Waiting, profiles: Profiles) -> None:
        ids = sorted(waiting)
        for start in range(0, len(ids), TRACES_AT_ONCE):
            await self._make(ids[start : start + TRACES_AT_ONCE], waiting, profiles)

    async def _make(self, ids: list[str], waiting: Waiting, profiles: Profiles) -> None:
        context, warehouse = self._context, self._context.warehouse
        traces = await context.in_thread(None, "waiting traces", lambda: warehouse.traces(ids))
        known = await context.in_thread(None, "decisions", lambda: warehouse.known_decisions(list(traces)))
        made = await asyncio.to_thread(
            lambda: [
                self._decided(t, known[i].keys - waiting[i].keys(), waiting[i], profiles) for i, t in traces.items()
            ]
        )
        made = [one for one in made if one.scores]
        if made:
            # Published first: a crash in between repeats a score under its id, and loses none.
            outgoing = [record for one in made for record in score_records(one.scores)]
            await context.patiently(None, "publishing", lambda: context.producer.publish(outgoing))
            await context.in_thread(None, "storing", lambda: warehouse.write_decisions(made))
            log.info("made decisions that waited for a profile", decisions=sum(len(one.scores) for one in made))

    def _decided(
        self,
        trace: Trace,
        known: frozenset[DecisionKey],
        waiting: Mapping[DecisionKey, datetime],
        profiles: Profiles,
    ) -> TraceDecisions:
        decided = self._suite.decide(
            trace,
            known,
            source=None,
            event_time=min(waiting.values()),
            now=datetime.now(UTC),
            dimensions=dimensions(trace, self._dimensions),
            profiles=profiles,
        )
        return TraceDecisions(
            trace.trace_id, [s for s in decided.scores if s.key in waiting and s.skip_reason != LEARNING]
        )
