"""The house rules that a machine can check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "evaluators", "drift", "sinks", "streams")
MAX_LINES = 500
HEAVY = ("torch", "sentence_transformers", "sklearn", "river", "faust", "sqlalchemy", "openai", "aiokafka", "numpy")


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_is(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= MAX_LINES, "split it"
    if text.strip() and "versions/" not in str(file):
        assert text.lstrip().startswith('"""'), "a module begins with its docstring"


def test_the_command_line_starts_without_what_is_heavy() -> None:
    code = f"import sys, streams.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_judge_is_configured_without_loading_its_client() -> None:
    """The evaluate worker only renders views: it needs neither the model's client nor the embedder."""
    code = """
import sys
from schemas.settings import parse_settings
from evaluators.build import build_suite
text = "evaluators: [{type: llm_judge, options: {rubric: helpfulness}}, {type: embedding}]"
build_suite(*parse_settings(text, "x", {}))
print([m for m in ("openai", "torch", "sentence_transformers") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
