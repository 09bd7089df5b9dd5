"""Deciding and learning in file order, as `evalstream run` does, and the streams of traces that tests teach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from evaluators.profiles.evaluator import LEARNING
from evaluators.profiles.learning import Learning
from evaluators.run import Suite
from schemas.profile import Feature, Profile, ProfileKey, settled
from schemas.score import DecisionKey, Score
from schemas.trace import Trace
from tests.evaluators.making import START

MAX_SUBJECTS = 10_000


@dataclass
class School:
    """A suite with what it has learned."""

    suite: Suite
    learning: Learning = field(init=False)
    known: dict[ProfileKey, Profile] = field(default_factory=dict)
    waiting: list[tuple[Trace, frozenset[DecisionKey]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learning = Learning(self.suite.learners(), MAX_SUBJECTS)

    def decide(self, trace: Trace) -> list[Score]:
        """The decisions on a trace by what is known now; nothing is learned."""
        return self.suite.decide(trace, (), source=None, event_time=START, now=START, profiles=self.known).scores

    def features(self, trace: Trace) -> list[Feature]:
        return [feature for _, feature in self.suite.features(trace, self.decide(trace))]

    def attend(self, trace: Trace) -> list[Score]:
        """Decide, then learn; decisions that wait for a profile are kept back."""
        scores = self.decide(trace)
        self.learning.learn(feature for _, feature in self.suite.features(trace, scores))
        self.known.update({profile.key: profile for profile in self.learning.published()})
        late = frozenset(score.key for score in scores if score.skip_reason == LEARNING)
        if late:
            self.waiting.append((trace, late))
        return [score for score in scores if score.key not in late]

    def run(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, list[Score]]]:
        """Attend to traces in order, then make what had to wait."""
        for trace in traces:
            yield trace, self.attend(trace)
        yield from self.make_up()

    def make_up(self) -> Iterator[tuple[Trace, list[Score]]]:
        """What waited is decided by all that was learned; nothing is put off any more."""
        waiting, self.waiting = self.waiting, []
        self.known = dict(settled(self.known))
        for trace, late in waiting:
            yield trace, [score for score in self.decide(trace) if score.key in late]
