"""The OpenTelemetry Collector with the settings that we ship, and what programs send to it."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from tests.brokers import ROOT, free_port

OTELCOL_VARIABLE = "EVALSTREAM_TEST_OTELCOL"
SETTINGS = ROOT / "docker" / "otelcol.yaml"
UNPARTITIONED = "exporters: {kafka: {partition_traces_by_id: false}}\n"
START_S, STOP_S = 90.0, 30.0

Encoding = Literal["otlp_proto", "otlp_json"]


def otelcol() -> Path:
    """The program; skips without one."""
    binary = Path(os.environ.get(OTELCOL_VARIABLE) or ROOT.parent / "shared" / "otelcol" / "otelcol")
    if not binary.exists():
        pytest.skip(f"no OpenTelemetry Collector: set {OTELCOL_VARIABLE} to one")
    return binary


class Collector:
    """A Collector process, ready when it is made.

    Parameters
    ----------
    folder : for its log.
    environment : what docker/otelcol.yaml reads, less the addresses to listen on.
    settings : more settings, which override those of `config`.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], settings: str = "", config: Path = SETTINGS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log_path = folder / f"otelcol-{port}.log"
        ours = [f"--config={config}"]
        if settings:
            (folder / f"otelcol-{port}.yaml").write_text(settings)
            ours.append(f"--config={folder / f'otelcol-{port}.yaml'}")
        places = {"OTLP_HOST": "127.0.0.1", "OTLP_HTTP_PORT": str(port), "OTLP_GRPC_PORT": str(port + 1)}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [otelcol(), *ours], env={**os.environ, **environment, **places}, stdout=log, stderr=log
            )
        self._wait()

    def send(self, spans: Iterable[Mapping[str, Any]], resource: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        """One OTLP/HTTP export of these spans, as JSON."""
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": list(spans)}]}]}
        self._post(orjson.dumps(body))

    def stop(self) -> None:
        """SIGTERM: it flushes what it holds."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def complaints(self) -> list[str]:
        """Its log lines of errors."""
        return [line for line in self.log_path.read_text().splitlines() if "\terror\t" in line]

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(
            f"{self.endpoint}/v1/traces", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            assert orjson.loads(response.read()) in ({}, {"partialSuccess": {}})

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                return self._post(b'{"resourceSpans": []}')
            except (urllib.error.URLError, OSError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    self.process.wait()
                    raise AssertionError(
                        f"the Collector did not start: {error}\n{self.log_path.read_text()[-3000:]}"
                    ) from None
                time.sleep(0.1)
