"""tool_error_unhandled: vain retries, and answers that take no notice of a failure."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.trace import ToolCall
from tests.evaluators.code.recorded import labels, runs
from tests.evaluators.code.sequences import Run, failures
from tests.evaluators.making import decide, scores_of, suite_of
from tests.schemas.recorded import instrumented_records, instrumented_traces, needs_instrumented, needs_shared

BUY = ("buy", {"id": "A1"}, "Error: payment method not found")
AGAIN = [ToolCall(name="buy", arguments={"id": "A1"})]


def failed(result: Any = "Error: payment method not found", **fields: Any) -> Run:
    return Run().user("buy A1").llm(calls=AGAIN).tool("buy", {"id": "A1"}, result, **fields)


@pytest.mark.parametrize(
    "answer",
    [
        "The weather in Oslo is lovely today, about 18 degrees.",
        "Your reservation is booked and the confirmation has been sent to you by mail.",
        "Here are the flights: HAT001 at 08:00 and HAT002 at 10:00. Which of these would you like to book?",
    ],
)
def test_ignored(answer: str) -> None:
    (score,) = scores_of("[{type: tool_error_unhandled}]", failed().llm(answer).trace())
    assert (score.label, score.passed, score.blamed_span_id) == ("ignored", False, "s1")
    assert [evidence.span_id for evidence in score.evidence] == ["s1", "s2"]
    assert "payment method not found" in score.explanation


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but the payment method was not found. Could you give me another one?",
        "It seems that the card is not on file. Please choose another card for the payment.",
        "The total is 30 EUR higher than what you paid, which is the reason that the system stopped.",
        "I will transfer you to a human agent for this and all that follows.",
        "Es tut mir leid, die Zahlung ist fehlgeschlagen. Haben Sie eine andere Karte?",
        "Ihre Reise ist gebucht, die Bestätigung ist unterwegs.",  # not judged: no English
        "OK",
    ],
)
def test_answers_that_take_notice(answer: str) -> None:
    assert failures("tool_error_unhandled", failed().llm(answer)) == {}


def test_a_vain_retry() -> None:
    run = failed().llm(calls=AGAIN).tool(*BUY).llm("The payment method was not found, sorry.")
    assert failures("tool_error_unhandled", run) == {"s3": "futile_retry"}
    by_status = failed(None, status="error", status_message="no such card").llm(calls=AGAIN)
    by_status.tool("buy", {"id": "A1"}, None, status="error", status_message="no such card")
    assert failures("tool_error_unhandled", by_status) == {"s3": "futile_retry"}


def test_retries_that_are_no_vain_ones() -> None:
    other_arguments = failed().tool("buy", {"id": "A2"}, "Error: payment method not found")
    after_the_user = (
        failed().llm("It was not found.").user("try again").llm(calls=AGAIN).tool(*BUY).llm("Not found again.")
    )
    mended = failed().tool("add_card", {"card": 1}, "card added").tool(*BUY)
    transient = failed("Error: upstream timeout").tool("buy", {"id": "A1"}, "Error: upstream timeout")
    other_error = failed().tool("buy", {"id": "A1"}, "Error: the item is sold out")
    not_told = Run().tool("buy", None, None, status="error").tool("buy", None, None, status="error")
    for run in (other_arguments, after_the_user, mended, transient, other_error, not_told):
        assert failures("tool_error_unhandled", run) == {}


def test_going_on_with_another_tool_is_handling() -> None:
    run = (
        failed()
        .llm(calls=[ToolCall(name="list_cards")])
        .tool("list_cards", {}, "[1]")
        .llm("You have a card and it is good.")
    )
    assert failures("tool_error_unhandled", run) == {}


def test_only_failed_calls_are_judged() -> None:
    assert scores_of("[{type: tool_error_unhandled}]", failed("bought").llm("Bought.").trace()) == []


@needs_shared
def test_recorded_runs() -> None:
    suite = suite_of("[{type: tool_error_unhandled}]")
    errors = {span for label in labels("airline_dev") for span in label["tool_error_span_ids"]}
    scores = [score for trace in runs("airline_dev") for score in decide(suite, trace).scores]
    assert {score.span_id for score in scores} == errors
    assert [score.label for score in scores if not score.passed] == ["futile_retry"] * 6
    wanted = {label["span_id"] for label in labels("airline_dev_faults") if label["fault"] == "error_as_success"}
    ignored = {
        score.blamed_span_id
        for t in runs("airline_dev_faults")
        for score in decide(suite, t).scores
        if score.label == "ignored"
    }
    assert len(ignored & wanted) >= 6 and not ignored - wanted


@needs_instrumented
def test_real_clients_whose_model_ignores_an_error() -> None:
    suite, found, told = suite_of("[{type: tool_error_unhandled}]"), 0, 0
    for client, conversation in instrumented_records():
        for trace in instrumented_traces(client, conversation):
            scores = [s for s in decide(suite, trace).scores if s.passed is False]
            assert not scores or conversation in ("b", "i"), (client, conversation)
            if conversation == "b":
                found += len(scores)
                told += any(span.result == "Error: upstream timeout" for span in trace.spans)
    assert found == told >= 20
