"""What a process tells an operator: metrics, and whether it is alive and ready."""

from streams.telemetry.metrics import Metrics

__all__ = ["Metrics"]
