"""The whole configuration, as one YAML file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from .base import Section
from .evaluation import EmbeddingSettings, EvaluatorSettings, JudgeSettings, Price
from .kafka import KafkaSettings
from .monitoring import AlertRule, DestinationSettings, MonitorSettings
from .operation import HttpSettings, OverloadSettings, WorkerSettings
from .pipeline import (
    AssembleSettings,
    EvaluateSettings,
    ReceiverSettings,
    RedactionSettings,
    SessionSettings,
    WarehouseSettings,
)


class Settings(Section):
    """evalstream.yaml."""

    version: Literal[1] = 1
    project: str = Field("default", description="For traces that name none (resource attribute service.name).")
    environment: str = Field("production", description="For traces that name none (deployment.environment.name).")
    kafka: KafkaSettings = KafkaSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    http: HttpSettings = HttpSettings()
    worker: WorkerSettings = WorkerSettings()
    redaction: RedactionSettings = RedactionSettings()
    assemble: AssembleSettings = AssembleSettings()
    sessions: SessionSettings = SessionSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    overload: OverloadSettings = OverloadSettings()
    presets: tuple[Literal["failure_modes"], ...] = Field(
        (),
        description="Evaluators with their defaults, beside those below; an entry of the same type takes precedence.",
    )
    plugins: tuple[str, ...] = Field(
        (), description="Installed packages whose evaluators and callables may be loaded; others are left alone."
    )
    evaluators: tuple[EvaluatorSettings, ...] = ()
    prices: Mapping[str, Price] = Field({}, description="USD per million tokens by model; `gpt-4o*` matches a prefix.")
    judge: JudgeSettings = JudgeSettings()
    embeddings: EmbeddingSettings = EmbeddingSettings()
    monitor: MonitorSettings = MonitorSettings()
    alerts: tuple[AlertRule, ...] = ()
    notify: tuple[DestinationSettings, ...] = ()
