"""What `evalstream up` decides to run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigError
from schemas.settings import parse_settings
from streams.up.plan import Plan, make_plan
from streams.up.runtime import Runtime, installation_key, now, only_one, read_runtime, write_runtime

JUDGED = "evaluators: [{type: llm_judge, options: {rubric: helpfulness}}]\n"


def plan(folder: Path, text: str = "", environ: dict[str, str] | None = None, **options: Any) -> Plan:
    settings, source = parse_settings(text, "evalstream.yaml", environ or {})
    given = {"port": 0, "broker_port": None, "environ": environ or {}, **options}
    return make_plan(settings, source, folder / "evalstream.yaml", folder / "data", **given)


def names(found: Plan) -> list[str]:
    return [child.name for child in found.children]


def test_everything_is_embedded_by_default(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert names(found) == ["devbroker", "assemble", "evaluate", "judge", "monitor", "receiver"]
    assert found.embedded_broker and found.bootstrap_servers.startswith("127.0.0.1:")
    assert found.warehouse_url == f"sqlite:///{tmp_path / 'data' / 'warehouse.db'}"
    env = found.children[1].env
    assert env["KAFKA_BOOTSTRAP_SERVERS"] == found.bootstrap_servers
    assert env["EVALSTREAM_WAREHOUSE_URL"] == found.warehouse_url
    assert env["EVALSTREAM_KEY"] == (tmp_path / "data" / "key").read_text().strip()
    assert found.judge == "none"


def test_workers_answer_on_ports_of_their_own(tmp_path: Path) -> None:
    found = plan(tmp_path, "http: {port: 0}\nworker: {drain_s: 7}")
    workers = {child.name: child for child in found.children if child.name in found.probes}
    assert list(found.probes) == ["assemble", "evaluate", "judge", "monitor"] and len(set(found.probes.values())) == 4
    for name, url in found.probes.items():
        assert workers[name].argv[-2:] == ["--http-port", url.rpartition(":")[2]] and workers[name].grace_s == 17
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        first = taken.getsockname()[1]
        assert plan(tmp_path, f"http: {{port: {first}}}").probes["assemble"] != f"http://127.0.0.1:{first}"
    assert plan(tmp_path, "http: {port: null}").probes == {}
    with pytest.raises(ConfigError, match=r"http.host: 0.0.0.0 is beyond loopback"):
        plan(tmp_path, "http: {host: 0.0.0.0}")


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_configured_broker_is_used_and_none_started(tmp_path: Path, by: str) -> None:
    if by == "file":
        found = plan(tmp_path, "kafka: {bootstrap_servers: 'kafka:9092'}")
    else:
        found = plan(tmp_path, environ={"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"})
    assert "devbroker" not in names(found) and not found.embedded_broker
    assert found.children[0].env["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"


def test_the_judge_is_scripted_only_without_key_and_address(tmp_path: Path) -> None:
    found = plan(tmp_path, JUDGED)
    assert found.judge == "scripted" and "scripted_judge" in names(found)
    assert found.children[-1].env["OPENAI_BASE_URL"] == found.judge_base_url
    for environ in ({"OPENAI_API_KEY": "k"}, {"OPENAI_BASE_URL": "http://model:1/v1"}):
        found = plan(tmp_path, JUDGED, environ)
        assert found.judge == "configured" and "scripted_judge" not in names(found)
        assert environ.items() <= dict(found.children[1].env).items()
    assert plan(tmp_path, JUDGED.replace("options", "enabled: false, options")).judge == "none"


def test_a_configured_warehouse_and_key_are_kept(tmp_path: Path) -> None:
    found = plan(tmp_path, "warehouse: {url: 'sqlite:///mine.db'}", {"EVALSTREAM_KEY": "k"})
    assert found.warehouse_url == "sqlite:///mine.db"
    assert found.children[1].env["EVALSTREAM_KEY"] == "k"
    assert not (tmp_path / "data" / "key").exists()


def test_a_taken_port_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("port", "broker_port"):
            with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken; choose another by --"):
                plan(tmp_path, **{option: port})
        before = runtime(tmp_path, f"127.0.0.1:{port}")
        assert plan(tmp_path, before=before).bootstrap_servers != before.bootstrap_servers


def test_the_broker_comes_back_on_its_port(tmp_path: Path) -> None:
    first = plan(tmp_path, broker_port=0)
    before = runtime(tmp_path, first.bootstrap_servers)
    assert plan(tmp_path, before=before).bootstrap_servers == first.bootstrap_servers


def test_beyond_loopback_only_with_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EVALSTREAM_HTTP_TOKEN") as raised:
        plan(tmp_path, "receiver: {host: 0.0.0.0}")
    assert raised.value.line == 1 and raised.value.path == "receiver.host"
    plan(tmp_path, "receiver: {host: 0.0.0.0}", {"EVALSTREAM_HTTP_TOKEN": "t"})


def test_the_key_is_made_once(tmp_path: Path) -> None:
    assert installation_key(tmp_path / "d", create=False) is None
    key = installation_key(tmp_path / "d", create=True)
    assert key and installation_key(tmp_path / "d", create=True) == key == installation_key(
        tmp_path / "d", create=False
    )
    assert (tmp_path / "d" / "key").stat().st_mode & 0o777 == 0o600


def test_whether_it_runs_is_told_by_the_lock(tmp_path: Path) -> None:
    assert read_runtime(tmp_path) is None
    with only_one(tmp_path):
        write_runtime(tmp_path, runtime(tmp_path, "127.0.0.1:1"))
        found = read_runtime(tmp_path)
        assert found is not None and found.running
        with pytest.raises(ConfigError, match="another `evalstream up` runs"), only_one(tmp_path):
            pass
    found = read_runtime(tmp_path)
    assert found is not None and not found.running and found.bootstrap_servers == "127.0.0.1:1"
    (tmp_path / "up.json").write_text("{nonsense")
    assert read_runtime(tmp_path) is None


def runtime(folder: Path, bootstrap_servers: str) -> Runtime:
    return Runtime(
        pid=1,
        started_at=now(),
        config="evalstream.yaml",
        data=str(folder),
        bootstrap_servers=bootstrap_servers,
        broker="embedded",
        warehouse_url="sqlite:///w.db",
        receiver_url="http://127.0.0.1:1",
        judge="none",
    )
