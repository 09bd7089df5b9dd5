"""A trace that is too large for one record leaves in several, and comes together again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.merge import merge_traces, with_digests
from schemas.trace import Span, Trace
from streams.gathering.shrink import fitted

AT = datetime(2026, 1, 1, tzinfo=UTC)


def trace(spans: int, result_chars: int) -> Trace:
    made = tuple(
        Span(
            span_id=f"s{i:05d}",
            parent_id="s00000" if i else None,
            digest=f"d{i}",
            name="step",
            kind="tool",
            start=AT,
            end=AT,
            attributes={f"key{j}": j for j in range(40)},
            result="x" * result_chars,
        )
        for i in range(spans)
    )
    return with_digests(Trace(trace_id="t", spans=made), [(s.span_id, s.digest) for s in made])


def test_one_that_fits_is_left_alone() -> None:
    small = trace(3, 100)
    assert fitted(small, 1_000_000) == [small.to_bytes()]


def test_large_texts_lose_their_middle_before_anything_else() -> None:
    [record] = fitted(trace(20, 100_000), 500_000)
    read = Trace.from_bytes(record)
    assert len(read.spans) == 20 and len(record) <= 500_000
    assert all(span.truncated and "characters cut" in span.result for span in read.spans)


@pytest.mark.parametrize("limit", [400_000, 150_000])
def test_many_spans_leave_in_pieces(limit: int) -> None:
    whole = trace(1_000, 300)
    records = fitted(whole, limit)
    pieces = [Trace.from_bytes(record) for record in records]
    assert len(pieces) > 1 and all(len(record) <= limit for record in records)
    assert [piece.partial for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = merge_traces(joined, piece)
    joined = with_digests(joined, [(s.span_id, s.digest) for s in joined.spans])
    assert joined.fingerprint == whole.fingerprint
    assert not joined.partial
