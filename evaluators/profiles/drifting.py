"""What the evaluators of schema drift have in common: a shape is compared with the usual one of its subject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from schemas.profile import Profile
from schemas.score import Evidence
from schemas.settings import Section
from schemas.trace import Span

from ..protocol import Answer, Verdict
from .anomaly import Finding
from .deviation import Deviation, UsualShape
from .evaluator import PUT_OFF, LearningEvaluator
from .shape import ROOT, SOMETIMES, TYPE_NAMES, Shape, shape_of, step_to
from .shapes import ShapeLearner

MIN_COUNT = 3
MAX_EVIDENCE = 5
MAX_QUOTE_CHARS = 120
_ORDER = ("renamed_key", "retyped", "null", "missing_key", "new_key")


class SchemaDriftOptions(Section):
    new_keys: Literal["pass", "fail"] = Field(
        "pass", description="What a key that was never seen is, where no other key is missing for it."
    )


class SchemaDrift(LearningEvaluator[SchemaDriftOptions]):
    """Common part of the evaluators that learn shapes. The subclass says which value of a span, of which subject."""

    Options = SchemaDriftOptions

    @classmethod
    def learner(cls, state: Any = None) -> ShapeLearner:
        return ShapeLearner(state)

    def judge(self, span: Span, what: str, value: Any, path: str, profile: Profile | None) -> Answer:
        """Compare a value (which stands at `path` of the span) with what is usual."""
        usual = profile.view(UsualShape) if profile is not None else None
        if profile is None or usual is None or usual.count < MIN_COUNT:
            return PUT_OFF
        shape = shape_of(value)
        found = sorted(usual.deviations(shape, settled=profile.settled), key=lambda d: (_ORDER.index(d.kind), d.path))
        wrong = [
            d for d in found if d.finding is Finding.ANOMALY or (d.kind == "new_key" and self._new_keys_fail(usual))
        ]
        if wrong:
            return _drifted(span, what, value, path, wrong, profile)
        if any(d.finding is Finding.UNSURE for d in found):
            return PUT_OFF
        return Verdict(value=1.0, label="new_key" if found else "usual", passed=True, profile_version=profile.version)

    def _new_keys_fail(self, usual: UsualShape) -> bool:
        return self.options.new_keys == "fail" and usual.count >= 20


def _drifted(span: Span, what: str, value: Any, path: str, found: list[Deviation], profile: Profile) -> Verdict:
    told = "; ".join(_told(deviation, value) for deviation in found[:MAX_EVIDENCE])
    return Verdict(
        value=0.0,
        label=found[0].kind,
        passed=False,
        explanation=f"{what} is not shaped as usual: {told}",
        evidence=tuple(
            Evidence(span_id=span.span_id, path=path + d.path.removeprefix(ROOT), quote=_quote(value, d.path))
            for d in found[:MAX_EVIDENCE]
        ),
        blamed_span_id=span.span_id,
        profile_version=profile.version,
    )


def _told(deviation: Deviation, value: Any) -> str:
    path = deviation.path
    if deviation.kind == "renamed_key":
        return f"{path} in the place of {deviation.expected}"
    if deviation.kind == "missing_key":
        return f"{path} is missing ({deviation.expected})"
    if deviation.kind == "new_key":
        return f"{path} is new ({deviation.expected})"
    return f"{path} is {_kinds(shape_of(value), path)} ({deviation.expected})"


def _kinds(shape: Shape, path: str) -> str:
    return (
        " or ".join(TYPE_NAMES.get(letter, "") for letter in shape.get(path, "").rstrip(SOMETIMES)) or "of another type"
    )


def _quote(value: Any, path: str) -> str:
    """What stands at a path, of several the first."""
    found = next(_at(value, path.removeprefix(ROOT)), None)
    return "" if found is None else str(found)[:MAX_QUOTE_CHARS]


def _at(value: Any, path: str) -> Iterator[Any]:
    if not path:
        yield value
    elif path.startswith("[]"):
        for item in value[:20] if isinstance(value, list) else ():
            yield from _at(item, path[2:])
    elif isinstance(value, dict):
        for key, item in value.items():
            rest = path.removeprefix(step_to(str(key)))
            if rest != path and (not rest or rest[0] in ".["):
                yield from _at(item, rest)
