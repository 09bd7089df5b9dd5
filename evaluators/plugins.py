"""What installed packages bring along, of those that the configuration names under `plugins`.

An entry point is code that some package put into the environment: a dependency of a dependency could. So nothing of a
package is loaded, or shadows anything, before a person has named it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points

from schemas.errors import ConfigError

EVALUATORS, CALLABLES = "evalstream.evaluators", "evalstream.callables"


def plugins(group: str, named: Collection[str]) -> tuple[EntryPoint, ...]:
    """The entry points of a group in the packages that are `named`; nothing is loaded."""
    wanted = set(map(normal, named))
    return tuple(point for point in entry_points(group=group) if _package(point) in wanted)


def unnamed_hint(group: str, name: str) -> str | None:
    """What to do when `name` is in the environment, in a package that nobody named; None when it is not."""
    packages = sorted({_package(point) for point in entry_points(group=group) if point.name == name} - {""})
    if not packages:
        return None
    return f"the installed package {packages[0]!r} has it: to trust that package, write `plugins: [{packages[0]}]`"


def check_package(name: str) -> None:
    """A package under `plugins` is there and offers something.

    Raises
    ------
    ConfigError : it is not installed, or has neither evaluators nor callables.
    """
    try:
        offered = distribution(name).entry_points
    except (PackageNotFoundError, ValueError):
        raise ConfigError(f"the package {name!r} is not installed") from None
    if not any(point.group in (EVALUATORS, CALLABLES) for point in offered):
        raise ConfigError(f"the package {name!r} offers no entry point of {EVALUATORS} or {CALLABLES}")


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(point: EntryPoint) -> str:
    return normal(point.dist.name) if point.dist is not None else ""
