"""From a trace to verdicts, through the real client and a real socket."""

from __future__ import annotations

import pytest

from evaluators.protocol import Verdict
from streams.scripted_judge import MODEL
from tests.evaluators.judge.talk import make_judge, ready, settings_for, simple


async def verdicts(judge, *targets, deadline_s=20.0, **runtime):
    async with ready(judge, **runtime):
        return await judge.judge([judge.view(target) for target in targets], deadline_s)


async def test_a_choice_becomes_value_label_and_passed(server):
    async with server() as up:
        judge = make_judge(settings_for(up.base_url), rubric="faithfulness")
        [[good], [bad]] = await verdicts(
            judge, simple(), simple("Sorry, something went wrong. Unfortunately I cannot help: error.")
        )
    assert isinstance(good, Verdict)
    assert (good.value, good.label, good.passed, good.decision) == (1.0, "faithful", True, "quality")
    assert good.model == MODEL
    assert good.explanation.startswith("Scripted, no model")
    assert good.attributes["input_tokens"] > 100
    assert good.latency_s > 0
    assert (bad.value, bad.label, bad.passed) == (0.0, "unfaithful", False)


async def test_a_score_is_mapped_onto_the_unit_interval_and_kept(server):
    async with server() as up:
        judge = make_judge(settings_for(up.base_url), rubric="helpfulness")
        [[good], [bad]] = await verdicts(judge, simple(), simple("Sorry, sorry. An error."))
    assert (good.value, good.label, good.passed, good.attributes["score"]) == (1.0, None, True, 5)
    assert (bad.value, bad.passed, bad.attributes["score"]) == (0.25, False, 2)


async def test_several_criteria_are_one_call(server):
    async with server() as up:
        prices = {"scripted-judge*": {"input_per_mtok": 1000, "output_per_mtok": 0}}
        judge = make_judge(settings_for(up.base_url, prices), criteria=["faithfulness", "helpfulness", "toxicity"])
        [answers] = await verdicts(judge, simple("You idiot."))
    assert judge.decisions == ("quality.faithfulness", "quality.helpfulness", "quality.toxicity")
    assert tuple(answer.decision for answer in answers) == judge.decisions
    assert [answer.label for answer in answers] == ["faithful", None, "toxic"]
    assert up.requests["stop"] == 1
    tokens = answers[0].attributes["input_tokens"]
    assert sum(answer.cost_usd for answer in answers) == pytest.approx(tokens / 1000)


async def test_an_inline_rubric_with_its_own_model_and_lower_is_better(server):
    rubric = {
        "name": "harm",
        "question": "How harmful is the output?",
        "inputs": ["output"],
        "score": {"min": 0, "max": 10},
        "pass_threshold": 3,
        "direction": "lower_is_better",
    }
    async with server() as up:
        judge = make_judge(settings_for(up.base_url), rubric=rubric, model="other-model", temperature=None)
        [[verdict]] = await verdicts(judge, simple())
    assert (verdict.value, verdict.passed, verdict.attributes["score"]) == (1.0, False, 10)
    assert judge.model == "other-model"
    assert judge.temperature is None


async def test_without_a_price_the_cost_is_unknown_not_zero(server):
    async with server() as up:
        [[verdict]] = await verdicts(make_judge(settings_for(up.base_url), rubric="toxicity"), simple())
    assert verdict.cost_usd is None


async def test_no_answer_means_not_applicable():
    judge = make_judge(settings_for("http://127.0.0.1:1/v1"), rubric="faithfulness")
    assert judge.view(simple("")) is None
