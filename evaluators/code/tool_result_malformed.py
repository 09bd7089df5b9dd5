"""Type `tool_result_malformed`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from schemas.patterns import compiled
from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, NoOptions
from ..json_damage import Damage, json_damage
from ..protocol import Answer, Context, Target, Verdict
from ..result_texts import asks_for_part, result_texts
from ..steps import Steps

BINARY_HEAD_CHARS = 2_000
MIN_BINARY_CHARS = 16
MAX_BINARY_SHARE = 0.1
CONTEXT_CHARS = 60
MAX_OBJECT_CHARS = 300

_CONTROL = compiled(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x{FFFD}]")
_MAGIC = ("%PDF-", "PK\x03\x04", "\x89PNG", "\ufffdPNG", "GIF8", "\x7fELF", "\x1f\ufffd")
_OBJECT = compiled(
    r"\A(?:\[object \w+\]|undefined|<(?:[\w.]+ object at 0x[0-9a-f]+|(?:coroutine|generator|async_generator|function|bound method|class|module)"
    r" [^>]{1,200}|Response \[\d{3}\]|Future [^>]{1,200}|Task [^>]{1,200})>)\z"
)
_PAGE = compiled(r"(?i)\A\s*<(?:!doctype\s+html|html)\b")
_XML = compiled(r"(?i)\A\s*<\?xml\b")


class ToolResultMalformed(CodeEvaluator[NoOptions]):
    """Fails where a tool's result is damaged: JSON that was cut off or is broken, a page where data was due, bytes.

    Labels: `truncated` (it ends inside a value), `unbalanced` (brackets that close what was never opened), `broken`, `html`
    (a page from a tool whose other results in the trace are JSON), `xml` (a document that does not end), `binary`, `unserialised` (`[object Object]`, `<coroutine object …>`). A text
    that only begins like JSON passes (log lines, links, programs, Python's notation, several documents), and so does a
    cut that the arguments asked for (a range of lines, a limit of characters).
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
        for path, text in result_texts(span.result):
            damage = json_damage(text) or _binary(text) or _unserialised(text) or _markup(text, Steps.of(target), span)
            if damage is not None and not (damage.label in ("truncated", "unbalanced", "xml") and asks_for_part(span)):
                return (_malformed(span, path, damage),)
        return (_WHOLE,)


_WHOLE = Verdict(value=1.0, label="whole", passed=True)


def _binary(text: str) -> Damage | None:
    head = text[:BINARY_HEAD_CHARS]
    if head.startswith(_MAGIC):
        return Damage("binary", "it is a file's bytes, read as text", head[:CONTEXT_CHARS])
    if head.isprintable() or len(head) < MIN_BINARY_CHARS:
        return None
    strange = len(_CONTROL.findall(head))
    if strange <= MAX_BINARY_SHARE * len(head):
        return None
    return Damage("binary", f"{strange} of its first {len(head)} characters are no text", head[:CONTEXT_CHARS])


def _unserialised(text: str) -> Damage | None:
    """What a program prints of an object that nobody has turned into text."""
    stripped = text.strip() if len(text) < MAX_OBJECT_CHARS else ""
    if _OBJECT.search(stripped) is None:
        return None
    return Damage("unserialised", "it names an object of the program in place of its content", stripped)


def _markup(text: str, steps: Steps, span: Span) -> Damage | None:
    if "<" not in text[:BINARY_HEAD_CHARS]:
        return None
    if _XML.search(text) and not text.rstrip().endswith(">"):
        return Damage("xml", "the XML document does not end", text[-CONTEXT_CHARS:])
    if _PAGE.search(text) and _usually_json(steps, span):
        return Damage("html", f"a page, where {span.tool_name} otherwise answers with JSON", text[:CONTEXT_CHARS])
    return None


def _usually_json(steps: Steps, span: Span) -> bool:
    known = False
    for tool in steps.tools:
        if tool.tool_name == span.tool_name and tool.span_id != span.span_id and tool.result is not None:
            if not _looks_like_json(tool.result):
                return False
            known = True
    return known


def _looks_like_json(result: Any) -> bool:
    return not isinstance(result, str) or result.lstrip()[:1] in ("{", "[")


def _malformed(span: Span, path: str, damage: Damage) -> Verdict:
    return Verdict(
        value=0.0,
        label=damage.label,
        passed=False,
        explanation=f"the result of {span.tool_name or span.name} is damaged: {damage.explanation}",
        evidence=(Evidence(span_id=span.span_id, path=path, quote=damage.quote),),
        blamed_span_id=span.span_id,
    )
