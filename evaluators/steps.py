"""What a run did, step by step: its model calls and tool calls in order, the user's turn and the agent of each, and
whether a tool call failed.

Worked out once for a trace (``Steps.of(target)``) and shared by the evaluators that look at sequences.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from schemas.patterns import compiled
from schemas.trace import Span, Trace

from .depth import TooDeep
from .protocol import Target
from .text import as_text, whole_text
from .tool_errors import ErrorSign, classify

MIN_PROBABILITY = 0.5  # as the default of `tool_error_as_success`
MIN_FREE_TEXT_WORDS = 3
MAX_QUOTE_CHARS = 160

_WORD = compiled(r"[^\s!-/:-@\[-`{-~]+")
_TRANSIENT = compiled(
    r"(?i)\b(?:429|50[0234]|rate[- ]?limit|too many requests|throttl|quota|overloaded|time[d]?[- ]?out|timeout"
    r"|deadline exceeded|temporar|unavailable|try again|econn|connection (?:refused|reset|error|aborted)"
    r"|network (?:error|is unreachable)|bad gateway|internal server error)"
)
Turn = tuple[int, str] | None


class CallKey(NamedTuple):
    """What makes two tool calls the same call."""

    tool: str
    arguments: str


class Steps:
    """Model calls and tool calls of one trace, in order of their start."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        spans = sorted((s for s in trace.spans if s.kind in ("llm", "tool")), key=lambda s: (s.start, s.span_id))
        self.models = [s for s in spans if s.kind == "llm"]
        self.tools = [s for s in spans if s.kind == "tool"]
        self.ordered = spans
        self._positions = {tool.span_id: index for index, tool in enumerate(self.tools)}
        self._starts = [step.start for step in spans]
        self._turns = _turns(trace, spans)
        self._agents: dict[str, str] = {}
        self._signs: dict[str, ErrorSign | None] = {}
        self._keys: dict[str, CallKey | None] = {}
        self._results: dict[str, str | None] = {}

    @classmethod
    def of(cls, target: Target) -> Steps:
        """The steps of the target's trace."""
        return target.once("steps", cls)

    def position(self, tool: Span) -> int:
        """The number of tool calls before this one."""
        return self._positions.get(tool.span_id, 0)

    def after(self, step: Span) -> Iterator[Span]:
        """The steps that start when this one has ended, in order."""
        place = bisect_left(self._starts, step.end)
        return (other for other in self.ordered[place:] if other.span_id != step.span_id)

    def turn(self, span: Span) -> Turn:
        """Which message of the user the step answers; None where the trace does not tell."""
        return self._turns.get(span.span_id)

    def agent(self, step: Span) -> str:
        """The id of the agent span that a step belongs to; empty for none.

        An agent span around a single model call and nothing else is a node of a graph (LangGraph): then the one above it.
        """
        if not self._agents:
            self._agents = self._find_agents()
        return self._agents.get(step.span_id, "")

    def _find_agents(self) -> dict[str, str]:
        above: dict[str, str] = {}
        nearest = {step.span_id: _agent_above(self.trace, step, above) for step in self.ordered}
        count = Counter(nearest.values())
        lonely = {nearest[model.span_id] for model in self.models if count[nearest[model.span_id]] == 1} - {""}
        for step in self.models if lonely else ():
            found = nearest[step.span_id]
            if found in lonely:
                nearest[step.span_id] = _agent_above(self.trace, self.trace.by_id[found], above) or found
        return nearest

    def failure(self, tool: Span) -> ErrorSign | None:
        """The sign that a tool call failed: what its span says, else what its result says."""
        if has_failed(tool):
            return _told_by_span(tool)
        sign = self.sign(tool)
        return sign if sign is not None and sign.probability >= MIN_PROBABILITY else None

    def sign(self, tool: Span) -> ErrorSign | None:
        """What the rules of `tool_errors` say of a result, however unsure they are."""
        if tool.span_id not in self._signs:
            self._signs[tool.span_id] = classify(tool.result) if tool.result is not None else None
        return self._signs[tool.span_id]

    def key(self, tool: Span) -> CallKey | None:
        """Name and arguments of a tool call; None where the arguments are not told. Free text is compared by its words,
        so that spaces, case and order do not make another call of it; identifiers and numbers are compared exactly."""
        if tool.span_id not in self._keys:
            self._keys[tool.span_id] = call_key(tool.tool_name, tool.arguments)
        return self._keys[tool.span_id]

    def arguments_text(self, tool: Span) -> str:
        """The arguments as text, for a search in them."""
        try:
            return as_text(tool.arguments)
        except TooDeep:
            return ""

    def result_text(self, tool: Span) -> str | None:
        """The result as text; None where it is nested too deeply to be compared."""
        if tool.span_id not in self._results:
            try:
                self._results[tool.span_id] = as_text(tool.result)
            except TooDeep:
                self._results[tool.span_id] = None
        return self._results[tool.span_id]


def call_key(name: str | None, arguments: object) -> CallKey | None:
    """Name and arguments of a call as something to compare."""
    if not name or arguments is None:
        return None
    if isinstance(arguments, dict):
        arguments = {
            str(k): _plain_words(v) if isinstance(v, str) else v
            for k, v in sorted(arguments.items(), key=lambda item: str(item[0]))
        }
    try:
        return CallKey(name, as_text(arguments))
    except TooDeep:
        return None


def is_transient(sign: ErrorSign) -> bool:
    """Whether a failure may be gone at the next attempt: rate limits, time-outs, an overloaded server."""
    return _TRANSIENT.search(whole_text(sign.quote)) is not None


def has_failed(span: Span) -> bool:
    """Whether the span itself says that it failed."""
    return span.status == "error" or span.error_type is not None


def _plain_words(text: str) -> str:
    if " " not in text:
        return text
    words = _WORD.findall(whole_text(text.lower()))
    if len(words) < MIN_FREE_TEXT_WORDS or any(character.isdigit() for character in text):
        return text
    return " ".join(sorted(words))


def _told_by_span(tool: Span) -> ErrorSign:
    quote = tool.status_message or (tool.result if isinstance(tool.result, str) else "") or tool.error_type or ""
    return ErrorSign("span_status", 1.0, quote[:MAX_QUOTE_CHARS], "status")


def _agent_above(trace: Trace, span: Span, known: dict[str, str]) -> str:
    """The nearest agent span above a span. `known`: the same for spans by id, filled here."""
    path: list[str] = []
    parent, found = span.parent_id or "", ""
    while parent and parent not in path:
        if parent in known:
            found = known[parent]
            break
        above = trace.by_id.get(parent)
        if above is None:
            break
        path.append(parent)
        if above.kind == "agent":
            found = parent
            break
        parent = above.parent_id or ""
    known.update(dict.fromkeys(path, found))
    return found


def _turns(trace: Trace, ordered: list[Span]) -> dict[str, Turn]:
    """The last user message that each step's model call was given; a tool call has that of the model call before it."""
    found: dict[str, Turn] = {}
    current: Turn = None
    users = {digest for digest, message in trace.messages.items() if message.role == "user"}
    for span in ordered:
        if span.kind == "llm" and span.input_messages:
            given = span.input_messages
            last = next((i for i in range(len(given) - 1, -1, -1) if given[i] in users), None)
            current = (last, given[last]) if last is not None else None
        found[span.span_id] = current
    return found
