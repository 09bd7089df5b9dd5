"""docker-compose.yml by the Compose specification, and what it refers to. No engine is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from schemas.settings import HttpSettings
from streams.worker.component import COMPONENTS as WORKERS
from tests.brokers import ROOT

OTELCOL = Path(os.environ.get("EVALSTREAM_TEST_OTELCOL") or ROOT.parent / "shared" / "otelcol" / "otelcol")
COMPONENTS = {"assemble", "evaluate", "judge", "monitor"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, merge keys resolved."""
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


def test_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    specification = pytest.importorskip("compose_spec", reason="the package compose-spec is not installed")
    parsed = specification.PyCompose.from_yaml(_plain(compose))
    assert set(parsed.service_names()) == set(compose["services"])
    compose["services"]["kafka"]["prots"] = ["9092:9092"]
    with pytest.raises(ValueError, match="prots"):
        specification.PyCompose.from_yaml(_plain(compose))
    del compose["services"]["kafka"]["prots"]


def test_runs_the_whole_topology(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"kafka", "postgres", "collector", "migrate"} | COMPONENTS <= services.keys()
    for name in COMPONENTS:
        assert services[name]["command"] == ["worker", name]
        assert services[name]["environment"]["EVALSTREAM_COMPONENT"] == name
        assert services[name]["depends_on"]["kafka"] == {"condition": "service_healthy"}
    for name in ("kafka", "postgres"):
        assert services[name]["healthcheck"]["test"]
        assert any(volume.split(":")[0] in compose["volumes"] for volume in services[name]["volumes"])


def test_health_is_asked_where_the_worker_listens(compose: dict[str, Any]) -> None:
    first = HttpSettings().port
    assert first is not None
    for place, name in enumerate(WORKERS):
        [command, option, code] = compose["services"][name]["healthcheck"]["test"][1:]
        assert (command, option) == ("python", "-c") and f"'http://127.0.0.1:{first + place}/readyz'" in code
        compile(code, name, "exec")


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_topics_take_what_the_collector_sends(compose: dict[str, Any]) -> None:
    collector = YAML(typ="safe").load(ROOT / "docker" / "otelcol.yaml")["exporters"]["kafka"]
    limit = collector["producer"]["max_message_bytes"]
    assert collector["partition_traces_by_id"] and limit == 8 * 2**20
    assert int(compose["services"]["kafka"]["environment"]["KAFKA_MESSAGE_MAX_BYTES"]) > limit


def test_what_is_mounted_exists(compose: dict[str, Any]) -> None:
    mounts = {v.split(":")[0] for s in compose["services"].values() for v in s.get("volumes", ()) if v[:2] == "./"}
    assert mounts == {"./config", "./docker/otelcol.yaml"}
    assert (ROOT / "docker" / "otelcol.yaml").exists()
    [told] = [line for line in (ROOT / "docker-compose.yml").read_text().splitlines() if "mkdir config" in line]
    assert all((ROOT / word).exists() for word in told.split() if word.startswith("examples/"))


def test_variables_are_in_the_example(compose: dict[str, Any]) -> None:
    import re2

    named = set(re2.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    given = set(re2.findall(r"(?m)^([A-Z_]+)=", (ROOT / ".env.example").read_text()))
    assert named == given


@pytest.mark.skipif(not OTELCOL.exists(), reason="no OpenTelemetry Collector: set EVALSTREAM_TEST_OTELCOL")
def test_the_collector_takes_its_configuration() -> None:
    done = subprocess.run(
        [OTELCOL, "validate", "--config", ROOT / "docker" / "otelcol.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_image_holds_what_the_wheel_is_made_of() -> None:
    dockerfile, ignored = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text().split()
    for package in ("schemas", "evaluators", "drift", "sinks", "streams"):
        assert f"COPY {package} {package}\n" in dockerfile and f"!{package}" in ignored
    assert "USER 10001" in dockerfile and "HEALTHCHECK" in dockerfile


def _plain(document: dict[str, Any]) -> str:
    """YAML without merge keys or anchors, which the validator does not know."""
    from io import StringIO

    yaml, out = YAML(), StringIO()
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(document, out)
    return out.getvalue()
