"""Joining what is known of one trace.

All of it is a join of sets: the order in which pieces arrive, and how often, cannot change the result. What is
derived from the spans as a whole (session, project, whose tokens count) is derived anew after each join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .base import canonical_json
from .ids import bounded_id, fingerprint
from .joining import join_tool_calls
from .trace import Message, Span, Trace, Usage

SESSION, USER = "session.id", "user.id"
PROJECT_KEYS = ("evalstream.project", "openinference.project.name", "service.name")
ENVIRONMENT_KEYS = ("deployment.environment.name", "deployment.environment")
# Tokens that a span reported and that a model call below it reports as well.
REPEATED_USAGE = "evalstream.usage.repeated"
# On the transport of a model call, which the span above may describe already.
RAW_CALL = "evalstream.raw_call"
RESPONSE_ID = "gen_ai.response.id"

T = TypeVar("T")


def merge_traces(a: Trace, b: Trace) -> Trace:
    """Two views of one trace as one: commutative, associative, idempotent.

    Of several versions of a span the one that ended last, then the one with the larger digest, is kept. Messages and
    tool sets are united. ``incomplete`` and ``partial`` hold only where both say so: the caller knows which record is
    the newest and may overrule. ``revision`` and ``fingerprint`` are those of the spans shown; versions that lost are
    not known here, so a caller who knows all digests calls `with_digests` afterwards.
    """
    resource = join(a.resource, b.resource)
    return derived(
        trace_id=a.trace_id,
        spans=newest((*a.spans, *b.spans)),
        messages=join(a.messages, b.messages, lambda m: m.to_bytes()),
        tool_sets=join(a.tool_sets, b.tool_sets),
        resource=resource,
        project=a.project if a.project == b.project else max(a.project, b.project),
        environment=a.environment if a.environment == b.environment else max(a.environment, b.environment),
        session_id=max(a.session_id or "", b.session_id or "") or None,
        user_id=max(a.user_id or "", b.user_id or "") or None,
        incomplete=a.incomplete and b.incomplete,
        partial=a.partial and b.partial,
    )


def with_digests(trace: Trace, digests: Iterable[tuple[str, str]]) -> Trace:
    """The trace with revision and fingerprint of all (span id, digest) pairs ever seen under its id."""
    seen = set(digests)
    return trace.model_copy(update={"revision": len(seen), "fingerprint": fingerprint(seen)})


def newest(spans: Iterable[Span]) -> tuple[Span, ...]:
    """One version per span id, by start and span id."""
    kept: dict[str, Span] = {}
    for span in spans:
        held = kept.get(span.span_id)
        if held is None or (held is not span and _rank(span) > _rank(held)):
            kept[span.span_id] = span
    return tuple(sorted(kept.values(), key=lambda s: (s.start, s.span_id)))


def join(a: Mapping[str, T], b: Mapping[str, T], order: Callable[[T], bytes] = canonical_json) -> Mapping[str, T]:
    """Two mappings as one; where they differ under a key, the larger in canonical order stays."""
    if not b or a is b:
        return a
    found = dict(a)
    for key, value in b.items():
        held = found.setdefault(key, value)
        if held is not value and held != value and order(value) > order(held):
            found[key] = value
    return found


def derived(
    *,
    spans: tuple[Span, ...],
    messages: Mapping[str, Message],
    tool_sets: Mapping[str, tuple[Mapping[str, Any], ...]],
    resource: Mapping[str, Any],
    project: str,
    environment: str,
    session_id: str | None = None,
    user_id: str | None = None,
    **others: Any,
) -> Trace:
    """A trace whose derived fields follow from its spans and resource; the arguments stand in where those are silent.

    Messages and tool sets that no span names are left out.
    """
    spans = join_tool_calls(_usage_once(_calls_once(spans)), messages)
    named = {digest for span in spans for digest in (*span.input_messages, *span.output_messages)}
    sets = {span.tool_set for span in spans if span.tool_set}
    pairs = {(span.span_id, span.digest) for span in spans}
    trace = Trace(
        spans=spans,
        messages={digest: messages[digest] for digest in sorted(named) if digest in messages},
        tool_sets={digest: tool_sets[digest] for digest in sorted(sets) if digest in tool_sets},
        resource=dict(sorted(resource.items())),
        project=bounded_id(_first(resource, PROJECT_KEYS) or project),
        environment=bounded_id(_first(resource, ENVIRONMENT_KEYS) or environment),
        revision=len(pairs),
        fingerprint=fingerprint(pairs),
        **others,
    )
    said = {"session_id": _said(trace, SESSION) or session_id, "user_id": _said(trace, USER) or user_id}
    return trace.model_copy(update={name: bounded_id(text) if text else None for name, text in said.items()})


def _rank(span: Span) -> tuple[Any, ...]:
    return (span.end, span.digest, span.to_bytes())


def _first(resource: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(resource[key]) for key in keys if resource.get(key)), None)


def _said(trace: Trace, attribute: str) -> str | None:
    """What the root says, else the first span that says anything."""
    root = trace.root
    for span in ((root,) if root else ()) + trace.spans:
        found = span.attributes.get(attribute)
        if isinstance(found, str) and found:
            return found
    return None


def _calls_once(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """A raw call counts as model call only where no model call above it has the same response id."""
    if not any(RAW_CALL in span.attributes for span in spans):
        return spans
    by_id = {span.span_id: span for span in spans}

    def repeats(span: Span) -> bool:
        above, seen = by_id.get(span.parent_id or ""), {span.span_id}
        while above is not None and above.span_id not in seen:
            if above.kind == "llm" and RAW_CALL not in above.attributes:
                return above.attributes.get(RESPONSE_ID) == span.attributes.get(RESPONSE_ID)
            seen.add(above.span_id)
            above = by_id.get(above.parent_id or "")
        return False

    return tuple(
        _with_usage(span.model_copy(update={"kind": "other" if again else "llm"}), again)
        if RAW_CALL in span.attributes and ((again := repeats(span)) or span.kind != "llm")
        else span
        for span in spans
    )


def _usage_once(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Tokens counted once: of model calls inside each other only the innermost that reports any keeps them.

    What an outer one reported moves to its attributes, from where it returns should the inner span be replaced by a
    version without tokens.
    """
    reports = {s.span_id: s for s in spans if s.kind == "llm" and (s.usage or REPEATED_USAGE in s.attributes)}
    parents = {s.span_id: s.parent_id for s in spans}
    outer: set[str] = set()
    for span_id in reports:
        above, seen = parents.get(span_id), {span_id}
        while above is not None and above not in seen and above not in outer:
            seen.add(above)
            if above in reports:
                outer.add(above)
            above = parents.get(above)
    return tuple(_with_usage(span, span.span_id in outer) if span.span_id in reports else span for span in spans)


def _with_usage(span: Span, repeated: bool) -> Span:
    if repeated and span.usage is not None:
        told = span.usage.model_dump(exclude_none=True)
        return span.model_copy(update={"usage": None, "attributes": {**span.attributes, REPEATED_USAGE: told}})
    if not repeated and span.usage is None and REPEATED_USAGE in span.attributes:
        others = {name: value for name, value in span.attributes.items() if name != REPEATED_USAGE}
        return span.model_copy(
            update={"usage": Usage.model_validate(span.attributes[REPEATED_USAGE]), "attributes": others}
        )
    return span
