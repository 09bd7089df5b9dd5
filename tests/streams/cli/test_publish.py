"""`publish` and `feedback` into a real broker."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from schemas.ids import Hasher
from schemas.otlp import decode
from streams.evaluating.feedback import FeedbackRecord
from tests.brokers import ROOT, DevBrokerProcess, free_port
from tests.streams.cli.conftest import Run

CLEAN = ROOT / "examples" / "traces" / "airline.otlp.jsonl.gz"


@pytest.fixture
def prefix(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A topic prefix of the test's own, in the configuration of its folder."""
    name = f"{request.node.name[:40].replace('[', '-').replace(']', '')}-"
    (tmp_path / "evalstream.yaml").write_text(f"kafka: {{topic_prefix: {name}, max_record_mb: 1}}\n")
    return name


@pytest.fixture
def publish(evalstream: Run, dev_broker: DevBrokerProcess, prefix: str) -> Run:
    def run(*arguments: str) -> Any:
        return evalstream("publish", *arguments, KAFKA_BOOTSTRAP_SERVERS=dev_broker.bootstrap_servers)

    return run


async def topic(broker: DevBrokerProcess, name: str) -> list[tuple[str | None, bytes]]:
    consumer = AIOKafkaConsumer(name, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[str | None, bytes]] = []
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [(record.key.decode() if record.key else None, record.value) for record in batch]
    finally:
        await consumer.stop()
    return found


def span(trace_id: str, number: int, text: str = "") -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": "1767225600000000000",
        "endTimeUnixNano": "1767225601000000000",
        "attributes": [{"key": "note", "value": {"stringValue": text}}],
    }


def otlp(*spans: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def native(trace_id: str, text: str = "") -> str:
    one = {"span_id": "1", "name": "chat", "start": "2026-01-01T00:00:00Z", "attributes": {"note": text}}
    return json.dumps({"trace_id": trace_id, "spans": [one]})


async def test_the_examples_keyed_by_trace_id(publish: Run, dev_broker: DevBrokerProcess, prefix: str) -> None:
    done = publish(str(CLEAN), "--json")
    assert done.code == 0, done
    [document] = done.documents
    assert (document["records"], document["traces"], document["bad"]) == (40, 40, 0)
    records = await topic(dev_broker, f"{prefix}otlp_spans")
    with gzip.open(CLEAN) as file:
        lines = {line.strip() for line in file}
    assert {value for _, value in records} == lines
    for key, value in records:
        assert [fragment.trace_id for fragment in decode(value, Hasher(b"k"))] == [key]


async def test_each_kind_to_its_topic(publish: Run, dev_broker: DevBrokerProcess, prefix: str, tmp_path: Path) -> None:
    a, b = "a" * 32, "b" * 32
    (tmp_path / "one.jsonl").write_text(f"{otlp(span(a, 1))}\n{otlp(span(a, 2), span(b, 3))}\n")
    (tmp_path / "native.jsonl.gz").write_bytes(gzip.compress(f"{native('mine')}\n".encode()))
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\x0c" * 16, span_id=b"\x01" * 8, name="x")
    (tmp_path / "p.binpb").write_bytes(request.SerializeToString())
    done = publish("one.jsonl", "native.jsonl.gz", "p.binpb", "--json")
    assert done.code == 0, done
    assert done.documents[0]["topics"] == {"otlp_spans": 3, "traces": 1}
    assert done.documents[0]["traces"] == 4
    spans = await topic(dev_broker, f"{prefix}otlp_spans")
    assert sorted(str(key) for key, _ in spans) == sorted([a, "None", "0c" * 16])
    assert await topic(dev_broker, f"{prefix}traces") == [("mine", native("mine").encode())]


async def test_bad_lines_are_told_and_the_rest_is_published(
    publish: Run, dev_broker: DevBrokerProcess, prefix: str, tmp_path: Path
) -> None:
    lines = [native("good"), "{broken", '{"neither": 1}', otlp(span("0" * 32, 1)), native(""), native("also good")]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines))
    done = publish("mixed.jsonl", "--json")
    assert done.code == 1
    [document] = done.documents
    assert (document["records"], document["bad"]) == (2, 4)
    told = {problem["place"]: problem["reason"] for problem in document["problems"]}
    assert told == {
        "mixed.jsonl:2": "undecodable",
        "mixed.jsonl:3": "not_a_trace",
        "mixed.jsonl:4": "bad_id",
        "mixed.jsonl:5": "wrong_type",
    }
    assert "error: mixed.jsonl:2: undecodable: " in done.err and "Traceback" not in done.err
    assert {key for key, _ in await topic(dev_broker, f"{prefix}traces")} == {"good", "also good"}


async def test_too_large(publish: Run, dev_broker: DevBrokerProcess, prefix: str, tmp_path: Path) -> None:
    a, text = "a" * 32, "x" * 300_000
    (tmp_path / "large.jsonl").write_text(
        f"{otlp(*(span(a, n, text) for n in range(1, 9)))}\n{native('large', text * 5)}\n"
    )
    done = publish("large.jsonl", "--json")
    assert done.code == 1
    assert [(p["place"], p["reason"]) for p in done.documents[0]["problems"]] == [("large.jsonl:2", "too_large")]
    records = await topic(dev_broker, f"{prefix}otlp_spans")
    assert len(records) > 2 and {key for key, _ in records} == {a}
    spans = [s.span_id for _, value in records for fragment in decode(value, Hasher(b"k")) for s in fragment.spans]
    assert sorted(spans) == [f"{n:016x}" for n in range(1, 9)]


def test_a_missing_file_is_said_before_anything_is_published(publish: Run) -> None:
    done = publish(str(CLEAN), "nowhere.jsonl")
    assert done.code == 2 and done.err == "error: nowhere.jsonl: cannot be read: No such file or directory\n"


def test_without_a_broker_it_says_what_to_do(evalstream: Run) -> None:
    for arguments in (["publish", str(CLEAN)], ["feedback", "t", "--score", "1"], ["status"], ["worker", "judge"]):
        done = evalstream(*arguments)
        assert done.code == 2, done
        assert "evalstream up" in done.err and "KAFKA_BOOTSTRAP_SERVERS" in done.err


def test_a_broker_that_does_not_answer_is_4(evalstream: Run) -> None:
    done = evalstream("publish", str(CLEAN), KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert done.code == 4 and "no broker answers" in done.err and "Traceback" not in done.err


async def test_feedback(evalstream: Run, dev_broker: DevBrokerProcess, prefix: str) -> None:
    given = (
        "feedback",
        "t1",
        "--score",
        "0.25",
        "--span-id",
        "s1",
        "--label",
        "rude",
        "--comment",
        "no",
        "--author",
        "ann",
    )
    done = evalstream(*given, "--json", KAFKA_BOOTSTRAP_SERVERS=dev_broker.bootstrap_servers)
    assert done.code == 0, done
    [(key, value)] = await topic(dev_broker, f"{prefix}feedback")
    record = FeedbackRecord.from_bytes(value)
    assert key == "t1" and done.documents == [json.loads(value)]
    assert (record.score, record.span_id, record.label, record.author, record.name) == (
        0.25,
        "s1",
        "rude",
        "ann",
        "human",
    )
