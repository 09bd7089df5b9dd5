"""A Faust transport that hands an agent one event per fetched chunk of a partition, instead of one per record.

Faust spends its time on asyncio machinery per event, so an event that carries hundreds of records costs a hundredth of
it. Agents, rebalancing, acknowledgement and back-pressure stay Faust's; what changes is

- the value of an event is a list of raw aiokafka records, its offset that of the last of them, its key the number of
  seeks of the partition before it was fetched;
- offsets are kept as a ledger of chunks: the commit is the position behind the longest acknowledged prefix, so gaps in
  the log (compaction, transaction markers) need no bookkeeping, and an unacknowledged chunk holds the commit back
  whether or not anybody still refers to it;
- a seek counts for what is fetched after it: chunks that were fetched before and are still on their way are dropped;
- only committed transactions are read, and no batch that grows without bounds when it is inflated.

Concurrency of an agent stays 1; work in parallel inside a chunk.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.kafka.inflation import bounded

CHUNK_BYTES = 8 * 2**20


class ChunkConsumer(driver.Consumer):
    """A consumer whose messages are chunks of records."""

    chunk_records = 500
    inflated_bytes = 64 * 2**20
    _thread: _ChunkThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ledgers: dict[TP, OrderedDict[tuple[int, int, int], bool]] = {}
        self._fetched: dict[TP, tuple[int, int]] = {}
        self.seeks: Counter[TP] = Counter()

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        wanted = {tp: found for tp, found in records.items() if self._is_wanted(tp, active)}
        seeks = {tp: self._thread.seeks_at_fetch[tp] for tp in wanted}
        current = [tp for tp in wanted if seeks[tp] == self.seeks[tp]]
        self._fetched.update({tp: (generation, wanted[tp][-1].offset + 1) for tp in current})
        for tp in current:
            for chunk in _chunks(wanted[tp], self.chunk_records):
                if not self.flow_active or generation != self.app.consumer_generation_id:
                    return
                if seeks[tp] != self.seeks[tp]:
                    break
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                message = _as_message(tp, chunk, generation, seeks[tp])
                if message.offset <= (self._read_offset[tp] or -1):
                    # The topic was made again and its offsets come anew; Faust would drop what it takes to be read.
                    self._read_offset[tp] = None
                self._ledgers.setdefault(tp, OrderedDict())[_entry(message)] = False
                yield tp, message

    def _is_wanted(self, tp: TP, active: set[TP] | None) -> bool:
        return active is None or tp in active or tp in self._buffered_partitions

    async def _seek_back(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # the broker is away, or the group is rebalancing: the next round tries again
            self.log.warning("cannot seek to the committed offsets yet: %r", error)

    # --- acknowledgement -----------------------------------------------------------------------------------------

    def ack(self, message: Any) -> bool:
        """Mark a chunk as done. One of an earlier assignment is ignored: its records are being read again."""
        entry = _entry(message)
        ledger = self._ledgers.get(message.tp)
        if ledger is None or entry not in ledger or ledger[entry]:
            return False
        message.acked = True
        ledger[entry] = True
        self._n_acked += 1
        return True

    @property
    def unacknowledged(self) -> int:
        """Chunks handed out and not acknowledged."""
        return sum(not done for ledger in self._ledgers.values() for done in ledger.values())

    def track_message(self, message: Any) -> None:
        self._on_message_in(message.tp, message.offset, message)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to do: the ledger knows chunks, not offsets."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self._ledgers if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        ledger = self._ledgers.get(tp)
        position = None
        while ledger:
            (_, _, offset), done = next(iter(ledger.items()))
            if not done:
                break
            ledger.popitem(last=False)
            position = offset + 1
        return position

    # --- movement ------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._ledgers.pop(tp, None)
            self._fetched.pop(tp, None)

    def position_now(self, tp: TP) -> int | None:
        """The offset behind what was fetched, markers included; None while it is not known."""
        client = self._thread._consumer
        assignment = client and client._subscription.subscription and client._subscription.subscription.assignment
        state = assignment and assignment.state_value(aiokafka.TopicPartition(tp.topic, tp.partition))
        return state.position if state and state.has_valid_position else None

    def fetched_now(self, tp: TP) -> int:
        """The offset behind the newest record that was fetched in this assignment, received or still in a buffer; 0 when
        none was."""
        generation, offset = self._fetched.get(tp, (-1, 0))
        return offset if generation == self.app.consumer_generation_id else 0

    def committed_now(self, tp: TP) -> int | None:
        """The last commit known of; None while there is none."""
        return self._committed_offset[tp]

    async def put_back(self, tp: TP, offset: int) -> bool:
        """Commit `offset`, which may lie before the last commit, for the log is another one. False: not ours any more."""
        self._committed_offset[tp] = offset
        return bool(await self._commit({tp: offset}))

    async def seek(self, partition: TP, offset: int) -> None:
        """Read `partition` again from `offset`; chunks handed out before are forgotten, and carry a lower count."""
        self._ledgers.pop(partition, None)
        self._fetched.pop(partition, None)
        self.seeks[partition] += 1
        await super().seek(partition, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.call_thread(self._thread.move, partition, offset, self.seeks[partition])


class ChunkTransport(driver.Transport):
    """Faust's aiokafka transport with the chunk consumer."""

    Consumer = ChunkConsumer


class _ChunkThread(driver.AIOKafkaConsumerThread):
    """Reads only committed transactions (Faust does so only under exactly-once, which it cannot keep for us), and nothing
    that inflates too far. Seeks between two fetches, and says how many seeks had been made when a partition was fetched last."""

    consumer: ChunkConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seeks: Counter[TP] = Counter()
        self.seeks_at_fetch: dict[TP, int] = {}

    async def move(self, partition: TP, offset: int, seeks: int) -> None:
        """Read `partition` from `offset`, which is its seek number `seeks`; on the loop of the thread."""
        self.seek(partition, offset)
        self._seeks[partition] = seeks

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(*args, **kwargs)
        self.seeks_at_fetch.update({tp: self._seeks[tp] for tp in records})
        return records

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return bounded(consumer, self.consumer.inflated_bytes)


def _chunks(records: list[Any], most: int) -> Iterator[list[Any]]:
    """`records` cut so that no chunk has more than `most` of them or, beyond its first, more than CHUNK_BYTES."""
    chunk: list[Any] = []
    size = 0
    for record in records:
        grown = size + len(record.value or b"")
        if chunk and (len(chunk) >= most or grown > CHUNK_BYTES):
            yield chunk
            chunk, grown = [], len(record.value or b"")
        chunk.append(record)
        size = grown
    if chunk:
        yield chunk


def _entry(message: Any) -> tuple[int, int, int]:
    """The place of a chunk in its ledger: generation, seeks of the partition, offset."""
    return message.generation_id, message.key, message.offset


def _as_message(tp: TP, chunk: Iterable[Any], generation: int, seeks: Any) -> ConsumerMessage:
    records: Any = list(chunk)
    last = records[-1]
    return ConsumerMessage(
        last.topic,
        last.partition,
        last.offset,
        last.timestamp / 1000.0,
        last.timestamp_type,
        [],
        seeks,
        records,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )
