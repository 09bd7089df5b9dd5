"""The prompts of one subject as templates: what stands in each of them, and what varies.

A template is a set of segments with how often each was there. One that was there in (nearly) all prompts since it first
came is constant. Only of constant segments the text is kept: what varies may be about a person, and is known by its digest
alone. A prompt belongs to a template when it has all of its constants; one that lacks some, and is like it
otherwise, is an edit of it and begins a template of its own, which takes over what is known of the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.ids import plain_digest

from .segments import MAX_SEGMENTS

MAX_TEMPLATES = 6
MAX_SEGMENTS_KNOWN = 2 * MAX_SEGMENTS
DIGEST_CHARS = 12
MIN_AGE = 3
MIN_SHARE = 0.9
MIN_LIKENESS = 0.5
WINDOW = 1_000


Prompt = Mapping[str, str]
"""The segments of a prompt in order: digest → text."""


def prompt_of(segments: Iterable[str]) -> Prompt:
    return {plain_digest(text)[:DIGEST_CHARS]: text for text in segments}


@dataclass(slots=True)
class Template:
    """`segments`: digest → [times seen, number of the prompt it first came with]; `texts` of those that are constant;
    `novel`: prompts that brought a new segment."""

    count: int = 0
    novel: int = 0
    segments: dict[str, list[int]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def missing(self, prompt: Prompt) -> list[str]:
        """The constants that a prompt lacks, as text."""
        return [text for digest, text in self.texts.items() if digest not in prompt]

    def likeness(self, prompt: Prompt) -> float:
        """The share of the prompt that is known, or of the constants that are in it, whichever is larger."""
        known = sum(digest in self.segments for digest in prompt) / max(1, len(prompt))
        kept = sum(digest in prompt for digest in self.texts) / len(self.texts) if self.texts else 0.0
        return max(known, kept)

    def take_up(self, prompt: Prompt) -> None:
        self.count += 1
        self.novel += self.count > 1 and any(digest not in self.segments for digest in prompt)
        for digest in prompt:
            self.segments.setdefault(digest, [0, self.count])[0] += 1
        while len(self.segments) > MAX_SEGMENTS_KNOWN:
            del self.segments[min(self.segments, key=lambda digest: self.segments[digest][0])]
        known = {**self.texts, **prompt}
        self.texts = {digest: known[digest] for digest in self._constants() if digest in known}

    def edited(self, prompt: Prompt) -> Template:
        """The template that an edit begins."""
        kept = {digest: list(counts) for digest, counts in self.segments.items() if digest in prompt}
        made = Template(self.count + 1, self.novel, kept)
        for digest in prompt:
            made.segments.setdefault(digest, [0, made.count])[0] += 1
        made.texts = {digest: prompt[digest] for digest in made._constants() if digest in prompt}
        return made

    def _constants(self) -> list[str]:
        """What every prompt of the template has."""
        return [
            digest
            for digest, (seen, since) in self.segments.items()
            if (age := self.count - since + 1) >= MIN_AGE and seen >= MIN_SHARE * age
        ]


class TemplateLearner:
    """The templates of one subject, the one used last behind the others. `strangers`: prompts that were like none."""

    def __init__(self, state: Any = None) -> None:
        self.count, self.strangers, self.templates = 0, 0, list[Template]()
        if state is not None:
            self.count, self.strangers, found = state
            self.templates = [
                Template(n, novel, {digest: list(counts) for digest, counts in segments}, dict(texts))
                for n, novel, segments, texts in found
            ]

    def learn(self, body: str) -> bool:
        prompt = prompt_of(_texts(body))
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
            [t.count, t.novel, [[digest, list(counts)] for digest, counts in t.segments.items()], dict(t.texts)]
            for t in self.templates
        ]


def best(templates: Iterable[Template], prompt: Prompt) -> Template | None:
    """The template that a prompt is like: the one whose constants it has, and which knows most of it."""
    found = [(not t.missing(prompt), t.likeness(prompt), t) for t in templates]
    like = [item for item in found if item[1] >= MIN_LIKENESS]
    return max(like, key=lambda item: item[:2])[2] if like else None


def _texts(body: str) -> list[str]:
    found = orjson.loads(body)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("no segments of a prompt")
    return found
