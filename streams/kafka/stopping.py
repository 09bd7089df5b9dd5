"""Ending a consumer, and telling a task's own cancellation from one that a library let out.

aiokafka's fetcher cancels its requests when it is stopped and awaits them; one that waits after a failed fetch raises
`CancelledError` through `stop()`. Taken for the caller's own cancellation it would end a task that nobody wanted to end, in silence.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


def is_cancelled() -> bool:
    """Whether somebody has asked the running task to end."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, whatever its requests are at; its connections are closed in any case."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()
        if is_cancelled():
            raise
