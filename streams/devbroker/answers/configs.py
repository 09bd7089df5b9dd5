"""Reading and changing settings of topics; the broker's own can only be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafka.protocol.admin import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import NODE_ID, Broker
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.topic_config import INT, OPTIONS, STRING, TopicConfig

TOPIC, BROKER = 2, 4  # resource types
SET_ON_TOPIC, SET_ON_START, DEFAULT = 1, 4, 5  # where a value comes from
SET, DELETE = 0, 1  # operations of an incremental alter; the others are for settings that are lists

_Described = DescribeConfigsResponse.DescribeConfigsResult
_Entry = _Described.DescribeConfigsResourceResult


def describe_configs(broker: Broker, request: DescribeConfigsRequest, call: Call) -> DescribeConfigsResponse:
    """Tell the settings of topics and of the broker, those asked for or all."""
    results = []
    for resource in request.resources:
        code, message, entries = Code.NONE, None, []
        try:
            wanted = resource.configuration_keys
            entries = [entry for entry in _entries(broker, resource) if wanted is None or entry.name in wanted]
        except Refusal as refusal:
            code, message = refusal.code, str(refusal)
        result = _Described(
            error_code=code,
            error_message=message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            configs=entries,
        )
        results.append(result)
    return DescribeConfigsResponse(throttle_time_ms=0, results=results)


def alter_configs(broker: Broker, request: AlterConfigsRequest, call: Call) -> AlterConfigsResponse:
    """Replace all settings of topics."""

    def replaced(resource: AlterConfigsRequest.AlterConfigsResource, _: TopicConfig) -> dict[str, str | None]:
        return {config.name: config.value for config in resource.configs}

    return AlterConfigsResponse(throttle_time_ms=0, responses=_alter(broker, request, AlterConfigsResponse, replaced))


def incremental_alter_configs(
    broker: Broker, request: IncrementalAlterConfigsRequest, call: Call
) -> IncrementalAlterConfigsResponse:
    """Set or unset single settings of topics."""

    def merged(
        resource: IncrementalAlterConfigsRequest.AlterConfigsResource, present: TopicConfig
    ) -> dict[str, str | None]:
        given: dict[str, str | None] = dict(present.given)
        for config in resource.configs:
            if config.config_operation == DELETE:
                given.pop(config.name, None)
            elif config.config_operation == SET:
                given[config.name] = config.value
            else:
                raise Refusal(Code.INVALID_CONFIG, f"{config.name} is no list that could be added to")
        return given

    responses = _alter(broker, request, IncrementalAlterConfigsResponse, merged)
    return IncrementalAlterConfigsResponse(throttle_time_ms=0, responses=responses)


def _alter(broker: Broker, request, response, given: Callable) -> list:
    results = []
    for resource in request.resources:
        code, message = Code.NONE, None
        try:
            if resource.resource_type != TOPIC:
                raise Refusal(Code.INVALID_REQUEST, "only the settings of topics can be changed")
            present = broker.topics.get(resource.resource_name).config
            config = TopicConfig.checked(given(resource, present), broker.settings)
            if not request.validate_only:
                broker.topics.configure(resource.resource_name, config)
        except Refusal as refusal:
            code, message = refusal.code, str(refusal)
        result = response.AlterConfigsResourceResponse(
            error_code=code,
            error_message=message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
        )
        results.append(result)
    return results


def _entries(broker: Broker, resource: DescribeConfigsRequest.DescribeConfigsResource) -> Iterable:
    if resource.resource_type == TOPIC:
        config = broker.topics.get(resource.resource_name).config
        for name, option in OPTIONS.items():
            source = SET_ON_TOPIC if name in config.given else DEFAULT
            yield _entry(name, config.value(name), source, option.type, read_only=False)
    elif resource.resource_type == BROKER and resource.resource_name in ("", str(NODE_ID)):
        yield _entry("num.partitions", str(broker.settings.partitions), SET_ON_START, INT, read_only=True)
        automatic = str(broker.settings.auto_create_topics).lower()
        yield _entry("auto.create.topics.enable", automatic, SET_ON_START, STRING, read_only=True)
        yield _entry("message.max.bytes", str(broker.settings.max_message_bytes), SET_ON_START, INT, read_only=True)
    else:
        raise Refusal(Code.INVALID_REQUEST, f"no such resource: {resource.resource_type} {resource.resource_name!r}")


def _entry(
    name: str, value: str, source: int, kind: int, *, read_only: bool
) -> DescribeConfigsResponse.DescribeConfigsResult.DescribeConfigsResourceResult:
    return _Entry(
        name=name,
        value=value,
        read_only=read_only,
        config_source=source,
        is_sensitive=False,
        synonyms=[],
        config_type=kind,
        documentation=None,
    )
