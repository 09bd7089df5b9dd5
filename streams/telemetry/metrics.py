"""The table of metrics: every name that a process exposes to Prometheus stands here and nowhere else.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for counters. Labels have few values: names
of evaluators and rules come from the configuration, reasons are bounded by `Metrics.bounded`. A metric is exposed by the
processes that use it; `docs/metrics.md` is written from this table (`make docs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from streams.telemetry.measure import Measure

MAX_LABEL_VALUES: Final = 64
OTHER: Final = "other"
SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Metrics:
    """The metrics of one process; each is made when it is first asked for."""

    build_info = Measure(
        Gauge, "evalstream_build_info", "1; the labels say what runs.", "component", "version", "python"
    )
    ready = Measure(Gauge, "evalstream_ready", "1 while `/readyz` answers 200.")
    reloads = Measure(Counter, "evalstream_config_reloads_total", "Reloads of the configuration.", "outcome")
    reloaded = Measure(
        Gauge,
        "evalstream_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was read, seconds since 1970.",
    )

    # --- reading ---
    lag_records = Measure(
        Gauge, "evalstream_lag_records", "Records of an assigned partition not yet received.", "topic", "partition"
    )
    lag_seconds = Measure(
        Gauge,
        "evalstream_lag_seconds",
        "How long the oldest record of an assigned partition may have waited to be received; an upper bound.",
        "topic",
        "partition",
    )
    records = Measure(Counter, "evalstream_records_total", "Records received.", "topic")
    batch_records = Measure(
        Histogram,
        "evalstream_batch_records",
        "Records in a batch.",
        "topic",
        buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
    )
    batch_seconds = Measure(
        Histogram,
        "evalstream_batch_duration_seconds",
        "From taking up a batch until the next one can be taken up (in `assemble` and `judge`: before it is done).",
        "topic",
        buckets=(*SHORT_S, 60.0, 300.0),
    )
    record_age_seconds = Measure(
        Histogram,
        "evalstream_record_age_seconds",
        "Age of a batch's oldest record, by its timestamp, when the batch had been taken up.",
        "topic",
        buckets=LONG_S,
    )
    dead_letters = Measure(Counter, "evalstream_dead_letters_total", "Records set aside.", "reason")
    dropped = Measure(
        Counter, "evalstream_dropped_total", "What was left out on purpose, beside decisions.", "what", "reason"
    )

    # --- buffers ---
    buffered = Measure(
        Gauge,
        "evalstream_buffered",
        "Items in a buffer: open_traces, open_sessions, judge_window (requests on their way), verdicts_to_store, "
        "unacknowledged (batches).",
        "buffer",
    )
    buffered_bytes = Measure(Gauge, "evalstream_buffered_bytes", "Bytes of spans in open traces.", "buffer")

    # --- decisions ---
    decisions = Measure(
        Counter,
        "evalstream_decisions_total",
        "Decisions stored by this process: scored, skipped or failed; reason: of the skip, or the error's type.",
        "evaluator",
        "status",
        "reason",
    )
    passed_over = Measure(
        Counter,
        "evalstream_passed_over_total",
        "(trace, evaluator) without a decision: filtered, sampled_out, no_target, filter_error.",
        "evaluator",
        "reason",
    )
    overload_share = Measure(
        Gauge,
        "evalstream_overload_share",
        "Share of its sampled traces that an evaluator still looks at; below 1 while overload is shed.",
        "evaluator",
    )

    # --- judge ---
    judge_seconds = Measure(
        Histogram,
        "evalstream_judge_latency_seconds",
        "From asking the judge until its verdict, with retries; cached verdicts left out.",
        "evaluator",
        buckets=LONG_S,
    )
    judge_attempts = Measure(
        Counter, "evalstream_judge_attempts_total", "Calls to the provider: ok, or the type of the error.", "outcome"
    )
    judge_questions = Measure(
        Counter,
        "evalstream_judge_questions_total",
        "Questions by how they ended: asked, cached, shared, budget; corrected: asked again for valid JSON.",
        "outcome",
    )
    judge_cost_usd = Measure(Counter, "evalstream_judge_cost_usd_total", "Cost of verdicts, USD.", "evaluator")
    judge_in_flight = Measure(Gauge, "evalstream_judge_in_flight", "Calls under way.")
    judge_limit = Measure(
        Gauge, "evalstream_judge_concurrency_limit", "Calls that may be under way; falls when the provider rejects."
    )
    judge_spent_usd = Measure(
        Gauge, "evalstream_judge_budget_spent_usd", "Spent in the current period of the budget, all workers, USD."
    )

    # --- monitor ---
    measurements = Measure(Counter, "evalstream_measurements_total", "Measurements counted.")
    drift_events = Measure(Counter, "evalstream_drift_events_total", "Drift events.", "evaluator")
    alerts = Measure(Counter, "evalstream_alerts_total", "Alerts, by the state that was entered.", "rule", "state")
    alert_segments = Measure(
        Gauge, "evalstream_alert_segments", "Segments of a rule that are in a state now.", "rule", "state"
    )
    notifications = Measure(
        Counter,
        "evalstream_notifications_total",
        "Attempts to deliver: delivered, put_off (tried again later), given_up.",
        "destination",
        "outcome",
    )
    outbox_depth = Measure(
        Gauge, "evalstream_outbox_depth", "Notifications not yet delivered, of all monitors.", "destination"
    )

    # --- dependencies ---
    transaction_seconds = Measure(
        Histogram,
        "evalstream_db_transaction_seconds",
        "Warehouse transactions that succeeded, by what they do.",
        "doing",
        buckets=SHORT_S,
    )
    unavailable = Measure(
        Counter, "evalstream_dependency_errors_total", "Failures of warehouse or broker, tried again.", "doing"
    )

    # --- receiver ---
    requests = Measure(
        Counter,
        "evalstream_receiver_requests_total",
        "OTLP requests: accepted, unavailable (503), or why they were refused.",
        "outcome",
    )
    received = Measure(Counter, "evalstream_receiver_records_total", "Records written to `otlp_spans`.")

    def __init__(self) -> None:
        disable_created_metrics()  # one more series for each counter, which nobody asks for
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.observers: list[Callable[[], None]] = []
        self._seen: dict[str, set[str]] = {}

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that an `Accept` header asks for, and its content type."""
        for observe in self.observers:
            observe()
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def bounded(self, label: str, value: str) -> str:
        """`value`, or `other` beyond the first 64 values of this label: a reason may come from a user's callable."""
        seen = self._seen.setdefault(label, set())
        if value in seen or len(seen) < MAX_LABEL_VALUES:
            seen.add(value)
            return value
        return OTHER

    def follower(self, counter: Counter, totals: Mapping[Any, float]) -> Callable[[], None]:
        """Brings a counter up to totals that are kept elsewhere, whenever it is called: evaluators and sinks know no
        metrics. Keys of `totals` are the value of the label or, of several labels, the tuple of their values."""
        told: dict[Any, float] = {}
        name = next(iter(counter.describe())).name

        def catch_up() -> None:
            for key, total in list(totals.items()):
                values = key if isinstance(key, tuple) else (key,)
                shown = (self.bounded(f"{name} {place}", value) for place, value in enumerate(values))
                counter.labels(*shown).inc(total - told.get(key, 0.0))
                told[key] = total

        return catch_up


def table() -> list[Measure[Any]]:
    """Every metric, in the order of the class."""
    return [found for found in vars(Metrics).values() if isinstance(found, Measure)]
