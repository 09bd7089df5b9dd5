"""The requests that are understood, in which versions, and who answers them.

The structures come from kafka-python, which builds them from Kafka's own schemas and reads and writes both directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kafka.protocol import admin, consumer, metadata, producer
from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse

from streams.devbroker.answers import cluster, configs, fetch, groups, offsets, positions, produce, topics
from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code

API_VERSIONS_KEY = 18


@dataclass(frozen=True, slots=True)
class Api:
    """One kind of request.

    Attributes
    ----------
    request : its structure.
    versions : first and last that are answered. The last ones stop before topic ids and batched group ids.
    answer : (broker, request, call) to the response, to an awaitable of it, or to None for no answer at all.
    """

    request: Any
    versions: tuple[int, int]
    answer: Callable[[Broker, Any, Call], Any]


def api_versions(broker: Broker, request: ApiVersionsRequest, call: Call) -> ApiVersionsResponse:
    """Tell what is understood."""
    return ApiVersionsResponse(
        error_code=Code.NONE, api_keys=_listed(), throttle_time_ms=0, supported_features=[], finalized_features=[]
    )


def unsupported_api_versions() -> ApiVersionsResponse:
    """The answer, in version 0, to an ApiVersions request of a version that is not understood (KIP-511)."""
    return ApiVersionsResponse(error_code=Code.UNSUPPORTED_VERSION, api_keys=_listed())


def _listed() -> list[ApiVersionsResponse.ApiVersion]:
    return [
        ApiVersionsResponse.ApiVersion(api_key=key, min_version=api.versions[0], max_version=api.versions[1])
        for key, api in sorted(APIS.items())
    ]


_ALL = (
    Api(producer.ProduceRequest, (3, 9), produce.produce),
    Api(consumer.FetchRequest, (4, 12), fetch.fetch),
    Api(consumer.ListOffsetsRequest, (1, 7), positions.list_offsets),
    Api(metadata.MetadataRequest, (0, 9), cluster.metadata),
    Api(consumer.OffsetCommitRequest, (2, 8), offsets.offset_commit),
    Api(consumer.OffsetFetchRequest, (1, 7), offsets.offset_fetch),
    Api(metadata.FindCoordinatorRequest, (0, 4), cluster.find_coordinator),
    Api(consumer.JoinGroupRequest, (0, 7), groups.join_group),
    Api(consumer.HeartbeatRequest, (0, 4), groups.heartbeat),
    Api(consumer.LeaveGroupRequest, (0, 5), groups.leave_group),
    Api(consumer.SyncGroupRequest, (0, 5), groups.sync_group),
    Api(admin.DescribeGroupsRequest, (0, 5), groups.describe_groups),
    Api(admin.ListGroupsRequest, (0, 5), groups.list_groups),
    Api(metadata.ApiVersionsRequest, (0, 4), api_versions),
    Api(admin.CreateTopicsRequest, (0, 4), topics.create_topics),
    Api(admin.DeleteTopicsRequest, (0, 5), topics.delete_topics),
    Api(admin.DeleteRecordsRequest, (0, 2), positions.delete_records),
    Api(producer.InitProducerIdRequest, (0, 4), produce.init_producer_id),
    Api(admin.DescribeConfigsRequest, (1, 4), configs.describe_configs),
    Api(admin.AlterConfigsRequest, (0, 2), configs.alter_configs),
    Api(admin.CreatePartitionsRequest, (0, 3), topics.create_partitions),
    Api(admin.DeleteGroupsRequest, (0, 2), groups.delete_groups),
    Api(admin.IncrementalAlterConfigsRequest, (0, 1), configs.incremental_alter_configs),
    Api(consumer.OffsetDeleteRequest, (0, 0), offsets.offset_delete),
)
APIS: dict[int, Api] = {api.request.API_KEY: api for api in _ALL}
