"""Which tests run: those of the embedded world need nothing, those of production need Apache Kafka (and PostgreSQL).

``pytest`` runs the first, ``pytest --world production`` (``make contract``) the second, ``--world all`` both.
"""

from __future__ import annotations

import pytest

PRODUCTION_FIXTURES = frozenset(("apache_kafka", "composed", "large_postgres", "secured_kafka", "tls_postgres"))
PRODUCTION_PARAMETERS = frozenset(("apache_kafka", "production"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--world`."""
    parser.addoption(
        "--world",
        choices=("embedded", "production", "all"),
        default="embedded",
        help="embedded: what needs nothing (default); production: what needs Apache Kafka; all: both",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other world."""
    world = config.getoption("--world")
    if world == "all":
        return
    chosen = [item for item in items if _is_of_production(item) == (world == "production")]
    if len(chosen) != len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


def _is_of_production(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    parameters = set(map(str, callspec.params.values())) if callspec else set()
    if parameters & PRODUCTION_PARAMETERS:
        return True
    return bool(PRODUCTION_FIXTURES.intersection(getattr(item, "fixturenames", ())))
