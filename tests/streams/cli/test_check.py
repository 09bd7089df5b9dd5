"""`init`, `check` and the configuration that commands find."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.cli.locate import STARTER
from tests.brokers import ROOT
from tests.streams.cli.conftest import Run


def test_what_init_writes_is_valid(evalstream: Run, tmp_path: Path) -> None:
    assert evalstream("init").code == 0
    assert (tmp_path / "evalstream.yaml").read_text() == STARTER.read_text()
    checked = evalstream("check", "--json")
    assert checked.code == 0, checked
    [document] = checked.documents
    assert document["ok"] and document["warnings"] == []
    assert "tool_call_schema_valid" in [e["name"] for e in document["evaluators"]]
    assert "tool_call_schema_valid" in evalstream("check").out


def test_init_does_not_write_over_a_file(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text("project: mine\n")
    refused = evalstream("init")
    assert refused.code == 2 and "--force" in refused.err
    assert (tmp_path / "evalstream.yaml").read_text() == "project: mine\n"
    assert evalstream("init", "--force").code == 0
    assert "evaluators:" in (tmp_path / "evalstream.yaml").read_text()


def test_the_example_is_valid(evalstream: Run) -> None:
    checked = evalstream("check", "-c", str(ROOT / "examples" / "evalstream.yaml"))
    assert checked.code == 0 and "warning" not in checked.err, checked


WRONG = {
    "no YAML": ("project: [\n", 2, ""),
    "unknown key": ("project: p\nevaluatorz: []\n", 2, "evaluatorz"),
    "wrong value": ("evaluators:\n  - type: refusal\n    sample_rate: 1.7\n", 3, "evaluators[0].sample_rate"),
    "unknown type": ("evaluators:\n  - type: refusal\n  - type: refusall\n", 3, "evaluators[1].type"),
    "duplicate name": ("evaluators:\n  - type: refusal\n  - type: refusal\n", 3, "evaluators[1].name"),
    "unknown option": (
        "evaluators:\n  - type: regex\n    options:\n      must_mach: x\n",
        4,
        "evaluators[0].options.must_mach",
    ),
    "regex": ("evaluators:\n  - type: regex\n    options: {must_match: ['(']}\n", 3, "evaluators[0].options"),
    "filter": ("evaluators:\n  - type: refusal\n    filter: span.(\n", 3, "evaluators[0].filter"),
    "rubric": (
        "evaluators:\n  - type: llm_judge\n    options: {rubric: ./no.yaml}\n",
        3,
        "evaluators[0].options.rubric",
    ),
    "callable": ("evaluators:\n  - type: python\n    options: {callable: ./no.py:f}\n", 3, "evaluators[0].options"),
    "detector": ("monitor:\n  detectors:\n    - {type: nope}\n", 3, "monitor.detectors[0].type"),
    "redaction": ("redaction:\n  rules:\n    - {name: X, pattern: '('}\n", 3, "redaction.rules[0].pattern"),
    "rule": ("alerts:\n  - {name: a, evaluator: refusal, warning: 0.5}\n", 2, "alerts[0]"),
    "webhook": ("notify:\n  - {name: a, type: slack, url: hooks.slack}\n", 2, "notify[0].url"),
    "secret": ("judge:\n  api_key: sk-1\n", 2, "judge.api_key"),
    "variable": ("project: p\nenvironment: ${NOT_SET_ANYWHERE}\n", 2, "environment"),
    "open receiver": ("receiver:\n  host: 0.0.0.0\n", 2, "receiver.host"),
}


@pytest.mark.parametrize("name", WRONG)
def test_names_file_line_and_path(evalstream: Run, tmp_path: Path, name: str) -> None:
    text, line, path = WRONG[name]
    (tmp_path / "evalstream.yaml").write_text(text)
    said = evalstream("check")
    assert said.code == 1 and "Traceback" not in said.err
    assert said.err.startswith(f"error: evalstream.yaml:{line}: {path}"), said.err
    [document] = evalstream("check", "--json").documents
    assert document["ok"] is False and document["message"]
    assert (document["file"], document["line"]) == ("evalstream.yaml", line)
    assert document["path"].startswith(path)


def test_names_that_point_nowhere_are_warnings(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(
        "evaluators:\n  - type: refusal\n"
        "alerts:\n  - {name: a, evaluator: refusall, window_count: 5, warning: 0.5, destinations: [team]}\n"
    )
    said = evalstream("check")
    assert said.code == 0
    assert "evalstream.yaml:4: alerts[0].evaluator: no evaluator is called 'refusall'" in said.err
    assert "no destination is called 'team'" in said.err


def test_the_file_is_found(evalstream: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("evaluators:\n  - {type: refusal, name: from_other}\n")
    (tmp_path / "evalstream.yaml").write_text("evaluators:\n  - {type: refusal, name: from_default}\n")
    assert "from_default" in evalstream("check").out
    assert "from_other" in evalstream("check", EVALSTREAM_CONFIG=str(other)).out
    assert "from_default" in evalstream("check", "-c", "evalstream.yaml", EVALSTREAM_CONFIG=str(other)).out
    missing = evalstream("check", "-c", "nowhere.yaml")
    assert missing.code == 2 and "nowhere.yaml: no such file" in missing.err


def test_other_commands_refuse_a_wrong_configuration(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text("project: p\nevaluatorz: []\n")
    for arguments in (["scores"], ["run", "evalstream.yaml"], ["up"], ["worker", "judge"], ["status"]):
        said = evalstream(*arguments)
        assert said.code == 2 and said.err.startswith("error: evalstream.yaml:2: evaluatorz"), said
        assert "Traceback" not in said.err


def test_debug_shows_the_traceback(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text("evaluatorz: []\n")
    assert "Traceback" in evalstream("--debug", "scores").err


def test_evaluators_are_described(evalstream: Run) -> None:
    listed = {document["type"]: document for document in evalstream("evaluators", "list", "--json").documents}
    assert {"json_validity", "llm_judge", "python", "embedding_similarity"} <= listed.keys()
    assert all(document["summary"] for document in listed.values())
    shown = evalstream("evaluators", "show", "regex")
    assert shown.code == 0 and "must_match" in shown.out
    [document] = evalstream("evaluators", "show", "regex", "--json").documents
    assert "must_match" in document["options"]["properties"]
    wrong = evalstream("evaluators", "show", "regexx")
    assert wrong.code == 2 and "regex" in wrong.err
