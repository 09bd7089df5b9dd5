"""`evalstream deadletters` against a broker: what is in the log, what was only kept, and what is gone."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.dead_letter import DeadLetter
from schemas.ids import Hasher
from schemas.settings import KafkaSettings, Topics
from schemas.source import Source
from sinks.warehouse import Warehouse
from streams.kafka.topics import ensure_topics
from tests.brokers import DevBrokerProcess
from tests.streams.cli.conftest import Result, Run
from tests.warehouses import url_of

HASHER = Hasher(b"k")
WHEN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
WHEN_MS = int(WHEN.timestamp() * 1000)
VALUES = [b"first", b"second", b"third", b"fourth"]


class Installation:
    """A topic with four records in partition 2, and a command line on it."""

    def __init__(self, evalstream: Run, warehouse: Warehouse, broker: DevBrokerProcess, prefix: str) -> None:
        self.warehouse, self._evalstream, self._servers, self._prefix = (
            warehouse,
            evalstream,
            broker.bootstrap_servers,
            prefix,
        )
        self.topic = TopicPartition(prefix + Topics.TRACES, 2)

    async def fill(self) -> None:
        await ensure_topics(KafkaSettings(bootstrap_servers=self._servers, topic_prefix=self._prefix))
        producer = AIOKafkaProducer(bootstrap_servers=self._servers)
        await producer.start()
        for value in VALUES:
            await producer.send_and_wait(*self.topic[:1], value, key=b"key", partition=2, timestamp_ms=WHEN_MS)
        await producer.stop()

    async def records(self) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers)
        await consumer.start()
        consumer.assign([self.topic])
        consumer.seek(self.topic, 0)
        found = []
        while len(found) < (await consumer.end_offsets([self.topic]))[self.topic]:
            found += (await consumer.getmany(self.topic, timeout_ms=500)).get(self.topic, [])
        await consumer.stop()
        return found

    def bury(self, offset: int, value: bytes, reason: str = "wrong_type", **fields: Any) -> DeadLetter:
        letter = DeadLetter(
            component="evaluate",
            reason=reason,
            detail=f"letter of {offset}",
            source=Source(topic=Topics.TRACES, partition=2, offset=offset),
            digest=HASHER.digest_bytes(value),
            size_bytes=len(value),
            key="key",
            time=WHEN,
            **fields,
        )
        self.warehouse.write_dead_letters([letter])
        return letter

    def __call__(self, *arguments: str) -> Result:
        return self._evalstream(
            "deadletters",
            *arguments,
            EVALSTREAM_KEY="k",
            EVALSTREAM_WAREHOUSE_URL=url_of(self.warehouse),
            KAFKA_BOOTSTRAP_SERVERS=self._servers,
        )


@pytest.fixture
def installation(
    tmp_path: Path, evalstream: Run, sqlite_warehouse: Warehouse, dev_broker: DevBrokerProcess
) -> Installation:
    prefix = f"letters-{tmp_path.name}-"
    (tmp_path / "evalstream.yaml").write_text(f"kafka: {{topic_prefix: {prefix}}}\n")
    made = Installation(evalstream, sqlite_warehouse, dev_broker, prefix)
    asyncio.run(made.fill())
    return made


def test_what_the_log_holds_is_published_again_once(installation: Installation) -> None:
    letters = [installation.bury(offset, VALUES[offset]) for offset in (2, 0)]
    installation.bury(1, VALUES[1], reason="poison")
    looked = installation("requeue", "--reason", "wrong_type", "--dry-run", "--json")
    assert looked.code == 0 and [d["origin"] for d in looked.documents] == ["log", "log"]
    assert len(asyncio.run(installation.records())) == len(VALUES)
    done = installation("requeue", "--reason", "wrong_type", "--json")
    assert {d["letter_id"] for d in done.documents} == {letter.letter_id for letter in letters}
    assert {d["outcome"] for d in done.documents} == {"requeued"}
    records = asyncio.run(installation.records())
    assert [r.value for r in records[len(VALUES) :]] == [b"first", b"third"]
    assert {(r.key, r.timestamp) for r in records} == {(b"key", WHEN_MS)}
    again = installation("requeue", "--reason", "wrong_type")
    assert again.code == 0 and "published again before" in again.err
    assert len(asyncio.run(installation.records())) == len(VALUES) + 2
    waiting = installation("list", "--waiting", "--json").documents
    assert [letter["reason"] for letter in waiting] == ["poison"]
    forced = installation("requeue", letters[0].letter_id[:10], "--again", "--json")
    assert [d["letter_id"] for d in forced.documents] == [letters[0].letter_id]


def test_it_says_what_is_gone(installation: Installation) -> None:
    kept = b64encode(b"redacted").decode()
    expected = {
        installation.bury(3, b"what lay there before").letter_id: ("replaced", None),
        installation.bury(40, b"beyond the end").letter_id: ("gone", None),
        installation.bury(41, b"original", payload=kept).letter_id: ("requeued", "payload"),
        installation.bury(42, b"x" * 2_000_000, payload=b64encode(b"x" * 1_000_000).decode()).letter_id: (
            "incomplete",
            None,
        ),
        installation.bury(1, b"", reason="too_large").letter_id: ("whole", None),
    }
    done = installation("requeue", "--all", "--json")
    assert done.code == 1
    assert {d["letter_id"]: (d["outcome"], d["origin"]) for d in done.documents} == expected
    records = asyncio.run(installation.records())
    assert [r.value for r in records[len(VALUES) :]] == [b"redacted"]
    assert len(installation("list", "--waiting", "--json").documents) == 4
    told = installation("requeue", "--all")
    assert "the log does not hold it any more" in told.out and told.code == 1


def test_list_and_show(installation: Installation) -> None:
    letter = installation.bury(1, VALUES[1], payload=b64encode(b"bytes\x00 [EMAIL:3fa9c1]").decode())
    installation.bury(2, VALUES[2], reason="poison")
    listed = installation("list")
    assert "2 dead letters" in listed.out and "traces-2@1" in listed.out and letter.letter_id[:12] in listed.out
    for filters, count in (
        (("--reason", "poison"), 1),
        (("--component", "judge"), 0),
        (("--topic", "traces"), 2),
        (("--since", str(WHEN_MS // 1000 + 1)), 0),
        (("--until", str(WHEN_MS // 1000 + 1), "--since", str(WHEN_MS // 1000)), 2),
    ):
        assert len(installation("list", *filters, "--json").documents) == count, filters
    shown = installation("show", letter.letter_id[:8])
    assert shown.code == 0 and "letter of 1" in shown.out and "[EMAIL:3fa9c1]" in shown.out and "\x00" not in shown.out
    [document] = installation("show", letter.letter_id, "--json").documents
    assert document["digest"] == letter.digest and document["requeued_at"] is None
    missing = installation("show", "ffffffffff")
    assert missing.code == 1 and "no dead letters" in missing.err
    assert installation("requeue").code == 2
    assert installation("requeue", "a").code == 2
