"""Writing: records come in, and who may send them."""

from __future__ import annotations

from kafka.protocol.producer import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code, Refusal

ACKS = (-1, 0, 1)

_Topic = ProduceResponse.TopicProduceResponse
_Partition = _Topic.PartitionProduceResponse


def produce(broker: Broker, request: ProduceRequest, call: Call) -> ProduceResponse | None:
    """Append what came for each partition; acknowledged records are in the operating system's hands."""
    responses = [
        _Topic(
            name=topic.name,
            partition_responses=[
                _appended(broker, topic.name, part.index, part.records, request.acks) for part in topic.partition_data
            ],
        )
        for topic in request.topic_data
    ]
    return ProduceResponse(responses=responses, throttle_time_ms=0) if request.acks else None


def init_producer_id(broker: Broker, request: InitProducerIdRequest, call: Call) -> InitProducerIdResponse:
    """Give an idempotent producer an id; refuse a transactional one."""
    if request.transactional_id is not None:
        code = Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        return InitProducerIdResponse(throttle_time_ms=0, error_code=code, producer_id=-1, producer_epoch=-1)
    return InitProducerIdResponse(
        throttle_time_ms=0, error_code=0, producer_id=broker.new_producer_id(), producer_epoch=0
    )


def _appended(
    broker: Broker, topic: str, partition: int, records: bytes | None, acks: int
) -> ProduceResponse.TopicProduceResponse.PartitionProduceResponse:
    try:
        if acks not in ACKS:
            raise Refusal(Code.INVALID_REQUIRED_ACKS, f"acks = {acks}")
        log = broker.topics.log(topic, partition)
        base_offset = log.append(records or b"")
    except Refusal as refusal:
        return _Partition(
            index=partition, error_code=refusal.code, base_offset=-1, record_errors=[], error_message=str(refusal)
        )
    return _Partition(
        index=partition,
        error_code=0,
        base_offset=base_offset,
        log_append_time_ms=-1,
        log_start_offset=log.start_offset,
        record_errors=[],
        error_message=None,
    )
