"""What is learned across traces: features on their way to the monitor, and the profiles it makes of them.

A feature is what one target shows an evaluator that learns (the shape of a tool's result, how long a call took). It
travels in the columns of a `MeasurementBatch`; a profile is what the features of one subject say so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import orjson

from .base import MAX_ID_BYTES, Identifier, Int32, Int64, Record, is_id
from .ids import plain_digest

MAX_BODY_CHARS = 65_536
LEARNER_KIND = "learner:"
"""Begins the kind of a learner's state rows; the evaluator's name follows, the key is `ProfileKey.text`."""
T = TypeVar("T")


class ProfileKey(NamedTuple):
    """What a profile is of: a subject of an evaluator (a tool, a kind of call) in a project and environment."""

    project: str
    environment: str
    evaluator: str
    subject: str

    @property
    def text(self) -> str:
        """A stable text, also the key that chooses the partition of `measurements`."""
        return orjson.dumps(list(self)).decode()

    @classmethod
    def of_text(cls, text: str) -> ProfileKey:
        return cls(*orjson.loads(text))

    def partition(self, count: int) -> int:
        """The partition, of `count`, whose monitor learns it."""
        return int(plain_digest(list(self))[:8], 16) % count


class Feature(NamedTuple):
    """What one target shows of a subject. `body` is the learner's own text; `offset` is of the source record."""

    key: ProfileKey
    body: str
    offset: int = 0


class FeatureColumns(Record):
    """Features in columns. Keys and bodies are tables, each entry held once: most tools answer in a few shapes."""

    keys: tuple[tuple[Identifier, Identifier, Identifier, Identifier], ...]
    bodies: tuple[str, ...]
    key: tuple[Int32, ...]
    body: tuple[Int32, ...]
    offset: tuple[Int64, ...]

    @classmethod
    def of(cls, features: Iterable[Feature]) -> FeatureColumns:
        """`features` in the order of their offsets."""
        keys: dict[ProfileKey, int] = {}
        bodies: dict[str, int] = {}
        rows = [
            (keys.setdefault(f.key, len(keys)), bodies.setdefault(f.body, len(bodies)), f.offset)
            for f in sorted(features, key=lambda feature: feature.offset)
        ]
        return cls(
            keys=tuple(tuple(key) for key in keys),
            bodies=tuple(bodies),
            key=tuple(row[0] for row in rows),
            body=tuple(row[1] for row in rows),
            offset=tuple(row[2] for row in rows),
        )

    @property
    def last_offset(self) -> int:
        return self.offset[-1] if self.offset else -1

    def past(self, offset: int) -> Iterator[Feature]:
        """The features behind `offset`, in order."""
        keys = [ProfileKey(*key) for key in self.keys]
        for key, body, at in zip(self.key, self.body, self.offset, strict=True):
            if at > offset:
                yield Feature(keys[key], self.bodies[body], at)

    def problem(self) -> str | None:
        """What is wrong with the columns together."""
        if not len(self.key) == len(self.body) == len(self.offset):
            return "the columns of features have different lengths"
        if any(i >= len(self.keys) for i in self.key) or any(i >= len(self.bodies) for i in self.body):
            return "an index of features points nowhere"
        if any(later < earlier for earlier, later in zip(self.offset, self.offset[1:], strict=False)):
            return "the offsets of features fall"
        if any(len(body) > MAX_BODY_CHARS for body in self.bodies):
            return "a feature is too long"
        if not all(is_id(ProfileKey(*key).text, 4 * MAX_ID_BYTES) for key in self.keys):
            return "the key of a feature is too long"
        return None


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a subject.

    Attributes
    ----------
    number : rises by one with each version of the subject.
    version : digest of the content: equal for equal content, wherever it was learned.
    observations : how many features it was learned from.
    body : JSON, as the evaluator's learner makes it.
    settled : no more is waited for: what is decided now is decided by what there is.
    """

    key: ProfileKey
    number: int
    version: str
    observations: int
    body: Mapping[str, Any]
    settled: bool = False
    _views: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def view(self, build: Callable[[Mapping[str, Any]], T]) -> T:
        """What `build` makes of the body, made once."""
        if build not in self._views:
            self._views[build] = build(self.body)
        return self._views[build]  # type: ignore[no-any-return]


Profiles = Mapping[ProfileKey, Profile]
"""The newest version of each profile."""


def settled(profiles: Profiles) -> Profiles:
    """The same profiles for decisions that wait no longer."""
    return {key: replace(profile, settled=True) for key, profile in profiles.items()}
