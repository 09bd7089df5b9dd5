"""tool_error_as_success: on results as real systems return them, and on recorded runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evaluators.code.recorded import labels, runs
from tests.evaluators.code.tool_results import FAILURES, SUCCESSES
from tests.evaluators.making import decide, returned, score_of, scores_of, suite_of
from tests.schemas.recorded import instrumented_records, instrumented_traces, needs_instrumented, needs_shared

ENTRY = "{type: tool_error_as_success}"


@pytest.mark.parametrize("result", FAILURES, ids=lambda r: str(r)[:40])
def test_failures(result: Any) -> None:
    score = score_of(ENTRY, returned(result))
    assert score.passed is False and (score.value or 0) >= 0.5 and score.label not in (None, "none")
    assert score.evidence[0].path.startswith("result") and score.evidence[0].quote


@pytest.mark.parametrize("result", SUCCESSES, ids=lambda r: str(r)[:40])
def test_successes(result: Any) -> None:
    score = score_of(ENTRY, returned(result))
    assert (score.passed, score.label) == (True, "none"), score.evidence


def test_failures_that_the_span_admits_are_no_targets() -> None:
    assert scores_of(f"[{ENTRY}]", returned("Error: x", status="error")) == []
    assert scores_of(f"[{ENTRY}]", returned("Error: x", error_type="KeyError")) == []
    assert scores_of(f"[{ENTRY}]", returned(None)) == []


def test_weak_signs_pass_where_more_is_wanted() -> None:
    weak, sure = (
        returned("Sorry, something went wrong."),
        returned("Traceback (most recent call last):\n  x\nKeyError: 1"),
    )
    entry = "{type: tool_error_as_success, options: {min_probability: 0.9}}"
    assert (score_of(entry, weak).passed, score_of(entry, sure).passed) == (True, False)
    assert score_of(entry, weak).value == 0.75


def test_a_long_result_takes_no_time() -> None:
    import time

    started = time.process_time()
    assert score_of(ENTRY, returned("a at b.c(D:1) " * 300_000)).passed is True
    assert score_of(ENTRY, returned("<html>" + "<title>" * 300_000)).passed is True
    assert time.process_time() - started < 5


@needs_shared
def test_recorded_errors() -> None:
    suite = suite_of(f"[{ENTRY}]")
    wanted = {span for label in labels("airline_dev") for span in label["tool_error_span_ids"]}
    scores = [score for trace in runs("airline_dev") for score in decide(suite, trace).scores]
    assert {score.span_id for score in scores if score.passed is False} == wanted
    assert len(wanted) == 63 and len(scores) > 550


@needs_shared
def test_injected_errors() -> None:
    suite = suite_of(f"[{ENTRY}]")
    wanted = {label["span_id"] for label in labels("airline_dev_faults") if label["fault"] == "error_as_success"}
    found, recorded = set(), set()
    for trace in runs("airline_dev_faults"):
        recorded |= {span.span_id for span in trace.spans if str(span.result).startswith("Error")}
        found |= {score.span_id for score in decide(suite, trace).scores if score.passed is False}
    assert found - recorded == wanted and len(wanted) == 12


@needs_instrumented
def test_errors_in_real_clients() -> None:
    suite, seen = suite_of(f"[{ENTRY}]"), 0
    for (client, conversation), _ in instrumented_records().items():
        for trace in instrumented_traces(client, conversation):
            for score in decide(suite, trace).scores:
                result = str(next(s.result for s in trace.spans if s.span_id == score.span_id))
                assert score.passed is ("Error: upstream timeout" not in result), (client, conversation, result)
                seen += score.passed is False
    assert seen >= 25
