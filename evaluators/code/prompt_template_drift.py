"""Type `prompt_template_drift`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, ClassVar, Literal, NamedTuple, cast

import orjson

from schemas.profile import Profile
from schemas.score import Evidence, TargetKind
from schemas.trace import Span

from ..base import NoOptions
from ..profiles.definitions import MAX_TOOLS, DefinitionLearner
from ..profiles.evaluator import PUT_OFF, Learner, LearningEvaluator, Observed
from ..profiles.segments import bounded, segments_of
from ..profiles.templates import Template, TemplateLearner, best, prompt_of
from ..protocol import Answer, Target, Verdict
from ..text import as_text
from .output_schema_drift import subject_of

MIN_COUNT = 3
MIN_SETTLED = 5
MAX_RATE_OF_NEWS = 0.2
MAX_PROMPTS = 8
MAX_DEFINITION_CHARS = 1_500
MAX_SHOWN = 3
CONTEXT_CHARS = 30

Part = Literal["prompt", "tools"]


class PromptTemplateDrift(LearningEvaluator[NoOptions]):
    """Fails where a model call has a system prompt or a tool definition that is new or edited: an event, with the difference.

    Learned for each prompt name, else agent, else name of the call: the templates of its system prompts, line by line, and the
    definitions of its tools. Labels: `edited_prompt` (a line that every prompt had is gone, or one was added where none ever
    is), `new_prompt` (like none before), `edited_tool`, `new_tool`. What varies from prompt to prompt (a date, a name,
    retrieved passages) is learned as variable and raises nothing, nor does a tool that is left out. After five prompts a
    change is an event at once: the traces that bring it fail until the monitor has learned it, a few seconds later. The value
    counts the changes in the trace, the first call with one is blamed.
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    @classmethod
    def learner(cls, state: Any = None) -> Learner:
        return _ByPart(state)

    def observe(self, target: Target) -> Iterable[Observed]:
        for given in _given(target):
            yield Observed(given.subject, orjson.dumps([given.part, given.content]).decode())

    def evaluate(self, target: Target) -> Iterable[Answer]:
        changes: list[_Change] = []
        known = waiting = 0
        version = None
        for given in _given(target):
            profile = self.profile(target, given.subject)
            found = _compared(given, profile)
            if found is None:
                waiting += 1
                continue
            known, version = known + 1, profile.version if profile is not None else None
            changes += [_Change(given, *each, version) for each in found]
        if changes:
            return (_verdict(changes),)
        if waiting:
            return (PUT_OFF,)
        return (Verdict(value=0.0, label="known", passed=True, profile_version=version),) if known else ()


class _Given(NamedTuple):
    """What a model call was given: a list of segments, or definitions by name."""

    subject: str
    part: Part
    content: Any
    span: Span
    path: str


class _Change(NamedTuple):
    given: _Given
    label: str
    difference: str
    quote: str
    version: str | None


class _ByPart:
    """The learner of a subject, which is of prompts or of tools: its first body says."""

    def __init__(self, state: Any = None) -> None:
        self._part: Part | None = None
        self._learner: Learner | None = None
        if state is not None:
            self._take(state[0], state[1])

    def learn(self, body: str) -> bool:
        part, content = orjson.loads(body)
        if self._learner is None:
            self._take(part, None)
        if part != self._part or self._learner is None:
            raise ValueError("prompts and tools have subjects of their own")
        return self._learner.learn(orjson.dumps(content).decode())

    def profile(self) -> dict[str, Any]:
        return self._learner.profile() if self._learner is not None else {}

    def state(self) -> Any:
        return [self._part, self._learner.state()] if self._learner is not None else None

    def _take(self, part: Part, state: Any) -> None:
        self._part = part
        self._learner = TemplateLearner(state) if part == "prompt" else DefinitionLearner(state)


def _given(target: Target) -> list[_Given]:
    """The distinct prompts and tool sets of a trace's model calls."""
    return target.once("prompts", lambda _: list(_distinct(target)))


def _distinct(target: Target) -> Iterator[_Given]:
    trace = target.trace
    seen: set[tuple[str, object]] = set()
    for span in sorted((s for s in trace.spans if s.kind == "llm"), key=lambda s: (s.start, s.span_id)):
        if len(seen) >= MAX_PROMPTS or span.truncated:
            return
        subject = subject_of(target, span)
        system = [(i, m) for i, m in enumerate(trace.inputs(span)) if m.role == "system" and m.content]
        key = (subject, tuple(m.digest for _, m in system))
        if system and key not in seen:
            seen.add(key)
            segments = segments_of("\n".join(m.content for _, m in system))
            yield _Given(f"prompt {subject}", "prompt", list(segments), span, f"input_messages[{system[0][0]}].content")
        if span.tool_set and (subject, span.tool_set) not in seen and trace.tools(span):
            seen.add((subject, span.tool_set))
            yield _Given(f"tools {subject}", "tools", _definitions(trace.tools(span)), span, "tool_set")


