"""Who is there: metadata and coordinators. This node is all of them."""

from __future__ import annotations

from kafka.protocol.metadata import (
    CoordinatorType,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import CLUSTER_ID, NODE_ID, Broker
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.topics import Topic

NO_TRANSACTIONS = "the dev broker keeps no transactions: use Apache Kafka for transactional producers"

_Topic = MetadataResponse.MetadataResponseTopic
_Partition = _Topic.MetadataResponsePartition


def metadata(broker: Broker, request: MetadataRequest, call: Call) -> MetadataResponse:
    """Tell of the topics asked for, or of all. An unknown one is created when both sides want that."""
    names = None if request.topics is None else [topic.name for topic in request.topics]
    if names is None or (call.version == 0 and not names):
        topics = [_described(topic) for topic in broker.topics]
    else:
        create = broker.settings.auto_create_topics and (call.version < 4 or request.allow_auto_topic_creation)
        topics = [_topic(broker, name, create=create) for name in names]
    node = MetadataResponse.MetadataResponseBroker(node_id=NODE_ID, host=broker.host, port=broker.port, rack=None)
    return MetadataResponse(
        throttle_time_ms=0, brokers=[node], cluster_id=CLUSTER_ID, controller_id=NODE_ID, topics=topics, error_code=0
    )


def find_coordinator(broker: Broker, request: FindCoordinatorRequest, call: Call) -> FindCoordinatorResponse:
    """This node coordinates every group, and no transaction."""
    transactional = request.key_type == CoordinatorType.TRANSACTION
    code = Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED if transactional else Code.NONE
    place = {
        "error_code": code,
        "error_message": NO_TRANSACTIONS if transactional else None,
        "node_id": -1 if transactional else NODE_ID,
        "host": "" if transactional else broker.host,
        "port": -1 if transactional else broker.port,
    }
    if call.version < 4:
        return FindCoordinatorResponse(throttle_time_ms=0, **place)
    coordinators = [FindCoordinatorResponse.Coordinator(key=key, **place) for key in request.coordinator_keys]
    return FindCoordinatorResponse(throttle_time_ms=0, coordinators=coordinators)


def _topic(broker: Broker, name: str, *, create: bool) -> MetadataResponse.MetadataResponseTopic:
    try:
        topic = broker.topics.find(name)
        if topic is None and create:
            topic = broker.topics.create(name, broker.settings.partitions, {})
        return _described(topic or broker.topics.get(name))
    except Refusal as refusal:
        return _Topic(error_code=refusal.code, name=name, is_internal=False, partitions=[])


def _described(topic: Topic) -> MetadataResponse.MetadataResponseTopic:
    partitions = [
        _Partition(
            error_code=0,
            partition_index=log.partition,
            leader_id=NODE_ID,
            leader_epoch=0,
            replica_nodes=[NODE_ID],
            isr_nodes=[NODE_ID],
            offline_replicas=[],
        )
        for log in topic.logs
    ]
    return _Topic(error_code=0, name=topic.name, is_internal=False, partitions=partitions)
