"""Generated pages are those that the code would write now, and links lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import re2

from schemas.document import documents
from schemas.settings.document import page, sections
from schemas.settings.load import ENVIRONMENT
from streams.telemetry.document import page as metrics_page
from tests.brokers import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_configuration_page_is_current() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == page(), "run `make docs`"


def test_the_page_of_metrics_is_current() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_page(), "run `make docs`"


def test_the_configuration_page_has_every_field_and_variable() -> None:
    text = page()
    for path, model in sections():
        assert not path or f"## `{path}`" in text
        for name in model.model_fields:
            assert f"| `{name}` |" in text
    for variable in ENVIRONMENT:
        assert f"`{variable}`" in text


def test_the_schemas_of_the_records_are_current() -> None:
    folder = ROOT / "docs" / "schemas"
    wanted = dict(documents())
    assert {file.name for file in folder.iterdir()} == wanted.keys()
    for name, content in wanted.items():
        assert (folder / name).read_bytes() == content, f"{name}: run `make docs`"


def test_a_published_record_is_valid_by_its_schema() -> None:
    import jsonschema_rs
    import orjson

    from schemas.alert import Alert
    from schemas.measurement import Segment

    alert = Alert(
        rule="r",
        segment=Segment(evaluator="e"),
        state="OK",
        previous_state="WARNING",
        sequence=2,
        statistic="mean",
        fired_at="2026-01-01T00:00:00Z",
    )
    validator = jsonschema_rs.validator_for(orjson.loads((ROOT / "docs" / "schemas" / "alert.json").read_bytes()))
    document = orjson.loads(alert.to_bytes())
    assert validator.is_valid(document)
    assert not validator.is_valid({**document, "state": "nonsense"})


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for target in re2.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text()):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{file}: {target}"


def test_the_makefile_has_the_targets_that_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re2.findall(r"(?m)^\s*make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named
    for target in named:
        assert re2.search(rf"(?m)^{target}:", makefile), target


def test_example_files_that_are_named_exist() -> None:
    sources = [*PAGES, *sorted((ROOT / "streams" / "cli").glob("*.py")), ROOT / "docker-compose.yml"]
    named = {
        found for file in sources for found in re2.findall(r"examples/[A-Za-z0-9_./-]*[A-Za-z0-9]", file.read_text())
    }
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
