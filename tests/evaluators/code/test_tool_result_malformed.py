"""tool_result_malformed: damaged results, and texts that only look like damaged JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.json_damage import json_damage
from tests.evaluators.code.sequences import Run, failures, found_and_false, verdict
from tests.evaluators.making import returned, score_of
from tests.schemas.recorded import needs_shared

ENTRY = "{type: tool_result_malformed}"
DAMAGED: tuple[tuple[object, str], ...] = (
    ('{"a": 1, "b', "truncated"),
    ('[{"flight_number": "X", "o', "truncated"),
    ("{", "truncated"),
    ("[{", "truncated"),
    ('{"total": 12, "items": [1, 2', "truncated"),
    ("[1, 2, 3,", "truncated"),
    ('["a", "b', "truncated"),
    ("[null, nu", "truncated"),
    ('{"a": 1, "b": tru', "truncated"),
    ('```json\n{"a": 1, "b": [', "truncated"),
    ('Result:\n{"a": 1, "b": [', "truncated"),
    ('[\n  {\n    "a": 1\n  },\n  {\n    "a', "truncated"),
    ({"content": [{"type": "text", "text": '{"a": {"b": [1, '}]}, "truncated"),
    ('{"a": 1, "b": 2}}', "unbalanced"),
    ('{"a": [1, 2}', "unbalanced"),
    ('a": "x", "b": 2, "c": 3}]}', "unbalanced"),
    ('{"a": 1,, "b": 2}', "broken"),
    ('{"a": "x" "b": 1}', "broken"),
    ('<?xml version="1.0"?><list><item>1</item><it', "xml"),
    ("%PDF-1.7 \x00\x01\x02\x03 and so on", "binary"),
    ("\x00\x01\x02\x03\x04\x05\x06\x07" * 10, "binary"),
    ("[object Object]", "unserialised"),
    ("<coroutine object fetch at 0x7f0012345678>", "unserialised"),
    ("<Response [200]>", "unserialised"),
)
WHOLE: tuple[object, ...] = (
    "",
    "plain text",
    "42",
    "null",
    '{"a": [1, {"b": "]}"}]}',
    "[INFO] started",
    "[10:00:01] listening on [::]:80",
    "[1] Smith, J. (2001). On [brackets",
    "[0, 1) is half open",
    "[link](http://example.com",
    "{{ name }}",
    "{ return x; ",
    "{name: 'x'",
    "{'a': 1, 'b': None}",
    "{\"it's\": 1, 'b': 2}",
    '{"a": 1}\n{"a": 2}',
    '{"a": 1} (cached)',
    '{"a": NaN}',
    '{"a": "two\nlines"}',
    '{\n  // a comment\n  "a": 1\n}',
    'def f():\n    return {"a": 1, "b": [',
    'const x = {\n  "a": 1,\n  "b": 2\n}',
    "- [ ] todo\n- [x] done",
    '"quoted" is the word',
    "an emoji \U0001f600 and accents éàü are text" * 5,
    "<p>a fragment of a page",
    "<html><body>a page that was asked for</body></html>",
    {"a": 1},
    [1, 2],
    "undefined behaviour is explained in chapter 3",
)


@pytest.mark.parametrize(("result", "label"), DAMAGED, ids=lambda v: str(v)[:30])
def test_damaged(result: Any, label: str) -> None:
    score = score_of(ENTRY, returned(result))
    assert (score.passed, score.label, score.blamed_span_id) == (False, label, score.span_id)
    assert score.evidence[0].path.startswith("result") and score.evidence[0].quote
    assert "damaged" in score.explanation


@pytest.mark.parametrize("result", WHOLE, ids=lambda v: str(v)[:30])
def test_whole(result: Any) -> None:
    score = score_of(ENTRY, returned(result))
    assert score.passed is True, (score.label, score.explanation)


def test_a_part_that_was_asked_for_may_break_off() -> None:
    cut = '[{"id": 1}, {"id'
    assert score_of(ENTRY, returned(cut, arguments={"path": "a.json", "end_line": 40})).passed is True
    assert score_of(ENTRY, returned(cut, arguments={"path": "a.json", "maxChars": 16})).passed is True
    assert score_of(ENTRY, returned(cut, arguments={"path": "a.json"})).passed is False


def test_a_page_where_json_was_due() -> None:
    page = "<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
    run = Run().tool("lookup", {"id": 1}, '{"a": 1}').tool("lookup", {"id": 2}, page)
    assert failures("tool_result_malformed", run) == {"s1": "html"}
    assert (
        failures("tool_result_malformed", Run().tool("browse", {"url": 1}, page).tool("lookup", {"id": 1}, "{}")) == {}
    )


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.lists(st.integers() | st.text(max_size=8), max_size=4), min_size=1
    ),
    st.data(),
)
def test_every_cut_of_an_object_is_damage(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    assert json_damage(text) is None
    cut = data.draw(st.integers(min_value=1, max_value=len(text) - 1))
    damage = json_damage(text[:cut])
    assert damage is not None and damage.label == "truncated"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_survives_any_text(text: str) -> None:
    json_damage(text)


def test_a_long_broken_text_takes_no_time() -> None:
    import time

    started = time.process_time()
    for text in (
        "[" * 100_000,
        '{"a": ' * 100_000,
        '{"' + "\\" * 100_000,
        "```json\n" * 50_000,
        '{"a": "' + "x" * 500_000,
    ):
        json_damage(text)
    assert time.process_time() - started < 5


@needs_shared
def test_recorded_runs() -> None:
    found, faults, false, spans = found_and_false("tool_result_malformed", "truncated_json")
    assert (found, faults, false) == (12, 12, 0) and spans > 2_000
    assert verdict("tool_result_malformed", Run().tool("a", {}, '{"a": 1}')).value == 1.0
