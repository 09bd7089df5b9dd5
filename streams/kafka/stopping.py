"""Ending clients, and telling a task's own cancellation from one that a library let out.

aiokafka's fetcher cancels its requests when it is stopped and awaits them; one that waits after a failed fetch raises
`CancelledError` through `stop()`. Taken for the caller's own cancellation it would end a task that nobody wanted to end, in silence.
"""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

END_S = 5.0

log = structlog.get_logger()


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


async def end_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may hang, or whose tasks have ended by an error: what is not done within `END_S` is given up."""
    for close in (producer.stop, producer.client.close):
        try:
            async with asyncio.timeout(END_S):
                await close()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
        except Exception as error:
            log.debug("a producer does not end by itself", reason=repr(error))
