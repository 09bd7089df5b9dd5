"""One row of the table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

if TYPE_CHECKING:
    from streams.telemetry.metrics import Metrics

Kind = TypeVar("Kind", bound=MetricWrapperBase)
_NAMES: dict[type[MetricWrapperBase], str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


class Measure(Generic[Kind]):
    """A metric as it is declared; on an instance of `Metrics` the metric itself, made on first use.

    Parameters
    ----------
    buckets : upper bounds of a histogram, in the unit of its name.
    """

    def __init__(
        self, kind: type[Kind], name: str, help_text: str, *labels: str, buckets: Sequence[float] | None = None
    ) -> None:
        self.kind, self.name, self.help, self.labels, self.buckets = kind, name, help_text, labels, buckets

    @property
    def kind_name(self) -> str:
        """As Prometheus calls it."""
        return _NAMES[self.kind]

    def __set_name__(self, owner: type[Metrics], attribute: str) -> None:
        self._attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type[Metrics]) -> Measure[Kind]: ...
    @overload
    def __get__(self, instance: Metrics, owner: type[Metrics]) -> Kind: ...
    def __get__(self, instance: Metrics | None, owner: type[Metrics]) -> Measure[Kind] | Kind:
        if instance is None:
            return self
        made = self._make(instance)
        instance.__dict__[self._attribute] = made  # found before this descriptor from now on
        return made

    def _make(self, metrics: Metrics) -> Kind:
        options = {} if self.buckets is None else {"buckets": self.buckets}
        return self.kind(self.name, self.help, self.labels, registry=metrics.registry, **options)  # type: ignore[arg-type]
