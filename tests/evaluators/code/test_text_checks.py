"""json_validity, json_schema_match, regex, contains, length, and the text they look at."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from schemas.trace import ToolCall, Trace
from tests.evaluators.making import Writer, returned, said, score_of, scores_of


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ('{"a": 1}', True),
        ("3", True),
        ('```json\n{"a": 1}\n```', True),
        ("``` \n[1]\n```\n", True),
        ('Here you are: {"a": 1}', False),
        ('{"a": 1,}', False),
        ('{"a": NaN}', False),
        ('{"a": 1', False),
        ("{'a': 1}", False),
        ('```json\n{"a": 1\n```', False),
    ],
)
def test_json_validity(text: str, passed: bool) -> None:
    score = score_of("{type: json_validity}", said(text))
    assert (score.passed, score.value) == (passed, float(passed))
    assert passed or (score.evidence[0].path == "output_messages[0].content" and score.evidence[0].quote)


def test_json_validity_of_fences_and_of_nesting() -> None:
    assert score_of("{type: json_validity, options: {fences: refuse}}", said("```\n1\n```")).passed is False
    deep = score_of("{type: json_validity}", said("[" * 5_000 + "]" * 5_000))
    assert (deep.status, deep.error_type) == ("failed", "TooDeep")


def test_truncated_tool_results_are_no_json() -> None:
    entry = "{type: json_validity, options: {text: result}}"
    assert score_of(entry, returned('{"name": {"first_name": "Mia", "la')).passed is False
    assert score_of(entry, returned({"name": "Mia"})).passed is True


SCHEMA = "{type: object, properties: {n: {type: integer, maximum: 5}, w: {pattern: '^(a+)+$'}}, required: [n]}"


@pytest.mark.parametrize(
    ("text", "label", "path"),
    [
        ('{"n": 1}', "match", ""),
        ('```json\n{"n": 1}\n```', "match", ""),
        ('{"n": "1"}', "mismatch", "output_messages[0].content.n"),
        ('{"n": 7}', "mismatch", "output_messages[0].content.n"),
        ("{}", "mismatch", "output_messages[0].content"),
        ("[]", "mismatch", "output_messages[0].content"),
        ("none", "no_json", "output_messages[0].content"),
        ('{"n": 1, "w": "' + "a" * 20_000 + '!"}', "mismatch", "output_messages[0].content.w"),
    ],
)
def test_json_schema_match(text: str, label: str, path: str) -> None:
    started = time.process_time()
    score = score_of(f"{{type: json_schema_match, options: {{schema: {SCHEMA}}}}}", said(text))
    assert time.process_time() - started < 2
    assert (score.label, score.passed) == (label, label == "match")
    assert not path or score.evidence[0].path == path


def test_a_schema_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"type": "array"}')
    entry = "{type: json_schema_match, options: {schema: answer.json}}"
    assert score_of(entry, said("[]"), folder=tmp_path).passed is True
    assert score_of(entry, said("{}"), folder=tmp_path).passed is False


def test_a_schema_whose_references_multiply_is_refused() -> None:
    from evaluators.json_schema import UnusableSchema, validator_of

    definitions: dict[str, object] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(40)
    }
    with pytest.raises(UnusableSchema, match="multiply"):
        validator_of({"$ref": "#/$defs/a0", "$defs": {**definitions, "a40": {"type": "object"}}})
    tree = {
        "$defs": {"n": {"type": "object", "properties": {"kids": {"items": {"$ref": "#/$defs/n"}}}}},
        "$ref": "#/$defs/n",
    }
    assert validator_of(tree).is_valid({"kids": [{"kids": []}]})


@pytest.mark.parametrize(
    ("options", "text", "label"),
    [
        ("{must_match: 'HAT[0-9]{3}'}", "Flight HAT123.", "match"),
        ("{must_match: 'HAT[0-9]{3}'}", "Flight 123.", "missing"),
        ("{must_match: [a, b]}", "a only", "missing"),
        ("{must_not_match: '(?i)sorry'}", "So Sorry!", "unwanted"),
        ("{must_not_match: '(?i)sorry'}", "fine", "match"),
        ("{must_match: '^ü$'}", "ü", "match"),
        ("{must_match: 'a', must_not_match: 'b'}", "ab", "unwanted"),
    ],
)
def test_regex(options: str, text: str, label: str) -> None:
    score = score_of(f"{{type: regex, options: {options}}}", said(text))
    assert (score.label, score.passed) == (label, label == "match")


def test_a_catastrophic_pattern_takes_linear_time() -> None:
    started = time.process_time()
    entry = "{type: regex, options: {must_not_match: ['^(a+)+$', '(x+x+)+y', '(.*)*b']}}"
    assert score_of(entry, said("a" * 200_000 + "x" * 200_000)).passed is True
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("options", "text", "label"),
    [
        ("{any_of: [yes, sure]}", "sure thing", "match"),
        ("{any_of: [yes, sure]}", "Sure thing", "missing"),
        ("{any_of: [yes, SURE], case: insensitive}", "Sure thing", "match"),
        ("{all_of: [a, b]}", "ab", "match"),
        ("{all_of: [a, b]}", "a", "missing"),
        ("{none_of: As an AI}", "As an AI, I", "unwanted"),
        ("{none_of: STRASSE, case: insensitive}", "Straße", "unwanted"),
    ],
)
def test_contains(options: str, text: str, label: str) -> None:
    assert score_of(f"{{type: contains, options: {options}}}", said(text)).label == label


@pytest.mark.parametrize(
    ("options", "value", "label"),
    [
        ("{}", 11.0, None),
        ("{unit: words}", 2.0, None),
        ("{max: 11}", 11.0, "within"),
        ("{max: 10}", 11.0, "too_long"),
        ("{min: 3, unit: words}", 2.0, "too_short"),
    ],
)
def test_length(options: str, value: float, label: str | None) -> None:
    score = score_of(f"{{type: length, options: {options}}}", said("hello world"))
    assert (score.value, score.label, score.passed) == (value, label, None if label is None else label == "within")


def talk() -> Trace:
    """An agent that asks a tool; the agent span itself tells no output."""
    calls = [ToolCall(name="weather", arguments={"city": "Rome"}, id="c")]
    writer = Writer().span("agent").llm("let me look", input="question", calls=calls, parent_id="s0")
    return writer.tool(arguments={"city": "Rome"}, result="sunny").llm("the answer", input="question").trace()


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("", [("s1", 11), ("s3", 10)]),
        ("options: {text: input}", [("s1", 8), ("s3", 8)]),
        ("options: {text: arguments}", [("s2", 15)]),
        ("options: {text: result}", [("s2", 5)]),
        ("options: {text: all}", [("s1", 8 + 11 + 15), ("s2", 15 + 5), ("s3", 8 + 10)]),
        ("span_kinds: [llm], options: {text: arguments}", [("s1", 15)]),
        ("target: trace", [(None, 10)]),
        ("target: trace, options: {text: input}", [(None, 8)]),
        ("target: trace, options: {text: result}", [(None, 5)]),
        ("target: trace, options: {text: all}", [(None, 8 + 11 + 15 + 15 + 5 + 10)]),
    ],
)
def test_which_text_is_looked_at(entry: str, values: list[tuple[str | None, int]]) -> None:
    scores = scores_of(f"[{{type: length{', ' if entry else ''}{entry}}}]", talk())
    assert [(s.span_id, s.value) for s in scores] == [(span, float(value)) for span, value in values]


def test_the_final_answer_is_the_roots_where_it_tells_one() -> None:
    from evaluators.protocol import Target
    from evaluators.text import pieces

    writer = Writer().span("agent").llm("draft", parent_id="s0")
    trace = writer.trace()
    root = trace.spans[0].model_copy(update={"output_messages": trace.spans[1].output_messages})
    whole = trace.model_copy(update={"spans": (root, *trace.spans[1:])})
    assert [piece.span_id for piece in pieces(Target(whole), "output")] == ["s0"]
    assert [piece.span_id for piece in pieces(Target(trace), "output")] == ["s1"]
