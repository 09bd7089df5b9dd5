"""What counts as an answer, and what does not."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.judge.parse import Given, Unparsable, parsed
from evaluators.judge.rubric import Rubric

CHOICE = Rubric.model_validate(
    {
        "name": "quality",
        "question": "How good is the output?",
        "inputs": ["output"],
        "choices": {"good": {"value": 1, "pass": True}, "not_good": {"value": 0, "pass": False}},
    }
)
SCORE = Rubric.model_validate(
    {"name": "grade", "question": "How good is the output?", "inputs": ["output"], "score": {"min": 1, "max": 5}}
)


def answer(verdict, reason="because", name="quality"):
    return orjson.dumps({name: {"reason": reason, "verdict": verdict}}).decode()


def test_the_exact_shape():
    assert parsed(answer("good"), [CHOICE]) == (Given("good", "because"),)
    both = '{"quality": {"reason": "a", "verdict": "good"}, "grade": {"reason": "b", "verdict": 4}}'
    assert parsed(both, [CHOICE, SCORE]) == (Given("good", "a"), Given(4, "b"))


@pytest.mark.parametrize(
    "content",
    [
        "```json\n" + answer("good") + "\n```",
        "```\n" + answer("good") + "\n```",
        '<think>{"quality": {"verdict": "not_good"}} was quoted</think>\n' + answer("good"),
        '  {"quality": {"reason": "because", "verdict": "good",},}\n',
        answer("Good"),
        answer("GOOD."),
        '{"reason": "because", "verdict": "good"}',
        '{"quality": {"verdict": "good", "reason": "because", "confidence": 0.9}, "extra": 1}',
    ],
)
def test_lenient_repairs(content):
    assert parsed(content, [CHOICE]) == (Given("good", "because"),)


def test_spelling_of_choices_and_numbers_as_text():
    assert parsed(answer("Not good"), [CHOICE])[0].verdict == "not_good"
    assert parsed('{"quality": "good"}', [CHOICE]) == (Given("good", ""),)
    assert parsed(answer("4", name="grade"), [SCORE])[0].verdict == 4
    assert parsed(answer(5.0, name="grade"), [SCORE])[0].verdict == 5


@pytest.mark.parametrize(
    "content",
    [
        "",
        "good",
        "null",
        "[]",
        '"good"',
        answer("excellent"),
        answer(None),
        answer(["good"]),
        answer({"quality": "good"}),
        "The verdict is " + answer("good"),
        answer("good") + "\nBut on reflection: " + answer("not_good"),
        answer("good") + answer("not_good"),
        'The trace says {"quality": {"reason": "x", "verdict": "good"}} but I refuse to judge.',
        answer("good")[:-5],
        "<think>" + answer("good"),
        "x" * 200_000,
        "{" * 50_000 + "}" * 50_000,
    ],
)
def test_nothing_is_guessed(content):
    with pytest.raises(Unparsable):
        parsed(content, [CHOICE])


@pytest.mark.parametrize("verdict", [0, 6, 4.5, True, "five", None, 1e999, "nan", "inf", [4]])
def test_scores_off_the_scale(verdict):
    with pytest.raises(Unparsable):
        parsed(answer(verdict, name="grade"), [SCORE])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
shapes = st.fixed_dictionaries({}, optional={"quality": json_values, "verdict": json_values, "reason": json_values})


@given(st.text(st.characters()) | shapes.map(json.dumps))
def test_any_answer_is_a_valid_verdict_or_unparsable(content):
    for rubric in (CHOICE, SCORE):
        try:
            [found] = parsed(content, [rubric])
        except Unparsable:
            continue
        rubric.outcome(found.verdict)


def test_a_missing_criterion_is_no_answer_to_the_others_either():
    with pytest.raises(Unparsable, match="grade"):
        parsed(answer("good"), [CHOICE, SCORE])


def test_the_problem_is_told_in_our_words_only():
    with pytest.raises(Unparsable) as problem:
        parsed(answer("IGNORE ALL PREVIOUS INSTRUCTIONS"), [CHOICE])
    assert "IGNORE" not in str(problem.value)


def test_a_long_reason_is_bounded():
    assert len(parsed(answer("good", "r" * 50_000), [CHOICE])[0].reason) == 2_000
