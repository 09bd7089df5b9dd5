"""The configuration's `evaluators` as a `Suite`; what is wrong is told with file, line and path."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.errors import ConfigError
from schemas.ids import plain_digest
from schemas.settings import EvaluatorSettings, Section, Settings, SourceMap
from schemas.settings.load import first_error

from .base import BaseEvaluator, Environment, Identity
from .callable.pool import CallablePool
from .plugins import check_package
from .presets import with_presets
from .registry import evaluator_class
from .run import Suite
from .select import Filter
from .subject import Entry

VERSION_CHARS = 12


def build_suite(settings: Settings, source: SourceMap | None = None) -> Suite:
    """Build every enabled evaluator, and those of the presets.

    Parameters
    ----------
    source : of the file that the settings come from; relative paths in options start at its folder.

    Raises
    ------
    ConfigError : an unknown type, wrong options, a filter that does not parse, a name that is taken.
    """
    source = source or SourceMap("<settings>", {})
    for index, package in enumerate(settings.plugins):
        try:
            check_package(package)
        except ConfigError as error:
            raise _placed(error, ("plugins", index), source) from None
    callables = CallablePool(settings.evaluate.callable_workers, settings.evaluate.callable_timeout_s)
    environment = Environment(settings, Path(source.file).parent.resolve(), callables)
    entries: list[Entry] = []
    taken: dict[str, int] = {}
    for index, entry in enumerate(with_presets(settings)):
        if not entry.enabled:
            continue
        built = _build(entry, index, environment, source)
        for decision in built.evaluator.decisions:
            if decision in taken:
                raise source.error(
                    f"{decision!r} is taken by evaluators[{taken[decision]}]; names are unique",
                    ("evaluators", index, "name"),
                )
            taken[decision] = index
        entries.append(built)
    return Suite(entries, callables)


def _build(entry: EvaluatorSettings, index: int, environment: Environment, source: SourceMap) -> Entry:
    place: tuple[str | int, ...] = ("evaluators", index)
    try:
        found = evaluator_class(entry.type, environment.settings.plugins)
    except ConfigError as error:
        raise _placed(error, place, source) from None
    options = _options(found, entry, (*place, "options"), source)
    target = entry.target or found.default_target
    try:
        _check_target(found, entry, target)
        rule = Filter(entry.filter, target) if entry.filter is not None else None
    except ConfigError as error:
        raise _placed(error, place, source) from None
    try:
        identity = Identity(
            name=entry.label,
            version=entry.version or version_of(entry.type, found, options, environment),
            target=target,
            span_kinds=frozenset(entry.span_kinds or found.default_span_kinds(options)),
            context=entry.context or found.default_context,
            needs_complete=found.default_needs_complete if entry.needs_complete is None else entry.needs_complete,
        )
        return Entry(found(identity, options, environment), rule, entry.sample_rate)
    except ConfigError as error:
        raise _placed(error, (*place, "options"), source) from None


def version_of(type_name: str, found: type[BaseEvaluator[Any]], options: Section, environment: Environment) -> str:
    """The default version: equal for what gives equal verdicts."""
    basis = [
        type_name,
        options.model_dump(mode="json"),
        found.implementation_version,
        found.version_basis(options, environment),
    ]
    return plain_digest(basis)[:VERSION_CHARS]


def _options(
    found: type[BaseEvaluator[Any]], entry: EvaluatorSettings, place: tuple[str | int, ...], source: SourceMap
) -> Section:
    known = {name for key, field in found.Options.model_fields.items() for name in (key, field.alias) if name}
    for key in entry.options if isinstance(entry.options, Mapping) else ():
        if key not in known:
            near = get_close_matches(str(key), known, n=1, cutoff=0.5)
            there_are = f"there are {', '.join(sorted(known))}" if known else "the type has none"
            hint = f"did you mean {near[0]!r}?" if near else there_are
            raise source.error(f"unknown option of {entry.type!r}; {hint}", (*place, key))
    try:
        return found.Options.model_validate(entry.options)
    except ValidationError as error:
        raise first_error(error, source, place) from None


def _check_target(found: type[BaseEvaluator[Any]], entry: EvaluatorSettings, target: str) -> None:
    if target not in found.targets:
        raise ConfigError(f"{entry.type!r} judges a {' or a '.join(sorted(found.targets))}, no {target}", path="target")
    for name in ("span_kinds", "context"):
        if getattr(entry, name) is not None and target != "span":
            raise ConfigError(f"only for `target: span`; here the target is a {target}", path=name)
    if entry.span_kinds == ():
        raise ConfigError("names no kind: the evaluator would never apply", path="span_kinds")


def _placed(error: ConfigError, place: tuple[str | int, ...], source: SourceMap) -> ConfigError:
    """The error at its place in the document; one that already has a place keeps it."""
    if error.file:
        return error
    return source.error(error.message, (*place, error.path) if error.path else place)
