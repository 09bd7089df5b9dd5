"""Which changes a running worker takes up."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.settings import Settings, parse_settings
from streams.worker.reload import RELOADABLE, needs_restart

BASE = "kafka: {partitions: 2}\nevaluators: [{type: length}]\n"


def read(text: str, **environ: str) -> Settings:
    return parse_settings(text, "f.yaml", environ)[0]


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        BASE + "alerts: [{name: a, evaluator: length, window_s: 60, warning: 0.5}]\n",
        BASE + "overload: {shed: [length]}\njudge: {max_concurrency: 2}\nevaluate: {callable_workers: 2}\n",
        BASE.replace("length", "latency"),
        BASE + "notify: [{name: n, type: webhook, url: 'http://x/'}]\nmonitor: {dimensions: [tool]}\n",
    ],
)
def test_what_decides_about_results_is_taken_up(text: str) -> None:
    assert needs_restart(read(BASE), read(text)) == []


@pytest.mark.parametrize(
    ("text", "environ", "named"),
    [
        (BASE.replace("2", "3"), {}, ["kafka.partitions"]),
        (BASE, {"EVALSTREAM_KEY": "another"}, ["redaction.key"]),
        (BASE, {"EVALSTREAM_WAREHOUSE_URL": "sqlite:///b.db"}, ["warehouse.url"]),
        (BASE + "project: other\nassemble: {quiet_s: 1}\n", {}, ["project", "assemble.quiet_s"]),
        (BASE + "redaction: {rules: [{name: order, pattern: 'o[0-9]+'}]}\n", {}, ["redaction.rules"]),
        (BASE + "http: {port: 1}\nworker: {drain_s: 1}\nalerts: []\n", {}, ["http.port", "worker.drain_s"]),
    ],
)
def test_what_the_process_stands_on_is_named(text: str, environ: dict[str, str], named: list[str]) -> None:
    assert needs_restart(read(BASE), read(text, **environ)) == named


def test_what_is_reloadable_is_there() -> None:
    fields: Any = Settings.model_fields
    assert set(RELOADABLE) <= set(fields)
    assert {"kafka", "warehouse", "redaction", "receiver", "http"}.isdisjoint(RELOADABLE)
