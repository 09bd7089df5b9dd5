"""OTLP protobuf to plain spans, and back.

Source: opentelemetry-proto, ``trace/v1/trace.proto``. An ``ExportTraceServiceRequest`` and a ``TracesData`` have the
same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from ..errors import InvalidRecord
from .raw import MAX_VALUE_DEPTH, RawEvent, RawLink, RawScope, RawSpan, checked_ids, plain_float, too_deep


def parse_proto(data: bytes) -> ExportTraceServiceRequest:
    """The message in the bytes.

    Raises
    ------
    InvalidRecord : ``undecodable``, ``too_deep`` or ``not_otlp``.
    """
    try:
        request = ExportTraceServiceRequest.FromString(data)
    except DecodeError as error:
        if "MaxDepth" in str(error):
            raise too_deep() from None
        raise InvalidRecord("undecodable", "no OTLP protobuf: the wire format is broken or text is not UTF-8") from None
    if data and not request.resource_spans:
        raise InvalidRecord("not_otlp", "protobuf without any resource_spans")
    return request


def spans_of_proto(data: bytes) -> Iterator[RawSpan]:
    """The spans of a request, in order.

    Raises
    ------
    InvalidRecord : as `parse_proto`, and ``bad_id``.
    """
    for of_resource in parse_proto(data).resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            scope = RawScope(of_scope.scope.name, of_scope.scope.version, _attributes(of_scope.scope.attributes))
            for span in of_scope.spans:
                yield _span(span, resource, scope)


def split_proto(data: bytes) -> dict[str, bytes]:
    """A request cut into one request per trace id."""
    found: dict[str, ExportTraceServiceRequest] = {}
    for of_resource in parse_proto(data).resource_spans:
        for of_scope in of_resource.scope_spans:
            here: dict[str, Any] = {}
            for span in of_scope.spans:
                trace_id = span.trace_id.hex()
                checked_ids(trace_id, span.span_id.hex(), span.parent_span_id.hex())
                if trace_id not in here:
                    group = found.setdefault(trace_id, ExportTraceServiceRequest()).resource_spans.add()
                    group.resource.CopyFrom(of_resource.resource)
                    group.schema_url = of_resource.schema_url
                    here[trace_id] = group.scope_spans.add(scope=of_scope.scope, schema_url=of_scope.schema_url)
                here[trace_id].spans.append(span)
    return {trace_id: request.SerializeToString() for trace_id, request in found.items()}


def encode_spans(spans: Iterable[RawSpan]) -> bytes:
    """Plain spans as an ExportTraceServiceRequest that decodes to equal plain spans."""
    request = ExportTraceServiceRequest()
    groups: dict[tuple[int, int], Any] = {}
    for span in spans:
        place = (id(span.resource), id(span.scope))
        if place not in groups:
            of_resource = request.resource_spans.add()
            of_resource.resource.attributes.extend(_key_values(span.resource))
            groups[place] = of_resource.scope_spans.add()
            groups[place].scope.name, groups[place].scope.version = span.scope.name, span.scope.version
            groups[place].scope.attributes.extend(_key_values(span.scope.attributes))
        _encode_span(groups[place].spans.add(), span)
    return request.SerializeToString()


def _span(span: Any, resource: dict[str, Any], scope: RawScope) -> RawSpan:
    trace_id, span_id, parent_id = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    checked_ids(trace_id, span_id, parent_id)
    return RawSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id if parent_id.strip("0") else None,
        trace_state=span.trace_state,
        flags=span.flags,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=[
            RawEvent(e.name, e.time_unix_nano, _attributes(e.attributes), e.dropped_attributes_count)
            for e in span.events
        ],
        links=[
            RawLink(
                link.trace_id.hex(),
                link.span_id.hex(),
                link.trace_state,
                _attributes(link.attributes),
                link.dropped_attributes_count,
                link.flags,
            )
            for link in span.links
        ],
        status_code=span.status.code,
        status_message=span.status.message,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        resource=resource,
        scope=scope,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value, 1) for pair in pairs}


def _value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "double_value":
        return plain_float(value.double_value)
    if kind == "int_value" or kind == "bool_value":
        return getattr(value, kind)
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    if depth >= MAX_VALUE_DEPTH:
        raise too_deep()
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return None


def _encode_span(target: SpanMessage, span: RawSpan) -> None:
    target.trace_id, target.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
    target.parent_span_id = bytes.fromhex(span.parent_id or "")
    target.trace_state, target.flags, target.name = span.trace_state, span.flags, span.name
    # An unknown kind is an open enum's number: assignment keeps it.
    target.kind = span.kind  # type: ignore[assignment]
    target.start_time_unix_nano, target.end_time_unix_nano = span.start_ns, span.end_ns
    target.attributes.extend(_key_values(span.attributes))
    for event in span.events:
        target.events.add(
            name=event.name,
            time_unix_nano=event.time_ns,
            attributes=_key_values(event.attributes),
            dropped_attributes_count=event.dropped,
        )
    for link in span.links:
        target.links.add(
            trace_id=bytes.fromhex(link.trace_id),
            span_id=bytes.fromhex(link.span_id),
            trace_state=link.trace_state,
            attributes=_key_values(link.attributes),
            dropped_attributes_count=link.dropped,
            flags=link.flags,
        )
    target.status.code = span.status_code  # type: ignore[assignment]
    target.status.message = span.status_message
    target.dropped_attributes_count = span.dropped_attributes
    target.dropped_events_count, target.dropped_links_count = span.dropped_events, span.dropped_links


def _key_values(attributes: Any) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: Any) -> AnyValue:
    made = AnyValue()
    if isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, list):
        made.array_value.values.extend(_any_value(item) for item in value)
        made.array_value.SetInParent()
    elif isinstance(value, dict):
        made.kvlist_value.values.extend(_key_values(value))
        made.kvlist_value.SetInParent()
    return made
