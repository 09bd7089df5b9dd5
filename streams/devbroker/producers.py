"""Idempotent producers on one partition: a batch that is sent again is recognised and not written again."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from streams.devbroker.codes import Code, Refusal
from streams.kafka.record_batch import BatchHeader

REMEMBERED_BATCHES = 5  # what a producer may have in flight at most, and so repeat
REMEMBERED_PRODUCERS = 2_000  # a partition; the one silent for longest is forgotten
SEQUENCE_MASK = 0x7FFFFFFF  # sequences wrap from 2^31 - 1 to 0


class ProducerSequences:
    """Who wrote what last. Rebuilt from the log on start, so it needs no file of its own."""

    def __init__(self) -> None:
        self._producers: OrderedDict[int, _Producer] = OrderedDict()

    def duplicate(self, batch: BatchHeader) -> int | None:
        """Return the base offset of the earlier copy of `batch`, or None when it is new.

        Raises
        ------
        Refusal : the epoch is an old one, or a batch before this one is missing.
        """
        known = self._producers.get(batch.producer_id)
        if batch.producer_id < 0 or known is None:
            return None
        if batch.producer_epoch < known.epoch:
            raise Refusal(Code.INVALID_PRODUCER_EPOCH, f"epoch {batch.producer_epoch} is older than {known.epoch}")
        if batch.producer_epoch > known.epoch:
            expected = 0
        else:
            for first, last, base_offset in known.batches:
                if (first, last) == (batch.base_sequence, _last_sequence(batch)):
                    return base_offset
            expected = (known.batches[-1][1] + 1) & SEQUENCE_MASK
        if batch.base_sequence != expected:
            raise Refusal(Code.OUT_OF_ORDER_SEQUENCE_NUMBER, f"expected {expected}, got {batch.base_sequence}")
        return None

    def note(self, batch: BatchHeader) -> None:
        """Remember a batch that stands in the log."""
        if batch.producer_id < 0:
            return
        known = self._producers.get(batch.producer_id)
        if known is None or known.epoch != batch.producer_epoch:
            known = self._producers[batch.producer_id] = _Producer(batch.producer_epoch)
        known.batches.append((batch.base_sequence, _last_sequence(batch), batch.base_offset))
        self._producers.move_to_end(batch.producer_id)
        if len(self._producers) > REMEMBERED_PRODUCERS:
            self._producers.popitem(last=False)


@dataclass(slots=True)
class _Producer:
    epoch: int
    batches: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES))


def _last_sequence(batch: BatchHeader) -> int:
    return (batch.base_sequence + batch.last_offset_delta) & SEQUENCE_MASK
