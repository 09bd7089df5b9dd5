"""A trace that is too large for a record keeps every span and says what it lost."""

from __future__ import annotations

import pytest

from schemas.errors import InvalidRecord
from schemas.trace import ToolCall
from streams.gathering.shrink import cut_middle, fitted, shrink
from tests.sinks.making import message, span, trace

BIG = "begin " + "x" * 200_000 + " end"


def test_what_fits_stays_as_it_is() -> None:
    small = trace("t", span("a"))
    assert fitted(small, 100_000) == [small.to_bytes()]


@pytest.mark.parametrize("limit", [150_000, 20_000, 5_000])
def test_every_span_is_kept_and_the_largest_texts_lose_their_middle(limit: int) -> None:
    asked, answered = message(BIG), message("short", "assistant")
    whole = trace(
        "t",
        span("a", kind="llm", tool_name=None, input_messages=(asked.digest,), output_messages=(answered.digest,)),
        span("b", result={"text": BIG, "list": [BIG, 1]}),
        span("c", attributes={"blob": BIG}),
        span("d", result="small"),
        span("e", kind="llm", tool_name=None, output_messages=(answered.digest,)),
        messages={m.digest: m for m in (asked, answered)},
    )
    cut = shrink(whole, limit)
    assert len(cut.to_bytes()) <= limit and fitted(whole, limit) == [cut.to_bytes()]
    assert [s.span_id for s in cut.spans] == [s.span_id for s in whole.spans]
    assert [s.digest for s in cut.spans] == [s.digest for s in whole.spans]
    assert {s.span_id: s.truncated for s in cut.spans} == {"a": True, "b": True, "c": True, "d": False, "e": False}
    assert cut.messages[answered.digest] == answered
    shown = cut.messages[asked.digest].content
    assert shown.startswith("begin ") and shown.endswith(" end") and "characters cut" in shown
    assert cut.spans[1].result["list"][1] == 1 and len(cut.spans[1].result["text"]) < len(BIG)
    assert (cut.fingerprint, cut.revision) == (whole.fingerprint, whole.revision)


def test_arguments_of_calls_are_cut_too() -> None:
    called = message("", "assistant", tool_calls=(ToolCall(name="write", arguments={"text": BIG}, id="1"),))
    whole = trace("t", span("a", output_messages=(called.digest,)), messages={called.digest: called})
    cut = shrink(whole, 20_000)
    assert len(cut.to_bytes()) <= 20_000 and cut.spans[0].truncated
    assert cut.messages[called.digest].tool_calls[0].id == "1"


def test_shrinking_twice_changes_nothing() -> None:
    whole = trace("t", span("a", result=BIG))
    once = shrink(whole, 20_000)
    assert shrink(once, 20_000) == once


def test_a_span_that_fits_nowhere_is_a_clear_error() -> None:
    odd = span("a", attributes={f"key {n}": n for n in range(1_000)})
    with pytest.raises(InvalidRecord, match="with all its texts cut") as refused:
        fitted(trace("t", odd), 2_000)
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize("most", [41, 60, 200, 1_000])
def test_a_cut_text_is_not_longer_than_asked(most: int) -> None:
    text = "ä" * 5_000
    cut = cut_middle(text, most)
    assert len(cut) <= max(most, 80) and cut[:20] == text[:20] and cut[-20:] == text[-20:]
    assert cut_middle("short", most) == "short"
