"""Where a user's callable is found: a function in a file, or an entry point. Found without running it."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from hashlib import blake2b
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

from schemas.errors import ConfigError
from schemas.settings import Settings

from ..plugins import CALLABLES, plugins, unnamed_hint

MAX_SOURCE_BYTES = 4 * 2**20
ENTRY_POINT = "entry point "
"""What stands before MODULE:NAME in the spec of an entry point; a file's path begins with a slash."""


class CallableSpec(NamedTuple):
    """`spec` is what the pool is asked for; `basis` changes when the callable's source does."""

    spec: str
    basis: str


def resolve(callable_: str, folder: Path, settings: Settings) -> CallableSpec:
    """Find ``./checks.py:polite`` (relative to `folder`) or an entry point of the group `evalstream.callables`.

    A file lies under `folder` or one of `evaluate.callable_folders`, links resolved; an entry point belongs to a package
    named under `plugins`.

    Raises
    ------
    ConfigError : no such file, entry point or function, it lies elsewhere, or the file does not parse.
    """
    file, separator, name = callable_.rpartition(":")
    if not separator:
        return _entry_point(callable_, settings)
    path = (folder / file).resolve()
    _check_place(path, file, folder, settings)
    try:
        if path.stat().st_size > MAX_SOURCE_BYTES:
            raise _error(f"{file} is larger than 4 MB")
        source = path.read_bytes()
    except OSError as error:
        raise _error(f"{file} cannot be read: {error.strerror}") from None
    _check_defines(source, file, name)
    return CallableSpec(f"{path}:{name}", _digest(source))


def _check_place(path: Path, file: str, folder: Path, settings: Settings) -> None:
    allowed = [(folder / place).resolve() for place in (".", *settings.evaluate.callable_folders)]
    if not any(path.is_relative_to(place) for place in allowed):
        raise _error(
            f"{file} lies outside the configuration's folder; name its own in evaluate.callable_folders to allow it"
        )


def _entry_point(name: str, settings: Settings) -> CallableSpec:
    points = plugins(CALLABLES, settings.plugins)
    found = next((point for point in points if point.name == name), None)
    if found is None:
        hint = unnamed_hint(CALLABLES, name)
        near = get_close_matches(name, [point.name for point in points], n=1, cutoff=0.5)
        hint = hint or (f"did you mean {near[0]!r}?" if near else "or is it a file, FILE.py:FUNCTION?")
        raise _error(f"no entry point {name!r} in the group {CALLABLES}; {hint}")
    source = _source(found)
    version = found.dist.version if found.dist is not None else ""
    basis = f"{found.value} {version} {_digest(source) if source is not None else ''}"
    return CallableSpec(f"{ENTRY_POINT}{found.value}", basis)


def _source(point: EntryPoint) -> bytes | None:
    """The source of an entry point's module, looked up without importing its packages."""
    places = None
    spec = None
    parts = point.module.split(".")
    for index in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin).read_bytes()


def _check_defines(source: bytes, file: str, name: str) -> None:
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        raise _error(f"{file}:{error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _error(f"{file} is no Python: {error}") from None
    names = set(_top_names(tree.body))
    if name not in names and "*" not in names:
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _error(f"{file} has no {name!r} at its top level{hint}")


def _top_names(body: list[ast.stmt]) -> list[str]:
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        elif isinstance(node, ast.Assign):
            names += [t.id for target in node.targets for t in ast.walk(target) if isinstance(t, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            names += _top_names(
                [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
            )
    return names


def _digest(source: bytes) -> str:
    return blake2b(source, digest_size=16).hexdigest()


def _error(message: str) -> ConfigError:
    return ConfigError(message, path="callable")
