"""Canaries: a frozen labelled set that a judge is asked again, so that a change of the judge shows by itself.

Each run asks every item anew (nothing is taken from the cache) and measures whether the verdict agrees with the label, as the
evaluator ``canary:NAME``: alone, and for the model that was *returned* in the dimension `model`. Detectors and alert rules
watch these measurements like any others. Verdicts are stored as scores under ``canary:NAME``, one trace id an item, so that the
next run can tell which verdicts have flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from evaluators.build import build_suite
from evaluators.judge.evaluator import LlmJudge
from evaluators.run import Suite
from schemas.base import Identifier, Record
from schemas.errors import ConfigError, InvalidRecord
from schemas.judge_request import JudgeRequest, View
from schemas.measurement import Measurement, Positioned, Segment
from schemas.score import Score
from schemas.settings import CanarySettings, Settings, SourceMap
from schemas.source import Source
from sinks.warehouse import Warehouse
from streams.base.emission import measurement_records
from streams.judging.answering import answer
from streams.kafka.producer import Outgoing

MOST_ITEMS = 10_000
ROOM = 1_000_000
"""Offsets of one run: runs are numbered by the second they began in, so that a later one is past an earlier one."""


class CanaryItem(Record):
    """One item: what the judge sees, and what it ought to say."""

    id: Identifier
    fields: dict[str, Any] = Field(min_length=1)
    passed: bool | None = None
    value: float | None = None
    label: str | None = None

    @model_validator(mode="after")
    def _labelled(self) -> CanaryItem:
        if self.passed is None and self.value is None and self.label is None:
            raise ValueError("give passed, value or label: what the judge ought to say")
        return self

    def agrees(self, score: Score, tolerance: float) -> bool:
        """Whether a verdict is as expected, in everything that is labelled."""
        return (
            (self.passed is None or score.passed is self.passed)
            and (self.label is None or score.label == self.label)
            and (self.value is None or (score.value is not None and abs(score.value - self.value) <= tolerance))
        )


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """What came of one run. `compared`: items that an earlier run had judged, too."""

    canary: str
    evaluator: str
    began: datetime
    items: int
    judged: int
    failed: int
    agreed: int
    compared: int
    flipped: int
    models: tuple[str, ...]
    cost_usd: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "canary": self.canary,
            "evaluator": self.evaluator,
            "began": self.began.isoformat(),
            "items": self.items,
            "judged": self.judged,
            "failed": self.failed,
            "agreement": self.agreed / self.judged if self.judged else None,
            "flipped": self.flipped,
            "flip_rate": self.flipped / self.compared if self.compared else None,
            "models": list(self.models),
            "cost_usd": self.cost_usd,
        }


def read_canary(canary: CanarySettings, source: SourceMap) -> list[CanaryItem]:
    """The items of a file, which is looked for beside the configuration.

    Raises
    ------
    ConfigError : it cannot be read, or a line is wrong; names file and line.
    """
    file = Path(source.file).parent / canary.file
    items: dict[str, CanaryItem] = {}
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", path=f"judge.canaries.{canary.name}.file", file=str(file)
        ) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = CanaryItem.from_bytes(line)
        except InvalidRecord as error:
            raise ConfigError(error.detail, file=str(file), line=number) from None
        if item.id in items:
            raise ConfigError(f"the id {item.id!r} stands twice", file=str(file), line=number)
        items[item.id] = item
    if not 0 < len(items) <= MOST_ITEMS:
        raise ConfigError(f"has {len(items)} items; a canary has between 1 and {MOST_ITEMS}", file=str(file))
    return list(items.values())


def judge_of(canary: CanarySettings, suite: Suite, source: SourceMap) -> LlmJudge:
    """The evaluator that a canary is for.

    Raises
    ------
    ConfigError : there is none of that name, or it is no judge of one rubric.
    """
    found = next((e for e in suite.evaluators if e.name == canary.evaluator), None)
    if found is None:
        raise source.error(f"no evaluator is called {canary.evaluator!r}", ("judge", "canaries"))
    if not isinstance(found, LlmJudge) or len(found.decisions) != 1:
        raise source.error(f"{canary.evaluator!r} is no llm_judge of one rubric", ("judge", "canaries"))
    return found


async def run_canary(
    canary: CanarySettings,
    settings: Settings,
    source: SourceMap,
    warehouse: Warehouse,
    partition_count: int,
) -> tuple[CanaryRun, list[Outgoing]]:
    """Ask the judge about every item, store the verdicts, and give the measurements that are to be published.

    Raises
    ------
    ConfigError : the file or the evaluator is wrong, or the judge needs a key or an endpoint.
    """
    items, began = read_canary(canary, source), datetime.now(UTC)
    own = tuple(entry for entry in settings.evaluators if entry.label == canary.evaluator)
    suite = build_suite(settings.model_copy(update={"evaluators": own, "presets": ()}), source)
    try:
        judge = judge_of(canary, suite, source)
        requests = [_request(canary, item, judge, settings, began) for item in items]
        verdicts: dict[str, Score] = {}
        uncached = settings.model_copy(update={"judge": settings.judge.model_copy(update={"cache": False})})
        await answer(suite, requests, uncached, lambda _, scores: verdicts.update({s.trace_id: s for s in scores}))
    finally:
        suite.close()
    named = {i.id: verdicts[_trace_id(canary, i)].model_copy(update={"evaluator": canary.measured_as}) for i in items}
    before = _earlier(warehouse, canary, len(items))
    warehouse.write_verdicts(list(named.values()))
    positioned = [
        Positioned(int(began.timestamp()) * ROOM + place, measurement)
        for place, item in enumerate(items)
        for measurement in _measured(canary, item, named[item.id], settings)
    ]
    records = measurement_records(
        positioned, topic=canary.measured_as, partition=0, epoch=0, partition_count=partition_count
    )
    return _summed(canary, items, named, before, began), records


def _trace_id(canary: CanarySettings, item: CanaryItem) -> str:
    return f"{canary.measured_as}:{item.id}"


def _request(
    canary: CanarySettings, item: CanaryItem, judge: LlmJudge, settings: Settings, began: datetime
) -> JudgeRequest:
    run = f"{int(began.timestamp())}"
    return JudgeRequest(
        trace_id=_trace_id(canary, item),
        target="trace",
        project=settings.project,
        environment=settings.environment,
        evaluator=judge.name,
        evaluator_version=judge.version,
        decisions=judge.decisions,
        fingerprint=run,
        revision=1,
        views=(View(target_id="", target_digest=run, fields=item.fields),),
        event_time=began,
        requested_at=began,
        source=Source(topic=canary.measured_as, partition=0, offset=0),
    )


def _measured(canary: CanarySettings, item: CanaryItem, score: Score, settings: Settings) -> list[Measurement]:
    agrees = item.agrees(score, canary.tolerance) if score.status == "scored" else None
    segment = Segment(project=settings.project, environment=settings.environment, evaluator=canary.measured_as)
    returned = {"dimension": "model", "dimension_value": score.model}
    segments = [segment, *([segment.model_copy(update=returned)] if score.model else [])]
    return [
        Measurement(
            segment=one,
            trace_id=score.trace_id,
            outcome=score.status,
            value=None if agrees is None else float(agrees),
            passed=agrees,
            label=score.model,
            event_time=score.event_time,
        )
        for one in segments
    ]


def _earlier(warehouse: Warehouse, canary: CanarySettings, count: int) -> dict[str, Score]:
    """The newest verdict on each item, by trace id."""
    stored = warehouse.scores(evaluator=canary.measured_as, status="scored", current=False, limit=4 * count)
    return {score.trace_id: score for score in sorted(stored, key=lambda s: s.event_time)}


def _summed(
    canary: CanarySettings,
    items: Sequence[CanaryItem],
    named: dict[str, Score],
    before: dict[str, Score],
    began: datetime,
) -> CanaryRun:
    judged = [(item, named[item.id]) for item in items if named[item.id].status == "scored"]
    pairs = [(score, before[score.trace_id]) for _, score in judged if score.trace_id in before]
    costs = [score.cost_usd for score in named.values() if score.cost_usd is not None]
    return CanaryRun(
        canary=canary.name,
        evaluator=canary.evaluator,
        began=began,
        items=len(items),
        judged=len(judged),
        failed=len(items) - len(judged),
        agreed=sum(item.agrees(score, canary.tolerance) for item, score in judged),
        compared=len(pairs),
        flipped=sum((a.passed, a.label, a.value) != (b.passed, b.label, b.value) for a, b in pairs),
        models=tuple(sorted({score.model for _, score in judged if score.model})),
        cost_usd=sum(costs) if costs else None,
    )
