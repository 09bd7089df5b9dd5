"""From a configuration and a trace to rows: the way a judged decision takes through the suite."""

from __future__ import annotations

from datetime import UTC, datetime

from evaluators.build import build_suite
from evaluators.deferred import DeferredRuntime
from schemas.judge_request import JudgeRequest
from schemas.settings import parse_settings
from tests.evaluators.judge.talk import simple

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YAML = """
judge: {base_url: "%s", max_attempts: 1}
prices: {"*": {input_per_mtok: 1000, output_per_mtok: 1000}}
evaluators:
- {type: llm_judge, name: truth, options: {rubric: faithfulness}}
- {type: llm_judge, name: quality, options: {criteria: [helpfulness, toxicity]}}
- {type: llm_judge, name: calls, target: span, options: {rubric: tool_selection}}
- {type: length, options: {max: 1000}}
"""


async def rows(base_url):
    suite = build_suite(*parse_settings(YAML % base_url, "evalstream.yaml", {}))
    settings = parse_settings(YAML % base_url, "evalstream.yaml", {})[0]
    decided = suite.decide(simple().trace, (), source=None, event_time=NOW, now=NOW)
    # As it travels over the topic.
    requests = [JudgeRequest.from_bytes(request.to_bytes()) for request in decided.requests]
    runtime = DeferredRuntime(settings)
    deferred = suite.deferred()
    runtime.attach(deferred.values())
    try:
        return {
            score.evaluator: score
            for request in requests
            for score in suite.to_scores(
                request, await deferred[request.evaluator].judge(request.views, 10), source=None
            )
        }
    finally:
        await runtime.close()
        suite.close()


async def test_scored(server):
    async with server() as up:
        found = await rows(up.base_url)
    assert set(found) == {"truth", "quality.helpfulness", "quality.toxicity"}  # no tool call: `calls` does not apply
    truth = found["truth"]
    assert (truth.status, truth.kind, truth.value, truth.label, truth.passed) == (
        "scored",
        "llm",
        1.0,
        "faithful",
        True,
    )
    assert truth.cost_usd > 0
    assert truth.model == "scripted-judge (not a model)"
    assert truth.explanation
    assert found["quality.helpfulness"].cost_usd == found["quality.toxicity"].cost_usd


async def test_failed(server):
    async with server(fail=1.0) as up:
        found = await rows(up.base_url)
    assert len(found) == 3
    for score in found.values():
        assert (score.status, score.error_type, score.value, score.passed) == (
            "failed",
            "InternalServerError",
            None,
            None,
        )
