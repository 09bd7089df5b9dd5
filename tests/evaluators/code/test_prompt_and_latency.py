"""`prompt_template_drift` and `latency_regression`: events at once, and quiet about what varies by itself."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from schemas.ids import plain_digest
from schemas.trace import Message, Trace
from tests.evaluators.learned import School
from tests.evaluators.making import START, WEATHER, Writer, suite_of

PROMPT = """You are a helpful clerk of the shop.
Never give a refund above 100 USD.
Ask before you cancel an order.
Today is 2024-05-15 15:00."""


def prompted(number: int, system: str, tools: tuple[Any, ...] = (WEATHER,)) -> Trace:
    trace = Writer(f"t{number}").llm("hello", input=f"question {number}", tools=tools, prompt_name="clerk").trace()
    message = Message(digest=plain_digest(system), role="system", content=system)
    span = trace.spans[0].model_copy(update={"input_messages": (message.digest, *trace.spans[0].input_messages)})
    return trace.model_copy(update={"spans": (span,), "messages": {**trace.messages, message.digest: message}})


def taught(prompts: list[str]) -> School:
    found = School(suite_of("[{type: prompt_template_drift}]"))
    for number, prompt in enumerate(prompts):
        found.attend(prompted(number, prompt))
    return found


@pytest.mark.parametrize(
    ("before", "after", "label", "told"),
    [
        ("100 USD", "500 USD", "edited_prompt", "100 USD.' became '"),
        ("Ask before you cancel an order.\n", "", "edited_prompt", "- Ask before you cancel an order."),
        ("Today", "Answer in rhymes.\nToday", "edited_prompt", "+ Answer in rhymes."),
    ],
)
def test_an_edit_is_an_event_at_once_and_only_once(before: str, after: str, label: str, told: str) -> None:
    found = taught([PROMPT] * 6)
    edited = PROMPT.replace(before, after)
    (score,) = found.attend(prompted(10, edited))
    assert (score.passed, score.label, score.blamed_span_id) == (False, label, "s0")
    assert told in score.explanation, score.explanation
    assert score.evidence[0].path == "input_messages[0].content"
    assert found.attend(prompted(11, edited))[0].passed
    assert found.attend(prompted(12, PROMPT))[0].passed


def test_a_prompt_like_none_before() -> None:
    found = taught([PROMPT] * 6)
    assert found.attend(prompted(10, "Speak like a pirate.\nSell nothing."))[0].label == "new_prompt"
    assert found.attend(prompted(11, "Speak like a pirate.\nSell nothing."))[0].passed


def test_variable_parts_raise_nothing() -> None:
    """Dates, names and retrieved passages; an edit of what is constant is still seen."""
    dice = random.Random(2)
    words = [f"passage {i} about shoes" for i in range(500)]

    def filled(text: str = PROMPT) -> str:
        date = f"2025-01-{dice.randrange(10, 28)} 10:{dice.randrange(10, 60)}"
        passages = "\n".join(dice.sample(words, 3))
        return text.replace("2024-05-15 15:00", date) + f"\nThe customer is called {dice.choice(words)}.\n{passages}"

    found = School(suite_of("[{type: prompt_template_drift}]"))
    decided = [s for _, scores in found.run(prompted(i, filled()) for i in range(80)) for s in scores]
    assert not [s.explanation for s in decided if s.passed is False]
    edited = PROMPT.replace("Never give", "Always give")
    first = found.attend(prompted(100, filled(edited)))[0]
    assert first.label == "edited_prompt" and "Never give" in first.explanation
    assert all(found.attend(prompted(101 + i, filled(edited)))[0].passed for i in range(10))


def test_prompts_that_are_never_alike_are_no_event() -> None:
    dice = random.Random(4)
    texts = ["\n".join(f"line {dice.randrange(10**4)}" for _ in range(5)) for _ in range(60)]
    found = School(suite_of("[{type: prompt_template_drift}]"))
    decided = [s for _, scores in found.run(prompted(i, text) for i, text in enumerate(texts)) for s in scores]
    assert sum(s.passed is False for s in decided) == 0


def test_edited_and_new_tools() -> None:
    found = taught([PROMPT] * 6)
    stricter = {**WEATHER, "parameters": {**WEATHER["parameters"], "required": ["city", "day"]}}
    (score,) = found.attend(prompted(10, PROMPT, (stricter,)))
    assert score.label == "edited_tool" and "weather" in score.explanation
    assert found.attend(prompted(11, PROMPT, (stricter,)))[0].passed
    assert found.attend(prompted(12, PROMPT, ()))[0].passed
    assert found.attend(prompted(13, PROMPT, (WEATHER, {"name": "refund"})))[0].label == "new_tool"


def lasting(number: int, seconds: float, name: str = "search") -> Trace:
    return Writer(f"l{number}").tool(name, result="x", end=START + timedelta(seconds=seconds)).trace()


def test_a_step_that_took_far_longer_than_it_used_to() -> None:
    dice = random.Random(1)
    found = School(suite_of("[{type: latency_regression}]"))
    decided = [
        s for _, scores in found.run(lasting(i, dice.lognormvariate(0, 0.5)) for i in range(400)) for s in scores
    ]
    assert sum(s.passed is False for s in decided) == 0
    (score,) = found.decide(lasting(1_000, 30))
    assert (score.passed, score.label, score.blamed_span_id) == (False, "slow", "s0")
    assert score.value == pytest.approx(30 / 2.28, rel=0.25)  # 95 % of a lognormal of 0.5 lie below 2.28 s
    assert found.decide(lasting(1_001, 30, "another"))[0].skip_reason == "learning"
    assert found.decide(lasting(1_002, 3))[0].passed


def test_a_fast_tool_may_be_several_times_slower() -> None:
    found = School(suite_of("[{type: latency_regression}]"))
    for number in range(50):
        found.attend(lasting(number, 0.01))
    assert found.decide(lasting(99, 0.5))[0].passed


def test_what_varies_is_not_kept_as_text() -> None:
    found = School(suite_of("[{type: prompt_template_drift}]"))
    for number in range(12):
        found.attend(prompted(number, f"{PROMPT}\nThe customer is called Ann Example{number}."))
    kept = b"".join(row.state for row in found.learning.dirty())
    assert b"Never give a refund" in kept and b"Ann Example" not in kept
    assert "Ann Example" not in str([profile.body for profile in found.known.values()])
