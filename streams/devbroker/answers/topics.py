"""Creating, growing and deleting topics."""

from __future__ import annotations

from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code, Refusal

UNSAID = -1  # partitions or replicas: whatever the broker likes
REPLICATION_FACTORS = (UNSAID, 1)


def create_topics(broker: Broker, request: CreateTopicsRequest, call: Call) -> CreateTopicsResponse:
    """Create topics, or with `validate_only` say whether they could be."""
    results = []
    for topic in request.topics:
        try:
            _create(broker, topic, request)
            code, message = Code.NONE, None
        except Refusal as refusal:
            code, message = refusal.code, str(refusal)
        result = CreateTopicsResponse.CreatableTopicResult(name=topic.name, error_code=code, error_message=message)
        results.append(result)
    return CreateTopicsResponse(throttle_time_ms=0, topics=results)


def delete_topics(broker: Broker, request: DeleteTopicsRequest, call: Call) -> DeleteTopicsResponse:
    """Delete topics with their records and the offsets that groups committed in them."""
    results = []
    for name in request.topic_names:
        try:
            broker.delete_topic(name)
            code = Code.NONE
        except Refusal as refusal:
            code = refusal.code
        results.append(DeleteTopicsResponse.DeletableTopicResult(name=name, error_code=code, error_message=None))
    return DeleteTopicsResponse(throttle_time_ms=0, responses=results)


def create_partitions(broker: Broker, request: CreatePartitionsRequest, call: Call) -> CreatePartitionsResponse:
    """Give topics more partitions; fewer is refused."""
    results = []
    for topic in request.topics:
        try:
            grow = broker.topics.check_grown if request.validate_only else broker.topics.grow
            grow(topic.name, topic.count)
            code, message = Code.NONE, None
        except Refusal as refusal:
            code, message = refusal.code, str(refusal)
        result = CreatePartitionsResponse.CreatePartitionsTopicResult
        results.append(result(name=topic.name, error_code=code, error_message=message))
    return CreatePartitionsResponse(throttle_time_ms=0, results=results)


def _create(broker: Broker, topic: CreateTopicsRequest.CreatableTopic, request: CreateTopicsRequest) -> None:
    if topic.assignments:
        partitions, replicas = len(topic.assignments), max(len(each.broker_ids) for each in topic.assignments)
    else:
        partitions, replicas = topic.num_partitions, topic.replication_factor
    if replicas not in REPLICATION_FACTORS:
        raise Refusal(Code.INVALID_REPLICATION_FACTOR, f"{replicas} replicas: the dev broker is one node")
    partitions = broker.settings.partitions if partitions == UNSAID else partitions
    make = broker.topics.check_new if request.validate_only else broker.topics.create
    make(topic.name, partitions, {config.name: config.value for config in topic.configs})
