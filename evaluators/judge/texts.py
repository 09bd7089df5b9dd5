"""The named texts that a rubric may ask for, rendered from a span, a trace or a session.

========== =========================================================================================
transcript the whole conversation with tool calls and results
history    the same, without the answer that is judged
goal       what the user said, all of it
input      what the user said last before the answer; of a tool span its arguments
output     the answer that is judged: what the root gave, else the last words of the agent; of a tool span its result
context    retrieved documents and tool results
calls      the tool calls with their results' beginning
tools      definitions of the tools that were available
========== =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.trace import Span, Trace

from ..protocol import Context, Target
from ..text import as_text
from . import conversation
from .conversation import Entry
from .rubric import TextName

RESULT_CHARS = 600  # of a result shown beside its call


def texts(target: Target, context: Context) -> dict[TextName, str]:
    """All texts of the target; one that it does not have is "".

    With `context` "span" nothing is read but the span itself, because a decision about it is not made again when the
    trace grows.
    """
    if target.session is not None:
        return _texts(conversation.of_session(target.session.traces), target.session.traces, None)
    if target.span is None:
        return _texts(conversation.of_trace(target.trace), (target.trace,), None)
    if target.span.kind == "tool":
        return _tool_texts(target.trace, target.span, context)
    return _span_texts(target.trace, target.span, context)


def is_truncated(target: Target) -> bool:
    """The instrumentation or a limit cut something away, so that what is missing may have been there."""
    if target.span is not None:
        return target.span.truncated
    traces = target.session.traces if target.session is not None else (target.trace,)
    return any(trace.incomplete or any(span.truncated for span in trace.spans) for trace in traces)


def rendered(entries: Iterable[Entry]) -> str:
    """Entries under numbered headings. Lines of content begin with "| ", so that no content can pass for a heading."""
    lines: list[str] = []
    for number, entry in enumerate(entries, 1):
        if entry.text or not entry.calls:
            lines.append(f"[{number}] {entry.role.upper()}{f' {_flat(entry.name)}' if entry.name else ''}")
            lines.extend(f"| {line}" for line in entry.text.splitlines())
        for call in entry.calls:
            lines.append(f"[{number}] CALL {_flat(call.name)}")
            lines.extend(f"| {line}" for line in as_text(call.arguments).splitlines())
    return "\n".join(lines)


def _texts(entries: list[Entry], traces: Sequence[Trace], span: Span | None) -> dict[TextName, str]:
    last = _answer(entries, conversation.stated_answer(traces[-1]) if span is None else None)
    before = entries if last is None else entries[:last]
    spans = (span,) if span is not None else tuple(s for trace in traces for s in trace.spans)
    documents = [as_text(document) for s in spans if s.kind == "retrieval" for document in s.documents]
    results = [entry.text for entry in before if entry.role == "tool" and entry.text]
    users = [entry.text for entry in before if entry.role == "user" and entry.text]
    return {
        "transcript": rendered(entries),
        "history": rendered(before),
        "goal": "\n".join(f"({n}) {text}" for n, text in enumerate(users, 1)) if len(users) > 1 else "".join(users),
        "input": users[-1] if users else "",
        "output": "" if last is None else entries[last].text,
        "context": "\n\n".join(f"({n}) {text}" for n, text in enumerate(documents + results, 1)),
        "calls": _calls(entries),
        "tools": _tools(traces, spans),
    }


def _span_texts(trace: Trace, span: Span, context: Context) -> dict[TextName, str]:
    inputs = conversation.of_messages(trace.inputs(span))
    outputs = conversation.of_messages(trace.outputs(span))
    found = _texts(inputs, (trace,), span)
    found["history"] = rendered(inputs)
    found["transcript"] = rendered(inputs + outputs)
    found["output"] = "\n\n".join(entry.text for entry in outputs if entry.text)
    found["calls"] = _calls(outputs)
    if span.kind == "retrieval":
        found["output"] = found["output"] or "\n\n".join(as_text(document) for document in span.documents)
    elif context == "trace":
        documents = (
            as_text(document)
            for s in sorted(trace.spans, key=lambda s: (s.start, s.span_id))
            if s.kind == "retrieval" and s.end <= span.end
            for document in s.documents
        )
        found["context"] = "\n\n".join(filter(None, [*documents, found["context"]]))
    return found


def _tool_texts(trace: Trace, span: Span, context: Context) -> dict[TextName, str]:
    arguments, result = as_text(span.arguments), as_text(span.result)
    before = conversation.of_trace(trace, until=span.start) if context == "trace" else []
    found = _texts(before, (trace,), span)
    found["history"] = rendered(before)
    found["transcript"] = "\n".join(filter(None, [found["history"], f"CALL {_flat(span.tool_name or span.name)}"]))
    return found | {
        "input": arguments,
        "output": result or span.status_message,
        "calls": f"{span.tool_name or span.name}({arguments})",
    }


def _answer(entries: Sequence[Entry], stated: str | None) -> int | None:
    """Where the answer stands: what the root says it is, else the agent's last words, unless the user spoke after them."""
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        if stated is None and entry.role == "user":
            return None
        if entry.role == "assistant" and (text := entry.text.strip()) and stated in (None, text):
            return index
    return None


def _calls(entries: Sequence[Entry]) -> str:
    lines: list[str] = []
    open_calls: dict[str, int] = {}  # ids are used again within a conversation: a result belongs to the latest call
    for entry in entries:
        for call in entry.calls:
            if call.id:
                open_calls[call.id] = len(lines)
            lines.append(f"{len(lines) + 1}. {_flat(call.name)}({as_text(call.arguments)})")
        if entry.role == "tool" and entry.call_id in open_calls:
            cut = " […]" if len(entry.text) > RESULT_CHARS else ""
            lines[open_calls.pop(entry.call_id)] += f"\n   -> {entry.text[:RESULT_CHARS]}{cut}"
    return "\n".join(lines)


def _tools(traces: Sequence[Trace], spans: Sequence[Span]) -> str:
    seen: dict[str, str] = {}
    for trace in traces:
        for tool_set in sorted({s.tool_set for s in spans if s.tool_set}):
            for tool in trace.tool_sets.get(tool_set, ()):
                name = str(tool.get("name", ""))
                parameters = tool.get("parameters") or {}
                properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
                arguments = ", ".join(map(str, properties)) if isinstance(properties, Mapping) else ""
                seen.setdefault(name, f"{name}({arguments}): {tool.get('description') or ''}".strip())
    return "\n".join(seen.values())


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
