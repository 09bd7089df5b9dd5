"""Building all that the settings name, so that a mistake shows before anything is connected or read."""

from __future__ import annotations

from evaluators.build import build_suite
from evaluators.run import Suite
from schemas.errors import ConfigError
from schemas.ids import Hasher
from schemas.settings import Settings, SourceMap
from streams.judging.canary import judge_of, read_canary


def build_all(settings: Settings, source: SourceMap) -> Suite:
    """The evaluators; redaction, detectors and alert rules are built once and let go.

    Raises
    ------
    ConfigError : with file, line and path.
    """
    suite = build_suite(settings, source)
    try:
        _build_the_rest(settings, source)
        _check_overload(settings, source, {evaluator.name for evaluator in suite.evaluators})
        for canary in settings.judge.canaries:
            read_canary(canary, source)
            judge_of(canary, suite, source)
    except BaseException:
        suite.close()
        raise
    return suite


def _build_the_rest(settings: Settings, source: SourceMap) -> None:
    from drift.monitor import Monitor
    from sinks.redact import Redactor

    try:
        Redactor(settings.redaction, Hasher(b"check"))
        Monitor(settings.monitor, settings.alerts, partition=0, partition_count=1)
    except ConfigError as error:
        raise error if error.file else source.error(error.message, _path(error.path)) from None
    for index, destination in enumerate(settings.notify):
        if not destination.url.get_secret_value().startswith(("http://", "https://")):
            raise source.error("must begin with http:// or https://", ("notify", index, "url"))


def _check_overload(settings: Settings, source: SourceMap, names: set[str]) -> None:
    for place, name in enumerate(settings.overload.shed):
        if name not in names:
            there_are = ", ".join(sorted(names)) or "none"
            raise source.error(f"no evaluator is called {name!r}; there are: {there_are}", ("overload", "shed", place))
        if name in settings.overload.shed[:place]:
            raise source.error(f"{name!r} stands here twice", ("overload", "shed", place))


def _path(dotted: str) -> tuple[str | int, ...]:
    """``monitor.detectors[1].type`` as its parts."""
    parts = dotted.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdigit() else part for part in parts if part)
