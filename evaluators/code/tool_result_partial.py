"""Type `tool_result_partial`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import orjson

from schemas.patterns import compiled
from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, NoOptions
from ..protocol import Answer, Context, Target, Verdict
from ..result_texts import asks_for_part, result_texts
from ..steps import Steps

MAX_STEPS = 100  # how far it looks ahead for the next page
EDGE_CHARS = 240
MIN_CUT_CHARS = 1_000
MAX_QUOTE_CHARS = 120

_MARKER = compiled(
    r"(?i)[\[(<{*.…-]\s*(?:\.{3}|…)?\s*(?:(?:the |this )?(?:output|response|result|results|content|text|file|log|body|data|message) )?"
    r"(?:was |is |has been )?(?:truncated|cut off|clipped|abridged|omitted for brevity)\b[^\n]{0,80}"
    r"|(?:\.{3}|…)\s*\[?\(?\s*(?:and )?\d[\d,.]*\s*(?:more|additional|remaining|other)?\s*(?:lines?|characters?|chars|bytes|rows?|results?|items?|entries"
    r"|records?|tokens|files?|matches)\s*(?:omitted|truncated|more|not shown|remaining|hidden|skipped)?"
    r"|\b\d[\d,.]*\s*(?:more )?(?:lines?|characters?|chars|bytes|rows?|results?|items?|entries|records?|tokens)\s*(?:were |have been )?"
    r"(?:omitted|truncated|not shown|hidden|left out|cut)\b"
    r"|\b(?:output|response|result|content) (?:was |is |has been )?(?:too (?:long|large)|truncated|cut off|shortened)\b"
    r"|\bshowing (?:only )?(?:the )?(?:first|last|top) \d[\d,.]* (?:\w+ )?(?:out )?of \d"
)
_CUT_SIZES = frozenset(
    (
        *range(1_000, 10_001, 500),
        *(12_000, 15_000, 16_000, 20_000, 25_000, 30_000, 32_000, 40_000, 50_000, 64_000, 80_000, 100_000, 128_000),
        *(150_000, 200_000, 250_000, 256_000, 500_000, 1_000_000, *(2**power for power in range(10, 21))),
    )
)
_ENDS = (".", "!", "?", ")", "]", "}", ">", '"', "'", "`", ";", "…", ":", "|", "-", "*", "=")
_CUT_KEYS = frozenset(
    (
        *("truncated", "istruncated", "wastruncated", "outputtruncated", "resulttruncated", "contenttruncated"),
        *("incompleteresults", "partial", "ispartial", "partialresults", "resultspartial", "timedoutpartial"),
    )
)
_MORE_KEYS = frozenset(("hasmore", "hasnextpage", "hasnext", "moreresults", "moreavailable", "hasmoreresults"))
_NEXT_KEYS = frozenset(
    (
        *("nextpagetoken", "nextcursor", "nextlink", "odatanextlink", "nextpage", "nextpageurl", "nexttoken"),
        *("lastevaluatedkey", "continuationtoken", "nextmarker", "nextoffset", "nexturl"),
    )
)
_TOTAL_KEYS = frozenset(
    ("totalcount", "totalresults", "totalitems", "totalrows", "numfound", "totalhits", "totalrecords", "totalmatches")
)
_INNER = (
    "meta",
    "metadata",
    "pagination",
    "page_info",
    "pageInfo",
    "paging",
    "page",
    "links",
    "_links",
    "data",
    "result",
)
_SAMPLERS = compiled(
    r"(?i)search|find|query|suggest|recommend|browse|sample|preview|peek|latest|recent|top|lookup|grep|feed"
)


class _Part(NamedTuple):
    label: str
    explanation: str
    path: str
    quote: str
    more: Any = None


class ToolResultPartial(CodeEvaluator[NoOptions]):
    """Fails where a tool returned only a part of what was asked for, and says so or shows it.

    Labels: `marked` (a note such as "[output truncated]" or "... 120 more lines" at either end of a text, or a field such as
    `"truncated": true`), `more_pages` (a next-page token, `has_more`, a total above the number of records) and `cut` (a long
    text that ends inside a sentence at exactly a round size). Passes where the arguments ask for a part (limit, page, range
    of lines); pages also pass where a later call of the same tool goes on, and for tools that search, whose first page is the
    answer. JSON that breaks off is `tool_result_malformed`.
    """

    default_context: ClassVar[Context] = "trace"
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: NoOptions) -> frozenset[SpanKind]:
        return frozenset(("tool",))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None or span.result is None or span.truncated:
            return ()
        for part in _parts(span):
            if asks_for_part(span):
                return (Verdict(value=1.0, label="asked_for_part", passed=True),)
            if part.label == "more_pages" and (_samples(span) or _goes_on(Steps.of(target), span, part)):
                return (Verdict(value=1.0, label="more_pages", passed=True),)
            return (_partial(span, part),)
        return (_ALL,)


_ALL = Verdict(value=1.0, label="all", passed=True)


def _partial(span: Span, part: _Part) -> Verdict:
    return Verdict(
        value=0.0,
        label=part.label,
        passed=False,
        explanation=f"{span.tool_name or span.name} returned only a part: {part.explanation}",
        evidence=(Evidence(span_id=span.span_id, path=part.path, quote=part.quote),),
        blamed_span_id=span.span_id,
    )


def _parts(span: Span) -> Iterator[_Part]:
    if isinstance(span.result, dict):
        yield from _of_object(span.result, "result")
    for path, text in result_texts(span.result):
        stripped = text.strip()
        parsed = _parsed(stripped)
        if isinstance(parsed, dict):
            yield from _of_object(parsed, path)
        elif parsed is None:
            yield from _of_text(stripped, len(text), path)


def _parsed(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _of_text(text: str, size: int, path: str) -> Iterator[_Part]:
    edges = (text,) if len(text) <= 2 * EDGE_CHARS else (text[-EDGE_CHARS:], text[:EDGE_CHARS])
    for edge in edges:
        match = _MARKER.search(edge)
        if match is not None and (len(edges) == 2 or _at_edge(text, match.start(), match.end())):
            quote = match.group(0)[:MAX_QUOTE_CHARS]
            yield _Part("marked", f"it says {quote.strip()!r}", path, quote)
            return
    if size >= MIN_CUT_CHARS and (size in _CUT_SIZES or size - 3 in _CUT_SIZES) and _breaks_off(text):
        yield _Part("cut", f"the text breaks off after exactly {size} characters", path, text[-MAX_QUOTE_CHARS:])


def _at_edge(text: str, start: int, end: int) -> bool:
    """In a short text only a note that stands at the end, or alone on the first line, is a note about the text."""
    return end >= len(text.rstrip(" .])}>*\n")) - 2 or (start <= 2 and "\n" in text[end : end + 40])


def _breaks_off(text: str) -> bool:
    last_line = text[-MAX_QUOTE_CHARS:].rsplit("\n", 1)[-1]
    return (
        " " in last_line
        and (text.endswith("...") or not text.endswith(_ENDS))
        and text[-1:].isalnum() | (text[-3:] == "...")
    )


def _of_object(value: Mapping[str, Any], path: str) -> Iterator[_Part]:
    yield from _of_fields(value, path)
    for key in _INNER:
        inner = value.get(key)
        if isinstance(inner, dict):
            yield from _of_fields(inner, f"{path}.{key}")
    yield from _of_total(value, path)


def _of_fields(value: Mapping[str, Any], path: str) -> Iterator[_Part]:
    for key, item in value.items():
        if item is None or item is False or item in ("", 0):
            continue
        name = str(key).replace("_", "").replace("-", "").replace(".", "").replace("@", "").lower()
        if name in _CUT_KEYS and item is True:
            yield _Part("marked", f"{key} is true", f"{path}.{key}", "true")
        elif name in _MORE_KEYS and item is True:
            yield _Part("more_pages", f"{key} is true", f"{path}.{key}", "true")
        elif name in _NEXT_KEYS and isinstance(item, str | int | dict):
            quote = str(item)[:MAX_QUOTE_CHARS] if not isinstance(item, dict) else ""
            yield _Part("more_pages", f"{key} leads to another page", f"{path}.{key}", quote, item)


def _of_total(value: Mapping[str, Any], path: str) -> Iterator[_Part]:
    lists = [item for item in value.values() if isinstance(item, list)]
    if len(lists) != 1 or not lists[0]:
        return
    for key, item in value.items():
        name = str(key).replace("_", "").lower()
        if name in _TOTAL_KEYS and isinstance(item, int) and not isinstance(item, bool) and item > len(lists[0]):
            yield _Part("more_pages", f"{len(lists[0])} of {key} {item}", f"{path}.{key}", str(item))


def _samples(span: Span) -> bool:
    return _SAMPLERS.search(span.tool_name or "") is not None


def _goes_on(steps: Steps, span: Span, part: _Part) -> bool:
    """Whether the agent called the tool again with the token of the next page, or for another part."""
    token = part.more if isinstance(part.more, str) else None
    later = (
        step
        for step in islice(steps.after(span), MAX_STEPS)
        if step.kind == "tool" and step.tool_name == span.tool_name
    )
    return any(asks_for_part(tool) or (token is not None and token in steps.arguments_text(tool)) for tool in later)
