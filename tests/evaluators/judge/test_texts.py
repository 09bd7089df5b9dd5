"""What a judge is shown of a span, a trace and a session."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evaluators.judge.cut import bounded, without_middle
from evaluators.judge.texts import texts
from evaluators.protocol import Skip, Target
from schemas.trace import Session, ToolCall
from tests.evaluators.judge.talk import Talk, make_judge, settings_for
from tests.schemas.recorded import by_trace, instrumented_records, needs_instrumented

HAND_OVER = ToolCall(name="hand_over", arguments={}, id="c9")
SETTINGS = settings_for("http://127.0.0.1:1/v1")


def booking() -> Talk:
    """A conversation with a tool, every call repeating all before it, the agent span around them repeating the end."""
    call = ToolCall(name="find_flight", arguments={"to": "SEA"}, id="c1")
    talk = Talk().says("system", "Be brief.").says("user", "Find me a flight to Seattle.")
    talk.answers("", calls=(call,)).uses("find_flight", {"to": "SEA"}, {"flight": "HAT1"}, "c1")
    talk.says("tool", '{"flight": "HAT1"}', tool_call_id="c1").answers("HAT1. Shall I book it?")
    return talk.says("user", "Yes").answers("Sorry, booked out.").says("user", "Yes").answers("Then HAT2.")


def test_a_trace_as_one_conversation_without_repetitions():
    found = texts(booking().target(), "span")
    assert found["transcript"].splitlines() == [
        "[1] SYSTEM",
        "| Be brief.",
        "[2] USER",
        "| Find me a flight to Seattle.",
        "[3] CALL find_flight",
        '| {"to":"SEA"}',
        "[4] TOOL",
        '| {"flight": "HAT1"}',
        "[5] ASSISTANT",
        "| HAT1. Shall I book it?",
        "[6] USER",
        "| Yes",
        "[7] ASSISTANT",
        "| Sorry, booked out.",
        "[8] USER",
        "| Yes",
        "[9] ASSISTANT",
        "| Then HAT2.",
    ]
    assert found["history"] == found["transcript"].rpartition("\n[9]")[0]
    assert found["output"] == "Then HAT2."
    assert found["input"] == "Yes"
    assert found["goal"] == "(1) Find me a flight to Seattle.\n(2) Yes\n(3) Yes"
    assert found["context"] == '(1) {"flight": "HAT1"}'
    assert found["calls"] == '1. find_flight({"to":"SEA"})\n   -> {"flight": "HAT1"}'


def test_tools_that_stand_in_spans_only_take_their_place_in_time():
    talk = Talk().says("user", "Weather?").answers("Let me look.").uses("weather", {"in": "Rome"}, {"c": 27})
    transcript = texts(talk.answers("27 degrees.").target(), "span")["transcript"]
    assert [line for line in transcript.splitlines() if line.startswith("[")] == [
        "[1] USER",
        "[2] ASSISTANT",
        "[3] CALL weather",
        "[4] TOOL weather",
        "[5] ASSISTANT",
    ]


def test_a_user_who_was_not_answered_means_there_is_no_output():
    target = Talk().says("user", "Hi").answers("Hello.").says("user", "And now?").answers("").target()
    assert texts(target, "span")["output"] == ""


def test_what_the_root_says_it_answered_is_the_answer():
    talk = (
        Talk()
        .says("user", "Help")
        .answers("I cannot. A colleague?")
        .says("user", "Yes")
        .answers("", calls=(HAND_OVER,))
    )
    talk.span("agent", output_messages=(talk.said[1],))
    trace = talk.trace()
    root = trace.by_id["s2"].model_copy(update={"start": trace.start - timedelta(seconds=1)})
    spans = tuple(span.model_copy(update={"parent_id": "s2"}) for span in trace.spans[:2])
    found = texts(Target(trace.model_copy(update={"spans": (*spans, root)})), "span")
    assert found["output"] == "I cannot. A colleague?"
    assert found["history"] == "[1] USER\n| Help"
    assert found["transcript"].endswith("[4] CALL hand_over\n| {}")


def test_an_answer_that_is_not_the_models_own_words_closes_the_conversation():
    talk = Talk().says("user", "Help").answers("draft")
    final = talk.message("assistant", "The checked answer.")
    talk.span("agent", output_messages=(final,))
    trace = talk.trace()
    root = trace.by_id["s1"].model_copy(update={"start": trace.start - timedelta(seconds=1)})
    child = trace.by_id["s0"].model_copy(update={"parent_id": "s1"})
    found = texts(Target(trace.model_copy(update={"spans": (child, root)})), "span")
    assert found["output"] == "The checked answer."
    assert found["history"].endswith("| draft")


def test_a_retrieval_is_context():
    talk = Talk().span("retrieval", documents=({"text": "Paris is the capital."}, "plain"))
    found = texts(talk.says("user", "Capital?").answers("Paris.").target(), "span")
    assert found["context"] == '(1) {"text":"Paris is the capital."}\n\n(2) plain'


def test_a_model_call_by_itself():
    trace = booking().trace()
    found = texts(Target(trace, trace.by_id["s0"]), "span")
    assert found["calls"] == '1. find_flight({"to":"SEA"})'
    assert found["output"] == ""
    assert found["history"].endswith("| Find me a flight to Seattle.")
    judge = make_judge(SETTINGS, target="span", rubric="tool_selection")
    assert judge.view(Target(trace, trace.by_id["s0"])).fields.keys() == {"history", "calls"}
    assert judge.view(Target(trace, trace.by_id["s2"])) is None


def test_a_tool_call_sees_the_rest_of_the_trace_only_when_its_context_is_the_trace():
    trace = booking().trace()
    span = trace.by_id["s1"]
    alone, within = texts(Target(trace, span), "span"), texts(Target(trace, span), "trace")
    assert alone["history"] == ""
    assert "Find me a flight" in within["history"]
    assert "HAT1" not in within["history"]
    assert (alone["input"], alone["output"]) == ('{"to":"SEA"}', '{"flight":"HAT1"}')


def test_a_session_is_one_conversation():
    first = Talk("t1").says("user", "Hello, I am Ana.").answers("Hello Ana.")
    second = Talk("t2")
    second.clock = first.clock
    second.says("user", "Hello, I am Ana.").says("assistant", "Hello Ana.").says("user", "My name?").answers("Ana.")
    session = Session(session_id="s", traces=(first.trace(), second.trace()))
    found = texts(Target(second.trace(), None, session), "span")
    assert found["transcript"].count("Hello Ana.") == 1
    assert found["goal"] == "(1) Hello, I am Ana.\n(2) My name?"
    assert found["output"] == "Ana."


def test_what_was_cut_away_is_a_skip_and_what_never_was_is_not_applicable():
    judge = make_judge(SETTINGS, rubric="faithfulness")
    empty = Talk().says("user", "Hi").span("llm")
    assert judge.view(empty.target()) is None
    assert judge.view(empty.target(incomplete=True)) == Skip("truncated")
    assert judge.view(Talk().span("llm", truncated=True).target()) == Skip("truncated")
    assert judge.view(Talk().says("user", "Hi").answers("Hello.", truncated=True).target()) is not None


def test_a_view_is_bounded_marked_and_the_same_every_time():
    settings = settings_for("http://127.0.0.1:1/v1", max_view_chars=1000)
    judge = make_judge(settings, rubric="faithfulness")
    target = Talk().says("user", "start " + "x" * 50_000 + " end").answers("Short.").target()
    view = judge.view(target)
    assert sum(len(text) for text in view.fields.values() if isinstance(text, str)) <= 1000
    assert view.fields["output"] == "Short."
    assert "start" in view.fields["history"] and "end" in view.fields["history"]
    assert "characters cut" in view.fields["history"]
    assert view.fields["cut_chars"] > 40_000
    assert judge.view(target) == view


@pytest.mark.parametrize("limit", [1, 10, 40, 41, 60, 100, 999, 1000, 1001])
def test_cutting_never_exceeds_the_limit(limit):
    assert len(without_middle("abcdefghij" * 100, limit)) <= limit
    shown, cut = bounded({"a": "x" * 500, "b": "y" * 20, "c": "z" * 1000}, limit * 3)
    assert sum(map(len, shown.values())) <= limit * 3
    assert (cut > 0) == (limit * 3 < 1520)


@needs_instrumented
def test_the_same_conversation_is_the_same_whatever_client_recorded_it():
    """Clients that record content at all agree on who said what, in which order, and on the answer."""
    seen: dict[str, list[str]] = {}
    for (client, conversation), records in instrumented_records().items():
        for trace in by_trace(records) if conversation == "a" else ():
            found = texts(Target(trace), "span")
            if found["output"]:
                lines = [line for line in found["transcript"].splitlines() if not line.startswith("[")]
                seen.setdefault("\n".join(lines).replace(" ", "").replace('"', ""), []).append(client)
    assert sum(map(len, seen.values())) > 20
    odd = {text: clients for text, clients in seen.items() if len(clients) < 3}
    assert sum(map(len, odd.values())) <= 6, odd
