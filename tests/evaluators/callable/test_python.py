"""Users' own callables: what they receive, what they may return, and what they may do to us (nothing)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators.callable.pool import CallableError, CallablePool
from evaluators.run import Suite
from schemas.errors import ConfigError
from schemas.score import Score
from schemas.trace import Session, ToolCall, Trace
from tests.evaluators.making import START, WEATHER, Writer, decide, said, suite_of

CHECKS = """
import json, os, sys, time

def polite(target):
    print("this must not disturb anything")
    return "thanks" in target["span"]["output_messages"][0]["content"]

def number(target): return 3
def everything(target): return {"value": 0.25, "label": "x", "passed": True, "explanation": "why"}
def nothing(target): return None
def hang(target): time.sleep(60)
def spin(target):
    while True: pass
def die(target): os._exit(3)
def crash(target): os.kill(os.getpid(), 11)
def leave(target): sys.exit(1)
def boom(target): raise KeyError("nope")
def deep(target): return deep(target)
def nan(target): return float("nan")
def unknown_key(target): return {"vlaue": 1}
def text(target): return "yes"
def objects(target): return {"label": object()}
def huge(target): return {"label": "x" * 8_000_000}
def closes(target): os.close(1); os.close(0); return True
def reads(target): return {"label": repr(sys.stdin.read())}
def paths(target): return {"label": "x", "explanation": json.dumps([__name__, sys.path])}
def shows(target): return {"label": "x", "explanation": json.dumps(target)}
def names(target):
    try:
        import schemas
    except ImportError:
        return {"label": "not installed"}
    return {"label": schemas.__file__}

class Graded:
    def __call__(self, target): return 0.5

graded = Graded()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checks.py").write_text(CHECKS)
    return tmp_path


@pytest.fixture
def made(folder: Path) -> Iterator[list[Suite]]:
    suites: list[Suite] = []
    yield suites
    for suite in suites:
        suite.close()


def suite_with(made: list[Suite], folder: Path, *names: str, timeout_s: float = 1.0, more: str = "") -> Suite:
    entries = ", ".join(f"{{type: python, name: {n}, options: {{callable: './checks.py:{n}'}}{more}}}" for n in names)
    suite = suite_of(
        f"[{entries}, {{type: length, name: beside}}]",
        more=f"evaluate: {{callable_timeout_s: {timeout_s}}}",
        file=str(folder / "evalstream.yaml"),
    )
    made.append(suite)
    return suite


def scored(
    made: list[Suite], folder: Path, *names: str, trace: Trace | None = None, **options: object
) -> dict[str, Score]:
    suite = suite_with(made, folder, *names, **options)  # type: ignore[arg-type]
    scores = decide(suite, trace or said("many thanks")).scores
    assert scores[-1].evaluator == "beside" and scores[-1].status == "scored"
    return {score.evaluator: score for score in scores[:-1]}


def test_results(made: list[Suite], folder: Path) -> None:
    found = scored(made, folder, "polite", "number", "everything", "nothing", "graded")
    assert "nothing" not in found
    assert (found["polite"].value, found["polite"].passed) == (1.0, True)
    assert (found["number"].value, found["number"].passed, found["graded"].value) == (3.0, None, 0.5)
    whole = found["everything"]
    assert (whole.value, whole.label, whole.passed, whole.explanation) == (0.25, "x", True, "why")


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("hang", "CallableTimeout", "within 0.3 s"),
        ("spin", "CallableTimeout", "within 0.3 s"),
        ("die", "CallableDied", "exit code 3"),
        ("crash", "CallableDied", "SIGSEGV"),
        ("leave", "CallableDied", "exit code 1"),
        ("boom", "KeyError", "nope"),
        ("deep", "RecursionError", "recursion"),
        ("nan", "InvalidVerdict", "finite"),
        ("unknown_key", "InvalidVerdict", "'vlaue'"),
        ("text", "InvalidVerdict", "a str"),
        ("objects", "InvalidVerdict", "no JSON"),
        ("huge", "CallableReplyTooLarge", "at most"),
    ],
)
def test_whatever_it_does_is_one_failed_score(
    made: list[Suite], folder: Path, name: str, error: str, says: str
) -> None:
    suite = suite_with(made, folder, name, "polite", timeout_s=0.3 if error == "CallableTimeout" else 60.0)
    for _ in range(2):  # the process is replaced, and the next target meets a healthy one
        failed, polite, beside = decide(suite, said("many thanks")).scores
        assert (failed.status, failed.error_type) == ("failed", error), failed.explanation
        assert says in failed.explanation
        assert (polite.passed, beside.status) == (True, "scored")


def test_a_callable_that_closes_its_streams_does_no_harm(made: list[Suite], folder: Path) -> None:
    found = scored(made, folder, "closes", "number", "reads")
    assert (found["closes"].passed, found["number"].value) == (True, 3.0)


