"""What was known before a tool call: everything that the model had read and had not written itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas.patterns import compiled
from schemas.trace import Message, Span, Trace

from ..depth import TooDeep
from ..protocol import Target
from ..text import as_text, whole_text
from ..tool_calls import given_tools

MIN_ANYWHERE_CHARS = 6
MIN_SPREAD_CHARS = 9
MIN_ENDING_CHARS, MAX_ENDING_CHARS = 4, 6
MIN_PART_CHARS = 2
MIN_TELLING_CHARS = 5

# A token reaches over what joins the parts of an identifier, so that its parts do not stand alone.
_TOKENS = compiled(r"[\pL\pN]+(?:[_\-#/.@][\pL\pN]+)*")
_WORD = compiled(r"[\pL\pN]+")
_RUN = compiled(r"\pN+|\pL+")
_REDACTED = compiled(r"^\[([A-Z][A-Z0-9_]*):[0-9a-f]{6}\]$")
_HIDDEN_NUMBER = compiled(r"\[(?:CREDIT_CARD|PHONE|SSN|IBAN|BANK_ACCOUNT|NATIONAL_ID|PASSPORT|TAX_ID):[0-9a-f]{6}\]")
_HISTORY_ELSEWHERE = ("previous_response_id", "conversation.resumed")


class Known(NamedTuple):
    """What a model had read before a call, newest first. `complete`: nothing of it is missing from the trace."""

    texts: tuple[str, ...]
    complete: bool

    def has(self, value: str) -> bool:
        """Whether a value stands there, or can be made of what stands there: in other case or with other separators,
        as the ending of a longer one, or joined from parts."""
        if len(value) >= MIN_ANYWHERE_CHARS and any(value in text for text in self.texts):
            return True
        redacted = _REDACTED.match(value)
        if redacted is not None:
            # A token hides case and format: next to others of its kind it may stand for one of them, written otherwise.
            return any(f"[{redacted.group(1)}:" in text for text in self.texts)
        if (
            value.isdigit()
            and len(value) <= MAX_ENDING_CHARS
            and any(_HIDDEN_NUMBER.search(text) for text in self.texts)
        ):
            return True  # perhaps the ending of a number that redaction hides
        return _can_be_made(value.casefold(), [text.casefold() for text in self.texts])


def known_before(target: Target, call: Span, model: Span | None) -> Known:
    """What was known before `call`.

    Parameters
    ----------
    model : the model call that asked for it; without one everything earlier counts, as no message says what was read.
    """
    trace = target.trace
    own = target.once("provenance:own", _written_here)
    definitions: tuple[str, ...] = ()
    texts: list[str] = []
    complete = not trace.incomplete
    if model is not None:
        digests = model.input_messages
        complete = complete and not model.truncated and all(digest in trace.messages for digest in digests)
        complete = complete and not any(name in key for key in model.attributes for name in _HISTORY_ELSEWHERE)
        texts += [_text_of(target, message) for message in trace.inputs(model) if not _is_own(message, own)]
        definitions = (_definitions(target, model),)
    moment = model.start if model is not None else call.start
    for span in trace.spans:
        if span.span_id == call.span_id or span.end > moment:
            continue
        complete = complete and not span.truncated
        if span.kind in ("tool", "retrieval"):
            texts.append(_result_of(target, span))
        elif model is None:
            texts += [_text_of(target, message) for message in trace.inputs(span) if not _is_own(message, own)]
    for span in _around(trace, model or call):
        texts += [_text_of(target, message) for message in trace.inputs(span) if not _is_own(message, own)]
    found = [text for text in (*definitions, *texts) if text]
    return Known(tuple(reversed(found)), complete and any(texts))


def _can_be_made(value: str, texts: list[str]) -> bool:
    """Whether a value (all in lower case) is one of the texts' in another format, an ending, or joined from parts."""
    whole = "".join(_WORD.findall(value))
    if not whole:
        return True
    tokens: set[str] = set()
    for text in texts:
        here = {"".join(_WORD.findall(token)) if not token.isalnum() else token for token in _TOKENS.findall(text)}
        if whole in here or (len(whole) >= MIN_SPREAD_CHARS and whole in "".join(_WORD.findall(text))):
            return True
        tokens |= here
    if len(whole) >= MIN_ENDING_CHARS and any(token.endswith(whole) for token in tokens):
        return True
    return _is_joined(value, tokens) or _is_joined(whole, tokens)


def _is_joined(value: str, tokens: set[str]) -> bool:
    """Whether the pieces of a value stand alone in the context: `mia`, `li` and 3668 for `mia_li_3668`, but not the number
    of another identifier. Words before a long number may be the model's own: `order_4821003` for the order 4821003."""
    parts = _WORD.findall(value)
    if len(parts) < 2:
        parts = _RUN.findall(value)
    numbers = [part for part in parts if any(char.isdigit() for char in part)]
    if len(parts) < 2 or not numbers or any(part not in tokens for part in numbers):
        return False
    if sum(len(part) for part in numbers) >= MIN_TELLING_CHARS:
        return True
    return all(part in tokens and len(part) >= MIN_PART_CHARS for part in parts)


def _written_here(trace: Trace) -> tuple[frozenset[str], frozenset[str]]:
    """Digests and contents of what models of this trace wrote: no source of an identifier."""
    messages = [message for span in trace.spans if span.kind == "llm" for message in trace.outputs(span)]
    return frozenset(message.digest for message in messages), frozenset(m.content for m in messages if m.content)


def _is_own(message: Message, own: tuple[frozenset[str], frozenset[str]]) -> bool:
    """History of earlier traces, and examples in a prompt, are the assistant's words but were read, not written, here."""
    if message.role != "assistant":
        return False
    if message.digest in own[0] or message.content in own[1]:
        return True
    return not message.content and bool(message.tool_calls)


def _text_of(target: Target, message: Message) -> str:
    key = ("provenance:message", message.digest)
    if key not in target.memo:
        parts = [message.content, *(_safe(part) for part in message.parts)]
        target.memo[key] = whole_text("\n".join(part for part in parts if part))
    return target.memo[key]  # type: ignore[no-any-return]


def _result_of(target: Target, span: Span) -> str:
    key = ("provenance:result", span.span_id)
    if key not in target.memo:
        texts = [span.status_message, _safe(span.result), *(_safe(document) for document in span.documents)]
        target.memo[key] = whole_text("\n".join(text for text in texts if text))
    return target.memo[key]  # type: ignore[no-any-return]


def _definitions(target: Target, model: Span) -> str:
    key = ("provenance:tools", model.tool_set)
    if model.tool_set is None:
        return "\n".join(_safe(tool) for tool in given_tools(target.trace, model).values())
    if key not in target.memo:
        target.memo[key] = whole_text("\n".join(_safe(tool) for tool in target.trace.tools(model)))
    return target.memo[key]  # type: ignore[no-any-return]


def _safe(value: object) -> str:
    try:
        return as_text(value)
    except TooDeep:
        return ""


def _around(trace: Trace, span: Span) -> Iterator[Span]:
    """Spans around it: an agent's input is known to the models inside."""
    seen, parent = {span.span_id}, trace.by_id.get(span.parent_id or "")
    while parent is not None and parent.span_id not in seen:
        yield parent
        seen.add(parent.span_id)
        parent = trace.by_id.get(parent.parent_id or "")
