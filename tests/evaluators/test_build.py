"""Configuration: every mistake is told with its file, line and path, and versions follow what decides on verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.build import build_suite
from schemas.errors import ConfigError
from schemas.settings import Settings, parse_settings
from tests.evaluators.making import suite_of

FAULTS = {
    "{type: regx, options: {must_match: a}}": "[0].type: unknown evaluator type 'regx'; did you mean 'regex'?",
    "{type: qqqqqq}": "[0].type: unknown evaluator type 'qqqqqq'; there are json_validity, json_schema_match",
    "{type: regex}": "[0].options: give at least one of must_match and must_not_match",
    "{type: regex, options: {must_match: '('}}": "[0].options.must_match: no valid RE2 pattern",
    "{type: regex, options: {must_match: '(?=x)'}}": "[0].options.must_match: no valid RE2 pattern",
    "{type: regex, options: {must_mach: a}}": "[0].options.must_mach: unknown option of 'regex'; did you mean 'must_match'?",
    "{type: regex, options: {text: outptu, must_match: a}}": "[0].options.text: input should be 'output', 'input'",
    "{type: contains, options: {any_of: ['']}}": "[0].options.any_of: an empty text occurs everywhere",
    "{type: length, options: {min: 5, max: 2}}": "[0].options: min (5) must not be above max (2)",
    "{type: length, options: {max: -1}}": "[0].options.max: input should be greater than or equal to 0, got -1",
    "{type: refusal, options: {min_probability: 1.7}}": "[0].options.min_probability: input should be less than 1, got 1.7",
    "{type: unknown_tool, options: {x: 1}}": "[0].options.x: unknown option of 'unknown_tool'; the type has none",
    "{type: json_schema_match}": "[0].options.schema: Field required",
    "{type: json_schema_match, options: {schema: {type: objct}}}": "[0].options.schema: no usable JSON Schema",
    "{type: json_schema_match, options: {schema: nowhere.json}}": "[0].options.schema: nowhere.json: cannot be read",
    "{type: python}": "[0].options.callable: Field required",
    "{type: python, options: {callable: './nowhere.py:f'}}": "[0].options.callable: ./nowhere.py cannot be read",
    "{type: python, options: {callable: polite}}": "[0].options.callable: no entry point 'polite'",
    "{type: latency, options: {max_s_by_kind: {llmm: 2}}}": "[0].options.max_s_by_kind.llmm",
    "{type: length, filter: 'span.kind = 1'}": "[0].filter: no valid CEL: at 1:11",
    "{type: length, filter: ''}": "[0].filter: no valid CEL",
    "{type: length, filter: '((('}": "[0].filter: no valid CEL",
    "{type: length, filter: 'spam.kind == 1'}": "[0].filter: unknown variable 'spam'; there are resource, span, trace",
    "{type: length, filter: 'span.knd == 1'}": "[0].filter: span has no field 'knd'; did you mean 'kind'?",
    "{type: length, filter: 'trace.root.knd == 1'}": "[0].filter: trace.root has no field 'knd'",
    "{type: length, filter: 'sise(span.name) > 1'}": "[0].filter: unknown function 'sise'; did you mean 'size'?",
    "{type: length, filter: 'size(span.name) > eval(\"1\")'}": "[0].filter: unknown function 'eval'",
    "{type: length, target: trace, filter: 'span.name == \"x\"'}": "[0].filter: there is no `span` where the target is a trace",
    "{type: length, sample_rate: 1.5}": "[0].sample_rate: input should be less than or equal to 1, got 1.5",
    "{type: length, target: spam}": "[0].target: input should be 'span', 'trace' or 'session', got 'spam'",
    "{type: unknown_tool, target: trace}": "[0].target: 'unknown_tool' judges a span, no trace",
    "{type: length, target: trace, span_kinds: [llm]}": "[0].span_kinds: only for `target: span`",
    "{type: length, target: trace, context: trace}": "[0].context: only for `target: span`",
    "{type: length, span_kinds: []}": "[0].span_kinds: names no kind",
    "{type: length}, {type: tokens, name: length}": "[1].name: 'length' is taken by evaluators[0]; names are unique",
}


@pytest.mark.parametrize("entry", FAULTS)
def test_mistakes_are_told_with_their_place(entry: str) -> None:
    with pytest.raises(ConfigError) as caught:
        suite_of(f"\n  [{entry}]")
    place, _, rest = str(caught.value).partition(": evaluators")
    assert place in ("evalstream.yaml:3", "evalstream.yaml"), str(caught.value)
    assert rest.startswith(FAULTS[entry]), str(caught.value)


def test_lines_are_those_of_the_option() -> None:
    text = "\nevaluators:\n  - type: length\n  - type: refusal\n    name: r\n    options:\n      text: output\n      min_probability: 7\n"
    settings, source = parse_settings(text, "conf/evalstream.yaml", {})
    with pytest.raises(ConfigError) as caught:
        build_suite(settings, source)
    assert str(caught.value).startswith("conf/evalstream.yaml:8: evaluators[1].options.min_probability: ")


def test_disabled_entries_are_left_out() -> None:
    assert [e.name for e in suite_of("[{type: regx, enabled: false}, {type: length}]").evaluators] == ["length"]


def test_no_evaluators_are_a_suite_too() -> None:
    assert build_suite(Settings()).evaluators == ()


def test_an_entry_overrules_its_type() -> None:
    entry = "{type: latency, name: slow, version: mine, span_kinds: [agent], context: trace, needs_complete: true}"
    (evaluator,) = suite_of(f"[{entry}]").evaluators
    assert (evaluator.name, evaluator.version, evaluator.span_kinds) == ("slow", "mine", frozenset(("agent",)))
    assert (evaluator.context, evaluator.needs_complete, evaluator.decisions) == ("trace", True, ("slow",))
    (plain,) = suite_of("[{type: latency}]").evaluators
    assert (plain.context, plain.needs_complete, plain.target, plain.lane) == ("span", False, "span", "inline")


def version(entry: str, more: str = "", file: str = "evalstream.yaml") -> str:
    return suite_of(f"[{entry}]", more=more, file=file).evaluators[0].version


def test_versions_follow_the_options_and_nothing_else() -> None:
    base = version("{type: length, options: {max: 5}}")
    assert len(base) == 12
    assert base == version("{type: length, name: other, sample_rate: 0.5, options: {text: output, max: 5}}")
    assert base != version("{type: length, options: {max: 6}}")
    assert base != version("{type: length, options: {max: 5, text: input}}")


def test_versions_follow_prices_files_and_sources(tmp_path: Path) -> None:
    prices = "prices: {m: {input_per_mtok: %d, output_per_mtok: 1}}"
    assert (
        version("{type: cost}", prices % 1)
        == version("{type: cost}", prices % 1)
        != version("{type: cost}", prices % 2)
    )
    file = str(tmp_path / "evalstream.yaml")
    seen = set()
    for schema in ('{"type": "object"}', '{"type": "array"}'):
        (tmp_path / "s.json").write_text(schema)
        seen.add(version("{type: json_schema_match, options: {schema: s.json}}", file=file))
    for source in ("def f(t): return True", "def f(t): return False"):
        (tmp_path / "c.py").write_text(source)
        seen.add(version("{type: python, options: {callable: 'c.py:f'}}", file=file))
    assert len(seen) == 4
