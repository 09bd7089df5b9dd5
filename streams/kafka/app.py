"""A Faust application for one component: its consumer group, and an agent for each topic it reads."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
import structlog
from faust.types.auth import CredentialsT

from schemas.settings import KafkaSettings
from streams import exits
from streams.kafka.batch import Batch
from streams.kafka.connection import sasl_user, ssl_context
from streams.kafka.inflation import inflated_bytes
from streams.kafka.stopping import is_cancelled
from streams.kafka.transport import ChunkConsumer, ChunkTransport

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
COMMIT_INTERVAL_S = 0.3
BUFFERED_CHUNKS = 4
METADATA_AGE_S = 10.0  # a topic that was made again is noticed by then
QUIET_FOR_S = 86_400.0  # Faust's own "slow processing" complaints do not know of late acknowledgement

Receive = Callable[[Batch], Awaitable[None]]


def group_of(component: str, settings: KafkaSettings) -> str:
    """The consumer group of a component."""
    return f"{settings.topic_prefix}evalstream-{component}"


def build_app(component: str, settings: KafkaSettings, receivers: Mapping[str, Receive]) -> faust.App:
    """An application that hands every chunk of `receivers`' topics to the receiver of that topic.

    A receiver returns when it can take the next chunk and sees to the acknowledgement itself; it must not raise.
    """
    servers = [server.strip() for server in (settings.bootstrap_servers or "").split(",")]
    app = faust.App(
        group_of(component, settings),
        broker=[f"aiokafka://{server}" for server in servers],
        broker_credentials=_credentials(settings),
        autodiscover=False,
        web_enabled=False,
        store="memory://",
        datadir=tempfile.gettempdir(),
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=int(METADATA_AGE_S * 1000),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=COMMIT_INTERVAL_S,
        broker_commit_livelock_soft_timeout=QUIET_FOR_S,
        stream_processing_timeout=QUIET_FOR_S,
        broker_max_poll_records=settings.batch_records,
        stream_buffer_maxsize=BUFFERED_CHUNKS,
        stream_wait_empty=False,
    )
    limits = {"chunk_records": settings.batch_records, "inflated_bytes": inflated_bytes(settings)}
    consumer = type("ComponentConsumer", (ChunkConsumer,), limits)
    transport = type("ComponentTransport", (ChunkTransport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker_consumer, app)
    for topic, receive in receivers.items():
        _add_agent(app, settings.topic_prefix + topic, topic, receive)
    return app


def _add_agent(app: faust.App, full_name: str, topic: str, receive: Receive) -> None:
    channel = app.topic(full_name, key_serializer="raw", value_serializer="raw")

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            if message.generation_id != app.consumer_generation_id:
                continue  # of an earlier assignment; it is being read again
            await _receive_or_end(
                receive,
                Batch(
                    topic=topic,
                    partition=message.partition,
                    generation=message.generation_id,
                    end=app.monitor.tp_end_offsets.get(message.tp, 0) or 0,
                    records=event.value,
                    event=event,
                    seeks=message.key,
                ),
            )

    app.agent(channel, name=f"{app.conf.id}-{topic}", concurrency=1)(agent)


async def _receive_or_end(receive: Receive, batch: Batch) -> None:
    """End the process on an error that nobody foresaw: Faust would lose the batch, a new start reads it again."""
    try:
        await receive(batch)
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        log.exception("work on a batch failed", topic=batch.topic, partition=batch.partition, offset=batch.first_offset)
        os._exit(exits.FATAL)


def _credentials(settings: KafkaSettings) -> CredentialsT | None:
    if settings.security_protocol == "SSL":
        return faust.SSLCredentials(ssl_context(settings))
    if settings.security_protocol.startswith("SASL"):
        context = ssl_context(settings) if settings.security_protocol.endswith("SSL") else None
        user, password = sasl_user(settings)
        return faust.SASLCredentials(
            username=user, password=password, mechanism=settings.sasl_mechanism, ssl_context=context
        )
    return None
