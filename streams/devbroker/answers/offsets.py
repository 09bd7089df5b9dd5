"""Committing offsets, and asking for them."""

from __future__ import annotations

from kafka.protocol.consumer import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.offsets import Committed, check_metadata

NOTHING_COMMITTED = Committed("", -1, -1, -1, "")

_Topic = OffsetCommitResponse.OffsetCommitResponseTopic
_FetchedTopic = OffsetFetchResponse.OffsetFetchResponseTopic
_DeletedTopic = OffsetDeleteResponse.OffsetDeleteResponseTopic


def offset_commit(broker: Broker, request: OffsetCommitRequest, call: Call) -> OffsetCommitResponse:
    """Store positions, durably, if the sender may."""
    refused, accepted, topics = Code.NONE, [], []
    try:
        broker.group(request.group_id).check_commit(request.member_id, request.generation_id_or_member_epoch)
    except Refusal as refusal:
        refused = refusal.code
    for topic in request.topics:
        partitions = []
        for part in topic.partitions:
            code = refused
            try:
                broker.topics.log(topic.name, part.partition_index)
                metadata = check_metadata(part.committed_metadata)
                position = (part.partition_index, part.committed_offset, part.committed_leader_epoch, metadata)
                accepted.append(Committed(topic.name, *position))
            except Refusal as refusal:
                code = code or refusal.code
            partition = _Topic.OffsetCommitResponsePartition(partition_index=part.partition_index, error_code=code)
            partitions.append(partition)
        topics.append(_Topic(name=topic.name, partitions=partitions))
    if not refused:
        broker.offsets.commit(request.group_id, accepted)
    return OffsetCommitResponse(throttle_time_ms=0, topics=topics)


def offset_fetch(broker: Broker, request: OffsetFetchRequest, call: Call) -> OffsetFetchResponse:
    """Tell the positions that a group committed: those asked for, or all."""
    committed = broker.offsets.of(request.group_id)
    wanted: dict[str, list[int]] = {}
    if request.topics is None:
        for topic_name, partition in committed:
            wanted.setdefault(topic_name, []).append(partition)
    else:
        wanted = {topic.name: topic.partition_indexes for topic in request.topics}
    topics = [
        _FetchedTopic(
            name=name,
            partitions=[_fetched(index, committed.get((name, index), NOTHING_COMMITTED)) for index in indexes],
        )
        for name, indexes in wanted.items()
    ]
    return OffsetFetchResponse(throttle_time_ms=0, topics=topics, error_code=0)


def offset_delete(broker: Broker, request: OffsetDeleteRequest, call: Call) -> OffsetDeleteResponse:
    """Forget positions of a group that has no members."""
    group = broker.groups.get(request.group_id)
    code = Code.NONE
    if group and group.members:
        code = Code.NON_EMPTY_GROUP
    elif not group and not broker.offsets.of(request.group_id):
        code = Code.GROUP_ID_NOT_FOUND
    if code:
        return OffsetDeleteResponse(error_code=code, throttle_time_ms=0, topics=[])
    asked = [(topic.name, part.partition_index) for topic in request.topics for part in topic.partitions]
    broker.offsets.forget(request.group_id, asked)
    topics = [
        _DeletedTopic(
            name=topic.name,
            partitions=[
                _DeletedTopic.OffsetDeleteResponsePartition(partition_index=part.partition_index, error_code=0)
                for part in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return OffsetDeleteResponse(error_code=0, throttle_time_ms=0, topics=topics)


def _fetched(
    partition: int, position: Committed
) -> OffsetFetchResponse.OffsetFetchResponseTopic.OffsetFetchResponsePartition:
    return _FetchedTopic.OffsetFetchResponsePartition(
        partition_index=partition,
        committed_offset=position.offset,
        committed_leader_epoch=position.leader_epoch,
        metadata=position.metadata,
        error_code=0,
    )