def test_neither_the_working_directory_nor_our_packages_are_in_its_way(
    made: list[Suite], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "schemas.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    found = scored(made, folder, "paths", "names")
    assert str(folder) not in (found["names"].label or "")
    assert str(folder) not in (found["paths"].explanation)
    assert "_evalstream_callable_" in (found["paths"].explanation)


def test_what_it_receives(made: list[Suite], folder: Path) -> None:
    import orjson

    calls = [ToolCall(name="weather", arguments={"city": "Paris"}, id="c1")]
    trace = (
        Writer(session_id="s")
        .llm("", input="hi", calls=calls, tools=[WEATHER], usage=(3, 4))
        .tool(arguments={"city": "Paris"}, result="sunny", tool_call_id="c1", parent_id="s0")
        .trace(resource={"service.name": "shop"})
    )
    suite = suite_with(made, folder, "shows", more=", span_kinds: [llm]")
    received = orjson.loads(decide(suite, trace).scores[0].explanation)
    span = received["span"]
    assert received["target"] == "span" and "spans" not in received["trace"]
    assert (received["trace"]["trace_id"], received["trace"]["resource"]) == ("t1", {"service.name": "shop"})
    assert span["input_messages"][0]["content"] == "hi" and span["duration_s"] == 0.5
    assert span["output_messages"][0]["tool_calls"] == [{"name": "weather", "arguments": {"city": "Paris"}, "id": "c1"}]
    assert (span["tools"][0]["name"], span["usage"]["input_tokens"]) == ("weather", 3)

    suite = suite_with(made, folder, "number", "polite", more=", target: trace")
    number, polite = (score for score in decide(suite, trace).scores if score.target == "trace")
    assert (number.value, polite.error_type, polite.explanation) == (3.0, "KeyError", "'span'")


def test_sessions_and_traces_reach_it_whole(made: list[Suite], folder: Path) -> None:
    (folder / "checks.py").write_text(
        "def count(t): return sum(len(x['spans']) for x in t['session']['traces'])\n"
        "def texts(t): return len(t['trace']['spans'][1]['input_messages'][0]['content'])\n"
    )
    trace = Writer().llm("a").llm("b", input="four").trace()
    suite = suite_with(made, folder, "count", more=", target: session")
    session = Session(session_id="s", traces=(trace, trace.model_copy(update={"trace_id": "t2"})), fingerprint="f")
    (score,) = suite.decide_session(session, set(), source=None, event_time=START, now=START).scores
    assert score.value == 4.0
    assert (
        scored(made, folder, "texts", trace=said("x", input="y"), more=", target: trace")["texts"].error_type
        == "IndexError"
    )
    assert decide(suite_with(made, folder, "texts", more=", target: trace"), trace).scores[0].value == 4.0


def test_a_thousand_levels(made: list[Suite], folder: Path) -> None:
    from tests.evaluators.random_traces import nested

    trace = Writer().llm("thanks", attributes={"deep": nested(1000)}).llm("thanks").trace()
    suite = suite_with(made, folder, "polite")
    assert [s.error_type for s in decide(suite, trace).scores if s.evaluator == "polite"] == ["TooDeep", None]


def test_a_module_that_cannot_be_loaded(made: list[Suite], folder: Path) -> None:
    (folder / "checks.py").write_text("import nowhere_at_all\ndef f(t): return True\n")
    assert scored(made, folder, "f")["f"].error_type == "ModuleNotFoundError"
    (folder / "checks.py").write_text("import os\nos._exit(9)\ndef f(t): return True\n")
    assert scored(made, folder, "f")["f"].explanation == "its process ended with exit code 9"


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        ("def polite(t): pass", "polit", "has no 'polit' at its top level; did you mean 'polite'?"),
        ("def broken(:", "broken", "checks.py:1: "),
        ("x = \0", "x", "checks.py"),
        ("def f():\n  def g(t): pass", "g", "has no 'g' at its top level"),
    ],
)
def test_mistakes_are_found_without_running_it(folder: Path, source: str, name: str, says: str) -> None:
    (folder / "checks.py").write_text(
        f"raise SystemExit\n{source}" if "\0" not in source and ":1:" not in says else source
    )
    with pytest.raises(ConfigError) as caught:
        suite_with([], folder, name)
    assert f"{folder}/evalstream.yaml:2: evaluators[0].options.callable: " in str(caught.value)
    assert says in str(caught.value)


def test_any_thread_may_call_and_a_slow_one_holds_up_nobody(folder: Path) -> None:
    pool = CallablePool(2, 5.0)
    spec, results = str(folder / "checks.py"), []

    def work(name: str) -> None:
        try:
            results.append(pool.call(f"{spec}:{name}", {"span": {"output_messages": [{"content": "thanks"}]}}))
        except CallableError as error:
            results.append(error.error_type)

    pool.call(f"{spec}:number", {})
    threads = [threading.Thread(target=work, args=(name,)) for name in ("hang", *["polite"] * 20)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["CallableTimeout", *["True"] * 20]
    assert time.monotonic() - started < 60  # twenty do not each wait for the one that hangs
    pool.close()
    with pytest.raises(CallableError, match="closed"):
        pool.call(f"{spec}:number", {})


def test_closing_leaves_no_process(folder: Path) -> None:
    (folder / "checks.py").write_text("import os\ndef pid(t): return os.getpid()\n")
    pool = CallablePool(1, 5.0)
    pid = pool.call(f"{folder / 'checks.py'}:pid", {})
    os.kill(pid, 0)
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_large_target_goes_through(folder: Path) -> None:
    (folder / "checks.py").write_text("def size(t): return len(t['x'])\n")
    pool = CallablePool(1, 20.0)
    assert pool.call(f"{folder / 'checks.py'}:size", {"x": "y" * 30_000_000}) == 30_000_000
    pool.close()
