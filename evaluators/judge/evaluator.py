"""`llm_judge`: one or several criteria of a target, judged by a model in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import structlog
from pydantic import Field, model_validator

from schemas.errors import ConfigError
from schemas.judge_request import View
from schemas.score import TargetKind
from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import DeferredBase, Environment, Identity, target_id
from ..protocol import Answer, Context, Failure, Skip, Target, Verdict
from .cut import bounded
from .errors import BudgetExceeded, JudgeError
from .prompt import PROMPT_VERSION, Brief
from .rubric import TEXT_NAMES, Rubric, load_rubric
from .runtime import Judgement, JudgeRuntime, Question
from .texts import is_truncated, texts

if TYPE_CHECKING:
    from ..deferred import DeferredRuntime

MAX_ERROR_CHARS = 500

log = structlog.get_logger(__name__)


class LlmJudgeOptions(Section):
    """Give `rubric` for one criterion, or `criteria` for several in one call."""

    rubric: str | dict[str, Any] | None = Field(
        None, description="A shipped rubric's name, a path to a .yaml file, or the rubric itself."
    )
    criteria: tuple[str | dict[str, Any], ...] | None = Field(
        None, min_length=1, max_length=20, description="Several rubrics; decisions are called NAME.CRITERION."
    )
    model: str | None = Field(None, min_length=1, description="Default: judge.model.")
    temperature: float | None = Field(None, ge=0, le=2, description="Default: judge.temperature.")

    @model_validator(mode="after")
    def _one_of(self) -> LlmJudgeOptions:
        if (self.rubric is None) == (self.criteria is None):
            raise ValueError("give exactly one of rubric and criteria")
        return self


class LlmJudge(DeferredBase[LlmJudgeOptions]):
    """Asks a model. The evaluate worker calls `view` and needs neither key nor client; the judge worker attaches a
    `DeferredRuntime` and calls `judge`."""

    Options = LlmJudgeOptions
    implementation_version: ClassVar[int] = 1
    default_target: ClassVar[TargetKind] = "trace"
    default_context: ClassVar[Context] = "span"
    kind: Literal["code", "llm"] = "llm"

    def __init__(self, identity: Identity, options: LlmJudgeOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self.rubrics = _rubrics(options, environment)
        self.brief = Brief(self.rubrics)
        self.inputs = tuple(n for n in TEXT_NAMES if any(n in rubric.inputs for rubric in self.rubrics))
        wanted = {name for rubric in self.rubrics for name in (*rubric.inputs, *rubric.optional)}
        self.shown = tuple(name for name in TEXT_NAMES if name in wanted)
        settings = environment.settings.judge
        self.model = options.model or settings.model
        chosen = "temperature" in options.model_fields_set
        self.temperature = options.temperature if chosen else settings.temperature
        self.max_view_chars = settings.max_view_chars
        if len(self.rubrics) > 1 or options.criteria is not None:
            self.decisions = tuple(f"{identity.name}.{rubric.name}" for rubric in self.rubrics)
        if len(self.decisions) == 1:
            self.decisions = (identity.name,)
        self._runtime: JudgeRuntime | None = None

    @classmethod
    def default_span_kinds(cls, options: LlmJudgeOptions) -> frozenset[SpanKind]:
        return frozenset(("llm",))

    @classmethod
    def version_basis(cls, options: LlmJudgeOptions, environment: Environment) -> Any:
        judge = environment.settings.judge
        rubrics = [rubric.digest for rubric in _rubrics(options, environment)]
        return [PROMPT_VERSION, rubrics, options.model or judge.model, judge.temperature, judge.max_view_chars]

    def attach(self, runtime: DeferredRuntime) -> None:
        """Give it what it asks through; before the first `judge`."""
        self._runtime = runtime.judge

    def view(self, target: Target) -> View | Skip | None:
        """The texts that the rubrics ask for; None when a needed one does not exist, a skip when it was cut away."""
        key = f"judge texts, {target_id(target)}, {self.context}"
        found = target.once(key, lambda _: texts(target, self.context))
        if any(not found[name].strip() for name in self.inputs):
            return Skip("truncated") if is_truncated(target) else None
        shown, cut = bounded({name: found[name] for name in self.shown if found[name]}, self.max_view_chars)
        fields: dict[str, Any] = {**shown}
        return self.make_view(target, {**fields, "cut_chars": cut} if cut else fields)

    async def judge(self, views: Sequence[View], deadline_s: float) -> list[list[Answer]]:
        """One answer for each criterion and view; a verdict, a failure with its type, or a skip for the budget."""
        if self._runtime is None:
            raise RuntimeError("attach a DeferredRuntime first")
        runtime = self._runtime
        return list(await asyncio.gather(*(self._judge(view, deadline_s, runtime) for view in views)))

    async def _judge(self, view: View, deadline_s: float, runtime: JudgeRuntime) -> list[Answer]:
        shown: dict[str, str] = {
            name: view.fields[name] for name in TEXT_NAMES if isinstance(view.fields.get(name), str)
        }
        try:
            judgement = await runtime.ask(Question(self.brief, shown, self.model, self.temperature), deadline_s)
        except BudgetExceeded:
            return [Skip("budget", decision) for decision in self.decisions]
        except JudgeError as error:
            return self._failed(error.error_type, error.message, cost_usd=error.cost_usd, model=error.model)
        except Exception as error:  # a defect of ours is a failed row too, and never ends the worker
            log.exception("judge_defect", evaluator=self.name)
            return self._failed(type(error).__name__, str(error))
        return self._answers(judgement, view)

    def _answers(self, judgement: Judgement, view: View) -> list[Answer]:
        answers: list[Answer] = []
        share = len(self.rubrics)
        for rubric, decision, given in zip(self.rubrics, self.decisions, judgement.given, strict=True):
            value, label, passed = rubric.outcome(given.verdict)
            answers.append(
                Verdict(
                    value=value,
                    label=label,
                    passed=passed,
                    explanation=given.reason,
                    decision=decision,
                    cost_usd=None if judgement.cost_usd is None else judgement.cost_usd / share,
                    latency_s=judgement.latency_s,
                    model=judgement.model,
                    attributes=_attributes(judgement, rubric, given.verdict, view),
                )
            )
        return answers

    def _failed(
        self, error_type: str, message: str, *, cost_usd: float | None = None, model: str | None = None
    ) -> list[Answer]:
        each = None if cost_usd is None else cost_usd / len(self.decisions)
        message = message[:MAX_ERROR_CHARS]
        return [Failure(error_type, message, decision, cost_usd=each, model=model) for decision in self.decisions]


def _rubrics(options: LlmJudgeOptions, environment: Environment) -> tuple[Rubric, ...]:
    sources = [options.rubric] if options.rubric is not None else list(options.criteria or ())
    rubrics: list[Rubric] = []
    for index, source in enumerate(sources):
        path = "rubric" if options.rubric is not None else f"criteria[{index}]"
        try:
            rubric = load_rubric(source, environment.folder)
        except ConfigError as error:
            if error.file:
                raise
            raise ConfigError(error.message, path=".".join(filter(None, [path, error.path]))) from None
        if any(rubric.name == other.name for other in rubrics):
            raise ConfigError(f"the criterion {rubric.name!r} stands here twice", path=path)
        rubrics.append(rubric)
    return tuple(rubrics)


def _attributes(judgement: Judgement, rubric: Rubric, verdict: str | float, view: View) -> dict[str, Any]:
    found: dict[str, Any] = {"rubric": f"{rubric.name}@{rubric.digest[:8]}"}
    if rubric.score is not None:
        found["score"] = verdict
    if judgement.cached:
        found["cached"] = True
    else:
        found |= {"input_tokens": judgement.tokens.input, "output_tokens": judgement.tokens.output}
    if judgement.budget_share < 1:
        found["budget_share"] = judgement.budget_share
    if view.fields.get("cut_chars"):
        found["cut_chars"] = view.fields["cut_chars"]
    return found
