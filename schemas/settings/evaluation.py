"""`evaluators`, `judge`, `embeddings`, `prices`: what is scored, by what, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr

from ..score import TargetKind
from ..trace import SpanKind
from .base import Section


class EvaluatorSettings(Section):
    """One evaluator. What stands in `options` belongs to its type: see `evalstream evaluators show TYPE`."""

    type: str = Field(description="A shipped type, or `python` for a callable of yours.")
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Unique; default: the type."
    )
    version: str | None = Field(None, description="Default: a hash of type, options and implementation.")
    enabled: bool = True
    target: TargetKind | None = Field(None, description="Default: the type's own.")
    span_kinds: tuple[SpanKind, ...] | None = Field(None, description="Spans it looks at; default: the type's own.")
    filter: str | None = Field(None, description="CEL over `span`, `trace` and `resource`; false means not applicable.")
    sample_rate: float = Field(
        1.0, ge=0, le=1, description="Share of traces, chosen by hash: the same on every worker."
    )
    context: Literal["span", "trace"] | None = Field(
        None, description="`trace`: a span's decision is made again when the trace grows."
    )
    needs_complete: bool | None = Field(None, description="Skip traces that a limit has cut.")
    options: Mapping[str, Any] = {}

    @property
    def label(self) -> str:
        return self.name or self.type


class Price(Section):
    """Prices of one model in USD per million tokens."""

    input_per_mtok: float = Field(ge=0)
    output_per_mtok: float = Field(ge=0)
    cached_input_per_mtok: float | None = Field(None, ge=0)


class BudgetSettings(Section):
    """Most that judges may cost; beyond it requests are skipped with the reason `budget`."""

    max_cost_usd: float | None = Field(None, ge=0)
    period: Literal["hour", "day", "month"] = "day"


class CanarySettings(Section):
    """A frozen labelled set that a judge is asked again and again, to see whether the judge changes."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Measured as the evaluator `canary:NAME`."
    )
    evaluator: str = Field(description="An `llm_judge` of one rubric.")
    file: str = Field(description="JSON lines: id, fields (as the judge sees them), and passed, value or label.")
    tolerance: float = Field(0.0, ge=0, description="How far a value may be from the expected one.")
    every_s: float | None = Field(86_400.0, ge=60, description="Null: only by `evalstream canary run`.")

    @property
    def measured_as(self) -> str:
        """The evaluator that its verdicts are scores and measurements of."""
        return f"canary:{self.name}"


class JudgeSettings(Section):
    """The model behind `llm_judge` evaluators: any OpenAI-compatible endpoint."""

    model: str = "gpt-4.1-mini"
    base_url: str | None = Field(None, description="Environment: OPENAI_BASE_URL.")
    api_key: SecretStr | None = Field(None, description="Only from the environment: OPENAI_API_KEY.")
    temperature: float | None = Field(0.0, ge=0, le=2)
    max_concurrency: int = Field(64, ge=1, le=4096)
    timeout_s: float = Field(60.0, gt=0, description="Of one attempt.")
    deadline_s: float = Field(300.0, gt=0, description="Of a request with all its attempts.")
    max_attempts: int = Field(4, ge=1, le=20)
    max_view_chars: int = Field(24_000, ge=200, description="A longer view loses its middle.")
    cache: bool = Field(True, description="Ask once for equal view, rubric and model.")
    budget: BudgetSettings = BudgetSettings()
    canaries: tuple[CanarySettings, ...] = ()


class EmbeddingSettings(Section):
    """Sentence embeddings (extra `embeddings`)."""

    model: str = Field("all-MiniLM-L6-v2", description="A sentence-transformers model name or folder.")
    batch_size: int = Field(32, ge=1, le=1024)
    max_chars: int = Field(2000, ge=16)
