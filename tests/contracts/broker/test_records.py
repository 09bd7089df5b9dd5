"""Records: what is sent comes back, in order, at dense offsets."""

from __future__ import annotations

import os

import pytest

from tests.contracts.broker.client import NOW_MS, Record, Refused

MESSAGE_TOO_LARGE, OFFSET_OUT_OF_RANGE, LIBRDKAFKA_AUTO_OFFSET_RESET = 10, 1, -140


async def test_a_record_comes_back_whole(client, name):
    await client.create_topic(name, 2)
    sent = [
        Record(b"value", b"key", 0, NOW_MS, (("name", b"content"), ("name", b"again"))),
        Record(b"", b"", 0, NOW_MS + 1),
        Record(b"no key", None, 0, NOW_MS + 2),
        Record(None, b"tombstone", 0, NOW_MS + 3),
    ]
    assert await client.produce(name, sent) == [0, 1, 2, 3]
    assert await client.fetch(name, 0, 0, 4) == sent
    assert await client.offsets(name, 1) == (0, 0)


async def test_offsets_are_dense_in_each_partition(client, name):
    await client.create_topic(name, 3)
    offsets = await client.produce(name, [Record(b"%d" % i, partition=i % 3) for i in range(300)])
    assert offsets == [i // 3 for i in range(300)]
    for partition in range(3):
        assert await client.offsets(name, partition) == (0, 100)
        read = await client.fetch(name, partition, 40, 60)
        assert [record.value for record in read] == [b"%d" % i for i in range(120 + partition, 300, 3)]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_batches(client, name, compression):
    await client.create_topic(name)
    sent = [Record(b"the same again " * 20 + b"%d" % i) for i in range(200)]
    await client.produce(name, sent, compression=compression)
    assert await client.fetch(name, 0, 0, 200) == sent
    assert await client.fetch(name, 0, 123, 1) == [sent[123]]


async def test_idempotent_producers(client, name):
    await client.create_topic(name)
    for run in range(2):
        offsets = await client.produce(name, [Record(b"%d" % i) for i in range(100)], idempotent=True)
        assert offsets == list(range(run * 100, run * 100 + 100))


async def test_a_topic_is_created_by_the_first_record(client, name):
    assert await client.produce(name, [Record(b"first")]) == [0]
    assert (await client.topics())[name] == 4


async def test_a_reader_of_committed_records_reads_plain_ones(client, name):
    await client.create_topic(name)
    await client.produce(name, [Record(b"plain")])
    assert await client.fetch(name, 0, 0, 1, committed_only=True) == [Record(b"plain")]


async def test_a_record_larger_than_the_fetch_limit_still_arrives(client, name):
    await client.create_topic(name)
    sent = [Record(os.urandom(100_000)), Record(b"small"), Record(os.urandom(50_000))]
    for record in sent:
        await client.produce(name, [record])
    assert await client.fetch(name, 0, 0, 3, max_bytes=2_000) == sent


async def test_max_message_bytes(client, name):
    await client.create_topic(name, config={"max.message.bytes": "6000000"})
    large = Record(os.urandom(5_000_000))
    assert await client.produce(name, [large]) == [0]
    with pytest.raises(Refused) as refused:
        await client.produce(name, [Record(os.urandom(6_000_001))])
    assert refused.value.code == MESSAGE_TOO_LARGE
    assert await client.fetch(name, 0, 0, 1) == [large]
    assert await client.offsets(name, 0) == (0, 1)


async def test_offsets_by_time_are_exact_inside_a_batch(client, name):
    await client.create_topic(name)
    await client.produce(name, [Record(b"x", timestamp=NOW_MS + 10 * i) for i in range(100)], compression="gzip")
    await client.produce(name, [Record(b"late", timestamp=NOW_MS + 5)])
    assert await client.offset_at(name, 0, NOW_MS) == 0
    assert await client.offset_at(name, 0, NOW_MS + 500) == 50
    assert await client.offset_at(name, 0, NOW_MS + 501) == 51
    assert await client.offset_at(name, 0, NOW_MS + 991) is None


async def test_reading_outside_the_log_is_refused(client, name):
    await client.create_topic(name)
    await client.produce(name, [Record(b"%d" % i) for i in range(10)])
    await client.delete_records(name, 0, 4)
    assert await client.offsets(name, 0) == (4, 10)
    assert [record.value for record in await client.fetch(name, 0, 4, 6)] == [b"%d" % i for i in range(4, 10)]
    for outside in (3, 11):
        with pytest.raises(Refused) as refused:
            await client.fetch(name, 0, outside, 1)
        assert refused.value.code in (OFFSET_OUT_OF_RANGE, LIBRDKAFKA_AUTO_OFFSET_RESET)
