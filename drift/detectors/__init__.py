"""The shipped detectors, found by the type that stands in the configuration.

The libraries behind them (river, scikit-learn) are imported when a bank is made or first needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from drift.detectors.adwin import AdwinBank, AdwinOptions
from drift.detectors.categories import CategoriesBank, CategoriesOptions
from drift.detectors.conformal import ConformalBank, ConformalOptions
from drift.detectors.contract import ContractBank, ContractOptions
from drift.detectors.embedding import EmbeddingBank, EmbeddingOptions
from drift.detectors.page_hinkley import PageHinkleyBank, PageHinkleyOptions
from drift.protocol import DetectorBank
from schemas.errors import ConfigError
from schemas.settings import DetectorSettings, Section

RESERVED = ("segment", "monitor", "traffic", "epochs")  # kinds of the monitor's own state rows


class DetectorType(NamedTuple):
    """A kind of detector: `build(kind, options, evaluators)` makes a bank."""

    name: str
    options: type[Section]
    build: Callable[[str, Any, Collection[str] | None], DetectorBank]


DETECTORS: tuple[DetectorType, ...] = (
    DetectorType("adwin", AdwinOptions, AdwinBank),
    DetectorType("categories", CategoriesOptions, CategoriesBank),
    DetectorType("conformal", ConformalOptions, ConformalBank),
    DetectorType("contract", ContractOptions, ContractBank),
    DetectorType("page_hinkley", PageHinkleyOptions, PageHinkleyBank),
    DetectorType("embedding", EmbeddingOptions, EmbeddingBank),
)


def build_banks(
    settings: Sequence[DetectorSettings],
    types: Sequence[DetectorType] = DETECTORS,
    path: str = "monitor.detectors",
) -> list[DetectorBank]:
    """One bank for each configured detector, in order.

    Raises
    ------
    ConfigError : an unknown type or option, or two detectors of one name; `path` says where the list stands.
    """
    by_name = {t.name: t for t in types}
    banks: list[DetectorBank] = []
    for index, detector in enumerate(settings):
        place, kind = f"{path}[{index}]", detector.name or detector.type
        if detector.type not in by_name:
            raise ConfigError(f"no detector {detector.type!r}; there are {', '.join(by_name)}", path=f"{place}.type")
        if kind in RESERVED:
            raise ConfigError(f"no detector can be called {kind!r}", path=f"{place}.name")
        if any(bank.kind == kind for bank in banks):
            raise ConfigError(f"two detectors are called {kind!r}; give one a name", path=f"{place}.name")
        found = by_name[detector.type]
        banks.append(found.build(kind, _options(found, detector.options, f"{place}.options"), detector.evaluators))
    return banks


def _options(detector: DetectorType, given: Mapping[str, Any], path: str) -> Section:
    try:
        return detector.options.model_validate(dict(given))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{message}, got {problem['input']!r}", path=f"{path}.{where}" if where else path) from None
