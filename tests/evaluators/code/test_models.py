"""model_mismatch and provider_failover: which model was asked, and which one answered."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.model_names import likeness
from tests.evaluators.code.sequences import Run, found_and_false, verdict
from tests.evaluators.making import START, said, scores_of
from tests.schemas.recorded import needs_shared

SAME = (
    ("gpt-4o", "gpt-4o-2024-05-13"),
    ("gpt-4", "gpt-4-0613"),
    ("gpt-4-turbo", "gpt-4-turbo-2024-04-09"),
    ("gpt-4-turbo-preview", "gpt-4-0125-preview"),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ("gpt-35-turbo", "gpt-3.5-turbo-0125"),
    ("gpt-3.5-turbo-0125", "gpt-3.5-turbo-0125"),
    ("openai/gpt-4o", "gpt-4o-2024-08-06"),
    ("azure/gpt-4o", "gpt-4o"),
    ("gpt-4o-prod-east", "gpt-4o-2024-08-06"),
    ("o1", "o1-2024-12-17"),
    ("o4-mini", "o4-mini-2025-04-16"),
    ("gpt-4.1", "gpt-4.1-2025-04-14"),
    ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
    ("anthropic/claude-3.5-sonnet", "claude-3-5-sonnet-20240620"),
    ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022"),
    ("claude-3-7-sonnet@20250219", "claude-3-7-sonnet-20250219"),
    ("claude-sonnet-4-0", "claude-sonnet-4-20250514"),
    ("gemini-1.5-pro", "gemini-1.5-pro-002"),
    ("models/gemini-2.0-flash", "gemini-2.0-flash"),
    ("gemini-2.5-flash", "gemini-2.5-flash-preview-05-20"),
    ("mistral-large-latest", "mistral-large-2411"),
    ("meta-llama/Llama-3-70b-chat-hf", "llama-3-70b"),
    ("command-r", "command-r-08-2024"),
    ("GPT-4o", "gpt-4o"),
)
OTHER = (
    ("gpt-4o", "gpt-4o-mini-2024-07-18"),
    ("gpt-4o", "gpt-4.1-2025-04-14"),
    ("gpt-4", "gpt-4-turbo"),
    ("gpt-4", "gpt-4-32k"),
    ("gpt-4", "gpt-3.5-turbo"),
    ("gpt-4", "gpt-4o"),
    ("gpt-4o", "claude-3-5-sonnet-20241022"),
    ("claude-3-opus-20240229", "claude-3-haiku-20240307"),
    ("claude-sonnet-4", "claude-sonnet-4-5-20250929"),
    ("gemini-2.0-flash", "gemini-2.0-flash-lite"),
    ("gemini-1.5-flash", "gemini-1.5-flash-8b"),
    ("o3", "o3-mini-2025-01-31"),
    ("llama-3.1-70b-versatile", "llama-3.1-8b-instant"),
    ("command-r", "command-r-plus"),
    ("deepseek-chat", "deepseek-reasoner"),
)


@pytest.mark.parametrize(("asked", "answered"), SAME)
def test_names_of_the_same_model(asked: str, answered: str) -> None:
    assert likeness(asked, answered) == "same"


@pytest.mark.parametrize(("asked", "answered"), OTHER)
def test_names_of_other_models(asked: str, answered: str) -> None:
    assert likeness(asked, answered) == "other_model"
    assert likeness(answered, asked) == "other_model"


def test_dates_that_were_asked_for_count() -> None:
    assert likeness("gpt-4o-2024-05-13", "gpt-4o-2024-08-06") == "other_version"
    assert likeness("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022") == "other_version"


@pytest.mark.parametrize("asked", ["prod-east", "model-router", "auto", "my-deployment", "fast"])
def test_names_that_are_no_models(asked: str) -> None:
    assert likeness(asked, "gpt-4o-2024-08-06") == "unknown"


@pytest.mark.parametrize("odd", ["", "-", "/", "\ud800", "ft:", "gpt", "4", "@" * 50, "é" * 500])
def test_odd_names_harm_nobody(odd: str) -> None:
    assert likeness(odd, "gpt-4o") in ("same", "other_version", "other_model", "unknown")
    assert likeness("gpt-4o", odd) in ("same", "other_version", "other_model", "unknown")


def test_decisions() -> None:
    entry = "[{type: model_mismatch}]"
    (score,) = scores_of(entry, said("hi", request_model="gpt-4o", response_model="gpt-4o-mini-2024-07-18"))
    assert (score.passed, score.label, score.blamed_span_id) == (False, "other_model", "s0")
    assert score.explanation == "gpt-4o was asked, gpt-4o-mini-2024-07-18 answered"
    (score,) = scores_of(entry, said("hi", request_model="prod", response_model="gpt-4o"))
    assert score.skip_reason == "unknown_model_name"
    assert scores_of(entry, said("hi", request_model="gpt-4o")) == []
    assert scores_of(entry, said("hi", response_model="gpt-4o")) == []


def conversation(*models: str, **fields: Any) -> Run:
    run = Run()
    for index, model in enumerate(models):
        run.user(f"question {index}").llm(f"answer {index}", request_model=model, response_model=model, **fields)
    return run


def test_a_model_that_changes_in_mid_conversation() -> None:
    score = verdict("provider_failover", conversation("gpt-4o", "gpt-4o", "claude-3-5-sonnet", "gpt-4o"))
    assert (score.passed, score.label, score.blamed_span_id) == (False, "switched", "s2")
    assert "from gpt-4o to claude-3-5-sonnet" in score.explanation
    assert verdict("provider_failover", conversation("gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o")).passed is True


def test_a_fallback_after_a_failure() -> None:
    run = Run().user("hello").llm(status="error", status_message="overloaded")
    run.llm("hi", request_model="claude-3-5-sonnet", response_model="claude-3-5-sonnet-20241022", provider="anthropic")
    score = verdict("provider_failover", run)
    assert (score.passed, score.label, score.blamed_span_id) == (False, "after_failure", "s1")
    assert "overloaded" in score.explanation
    silent = Run().llm(status="error", request_model="gpt-4o")
    silent.spans[0] = silent.spans[0].model_copy(update={"input_messages": ()})
    silent.step("llm", "chat", 1.0, request_model="gemini-2.0-flash", response_model="gemini-2.0-flash")
    assert verdict("provider_failover", silent).label == "after_failure"


def test_the_same_model_from_another_provider() -> None:
    run = Run().user("hello").llm("a", provider="openai").user("more").llm("b", provider="azure.ai.openai")
    assert verdict("provider_failover", run).blamed_span_id == "s1"


def test_the_first_call_answered_by_another_model() -> None:
    run = Run().user("hello").llm("a", response_model="gpt-4o-mini").user("more").llm("b").user("more").llm("c")
    assert verdict("provider_failover", run).blamed_span_id == "s0"


def test_what_is_no_failover() -> None:
    routed = Run()
    for index in range(3):  # a router with a prompt of its own, beside the agent
        routed.step("llm", "route", 0.1, input_messages=(f"route {index}",), response_model="gpt-4o-mini")
        routed.user(f"q{index}").llm(f"a{index}")
    agents = Run().step("agent", "other", 5.0, span_id="other")
    agents.user("hello").llm("a").llm("b", parent_id="other", request_model="gpt-4o-mini", response_model="gpt-4o-mini")
    agents.step("tool", "t", 0.1, parent_id="other")
    compared = Run().user("hello").llm("a")
    compared.step("llm", "chat", 1.0, input_messages=("m0",), response_model="claude-3-5-sonnet", start=START)
    regenerated = Run().user("hello").llm("a")
    regenerated.step("llm", "chat", 1.0, input_messages=("m0",), response_model="claude-3-5-sonnet")
    for run in (routed, agents, compared, regenerated, conversation("gpt-4o")):
        assert verdict("provider_failover", run).passed is True, verdict("provider_failover", run).explanation


def test_models_that_may_take_part() -> None:
    run = conversation("gpt-4o", "gpt-4o-mini", "gpt-4o")
    assert verdict("provider_failover", run).passed is False
    assert verdict("provider_failover", run, "{ignore_models: ['gpt-4o-mini*']}").passed is True


@needs_shared
@pytest.mark.parametrize("evaluator", ["model_mismatch", "provider_failover"])
def test_recorded_runs(evaluator: str) -> None:
    assert found_and_false(evaluator, "model_switch")[:3] == (12, 12, 0)
