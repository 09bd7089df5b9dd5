"""Type `rate_limited`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from schemas.patterns import compiled
from schemas.score import Evidence, TargetKind
from schemas.trace import Span

from ..base import CodeEvaluator, NoOptions
from ..protocol import Answer, Target, Verdict
from ..steps import Steps
from ..text import whole_text

MAX_EVIDENCE = 5
MAX_QUOTE_CHARS = 160
TOO_MANY_REQUESTS = 429

_STATUS_KEYS = ("http.response.status_code", "http.status_code", "http.status", "rpc.grpc.status_code", "status_code")
_LIMIT = compiled(
    r"(?i)\brate[\s_-]*limit|\btoo[\s_]*many[\s_]*(?:requests|tokens)|\bratelimit|\bthrottl(?:ed|ing)|\bresource[\s_]?exhausted"
    r"|\bquota[\w ]{0,30}(?:exceed|exhaust|reached)|\b(?:exceed\w*|exhaust\w*|insufficient)[\w ]{0,30}quota|\bslow[\s_]?down\b"
    r"|\b(?:tokens|requests) per (?:minute|min|day|second)\b|\b(?:http|status|code|error)?\W{0,3}429\b|\boverloaded(?:_error)?\b"
    r"|\bprovisionedthroughputexceeded|\brequestlimitexceeded"
)


class RateLimited(CodeEvaluator[NoOptions]):
    """Fails where a provider or a tool refused a call because of too many: 429, rate limit, quota, throttling.

    One decision a trace; the value counts the refused calls, the first one is blamed. Looks at the status, the error type,
    the exception events and the HTTP status code of every span, and at tool results that report a failure; a result that
    merely speaks of rate limits passes. A client that retries by itself hides its 429s inside one span: they are visible
    only as latency.
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = Steps.of(target)
        found = [hit for span in target.trace.spans if (hit := _refusal(steps, span)) is not None]
        if not found:
            return (_FREE,)
        by_id = target.trace.by_id
        found = _innermost(found, by_id)
        found.sort(key=lambda hit: (by_id[hit.span_id or ""].start, hit.span_id or ""))
        first = by_id[found[0].span_id or ""]
        others = f" and {len(found) - 1} more call(s)" if len(found) > 1 else ""
        return (
            Verdict(
                value=float(len(found)),
                label="rate_limited",
                passed=False,
                explanation=f"{first.provider or first.tool_name or first.name} refused {first.name}{others}: {found[0].quote}",
                evidence=tuple(found[:MAX_EVIDENCE]),
                blamed_span_id=first.span_id,
            ),
        )


_FREE = Verdict(value=0.0, label="none", passed=True)


def _refusal(steps: Steps, span: Span) -> Evidence | None:
    if span.status == "error" or span.error_type is not None or span.events or span.attributes:
        for path, text in _told(span):
            if _LIMIT.search(whole_text(text)):
                return Evidence(span_id=span.span_id, path=path, quote=text[:MAX_QUOTE_CHARS])
    if span.kind == "tool":
        sign = steps.failure(span)
        if sign is not None and _LIMIT.search(whole_text(sign.quote)):
            return Evidence(span_id=span.span_id, path=sign.path, quote=sign.quote[:MAX_QUOTE_CHARS])
    return None


def _told(span: Span) -> Iterator[tuple[str, str]]:
    """What a span says of its own failure, and where."""
    if span.status == "error":
        if span.status_message:
            yield "status_message", span.status_message
        for event in span.events:
            for key in ("exception.type", "exception.message"):
                value = event.attributes.get(key)
                if isinstance(value, str):
                    yield f"events.{key}", value
    if span.error_type:
        yield "error_type", span.error_type
    for key in _STATUS_KEYS:
        value = span.attributes.get(key)
        if value is not None and str(value) == str(TOO_MANY_REQUESTS):
            yield f"attributes.{key}", str(value)


def _innermost(found: list[Evidence], by_id: Mapping[str, Span]) -> list[Evidence]:
    """Without the spans around a refused call, which repeat its failure."""
    parents = {evidence.span_id: by_id[evidence.span_id or ""].parent_id for evidence in found}
    around = {parent for span_id, parent in parents.items() if parent in parents and parent != span_id}
    return [evidence for evidence in found if evidence.span_id not in around] or found
