"""Looking at a worker as an orchestrator and as Prometheus do, over HTTP."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.stack import Stack

START_S = 180.0


def address(stack: Stack, component: str) -> str:
    """Where the worker that was started last listens, as its log says."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        log = stack.folder / f"{component}.log"
        found = re.findall(r"metrics=(http://\S+)/metrics", log.read_text()) if log.exists() else []
        if found:
            return found[-1]
        time.sleep(0.1)
    raise AssertionError(f"{component} does not listen\n{stack.logs()}")


def get(url: str, token: str | None = None) -> tuple[int, bytes]:
    """Status and body."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ready(url: str) -> tuple[int, dict[str, Any]]:
    """What `/readyz` says."""
    status, body = get(f"{url}/readyz")
    return status, orjson.loads(body)


Labels = tuple[tuple[str, str], ...]


class Scrape:
    """One reading of `/metrics`."""

    def __init__(self, url: str) -> None:
        status, body = get(f"{url}/metrics")
        assert status == 200
        self.families = list(text_string_to_metric_families(body.decode()))
        self._samples = [sample for family in self.families for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of this name that have these labels."""
        return sum(s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items())

    def highest(self, name: str) -> float:
        """The largest value of any series of this name."""
        return max((s.value for s in self._samples if s.name == name), default=0.0)

    def names(self) -> set[str]:
        """Names of samples that are ours."""
        return {sample.name for sample in self._samples if sample.name.startswith("evalstream_")}
