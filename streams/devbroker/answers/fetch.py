"""Reading: records go out, at once or when there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from kafka.protocol.consumer import FetchRequest, FetchResponse

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.log import PartitionLog
from streams.devbroker.settings import MIB

MAX_RESPONSE_BYTES = 4 * MIB  # bounds the memory of a fetch; one batch always goes out whole, however large

_Topic = FetchResponse.FetchableTopicResponse
_Partition = _Topic.PartitionData


def fetch(broker: Broker, request: FetchRequest, call: Call) -> FetchResponse | Awaitable[FetchResponse]:
    """Answer at once when `min_bytes` are there or something is wrong, else wait up to `max_wait_ms`.

    No fetch sessions are kept (KIP-227 lets a broker decline them): every request names all its partitions.
    """
    if request.session_id:
        return FetchResponse(throttle_time_ms=0, error_code=Code.FETCH_SESSION_ID_NOT_FOUND, session_id=0, responses=[])
    gathered = _Gathered(broker, request)
    return gathered.response if gathered.is_enough else _wait(broker, request)


class _Gathered:
    """What the logs hold for a request right now."""

    def __init__(self, broker: Broker, request: FetchRequest) -> None:
        self._broker, self._left = broker, max(min(request.max_bytes, MAX_RESPONSE_BYTES), 1)
        self._aborted: list | None = [] if request.isolation_level else None
        self._size, self._refused = 0, False
        responses = [
            _Topic(topic=topic.topic, partitions=[self._partition(topic.topic, part) for part in topic.partitions])
            for topic in request.topics
        ]
        self.response = FetchResponse(throttle_time_ms=0, error_code=0, session_id=0, responses=responses)
        wanted = sum(len(topic.partitions) for topic in request.topics)
        self.is_enough = self._refused or not wanted or self._size >= request.min_bytes or request.max_wait_ms <= 0

    def _partition(
        self, topic: str, part: FetchRequest.FetchTopic.FetchPartition
    ) -> FetchResponse.FetchableTopicResponse.PartitionData:
        try:
            log = self._broker.topics.log(topic, part.partition)
            records = log.read(part.fetch_offset, min(part.partition_max_bytes, self._left)) if self._left > 0 else b""
        except (Refusal, OSError) as error:
            self._refused = True
            code = error.code if isinstance(error, Refusal) else Code.KAFKA_STORAGE_ERROR
            return _Partition(
                partition_index=part.partition,
                error_code=code,
                high_watermark=-1,
                aborted_transactions=self._aborted,
                records=b"",
            )
        self._size += len(records)
        self._left -= len(records)
        return _Partition(
            partition_index=part.partition,
            error_code=0,
            high_watermark=log.end_offset,
            last_stable_offset=log.end_offset,
            log_start_offset=log.start_offset,
            aborted_transactions=self._aborted,
            preferred_read_replica=-1,
            records=records,
        )


async def _wait(broker: Broker, request: FetchRequest) -> FetchResponse:
    loop, grown = asyncio.get_running_loop(), asyncio.Event()
    deadline = loop.time() + request.max_wait_ms / 1000
    logs = _logs(broker, request)
    for log in logs:
        log.waiters.add(grown)
    try:
        while True:  # looks before it waits: something may have come since the request did
            gathered = _Gathered(broker, request)
            if gathered.is_enough or loop.time() >= deadline:
                return gathered.response
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await grown.wait()
            grown.clear()
    finally:
        for log in logs:
            log.waiters.discard(grown)


def _logs(broker: Broker, request: FetchRequest) -> list[PartitionLog]:
    logs = []
    for topic in request.topics:
        for part in topic.partitions:
            with suppress(Refusal):  # deleted just now: the next look says so
                logs.append(broker.topics.log(topic.topic, part.partition))
    return logs
