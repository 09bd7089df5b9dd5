"""What `evalstream up` will run, decided before anything is started."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from schemas.errors import ConfigError
from schemas.settings import Settings, SourceMap
from streams.access import check_exposure
from streams.up.child import Child
from streams.up.runtime import Runtime, installation_key, sqlite_url

LOOPBACK = "127.0.0.1"
PYTHON = (sys.executable, "-P")  # the working directory stays out of sys.path: it may hold a `schemas` of its own
DEFAULT_BROKER_PORT = 9092
WORKERS = ("assemble", "evaluate", "judge", "monitor")
GRACE_S = 10.0
BROKER_STAGE, HELPER_STAGE, WORKER_STAGE, RECEIVER_STAGE = 0, 1, 2, 3
Judge = Literal["scripted", "configured", "none"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Addresses and children. `settings` are those that the children see, `probes` where each worker answers HTTP."""

    settings: Settings
    config: Path
    data: Path
    bootstrap_servers: str
    embedded_broker: bool
    warehouse_url: str
    receiver_url: str
    probes: Mapping[str, str]
    judge: Judge
    judge_base_url: str | None
    children: tuple[Child, ...]


def make_plan(
    settings: Settings,
    source: SourceMap,
    config: Path,
    data: Path,
    *,
    port: int | None,
    broker_port: int | None,
    before: Runtime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Plan:
    """Choose ports, key and children.

    Parameters
    ----------
    before : what ran last in the folder; its broker port is taken again when it is free.

    Raises
    ------
    ConfigError : a port that was asked for is taken, or the receiver would be open to the network without a token.
    """
    check_exposure(settings, source, "receiver")
    if settings.http.port is not None:
        check_exposure(settings, source, "http")
    config, data = config.resolve(), data.resolve()
    listen = settings.receiver.model_copy(update={} if port is None else {"port": port})
    listen = listen.model_copy(update={"port": _chosen_port(listen.host, listen.port, "--port")})
    configured = settings.kafka.bootstrap_servers
    own_port = 0 if configured else _broker_port(broker_port, before)
    judge, judge_url = _judge(settings)
    settings = _with_addresses(settings, configured or f"{LOOPBACK}:{own_port}", data)
    env = {**environ, **_environment(settings, config, data)}
    if judge == "scripted":
        env |= {"OPENAI_BASE_URL": judge_url or "", "OPENAI_API_KEY": "scripted"}
    ports = _probe_ports(settings)
    grace_s = settings.worker.drain_s + GRACE_S
    children = [
        _child(name, WORKER_STAGE, ["worker", name, *_probe_option(ports.get(name))], env, data, grace_s)
        for name in WORKERS
    ]
    where = ["--host", listen.host, "--port", str(listen.port)]
    children.append(_child("receiver", RECEIVER_STAGE, ["receiver", *where], env, data))
    if judge_url and judge == "scripted":
        children.append(_module("scripted_judge", HELPER_STAGE, ["--port", str(urlsplit(judge_url).port)], env, data))
    if not configured:
        arguments = ["--port", str(own_port), "--data", str(data / "broker")]
        children.append(_module("devbroker", BROKER_STAGE, arguments, env, data))
    return Plan(
        settings=settings,
        config=config,
        data=data,
        bootstrap_servers=settings.kafka.bootstrap_servers or "",
        embedded_broker=not configured,
        warehouse_url=settings.warehouse.url,
        receiver_url=_url(listen.host, listen.port),
        probes={name: _url(settings.http.host, port) for name, port in ports.items()},
        judge=judge,
        judge_base_url=judge_url,
        children=tuple(sorted(children, key=lambda child: child.stage)),
    )


def _with_addresses(settings: Settings, bootstrap_servers: str, data: Path) -> Settings:
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers})
    warehouse = settings.warehouse
    if "url" not in warehouse.model_fields_set:
        warehouse = warehouse.model_copy(update={"url": sqlite_url(data)})
    return settings.model_copy(update={"kafka": kafka, "warehouse": warehouse})


def _environment(settings: Settings, config: Path, data: Path) -> dict[str, str]:
    """What the children are told; the environment wins over the file."""
    found = {
        "PYTHONUNBUFFERED": "1",
        "EVALSTREAM_CONFIG": str(config),
        "EVALSTREAM_DATA": str(data),
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers or "",
        "EVALSTREAM_WAREHOUSE_URL": settings.warehouse.url,
    }
    if settings.redaction.key is None:
        found["EVALSTREAM_KEY"] = installation_key(data, create=True) or ""
    return found


def _child(
    name: str, stage: int, command: list[str], env: Mapping[str, str], data: Path, grace_s: float = GRACE_S
) -> Child:
    argv = [*PYTHON, "-m", "streams.cli.main", *command]
    return Child(name=name, argv=argv, env=env, log=data / "logs" / f"{name}.log", stage=stage, grace_s=grace_s)


def _module(name: str, stage: int, arguments: list[str], env: Mapping[str, str], data: Path) -> Child:
    argv = [*PYTHON, "-m", f"streams.{name}", *arguments]
    return Child(name=name, argv=argv, env=env, log=data / "logs" / f"{name}.log", stage=stage, grace_s=GRACE_S)


def _judge(settings: Settings) -> tuple[Judge, str | None]:
    """Judges without a key and without an address of their own speak to the scripted one."""
    if not any(e.type == "llm_judge" and e.enabled for e in settings.evaluators):
        return "none", None
    if settings.judge.api_key is not None or settings.judge.base_url is not None:
        return "configured", settings.judge.base_url
    return "scripted", f"http://{LOOPBACK}:{_free_port(LOOPBACK)}/v1"


def _probe_ports(settings: Settings) -> dict[str, int]:
    """Where each worker answers: the configured port or, where that is taken, any free one."""
    first, host = settings.http.port, settings.http.host
    if first is None:
        return {}
    wanted = {name: first and first + place for place, name in enumerate(WORKERS)}
    return {name: port if port and _is_free(host, port) else _free_port(host) for name, port in wanted.items()}


def _probe_option(port: int | None) -> list[str]:
    return [] if port is None else ["--http-port", str(port)]


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _broker_port(wanted: int | None, before: Runtime | None) -> int:
    if wanted is not None:
        return _chosen_port(LOOPBACK, wanted, "--broker-port")
    candidates = [DEFAULT_BROKER_PORT]
    if before is not None and before.broker == "embedded":
        candidates.insert(0, int(before.bootstrap_servers.rpartition(":")[2]))
    return next((port for port in candidates if _is_free(LOOPBACK, port)), 0) or _free_port(LOOPBACK)


def _chosen_port(host: str, port: int, option: str) -> int:
    if port == 0:
        return _free_port(host)
    if not _is_free(host, port):
        raise ConfigError(f"port {port} on {host} is taken; choose another by {option} (0: any free one)")
    return port


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
