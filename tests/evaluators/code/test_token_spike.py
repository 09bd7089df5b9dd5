"""token_spike: a call that reads far more than the calls before it."""

from __future__ import annotations

import pytest

from tests.evaluators.code.recorded import runs
from tests.evaluators.code.sequences import Run, verdict
from tests.evaluators.making import decide, suite_of
from tests.schemas.recorded import needs_shared


def read(*tokens: int) -> Run:
    run = Run()
    for index, count in enumerate(tokens):
        run.user(f"question {index}").llm("answer", tokens=(count, 10))
    return run


@pytest.mark.parametrize(
    ("tokens", "blamed"),
    [
        ((1_500, 1_600, 1_800, 40_000), "s3"),
        ((1_500, 1_600, 1_800, 40_000, 41_000, 42_000), "s3"),
        ((1_500, 30_000, 1_700, 1_800), "s1"),
        ((20_000, 21_000, 22_000, 95_000), "s3"),
    ],
)
def test_spikes(tokens: tuple[int, ...], blamed: str) -> None:
    score = verdict("token_spike", read(*tokens))
    assert (score.passed, score.label, score.blamed_span_id) == (False, "spike", blamed)


@pytest.mark.parametrize(
    "tokens",
    [
        (1_500, 1_700, 2_000, 2_600, 3_400, 4_100),
        (100, 900, 1_000, 1_100),  # small beside any limit
        (1_000, 2_000, 4_000, 8_000, 16_000, 32_000),  # it grows, and does not jump
        (50_000, 51_000, 52_000, 90_000),
        (40_000, 1_500, 1_600, 1_700),
        (40_000, 1_500, 39_000, 1_700, 41_000),
    ],
)
def test_no_spikes(tokens: tuple[int, ...]) -> None:
    assert verdict("token_spike", read(*tokens)).passed is True


def test_too_few_calls() -> None:
    assert verdict("token_spike", read(100, 90_000)).skip_reason == "too_few_calls"
    assert verdict("token_spike", read(0, 0, 0)).skip_reason == "too_few_calls"


def test_the_cause_is_quoted() -> None:
    run = read(1_500, 1_600).tool("read_file", {}, "line of a log\n" * 5_000).llm("I see", tokens=(30_000, 5))
    score = verdict("token_spike", run)
    assert "line of a log" in score.evidence[1].quote and "(tool) has 70000 characters" in score.explanation


def test_a_sub_agent_has_a_measure_of_its_own() -> None:
    run = read(1_500, 1_600, 1_700).step("agent", "reader", 9.0, span_id="reader")
    for count in (60_000, 61_000, 62_000):
        run.llm("x", tokens=(count, 5), parent_id="reader")
    run.llm("done", tokens=(1_800, 5))
    assert verdict("token_spike", run).passed is True


def test_options() -> None:
    assert verdict("token_spike", read(100, 900, 1_000), "{min_tokens: 500}").passed is False
    assert verdict("token_spike", read(10_000, 10_100, 21_000), "{min_ratio: 2}").passed is False


@needs_shared
def test_recorded_runs_have_none() -> None:
    suite = suite_of("[{type: token_spike}]")
    scores = [score for trace in runs("airline_dev") for score in decide(suite, trace).scores]
    assert len(scores) == 100 and all(score.passed for score in scores)
