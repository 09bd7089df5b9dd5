"""All that is learned in one partition of the measurements, as a pure state machine.

The same features in the same order give the same profiles with the same numbers and the same state rows, bit for bit,
however they were cut into batches and however often the state was stored and loaded in between. No IO, no clock.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.errors import Fatal
from schemas.ids import plain_digest
from schemas.profile import LEARNER_KIND, Feature, Profile, ProfileKey
from schemas.state_row import StateRow

from .evaluator import Learner

VERSION_CHARS = 12
MAX_STEP = 64  # observations between two looks at a profile, at the most


@dataclass(frozen=True, slots=True)
class LearnerType:
    """How an evaluator's learners are made. States of another `version` are not taken up."""

    make: Callable[[Any], Learner]
    version: int = 1


@dataclass(slots=True)
class _Subject:
    learner: Learner
    observations: int = 0
    number: int = 0
    version: str = ""
    seen: int = 0


class Learning:
    """Learners of one partition.

    Parameters
    ----------
    types : by evaluator.
    max_subjects : beyond it the subject that was not seen for the longest is forgotten, profile and all.
    """

    def __init__(self, types: Mapping[str, LearnerType], max_subjects: int) -> None:
        self._types, self._max_subjects = types, max_subjects
        self._subjects: OrderedDict[ProfileKey, _Subject] = OrderedDict()
        self._changed: dict[ProfileKey, None] = {}
        self._published: list[Profile] = []
        self._clock = 0
        self.dropped: Counter[str] = Counter()

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take up stored rows, in any order; those of evaluators that are no longer configured are ignored.

        Raises
        ------
        Fatal : a row is damaged. Profiles would be numbered anew and replace those on record.
        """
        found = []
        for row in rows:
            if row.kind.startswith(LEARNER_KIND) and row.kind.removeprefix(LEARNER_KIND) in self._types:
                try:
                    key = ProfileKey.of_text(row.key)
                    found.append((key, self._restored(key, orjson.loads(row.state))))
                except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
                    raise Fatal(f"stored monitor state is damaged: {row.kind} of {row.key}: {error}") from error
        for key, subject in sorted(found, key=lambda item: item[1].seen):
            self._subjects[key] = subject
            self._clock = max(self._clock, subject.seen)

    def learn(self, features: Iterable[Feature]) -> None:
        """Take up features in order; what no learner can read is counted, see `take_dropped`."""
        for feature in features:
            if feature.key.evaluator not in self._types:
                self.dropped["no_learner"] += 1
                continue
            subject = self._subject(feature.key)
            try:
                urgent = subject.learner.learn(feature.body)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                self.dropped["bad_feature"] += 1
                urgent = False
            self._clock += 1
            subject.seen = self._clock
            subject.observations += 1
            self._changed[feature.key] = None
            if urgent or is_due(subject.observations):
                self._publish(feature.key, subject)

    def published(self) -> list[Profile]:
        """The profiles of which there is a new version since the last call, every version in order."""
        found, self._published = self._published, []
        return found

    def take_dropped(self) -> Mapping[str, int]:
        """What was left out since the last call, by reason: features without a learner or that none can read
        (`no_learner`, `bad_feature`), subjects beyond the limit (`max_profiles`)."""
        found, self.dropped = self.dropped, Counter()
        return found

    def dirty(self) -> list[StateRow]:
        """The rows that changed since the last call, sorted; one without a state is to be deleted."""
        rows = []
        for key in self._changed:
            subject = self._subjects.get(key)
            rows.append(
                StateRow(LEARNER_KIND + key.evaluator, key.text, b"" if subject is None else self._stored(key, subject))
            )
        self._changed.clear()
        return sorted(rows)

    def _subject(self, key: ProfileKey) -> _Subject:
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = _Subject(self._types[key.evaluator].make(None))
            if len(self._subjects) > self._max_subjects:
                forgotten, _ = self._subjects.popitem(last=False)
                self._changed[forgotten] = None
                self.dropped["max_profiles"] += 1
        self._subjects.move_to_end(key)
        return subject

    def _publish(self, key: ProfileKey, subject: _Subject) -> None:
        body = subject.learner.profile()
        version = plain_digest([self._types[key.evaluator].version, body])[:VERSION_CHARS]
        if version != subject.version:
            subject.number += 1
            subject.version = version
            self._published.append(Profile(key, subject.number, version, subject.observations, body))

    def _stored(self, key: ProfileKey, subject: _Subject) -> bytes:
        head = [self._types[key.evaluator].version, subject.observations, subject.number, subject.version, subject.seen]
        return orjson.dumps([*head, subject.learner.state()])

    def _restored(self, key: ProfileKey, stored: Any) -> _Subject:
        version, observations, number, published, seen, state = stored
        found = self._types[key.evaluator]
        if version != found.version:  # learned anew, and numbered on
            return _Subject(found.make(None), 0, number, "", seen)
        return _Subject(found.make(state), observations, number, published, seen)


def is_due(observations: int) -> bool:
    """Whether a profile is looked at after so many observations: each of the first 15, then seldom and more seldom."""
    return observations % max(1, min(MAX_STEP, 1 << max(0, observations.bit_length() - 4))) == 0
