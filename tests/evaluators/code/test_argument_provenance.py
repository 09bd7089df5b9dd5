"""argument_provenance: what is an identifier, where it may come from, and the recorded runs."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.provenance import identifiers
from schemas.ids import plain_digest
from schemas.score import Score
from schemas.trace import Message, Span, ToolCall, Trace
from tests.evaluators.code.recorded import labels, runs
from tests.evaluators.making import START, decide, scores_of, suite_of
from tests.schemas.recorded import needs_shared

TOOL = {
    "name": "refund",
    "description": "Refund an order, such as 'ORD-000042'.",
    "parameters": {"type": "object", "properties": {"tier_id": {"type": "string", "enum": ["TIER-100", "TIER-200"]}}},
}


def message(role: Any, content: str = "", calls: tuple[ToolCall, ...] = ()) -> Message:
    digest = plain_digest(repr((role, content, calls)))
    return Message(digest=digest, role=role, content=content, tool_calls=calls)


def asked(arguments: Any, *said: tuple[str, str], tool: str = "refund", **fields: Any) -> Trace:
    """A model that read `said` (role, text) calls a tool."""
    read = [message(role, text) for role, text in said]
    reply = message("assistant", calls=(ToolCall(name=tool, arguments=arguments, id="c1"),))
    model = Span(
        span_id="s0", name="chat", kind="llm", start=START, end=START, tool_set="t", output_messages=(reply.digest,),
        input_messages=tuple(m.digest for m in read), **fields,
    )  # fmt: skip
    call = Span(
        span_id="s1", name=tool, kind="tool", start=START, end=START, tool_name=tool, tool_call_id="c1",
        arguments=arguments, result="ok",
    )  # fmt: skip
    messages = {m.digest: m for m in (*read, reply)}
    return Trace(trace_id="t", spans=(model, call), messages=messages, tool_sets={"t": (TOOL,)}, fingerprint="f")


def judged(trace: Trace, options: str = "{}") -> Score | None:
    found = scores_of(f"[{{type: argument_provenance, options: {options}}}]", trace)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ORD-48213", "refund ORD-48213 please"),
        ("ORD-48213", "refund ord-48213 please"),
        ("ORD-48213", "refund my order 48213"),
        ("ord_48213", "refund ORD 48213"),
        ("48213", "the order is ORD-48213"),
        ("4421", "card 5500 0000 0000 4421, I think"),
        ("4421", "my card is [CREDIT_CARD:3fa9c1]"),
        ("mia_li_3668", "I am Mia Li, my number is 3668"),
        ("ORD-000042", "an id that the definition shows"),
        ("#W2378156", '{"orders": ["#W2378156", "#W1"]}'),
        ("550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000"),
        ("[EMAIL:3fa9c1]", "I am [EMAIL:3fa9c1]"),
        ("[EMAIL:3fa9c2]", "I am [EMAIL:3fa9c1], in other case perhaps"),
    ],
)
def test_known(value: str, said: str) -> None:
    score = judged(asked({"order_id": value}, ("user", said)))
    assert score is not None and (score.label, score.passed, score.value) == ("known", True, 1.0), score


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ORD-48213", "refund my last order"),
        ("ORD-48213", "refund my order ORD-48214, placed on 2024-05-20"),
        ("BD446U", "my reservation is HXDUBJ, I paid 446 dollars"),
        ("omar_rossi_3921", "I am Omar Rossi, omar_rossi_1241"),
        ("credit_card_5634230", '{"gift_card_5634230": {"source": "gift_card"}} and a credit card'),
        ("48213", "it cost 148,213.50 in all, order 99881"),
        ("[EMAIL:3fa9c1]", "no address at all"),
    ],
)
def test_invented(value: str, said: str) -> None:
    score = judged(asked({"lines": [{"order_id": value}]}, ("system", "Be kind."), ("user", said)))
    assert score is not None and (score.label, score.passed, score.value) == ("invented", False, 0.0), score
    assert (score.span_id, score.blamed_span_id) == ("s1", "s1")
    assert (score.evidence[0].path, score.evidence[0].quote) == ("arguments.lines[0].order_id", value)
    assert value in score.explanation


def test_what_the_model_said_itself_is_no_source_but_history_is() -> None:
    trace = asked({"order_id": "ORD-48213"}, ("user", "my last order"), ("assistant", "That is ORD-48213."))
    assert judged(trace).label == "known"  # type: ignore[union-attr]
    said = next(m for m in trace.messages.values() if m.content.startswith("That"))
    earlier = Span(span_id="e", name="chat", kind="llm", start=START, end=START, output_messages=(said.digest,))
    trace = trace.model_copy(update={"spans": (earlier, *trace.spans)})
    assert judged(trace).label == "invented"  # type: ignore[union-attr]


def test_a_missing_part_of_the_context_accuses_nobody() -> None:
    arguments, said = {"order_id": "ORD-48213"}, ("user", "my last order")
    whole = asked(arguments, said)
    for trace in (
        whole.model_copy(update={"incomplete": True}),
        asked(arguments, said, truncated=True),
        asked(arguments, said, attributes={"gen_ai.openai.request.previous_response_id": "r1"}),
        whole.model_copy(update={"messages": {d: m for d, m in whole.messages.items() if m.role == "assistant"}}),
    ):
        score = judged(trace)
        assert score is not None and score.skip_reason == "incomplete_context"


def test_calls_without_a_span_and_options() -> None:
    trace = asked({"order_id": "ORD-48213"}, ("user", "my last order"))
    bare = trace.model_copy(update={"spans": trace.spans[:1]})
    score = judged(bare)
    assert score is not None
    assert score.evidence[0].path == "output_messages[0].tool_calls[0].arguments.order_id"
    assert judged(trace, "{ignore_tools: ['ref*']}") is None
    assert judged(trace, "{ignore_arguments: ['*.order_id']}") is None
    assert judged(asked('{"order_id": "ORD-48213"}', ("user", "x"))).label == "invented"  # type: ignore[union-attr]
    assert judged(asked('{"order_id": "ORD-48', ("user", "x"))) is None
    assert judged(asked({"tier_id": "TIER-200"}, ("user", "x"))) is None


NONE = {
    "when": "2024-05-20T10:00:00Z", "day_id": "20240520", "due": "May2024", "at": "10:30pm", "tz": "UTC+2",
    "size": "1920x1080", "limit": "500MB", "lasts": "PT1H30M", "share": "45.5%", "sum": "$1,200.00", "n": 4821,
    "model_id": "gpt-4o-2024-08-06", "region": "us-east-1", "lang": "en-US", "encoding": "sha256", "color": "#ff0011",
    "path": "src/a1b2c3.py", "url": "https://x.com/1234", "version": "3.11.2", "idempotency_key": "a81bc81b-dead-4e5d",
    "step_id": "step-2", "calendar_id": "primary", "q": "A1B2C3D4", "note": "call 55 12 for BD446U", "ok": True,
    "postcode": "SW1A1AA", "flight": "BA12", "gate": "B22", "formula": "H2SO4", "route_id": None, "page_id": 12,
}  # fmt: skip
SOME = ["BD446U", "GOZKAB", "TBQC73", "mia_li_3668", "INV-2024-0042", "cus_9s6XKzkNRiz8i3", "[EMAIL:3fa9c1]", 48213]


@pytest.mark.parametrize("key", NONE)
def test_no_identifier(key: str) -> None:
    assert identifiers({key: NONE[key]}, None, "look_up") == []


@pytest.mark.parametrize("value", SOME)
def test_an_identifier(value: Any) -> None:
    for key in ("reservation_id", "orderNumber", "ids"):
        assert [i.text for i in identifiers({key: [value]}, None, "look_up")] == [str(value)], key


def test_what_a_tool_makes_is_named_by_its_caller() -> None:
    arguments = {"ticket_id": "T-48213", "user_id": "u_48213"}
    assert [i.path for i in identifiers(arguments, None, "create_ticket")] == [".user_id"]
    assert len(identifiers({"ids": [f"X{n}" for n in range(10_000, 20_000)]}, None, "x")) == 64


@needs_shared
def test_recorded_runs() -> None:
    suite = suite_of("[{type: argument_provenance}]")
    failed = [s for trace in runs("airline_dev") for s in decide(suite, trace).scores if s.passed is False]
    assert {s.evidence[0].quote for s in failed} == {"credit_card_5634230"}  # guessed by the agent, refused by the tool
    assert len(failed) == 2
    by_id = {trace.trace_id: trace for trace in runs("airline_dev_faults")}
    faults = [label for label in labels("airline_dev_faults") if label["fault"] == "invented_id"]
    found = 0
    for label in faults:
        scores = decide(suite, by_id[label["trace_id"]]).scores
        found += any(s.passed is False and s.blamed_span_id == label["span_id"] for s in scores)
    print(f"invented ids: {found} of {len(faults)}")
    assert found == len(faults) == 12


def test_lone_surrogates_harm_nobody() -> None:
    odd = asked({"\ud800_id": "ORD-48213", "user_id": "ORD\ud800-4821"}, ("user", "\ud800 ORD-48213"))
    score = judged(odd)
    assert score is not None and score.status == "scored"
