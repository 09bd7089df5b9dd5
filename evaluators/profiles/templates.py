"""The prompts of one subject as templates: what stands in each of them, and what varies.

A template is a set of segments with how often each was there. One that was there in (nearly) all prompts since it first
came is constant. A prompt belongs to a template when it has all of its constants; one that lacks some, and is like it
otherwise, is an edit of it and begins a template of its own, which takes over what is known of the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from .segments import MAX_SEGMENTS

MAX_TEMPLATES = 6
MAX_SEGMENTS_KNOWN = 2 * MAX_SEGMENTS
MIN_AGE = 3
MIN_SHARE = 0.9
MIN_LIKENESS = 0.5
WINDOW = 1_000


@dataclass(slots=True)
class Template:
    """`segments`: text → [times seen, number of the prompt it first came with]; `novel`: prompts that brought a new one."""

    count: int = 0
    novel: int = 0
    segments: dict[str, list[int]] = field(default_factory=dict)

    def constants(self) -> list[str]:
        """What every prompt of the template has."""
        return [
            text
            for text, (seen, since) in self.segments.items()
            if (age := self.count - since + 1) >= MIN_AGE and seen >= MIN_SHARE * age
        ]

    def missing(self, prompt: Mapping[str, Any]) -> list[str]:
        return [text for text in self.constants() if text not in prompt]

    def likeness(self, prompt: Mapping[str, Any]) -> float:
        """The share of the prompt that is known, or of the constants that are in it, whichever is larger."""
        known = sum(text in self.segments for text in prompt) / max(1, len(prompt))
        constants = self.constants()
        kept = sum(text in prompt for text in constants) / len(constants) if constants else 0.0
        return max(known, kept)

    def take_up(self, prompt: Mapping[str, Any]) -> None:
        self.count += 1
        self.novel += self.count > 1 and any(text not in self.segments for text in prompt)
        for text in prompt:
            self.segments.setdefault(text, [0, self.count])[0] += 1
        while len(self.segments) > MAX_SEGMENTS_KNOWN:
            del self.segments[min(self.segments, key=lambda text: self.segments[text][0])]

    def edited(self, prompt: Mapping[str, Any]) -> Template:
        """The template that an edit begins."""
        kept = {text: list(counts) for text, counts in self.segments.items() if text in prompt}
        made = Template(self.count, self.novel, kept)
        made.count += 1
        for text in prompt:
            made.segments.setdefault(text, [0, made.count])[0] += 1
        return made


class TemplateLearner:
    """The templates of one subject, the one used last behind the others. `strangers`: prompts that were like none."""

    def __init__(self, state: Any = None) -> None:
        self.count, self.strangers, self.templates = 0, 0, list[Template]()
        if state is not None:
            self.count, self.strangers, found = state
            self.templates = [
                Template(n, novel, {text: list(counts) for text, counts in segments}) for n, novel, segments in found
            ]

    def learn(self, body: str) -> bool:
        prompt = dict.fromkeys(_texts(body))
        self.count += 1
        like = best(self.templates, prompt)
        if like is not None and not like.missing(prompt):
            self.templates.remove(like)
            like.take_up(prompt)
            self.templates.append(like)
            return False
        if like is None:
            self.strangers += 1
            like = Template()
            like.take_up(prompt)
        else:
            like = like.edited(prompt)
        self.templates = [*self.templates, like][-MAX_TEMPLATES:]
        if self.count >= WINDOW:
            self.count, self.strangers = self.count // 2, self.strangers // 2
        return self.count > 1

    def profile(self) -> dict[str, Any]:
        return {"count": self.count, "strangers": self.strangers, "templates": self._written()}

    def state(self) -> Any:
        return [self.count, self.strangers, self._written()]

    def _written(self) -> list[Any]:
        return [
            [t.count, t.novel, [[text, list(counts)] for text, counts in t.segments.items()]] for t in self.templates
        ]


def best(templates: Iterable[Template], prompt: Mapping[str, Any]) -> Template | None:
    """The template that a prompt is like: the one whose constants it has, and which knows most of it."""
    found = [(not t.missing(prompt), t.likeness(prompt), t) for t in templates]
    like = [item for item in found if item[1] >= MIN_LIKENESS]
    return max(like, key=lambda item: item[:2])[2] if like else None


def _texts(body: str) -> list[str]:
    found = orjson.loads(body)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("no segments of a prompt")
    return found
