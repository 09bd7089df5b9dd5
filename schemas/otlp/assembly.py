"""Fragments of one trace as one trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..merge import derived, join, newest, with_digests
from ..trace import Message, Span, Trace
from .fragment import TraceFragment


def assemble(
    fragments: Iterable[TraceFragment],
    *,
    default_project: str,
    default_environment: str,
    incomplete: bool = False,
    partial: bool = False,
) -> Trace:
    """Join fragments; neither their order nor repetition changes the result.

    Parameters
    ----------
    default_project, default_environment : used where no resource names one.

    Raises
    ------
    ValueError : no fragments, or fragments of different traces: a fault of the caller.
    """
    spans: list[Span] = []
    messages: Mapping[str, Message] = {}
    tool_sets: Mapping[str, tuple[Mapping[str, Any], ...]] = {}
    resource: Mapping[str, Any] = {}
    trace_ids = set()
    for fragment in fragments:
        trace_ids.add(fragment.trace_id)
        spans += fragment.spans
        messages = join(messages, fragment.messages, lambda m: m.to_bytes())
        tool_sets = join(tool_sets, fragment.tool_sets)
        resource = join(resource, fragment.resource)
    if len(trace_ids) != 1:
        raise ValueError(f"fragments of exactly one trace are needed, got {len(trace_ids)}")
    trace = derived(
        trace_id=trace_ids.pop(),
        spans=newest(spans),
        messages=messages,
        tool_sets=tool_sets,
        resource=resource,
        project=default_project,
        environment=default_environment,
        incomplete=incomplete,
        partial=partial,
    )
    return with_digests(trace, ((span.span_id, span.digest) for span in spans))
