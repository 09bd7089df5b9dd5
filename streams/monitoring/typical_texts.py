"""Which texts a change of embeddings is about: the monitor knows vectors and trace ids, the warehouse holds the (redacted) texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from evaluators.protocol import Target
from evaluators.text import KINDS_WITH_TEXT, TextChoice, pieces
from schemas.drift_event import DriftEvent
from schemas.settings import EvaluatorSettings
from schemas.trace import Trace
from sinks.warehouse import Warehouse

MAX_CHARS = 100


def with_typical_texts(
    event: DriftEvent, warehouse: Warehouse, evaluators: Sequence[EvaluatorSettings], most: int
) -> DriftEvent:
    """The event with excerpts of at most `most` of its typical traces; as it is where the warehouse has no text of them."""
    ids = event.details.get("typical_traces", ()) if event.kind == "embedding" and most else ()
    if not ids:
        return event
    choice = _choice(event.segment.evaluator, evaluators)
    traces = warehouse.traces(ids)
    texts: dict[str, str] = {}
    for trace_id in ids:
        text = _excerpt(traces[trace_id], choice) if trace_id in traces else ""
        if text and len(texts) < most:
            texts.setdefault(text, trace_id)
    if not texts:
        return event
    how = "more" if event.details.get("more") else "fewer"
    listed = ", ".join(f"“{text}”" for text in texts)
    return event.model_copy(
        update={
            "subject": next(iter(texts)),
            "explanation": f"{event.explanation}: {how} texts like {listed}",
            "details": {**event.details, "typical_texts": [{"trace_id": i, "text": text} for text, i in texts.items()]},
        }
    )


def _choice(evaluator: str, evaluators: Sequence[EvaluatorSettings]) -> TextChoice:
    """Which text was embedded."""
    options = next((e.options for e in evaluators if e.label == evaluator), {})
    given = options.get("text", "input")
    return cast(TextChoice, given if given in KINDS_WITH_TEXT else "input")


def _excerpt(trace: Trace, choice: TextChoice) -> str:
    text = " ".join(" ".join(piece.text for piece in pieces(Target(trace), choice)).split())
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1].rstrip()}…"