def _definitions(tools: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for tool in tools:
        name = tool.get("name")
        if isinstance(name, str) and len(found) < MAX_TOOLS:
            text = as_text({key: tool[key] for key in sorted(tool, key=str) if key != "name"})
            found[bounded(text_of(name), 120)] = bounded(text_of(text), MAX_DEFINITION_CHARS)
    return found


def text_of(text: str) -> str:
    """Text that JSON takes."""
    return text.encode("utf-8", "replace").decode()


def _compared(given: _Given, profile: Profile | None) -> list[tuple[str, str, str]] | None:
    """(label, difference, quote) of each change; None while too little is known."""
    if profile is None or profile.body.get("count", 0) < MIN_COUNT:
        return None
    if given.part == "prompt":
        return _compare_prompt(given.content, profile.view(_Templates))
    return _compare_tools(given.content, profile.body)


class _Templates:
    """The profile of a `TemplateLearner`, ready to be compared with."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.learned = TemplateLearner([body["count"], body["strangers"], body["templates"]])

    def varies(self) -> bool:
        """Whether prompts that are like none before come again and again."""
        return self.learned.strangers > max(1, MAX_RATE_OF_NEWS * self.learned.count)


def _compare_prompt(segments: list[str], known: _Templates) -> list[tuple[str, str, str]] | None:
    prompt = prompt_of(segments)
    settled = known.learned.count >= MIN_SETTLED
    like = best(known.learned.templates, prompt)
    if like is None:
        if known.varies():
            return []
        return [("new_prompt", f"it begins with {segments[0]!r}", segments[0])] if settled else None
    missing, added = like.missing(prompt), [text for digest, text in prompt.items() if digest not in like.segments]
    if not missing and (not added or _brings_new(like)):
        return []
    if not settled:
        return None
    return [("edited_prompt", _difference(missing, added), (added or missing)[0])]


def _brings_new(template: Template) -> bool:
    """Whether the prompts of a template have new segments again and again."""
    return template.novel > max(1, MAX_RATE_OF_NEWS * (template.count - 1))


def _compare_tools(given: Mapping[str, str], known: Mapping[str, Any]) -> list[tuple[str, str, str]] | None:
    tools = cast("Mapping[str, list[str]]", known["tools"])
    changed = []
    for name, text in given.items():
        if name not in tools:
            if known["news"] <= max(1, MAX_RATE_OF_NEWS * known["count"]):
                changed.append(("new_tool", f"{name} is new", name))
        elif text not in tools[name] and len(tools[name]) < 4:
            before, after = _excerpts(tools[name][-1], text)
            changed.append(("edited_tool", f"{name}: {before!r} became {after!r}", after))
    return changed if known["count"] >= MIN_SETTLED or not changed else None


def _difference(missing: list[str], added: list[str]) -> str:
    """Lines as in a diff, of an edited line the place that changed."""
    if len(missing) == len(added) == 1:
        before, after = _excerpts(missing[0], added[0])
        return f"{before!r} became {after!r}"
    shown = [f"- {text}" for text in missing[:MAX_SHOWN]] + [f"+ {text}" for text in added[:MAX_SHOWN]]
    more = len(missing) + len(added) - len(shown)
    return "; ".join(shown) + (f"; and {more} more lines" if more else "")


def _excerpts(before: str, after: str) -> tuple[str, str]:
    """Both texts from shortly before their first difference to shortly behind their last."""
    blocks = [b for b in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks() if b.size]
    start = blocks[0].size if blocks and blocks[0].a == blocks[0].b == 0 else 0
    last = blocks[-1] if blocks else None
    ends_alike = last is not None and last.a + last.size == len(before) and last.b + last.size == len(after)
    end = min(last.size, len(before) - start, len(after) - start) if ends_alike and last is not None else 0
    return tuple(  # type: ignore[return-value]
        text[max(0, start - CONTEXT_CHARS) : len(text) - end + min(end, CONTEXT_CHARS)] for text in (before, after)
    )


def _verdict(changes: list[_Change]) -> Verdict:
    first = changes[0]
    told = "; ".join(f"{change.given.subject}: {change.difference}" for change in changes[:MAX_SHOWN])
    return Verdict(
        value=float(len(changes)),
        label=first.label,
        passed=False,
        explanation=f"{first.label.replace('_', ' ')}: {told}",
        evidence=tuple(Evidence(span_id=c.given.span.span_id, path=c.given.path, quote=c.quote) for c in changes[:5]),
        blamed_span_id=first.given.span.span_id,
        profile_version=first.version,
    )
