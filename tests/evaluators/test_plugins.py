"""Plug-ins: packages that are installed for the test, and loaded only when they are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.build import build_suite
from evaluators.callable.spec import resolve
from evaluators.registry import type_names
from schemas.errors import ConfigError
from schemas.settings import Settings, parse_settings
from tests.evaluators.making import decide, said

MODULE = """
import pathlib
pathlib.Path({mark!r}).touch()
from collections.abc import Iterable
from evaluators.base import CodeEvaluator, NoOptions
from evaluators.protocol import Verdict


class Loud(CodeEvaluator[NoOptions]):
    Options = NoOptions

    def evaluate(self, target):
        return (Verdict(value=1.0, passed=False, explanation="loud"),)
"""
CALLABLE = """
def fair(target):
    return True
"""
POINTS = """
[evalstream.evaluators]
loud = {module}:Loud
length = {module}:Loud

[evalstream.callables]
fair = {module}_checks:fair
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that is there once the plug-in's module has been imported."""
    return tmp_path / "imported"


@pytest.fixture
def package(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package as an installer leaves it."""
    module = f"noisy_{abs(hash(tmp_path)) % 10**8}"
    site = tmp_path / "site"
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS.format(module=module))
    (site / f"{module}.py").write_text(MODULE.format(mark=str(mark)))
    (site / f"{module}_checks.py").write_text(CALLABLE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    return module


def built(text: str, folder: Path) -> object:
    settings, source = parse_settings(text, str(folder / "evalstream.yaml"), {})
    return build_suite(settings, source)


def test_a_plug_in_that_nobody_named_is_not_loaded(package: str, mark: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        built("evaluators: [{type: loud}]", tmp_path)
    assert "evaluators[0].type: unknown evaluator type 'loud'" in str(caught.value)
    assert f"write `plugins: [{package.replace('_', '-')}]`" in str(caught.value)
    assert "loud" not in type_names() and not mark.exists()


def test_a_plug_in_that_is_named_works(package: str, mark: Path, tmp_path: Path) -> None:
    suite = built(f"plugins: [{package.upper()}]\nevaluators: [{{type: loud, target: trace}}]", tmp_path)
    assert mark.exists()
    (score,) = decide(suite, said("hello")).scores  # type: ignore[arg-type]
    assert (score.evaluator, score.explanation, score.passed) == ("loud", "loud", False)


def test_a_plug_in_never_takes_the_place_of_a_shipped_type(package: str, mark: Path, tmp_path: Path) -> None:
    built(f"plugins: [{package}]\nevaluators: [{{type: length}}]", tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("named", "says"),
    [("no-such-package", "is not installed"), ("pydantic", "offers no entry point"), ("''", "is not installed")],
)
def test_a_package_that_cannot_be_one_is_told_with_its_place(named: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        built(f"project: x\nplugins: [{named}]", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/evalstream.yaml:2: plugins[0]: the package")
    assert says in str(caught.value)


def test_callables_of_packages_need_the_name_as_well(package: str, tmp_path: Path) -> None:
    entry = "evaluators: [{type: python, name: fair, target: trace, options: {callable: fair}}]"
    with pytest.raises(ConfigError, match="to trust that package, write `plugins:"):
        built(entry, tmp_path)
    suite = built(f"plugins: [{package}]\n{entry}", tmp_path)
    (score,) = decide(suite, said("hello")).scores  # type: ignore[arg-type]
    assert score.passed, score
    suite.close()  # type: ignore[attr-defined]


def test_callables_lie_below_the_configuration_or_where_it_says(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "conf", tmp_path / "checks"
    for folder in (home, elsewhere):
        folder.mkdir()
    (elsewhere / "c.py").write_text(CALLABLE)
    (home / "link.py").symlink_to(elsewhere / "c.py")
    for place in ("../checks/c.py:fair", f"{elsewhere}/c.py:fair", "link.py:fair"):
        with pytest.raises(ConfigError, match=r"lies outside the configuration's folder; name its own in evaluate"):
            resolve(place, home, Settings())
        allowed, _ = parse_settings("evaluate: {callable_folders: [../checks]}", "evalstream.yaml", {})
        assert resolve(place, home, allowed).spec == f"{elsewhere}/c.py:fair"


def test_the_working_directory_brings_no_callable(tmp_path: Path) -> None:
    """A package of the working directory is no plug-in, and a process for callables imports nothing from there."""
    (tmp_path / "orjson.py").write_text("raise SystemExit(9)")
    (tmp_path / "c.py").write_text(CALLABLE)
    program = (
        "from evaluators.callable.pool import CallablePool\n"
        f"print(CallablePool(1, 5.0).call({str(tmp_path / 'c.py')!r} + ':fair', {{}}))"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", f"import sys; sys.path[:] = [{str(root)!r}, *sys.path[1:]]\n{program}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "True\n", done.stderr
