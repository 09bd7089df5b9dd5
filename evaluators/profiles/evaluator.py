"""An evaluator that learns: it shows features, names the learner that reads them, and judges by the profile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

from schemas.ids import bounded_id
from schemas.profile import Feature, Profile, ProfileKey

from ..base import CodeEvaluator, OptionsT
from ..protocol import Skip, Target

LEARNING = "learning"
"""The reason of a decision that is put off until its profile has seen enough."""


class Observed(NamedTuple):
    """What a target shows of one subject (the name of a tool, of a prompt)."""

    subject: str
    body: str


class Learner(Protocol):
    """What is learned of one subject. Pure and deterministic: the same bodies in the same order give the same state."""

    def learn(self, body: str) -> bool:
        """Take up an observation; whether it was of a kind never seen, so that the profile should be told at once.

        Raises
        ------
        ValueError, KeyError, TypeError : it is no feature of this learner; nothing was taken up.
        """
        ...

    def profile(self) -> dict[str, Any]:
        """What evaluators may go by: JSON."""
        ...

    def state(self) -> Any:
        """JSON from which the evaluator's `learner` goes on exactly as this one would."""
        ...


class LearningEvaluator(CodeEvaluator[OptionsT]):
    """Common part of evaluators with a profile."""

    learner_version: ClassVar[int] = 1
    """Raise it when features or states change their form: what was learned before is then learned anew."""

    @abstractmethod
    def observe(self, target: Target) -> Iterable[Observed]:
        """What the target shows. Pure, like `evaluate`."""

    @classmethod
    @abstractmethod
    def learner(cls, state: Any = None) -> Learner:
        """A learner of one subject, new or as it was stored."""

    def profile(self, target: Target, subject: str) -> Profile | None:
        """The newest profile of a subject, in the target's project and environment."""
        return target.profiles.get(self._key(target, subject))

    def features(self, target: Target) -> Iterator[Feature]:
        """What the target shows, as it travels to the monitor."""
        for subject, body in self.observe(target):
            yield Feature(self._key(target, subject), body)

    def _key(self, target: Target, subject: str) -> ProfileKey:
        return ProfileKey(target.trace.project, target.trace.environment, self.name, bounded_id(subject))


PUT_OFF = Skip(LEARNING)
