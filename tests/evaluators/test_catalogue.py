"""The published page of evaluator types is the one that the code makes."""

from __future__ import annotations

from pathlib import Path

from evaluators.catalogue import page
from evaluators.registry import BUILT_IN

PAGE = Path(__file__).parents[2] / "docs" / "evaluators" / "catalogue.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m evaluators.catalogue > docs/evaluators/catalogue.md"


def test_every_type_has_a_section() -> None:
    for name, _ in BUILT_IN:
        assert f"\n## `{name}`\n" in PAGE.read_text()
