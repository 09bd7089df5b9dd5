"""Where things stand in a log: offsets by time, and the start that can be moved."""

from __future__ import annotations

from kafka.protocol.admin import DeleteRecordsRequest, DeleteRecordsResponse
from kafka.protocol.consumer import ListOffsetsRequest, ListOffsetsResponse, OffsetSpec

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Refusal
from streams.devbroker.log import PartitionLog

NOWHERE = (-1, -1)

_Topic = ListOffsetsResponse.ListOffsetsTopicResponse
_Partition = _Topic.ListOffsetsPartitionResponse
_DeletedTopic = DeleteRecordsResponse.DeleteRecordsTopicResult
_DeletedPartition = _DeletedTopic.DeleteRecordsPartitionResult


def list_offsets(broker: Broker, request: ListOffsetsRequest, call: Call) -> ListOffsetsResponse:
    """Find the start, the end, the youngest record, or the first record not before a time."""
    topics = [
        _Topic(
            name=topic.name,
            partitions=[_found(broker, topic.name, part.partition_index, part.timestamp) for part in topic.partitions],
        )
        for topic in request.topics
    ]
    return ListOffsetsResponse(throttle_time_ms=0, topics=topics)


def delete_records(broker: Broker, request: DeleteRecordsRequest, call: Call) -> DeleteRecordsResponse:
    """Move the start of logs."""
    topics = [
        _DeletedTopic(
            name=topic.name,
            partitions=[_deleted(broker, topic.name, part.partition_index, part.offset) for part in topic.partitions],
        )
        for topic in request.topics
    ]
    return DeleteRecordsResponse(throttle_time_ms=0, topics=topics)


def _found(
    broker: Broker, topic: str, partition: int, timestamp: int
) -> ListOffsetsResponse.ListOffsetsTopicResponse.ListOffsetsPartitionResponse:
    try:
        offset, found_timestamp = _position(broker.topics.log(topic, partition), timestamp)
    except Refusal as refusal:
        return _Partition(partition_index=partition, error_code=refusal.code, timestamp=-1, offset=-1, leader_epoch=-1)
    return _Partition(partition_index=partition, error_code=0, timestamp=found_timestamp, offset=offset, leader_epoch=0)


def _position(log: PartitionLog, timestamp: int) -> tuple[int, int]:
    if timestamp == OffsetSpec.LATEST:
        return log.end_offset, -1
    if timestamp in (OffsetSpec.EARLIEST, OffsetSpec.EARLIEST_LOCAL):
        return log.start_offset, -1
    if timestamp == OffsetSpec.MAX_TIMESTAMP:
        return log.max_timestamp() or NOWHERE
    return log.find_time(timestamp) or NOWHERE


def _deleted(
    broker: Broker, topic: str, partition: int, offset: int
) -> DeleteRecordsResponse.DeleteRecordsTopicResult.DeleteRecordsPartitionResult:
    try:
        low = broker.topics.delete_records(topic, partition, offset)
    except Refusal as refusal:
        return _DeletedPartition(partition_index=partition, low_watermark=-1, error_code=refusal.code)
    return _DeletedPartition(partition_index=partition, low_watermark=low, error_code=0)
