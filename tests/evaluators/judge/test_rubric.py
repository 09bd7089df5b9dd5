"""Rubrics as data: shipped, from files, inline; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.build import build_suite
from evaluators.judge.prompt import instructions, response_format
from evaluators.judge.rubric import builtin_rubrics, load_rubric
from schemas.errors import ConfigError
from schemas.settings import load_settings, parse_settings
from tests.evaluators.judge.talk import make_judge, settings_for

INLINE = {
    "name": "polite",
    "question": "Is the output polite?",
    "inputs": ["output"],
    "choices": {"yes": {"value": 1, "pass": True}, "no": {"value": 0, "pass": False}},
}


def test_the_shipped_rubrics():
    assert builtin_rubrics() == (
        "answer_relevance",
        "faithfulness",
        "helpfulness",
        "task_completion",
        "tool_selection",
        "toxicity",
    )


@pytest.mark.parametrize("name", builtin_rubrics())
def test_a_shipped_rubric_is_valid_best_first_and_one_is_good(name):
    rubric = load_rubric(name, Path())
    assert rubric.name == name
    if rubric.choices is not None:
        values = [choice.value for choice in rubric.choices.values()]
        assert values == sorted(values, reverse=True)
        assert rubric.outcome(next(iter(rubric.choices)))[2] is True
        assert rubric.outcome(list(rubric.choices)[-1])[2] is False
    else:
        assert rubric.outcome(rubric.score.max)[2] is True
        assert rubric.outcome(rubric.score.min)[2] is False
    assert name in instructions([rubric])


def test_the_schema_is_strict_and_reason_comes_before_verdict():
    rubrics = [load_rubric(name, Path()) for name in ("faithfulness", "helpfulness")]
    schema = response_format(rubrics)["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["faithfulness", "helpfulness"]
    for criterion in schema["schema"]["properties"].values():
        assert list(criterion["properties"]) == ["reason", "verdict"]
        assert criterion["additionalProperties"] is False
    verdicts = [criterion["properties"]["verdict"] for criterion in schema["schema"]["properties"].values()]
    assert verdicts[0]["enum"] == ["faithful", "partly_unfaithful", "unfaithful"]
    assert verdicts[1] == {"type": "integer", "enum": [1, 2, 3, 4, 5]}


def test_a_rubric_of_ones_own_beside_the_configuration(tmp_path):
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "polite.yaml").write_text(
        "name: polite\nquestion: Is the output polite, and to whom?\ninputs: [output]\nscore: {min: 0, max: 10}\n"
        "pass_threshold: 7\n"
    )
    file = tmp_path / "evalstream.yaml"
    file.write_text("evaluators:\n- type: llm_judge\n  name: manners\n  options: {rubric: rubrics/polite.yaml}\n")
    suite = build_suite(*load_settings(file, {}))
    [judge] = suite.evaluators
    assert judge.decisions == ("manners",)
    assert judge.rubrics[0].outcome(7) == (0.7, None, True)
    version = judge.version
    (tmp_path / "rubrics" / "polite.yaml").write_text(
        "name: polite\nquestion: Is the output polite?\ninputs: [output]\nscore: {min: 0, max: 10}\npass_threshold: 7\n"
    )
    assert build_suite(*load_settings(file, {})).evaluators[0].version != version
    suite.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("rubric: fathfulness", "shipped ones: answer_relevance, faithfulness"),
        ("rubric: missing.yaml", "cannot be read"),
        ("{}", "exactly one of rubric and criteria"),
        ("{rubric: toxicity, criteria: [toxicity]}", "exactly one of rubric and criteria"),
        ("{criteria: [toxicity, toxicity]}", "twice"),
        ("{rubric: {name: x, question: Is it good enough?, inputs: [output]}}", "exactly one of choices and score"),
        ("{rubric: {name: x, question: Is it good enough?, inputs: [nothing], score: {}}}", "inputs"),
        (
            "{rubric: {name: x, question: Is it good enough?, inputs: [output], score: {max: 5}, pass_threshold: 9}}",
            "pass_threshold must be in [1, 5], got 9",
        ),
    ],
)
def test_a_wrong_rubric_is_told_with_its_place(options, message):
    text = f"evaluators:\n- type: llm_judge\n  options:\n    {options}\n"
    with pytest.raises(ConfigError) as error:
        build_suite(*parse_settings(text, "evalstream.yaml", {}))
    assert message in str(error.value)
    assert "evalstream.yaml:" in str(error.value)


def test_an_error_inside_a_rubric_file_names_that_file_and_line(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "name: bad\nquestion: Is the output good?\ninputs: [output]\nscore:\n  max: -1\n"
    )
    with pytest.raises(ConfigError, match=r"bad\.yaml:\d: score: min \(1\) must be below max \(-1\)"):
        load_rubric("bad.yaml", tmp_path)
    (tmp_path / "broken.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match=r"broken\.yaml:\d: no valid YAML"):
        load_rubric("broken.yaml", tmp_path)


def test_names_of_decisions():
    settings = settings_for("http://127.0.0.1:1/v1")
    assert make_judge(settings, rubric="toxicity").decisions == ("quality",)
    assert make_judge(settings, criteria=["toxicity"]).decisions == ("quality",)
    assert make_judge(settings, criteria=["toxicity", INLINE]).decisions == ("quality.toxicity", "quality.polite")


def test_what_changes_verdicts_changes_the_version():
    def version(judge="", **options):
        text = f"judge: {{{judge}}}\nevaluators:\n- type: llm_judge\n  options: {{rubric: toxicity}}\n"
        return build_suite(*parse_settings(text, "e.yaml", {})).evaluators[0].version

    assert version() == version("max_concurrency: 7")
    assert len({version(), version("model: other"), version("temperature: 1"), version("max_view_chars: 999")}) == 4
