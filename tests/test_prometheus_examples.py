"""Scrape configuration, alert rules and dashboard in examples/prometheus ask for metrics and labels that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import re2
from ruamel.yaml import YAML

from schemas.settings import HttpSettings, ReceiverSettings
from streams.telemetry.metrics import table
from streams.worker.component import COMPONENTS
from tests.brokers import ROOT

FOLDER = ROOT / "examples" / "prometheus"
OF_SCRAPES = {"component", "instance", "job", "le"}
DECLARED = {one.name: one for one in table()}
PAGES = [*sorted(FOLDER.iterdir()), ROOT / "docs" / "operations.md"]


def asked_for(text: str) -> set[str]:
    """Names of our metrics, without the endings that samples of histograms have."""
    found = set()
    for name in re2.findall(r"\bevalstream_[a-z_]+[a-z]\b", text):
        base = re2.sub(r"_(bucket|sum|count)$", "", name)
        found.add(base if base in DECLARED and DECLARED[base].kind_name == "histogram" else name)
    return found


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_metrics_that_are_named_exist(file: Path) -> None:
    assert not asked_for(file.read_text()) - DECLARED.keys() - {"evalstream_http_token"}


def test_the_names_are_looked_for_at_all() -> None:
    assert asked_for("rate(evalstream_lag_recordz[5m]) evalstream_judge_latency_seconds_bucket") == {
        "evalstream_lag_recordz",
        "evalstream_judge_latency_seconds",
    }


def expressions() -> list[str]:
    rules = YAML(typ="safe").load(FOLDER / "alerts.yml")["groups"][0]["rules"]
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


def test_labels_that_are_grouped_by_or_chosen_exist() -> None:
    for expression in expressions():
        labels = OF_SCRAPES.union(*(DECLARED[name].labels for name in asked_for(expression)))
        grouped = [name for names in re2.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")]
        chosen = re2.findall(r"[{,]\s*([a-z_]+)!?=", expression)
        assert set(grouped) | set(chosen) <= labels, expression
        assert expression.count("(") == expression.count(")")


def test_rules_say_how_bad_it_is_and_what_to_do() -> None:
    rules = YAML(typ="safe").load(FOLDER / "alerts.yml")["groups"][0]["rules"]
    assert len(rules) >= 5 and len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_scraped_are_the_ports_that_workers_listen_on() -> None:
    [job] = YAML(typ="safe").load(FOLDER / "prometheus.yml")["scrape_configs"]
    found = {one["labels"]["component"]: int(one["targets"][0].split(":")[1]) for one in job["static_configs"]}
    first = HttpSettings().port or 0
    assert found == {
        **{name: first + place for place, name in enumerate(COMPONENTS)},
        "receiver": ReceiverSettings().port,
    }
