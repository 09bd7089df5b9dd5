"""An event of embeddings is told in the words of its traces, as far as the warehouse has them."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.drift_event import DriftEvent
from schemas.measurement import Segment
from schemas.settings import EvaluatorSettings
from schemas.trace import Trace
from sinks.warehouse import Warehouse
from streams.monitoring.typical_texts import MAX_CHARS, with_typical_texts
from tests.sinks.making import at, message, span, trace

INTENT = EvaluatorSettings(type="embedding", name="intent", options={"text": "input"})
ANSWER = EvaluatorSettings(type="embedding", name="answer", options={"text": "output"})


@pytest.fixture(autouse=True)
def _stored(warehouse: Warehouse) -> None:
    warehouse.store_traces(
        [asked("t1", "book a\nflight to Oslo"), asked("t2", "x" * 500), asked("t3", "block my card")]
    )


def asked(trace_id: str, question: str) -> Trace:
    said, answer = message(question), message(f"About {question}", "assistant")
    call = span("a", kind="llm", tool_name=None, input_messages=(said.digest,), output_messages=(answer.digest,))
    return trace(trace_id, call, messages={m.digest: m for m in (said, answer)})


def event(*traces: str, evaluator: str = "intent", **fields: Any) -> DriftEvent:
    given = {"kind": "embedding", "explanation": "one topic moved", **fields}
    details = {"more": True, "typical_traces": list(traces)} | given.pop("details", {})
    return DriftEvent(
        segment=Segment(evaluator=evaluator), detector="embedding", detected_at=at(9), details=details, **given
    )


def told(given: DriftEvent, warehouse: Warehouse, most: int = 3) -> DriftEvent:
    return with_typical_texts(given, warehouse, [INTENT, ANSWER], most)


def test_in_the_order_of_the_traces_and_on_one_line(warehouse: Warehouse) -> None:
    found = told(event("t3", "gone", "t1"), warehouse)
    assert found.details["typical_texts"] == [
        {"trace_id": "t3", "text": "block my card"},
        {"trace_id": "t1", "text": "book a flight to Oslo"},
    ]
    assert found.explanation == "one topic moved: more texts like “block my card”, “book a flight to Oslo”"
    assert found.subject == "block my card"
    assert found.event_id == event("t3", "gone", "t1").event_id


def test_the_text_that_was_embedded(warehouse: Warehouse) -> None:
    found = told(event("t3", evaluator="answer", details={"more": False}), warehouse)
    assert found.explanation == "one topic moved: fewer texts like “About block my card”"


def test_excerpts_are_short_and_few(warehouse: Warehouse) -> None:
    found = told(event("t2", "t1", "t3"), warehouse, most=1)
    ((_, text),) = (one.values() for one in found.details["typical_texts"])
    assert len(text) == MAX_CHARS and text.endswith("…")


def test_none_are_wanted_or_stored(warehouse: Warehouse) -> None:
    for given, most in ((event("t1"), 0), (event("gone"), 3), (event(), 3), (event("t1", kind="score"), 3)):
        assert told(given, warehouse, most) == given
