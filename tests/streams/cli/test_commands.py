"""Every command is documented, has help with an example, and speaks JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import re2
from typer.main import get_command

from streams.cli.main import app
from tests.brokers import ROOT
from tests.streams.cli.conftest import Run

SILENT = {"init", "worker", "receiver"}  # what they print is no data


def commands() -> Iterator[tuple[str, object]]:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        if below is None or getattr(command, "invoke_without_command", False):
            yield name, command
        if below is not None:
            yield from ((f"{name} {sub}", found) for sub, found in below.items())


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_is_documented_with_all_its_options(name: str) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    sections = re2.split(r"(?m)^### ", page)
    section = next((s for s in sections if s.startswith((f"`evalstream {name}`", f"`evalstream {name} "))), None)
    assert section is not None, f"docs/commands.md has no section `evalstream {name}`"
    for parameter in COMMANDS[name].params:  # type: ignore[attr-defined]
        long = [option for option in parameter.opts if option.startswith("--")]
        assert not long or any(f"`{o}" in section or f"/{o}" in section for o in long), f"{long} is not documented"


def test_nothing_is_documented_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    headings = re2.findall(r"(?m)^### `evalstream ([a-z ]*[a-z])", page)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_has_help_with_an_example_and_json(name: str) -> None:
    command = COMMANDS[name]
    assert "Example: " in command.help  # type: ignore[attr-defined]
    assert "evalstream " in command.help.partition("Example: ")[2]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert ("--json" in options) == (name not in SILENT)


def test_help_lists_every_command(evalstream: Run) -> None:
    shown = evalstream("--help")
    assert shown.code == 0
    for name in COMMANDS:
        assert name.split()[0] in shown.out


def test_no_command_imports_what_is_heavy(evalstream: Run) -> None:
    """`--help` is quick because of this."""
    import subprocess
    import sys

    code = "import streams.cli.main, sys; print(sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"aiokafka", "faust", "pydantic", "sqlalchemy", "river", "sklearn", "numpy", "openai", "torch", "aiohttp"}
    assert not heavy & set(eval(done.stdout))


def test_wrong_usage_is_2(evalstream: Run) -> None:
    for arguments in (["nonsense"], ["worker", "nonsense"], ["feedback", "t", "--score", "7"], ["publish"]):
        assert evalstream(*arguments).code == 2


def test_version(evalstream: Run) -> None:
    [document] = evalstream("version", "--json").documents
    assert document["evalstream"] and document["faust-streaming"]
    assert document["evalstream"] in evalstream("version").out
