"""The configuration: one model a YAML section, and the loader that knows line numbers."""

from .base import Section
from .evaluation import BudgetSettings, CanarySettings, EmbeddingSettings, EvaluatorSettings, JudgeSettings, Price
from .kafka import KafkaSettings, Topics
from .load import SourceMap, load_settings, parse_settings
from .monitoring import AlertRule, DestinationSettings, DetectorSettings, MonitorSettings, Statistic
from .operation import HttpSettings, OverloadSettings, WorkerSettings
from .pipeline import (
    AssembleSettings,
    EvaluateSettings,
    ReceiverSettings,
    RedactionRule,
    RedactionSettings,
    SessionSettings,
    WarehouseSettings,
)
from .root import Settings

__all__ = [
    "AlertRule",
    "AssembleSettings",
    "BudgetSettings",
    "CanarySettings",
    "DestinationSettings",
    "DetectorSettings",
    "EmbeddingSettings",
    "EvaluateSettings",
    "EvaluatorSettings",
    "HttpSettings",
    "JudgeSettings",
    "KafkaSettings",
    "MonitorSettings",
    "OverloadSettings",
    "Price",
    "ReceiverSettings",
    "RedactionRule",
    "RedactionSettings",
    "Section",
    "SessionSettings",
    "Settings",
    "SourceMap",
    "Statistic",
    "Topics",
    "WarehouseSettings",
    "WorkerSettings",
    "load_settings",
    "parse_settings",
]
