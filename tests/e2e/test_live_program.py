"""A program with the `openai` client, instrumented: what it said and did comes out as spans and scores.

Here it sends to `evalstream up`; in test_topology.py to the Collector, by Apache Kafka into PostgreSQL.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.brokers import ROOT
from tests.e2e.scripted_model import COMPLETION_TOKENS, PROMPT_TOKENS, RETURNED, final_answer, scripted_model
from tests.e2e.test_up import START_S, Up
from tests.e2e.weather_agent import FAILURE, MODEL, SKY, SYSTEM

CITIES = ("Paris", "Oslo")  # the tool fails for the second, and says so in its result only
SPANS = 'SELECT * FROM v_spans ORDER BY "start"'
SCORES = "SELECT trace_id, evaluator, span_id, status, value, passed FROM v_scores_current"

pytestmark = pytest.mark.timeout(300)
Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def model() -> Iterator[str]:
    pytest.importorskip("opentelemetry.instrumentation.genai.openai", reason="the instrumentation is not installed")
    with scripted_model() as base_url:
        yield base_url


def test_by_our_receiver_into_sqlite(model: str, tmp_path: Path) -> None:
    up = Up(tmp_path)
    try:
        up.run("status", "--wait", str(START_S))
        trace_ids = run_agent(model, up.runtime()["receiver_url"])
        up.settle()
        check(trace_ids, lambda sql: up.run("query", sql))
    finally:
        up.stop()


def run_agent(model: str, endpoint: str) -> list[str]:
    """Run the program; the trace id of each turn."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OPENAI_BASE_URL": model,
        "OPENAI_API_KEY": "none",
        "OTEL_SERVICE_NAME": "weather",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    questions = [f"What is the weather in {city}?" for city in CITIES]
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.weather_agent", *questions],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "export" not in done.stderr, done.stderr
    return done.stdout.split()


def check(trace_ids: list[str], query: Query) -> None:
    assert len(trace_ids) == len(CITIES)
    all_spans, all_scores = query(SPANS), query(SCORES)
    for city, trace_id in zip(CITIES, trace_ids, strict=True):
        spans = [span for span in all_spans if span["trace_id"] == trace_id]
        assert [span["kind"] for span in spans] == ["agent", "llm", "tool", "llm"]
        assert {(s["project"], s["environment"], s["session_id"]) for s in spans} == {
            ("weather", "staging", "conversation-of-ana")
        }
        _check_calls(city, spans[1], spans[3])
        _check_tool(city, spans[2])
        _check_scores(city, [score for score in all_scores if score["trace_id"] == trace_id], spans)


def _check_calls(city: str, first: dict[str, Any], last: dict[str, Any]) -> None:
    for call in (first, last):
        assert (call["request_model"], call["response_model"], call["provider"]) == (MODEL, RETURNED, "openai")
        assert (call["input_tokens"], call["output_tokens"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)
        assert [tool["name"] for tool in _json(call["tool_definitions"])] == ["get_weather"]
        system, user, *_ = _json(call["input_messages"])
        assert (system["role"], system["content"]) == ("system", SYSTEM)
        assert (user["role"], user["content"]) == ("user", f"What is the weather in {city}?")
    [asking] = _json(first["output_messages"])
    [requested] = asking["tool_calls"]
    assert (requested["name"], requested["arguments"], requested["id"]) == (
        "get_weather",
        {"city": city},
        f"call_{city}",
    )
    heard = _json(last["input_messages"])[-1]
    assert (heard["role"], heard["tool_call_id"]) == ("tool", f"call_{city}")
    [said] = _json(last["output_messages"])
    assert (said["role"], said["content"]) == ("assistant", final_answer(city))
    assert [_json(call["finish_reasons"]) for call in (first, last)] == [["tool_calls"], ["stop"]]


def _check_tool(city: str, tool: dict[str, Any]) -> None:
    assert (tool["tool_name"], tool["tool_call_id"], tool["status"]) == ("get_weather", f"call_{city}", "unset")
    assert _json(tool["arguments"]) == {"city": city}
    assert _json(tool["result"]) == SKY.get(city, FAILURE)


def _check_scores(city: str, scores: list[dict[str, Any]], spans: list[dict[str, Any]]) -> None:
    found = {(score["evaluator"], score["span_id"]): score for score in scores}
    assert len(found) == len(scores)
    assert all(s["status"] == "scored" or s["evaluator"] == "cost" for s in scores), "no price is known of this model"
    on_tool = found["tool_error_as_success", spans[2]["span_id"]]
    assert bool(on_tool["passed"]) == (city in SKY)
    assert found["tokens", None]["value"] == 2 * (PROMPT_TOKENS + COMPLETION_TOKENS)
    assert found["unknown_tool", spans[2]["span_id"]]["passed"]
    assert found["tool_call_schema_valid", spans[2]["span_id"]]["passed"]


def _json(value: Any) -> Any:
    """What JSON text stands for; a tool's result is text that may itself be JSON."""
    try:
        return _json(orjson.loads(value)) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value
