"""Tokens of a target, for `tokens` and `cost`."""

from __future__ import annotations

from schemas.trace import Span

from .protocol import Target

MAX_TOKENS = 10**12


def spans_with_usage(target: Target) -> tuple[list[Span], bool]:
    """The spans that report a possible usage, and whether a model call that answered reports none.

    Usage on a parent is only what its children do not count, so the sum over all spans counts each token once.
    """
    if target.span is not None:
        spans: tuple[Span, ...] = (target.span,)
    elif target.session is not None:
        spans = tuple(span for trace in target.session.traces for span in trace.spans)
    else:
        spans = target.trace.spans
    counted = [span for span in spans if _reports(span)]
    missing = any(span.kind == "llm" and span.status != "error" and not _reports(span) for span in spans)
    return counted, missing


def _reports(span: Span) -> bool:
    if span.usage is None:
        return False
    counts = [count for count in (span.usage.input_tokens, span.usage.output_tokens) if count is not None]
    return bool(counts) and all(0 <= count <= MAX_TOKENS for count in counts)
