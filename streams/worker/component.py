"""The four components: what a worker knows of the one it runs, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evaluators.run import Suite
from sinks.outbox import OutboxSender
from streams.base.context import Context
from streams.base.log_guard import LogGuard
from streams.base.progress import Progress
from streams.kafka.producer import Outgoing

COMPONENTS = ("assemble", "evaluate", "judge", "monitor")


class Component(Protocol):
    """What the worker knows of the component it runs."""

    name: str

    @property
    def receivers(self) -> Mapping[str, Any]:
        """For each topic what takes its batches."""
        ...

    async def start(self) -> None: ...

    async def tick(self) -> None:
        """What happens by the passing of time."""
        ...

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        ...

    def observe(self) -> None:
        """Bring the gauges up to date, before they are read."""
        ...

    async def reload(self, suite: Suite) -> None:
        """Take up what the context's settings say now, and these evaluators; nothing is in hand.

        Raises
        ------
        ConfigError : they cannot work here; everything is as before.
        """
        ...

    async def drain(self) -> None:
        """Finish what goes on beside the batch in hand; no new one comes."""
        ...

    async def close(self) -> None: ...


def build_component(name: str, context: Context, suite: Suite, progress: Progress, guard: LogGuard) -> Component:
    """The component `name`; imports only what it needs."""
    if name == "assemble":
        from streams.gathering.assemble import Assemble

        return Assemble(context, progress)
    if name == "evaluate":
        from streams.evaluating.evaluate import Evaluate

        return Evaluate(context, progress, suite, guard)
    if name == "judge":
        from streams.judging.judge import Judge

        return Judge(context, progress, suite, guard)
    from streams.monitoring.monitor import Monitor

    async def publish(topic: str, body: bytes) -> None:
        await context.producer.publish([Outgoing(topic, body)])

    outbox = OutboxSender(context.warehouse, context.settings.notify, publish)
    return Monitor(context, progress, suite, guard, outbox)
