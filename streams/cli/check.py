"""`evalstream check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.errors import ConfigError


def check(config: options.Config = None, as_json: options.Json = False) -> None:
    """Validate the configuration: names file, line and path of what is wrong. Exit code 1 when something is.

    Example: evalstream check -c evalstream.yaml
    """
    from schemas.errors import ConfigError
    from streams.cli.locate import config_file

    file = config_file(config)
    if not file.exists():
        raise ConfigError("no such file; `evalstream init` writes one", file=str(file))
    try:
        found = examined(file)
    except ConfigError as error:
        _refuse(error, as_json)
        raise typer.Exit(exits.NEGATIVE) from None
    if as_json:
        console.emit_json({"ok": True, **found})
        return
    console.show_table(
        f"{file} is valid",
        ["evaluator", "type", "target", "lane", "version"],
        [[e["name"], e["type"], e["target"], e["lane"], e["version"]] for e in found["evaluators"]],
    )
    for warning in found["warnings"]:
        console.note(f"warning: {warning}")


def examined(file: Path) -> dict[str, Any]:
    """Build everything that the configuration names; what was found, and what looks like a mistake but may be none.

    Raises
    ------
    ConfigError : with file, line and path.
    """
    from evaluators.presets import with_presets
    from schemas.settings import load_settings
    from streams.access import check_exposure
    from streams.worker.building import build_all

    settings, source = load_settings(file)
    suite = build_all(settings, source)
    try:
        check_exposure(settings, source, "receiver")
        check_exposure(settings, source, "http")
        types = {entry.label: entry.type for entry in with_presets(settings)}
        evaluators = [
            {
                "name": evaluator.name,
                "type": types[evaluator.name],
                "target": evaluator.target,
                "lane": evaluator.lane,
                "version": evaluator.version,
                "decisions": list(evaluator.decisions),
            }
            for evaluator in suite.evaluators
        ]
        warnings = _warnings(settings, source, set(suite.current_versions()))
    finally:
        suite.close()
    return {
        "file": str(file),
        "evaluators": evaluators,
        "alerts": [a.name for a in settings.alerts],
        "warnings": warnings,
    }


def _warnings(settings: Any, source: Any, decisions: set[str]) -> list[str]:
    """Names that point nowhere: a topic may yet bring them (human scores), so they are no errors."""
    found = []
    for index, rule in enumerate(settings.alerts):
        if rule.evaluator not in decisions:
            found.append(
                str(source.error(f"no evaluator is called {rule.evaluator!r}", ("alerts", index, "evaluator")))
            )
        for name in rule.destinations or ():
            if name not in {destination.name for destination in settings.notify}:
                found.append(str(source.error(f"no destination is called {name!r}", ("alerts", index, "destinations"))))
    for name in settings.monitor.destinations:
        if name not in {destination.name for destination in settings.notify}:
            found.append(str(source.error(f"no destination is called {name!r}", ("monitor", "destinations"))))
    for index, detector in enumerate(settings.monitor.detectors):
        for name in detector.evaluators or ():
            if name not in decisions:
                place = ("monitor", "detectors", index, "evaluators")
                found.append(str(source.error(f"no evaluator is called {name!r}", place)))
    return found


def _refuse(error: ConfigError, as_json: bool) -> None:
    if as_json:
        place = {"file": error.file, "line": error.line, "path": error.path}
        console.emit_json({"ok": False, **place, "message": error.message})
    else:
        console.fail(str(error))
