"""SASL and TLS against Apache Kafka, on every way by which we speak to it: workers, receiver, publish, replay, status."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.brokers import KAFKA_SCRIPT, ROOT, ApacheKafkaProcess, free_port, require_kafka
from tests.certificates import Authority
from tests.e2e.stack import Stack

PASSWORD, KEY_PASSWORD, WRONG = "right-pa55word-of-kafka", "pa55word-of-the-key", "wrong-pa55word-of-kafka"
USER = "evalstream"
SECRETS = (PASSWORD, KEY_PASSWORD, WRONG)
JAAS = "org.apache.kafka.common.security"
CONFIG = """\
kafka: {{topic_prefix: {prefix}-, session_timeout_s: 6, partitions: 1, {kafka}}}
assemble: {{quiet_s: 0.5, rootless_quiet_s: 1.0}}
evaluators: [{{type: refusal, target: trace}}]
"""
TRACE = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "spans": [
        {
            "span_id": "b7ad6b7169203331",
            "name": "chat",
            "kind": "llm",
            "start": "2026-01-05T12:00:00Z",
            "end": "2026-01-05T12:00:01Z",
            "output_messages": [{"role": "assistant", "content": "It was sent."}],
        }
    ],
}


@dataclass(frozen=True)
class Secured:
    """A broker with one listener for each way in; `ways` are the `kafka` settings that lead through it."""

    ways: Mapping[str, dict[str, Any]]
    authority: Authority
    stranger: Authority


@pytest.fixture(scope="module")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Apache Kafka with TLS, TLS with client certificates, SASL over both."""
    require_kafka()
    folder = tmp_path_factory.mktemp("secured")
    authority, stranger = Authority(folder / "ca"), Authority(folder / "stranger", "a stranger")
    authority.issue("broker", "DNS:localhost", "IP:127.0.0.1")
    certificate, key = authority.issue(USER, password=KEY_PASSWORD)
    stranger.issue("nobody")
    ports = {name: free_port() for name in ("TLS", "MUTUAL", "PLAINSASL", "SASLTLS")}
    broker = ApacheKafkaProcess(folder / "kafka", _properties(ports, authority, broker_port := free_port()))
    broker.bootstrap_servers = f"127.0.0.1:{broker_port}"
    broker.start()
    try:
        _add_scram_user(broker.bootstrap_servers)
        yield Secured(_ways(ports, authority, certificate, key), authority, stranger)
    finally:
        broker.stop()


def _properties(ports: Mapping[str, int], authority: Authority, plain: int) -> str:
    kinds = {"TLS": "SSL", "MUTUAL": "SSL", "PLAINSASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL"}
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    lines = [
        f"listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{plain + 1},{listeners}",
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{plain},{listeners}",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        + ",".join(f"{name}:{kind}" for name, kind in kinds.items()),
        "ssl.keystore.type=PEM",
        f"ssl.keystore.location={authority.folder / 'broker.both.pem'}",
        "ssl.truststore.type=PEM",
        f"ssl.truststore.location={authority.certificate}",
        "listener.name.mutual.ssl.client.auth=required",
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    ]
    for listener in ("plainsasl", "sasltls"):
        user = f'user_{USER}="{PASSWORD}"'
        lines.append(f"listener.name.{listener}.plain.sasl.jaas.config={JAAS}.plain.PlainLoginModule required {user};")
        lines += [
            f"listener.name.{listener}.scram-sha-{bits}.sasl.jaas.config={JAAS}.scram.ScramLoginModule required;"
            for bits in (256, 512)
        ]
    return "\n".join(lines)


def _add_scram_user(bootstrap_servers: str) -> None:
    command = (KAFKA_SCRIPT, "run", "kafka.admin.ConfigCommand", "--bootstrap-server", bootstrap_servers)
    for bits in (256, 512):  # of one user the broker takes one at a time
        config = f"SCRAM-SHA-{bits}=[iterations=4096,password={PASSWORD}]"
        words = ("--alter", "--add-config", config, "--entity-type", "users", "--entity-name", USER)
        subprocess.run([*command, *words], check=True, capture_output=True, timeout=100)


def _ways(ports: Mapping[str, int], authority: Authority, certificate: Path, key: Path) -> dict[str, dict[str, Any]]:
    def at(listener: str, protocol: str, **more: Any) -> dict[str, Any]:
        return {"bootstrap_servers": f"127.0.0.1:{ports[listener]}", "security_protocol": protocol, **more}

    trusted = {"ssl_cafile": str(authority.certificate)}
    identity = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    return {
        "TLS": at("TLS", "SSL", **trusted),
        "client certificate": at("MUTUAL", "SSL", **trusted, **identity),
        "PLAIN": at("PLAINSASL", "SASL_PLAINTEXT", sasl_mechanism="PLAIN"),
        "SCRAM-SHA-256": at("PLAINSASL", "SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-256"),
        "PLAIN over TLS": at("SASLTLS", "SASL_SSL", sasl_mechanism="PLAIN", **trusted),
        "SCRAM-SHA-512 over TLS": at("SASLTLS", "SASL_SSL", sasl_mechanism="SCRAM-SHA-512", **trusted),
    }


WAYS = ("TLS", "client certificate", "PLAIN", "SCRAM-SHA-256", "PLAIN over TLS", "SCRAM-SHA-512 over TLS")


def stack_on(folder: Path, way: Mapping[str, Any], password: str = PASSWORD) -> Stack:
    servers = way["bootstrap_servers"]
    kafka = ", ".join(f"{name}: {value}" for name, value in way.items() if name != "bootstrap_servers")
    stack = Stack(folder, servers, config=CONFIG.format(kafka=kafka, prefix=folder.name.replace("_", "-")))
    stack.environment |= {
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": password,
        "KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
    }
    return stack


@pytest.mark.parametrize("way", WAYS)
def test_every_client_gets_in(secured_kafka: Secured, tmp_path: Path, way: str) -> None:
    """Publish, the receiver, the workers' own clients and Faust's, status and replay."""
    stack = stack_on(tmp_path / "in", secured_kafka.ways[way])
    file = tmp_path / "trace.jsonl"
    file.write_bytes(orjson.dumps(TRACE))
    components = ("assemble", "evaluate", "monitor") if way == WAYS[-1] else ("evaluate",)
    try:
        stack.start(*components)
        stack.publish(file)
        stack.until(lambda: stack.sql("SELECT count(*) FROM scores") == [(1,)], "no decision came")
        (status,) = stack.cli("status", check=False)
        assert status["broker"]["answers"], status["broker"]
        (again,) = stack.cli("replay", "--from", "2020-01-01", "--to", "2100-01-01")
        assert again["traces"] == 1, again
        if way == WAYS[-1]:
            _post_a_span(stack)
            stack.until(lambda: stack.sql("SELECT count(*) FROM traces") == [(2,)], "the receiver's trace did not come")
    finally:
        stack.stop()
    assert not leaked(stack.logs()), stack.logs()


def _post_a_span(stack: Stack) -> None:
    port = free_port()
    config = stack.config.read_text() + f"receiver: {{port: {port}}}\n"
    stack.config.write_text(config)
    with (stack.folder / "receiver.log").open("ab") as log:
        stack.processes["receiver"] = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "receiver"],
            cwd=stack.folder,
            env={**stack.environment, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    now = time.time_ns()
    span = {"traceId": "aa" * 16, "spanId": "bb" * 8, "name": "chat", "kind": 1}
    span |= {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 10**9)}
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    url = f"http://127.0.0.1:{port}/v1/traces"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})

    def taken() -> bool:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)

    stack.until(taken, "the receiver does not take it")


REFUSED = {
    "wrong password": ("SCRAM-SHA-512 over TLS", {}, "kafka.sasl_password: {at} refuses the user 'evalstream'"),
    "wrong password, PLAIN": ("PLAIN", {}, "kafka.sasl_password: {at} refuses the user 'evalstream'"),
    "another authority": ("TLS", {"ssl_cafile": "{stranger}/ca.pem"}, "kafka.ssl_cafile: the certificate of {at}"),
    "no mechanism": (
        "PLAIN",
        {"security_protocol": "PLAINTEXT"},
        "{at} ends the connection: does it speak PLAINTEXT?",
    ),
    "no client certificate": (
        "client certificate",
        {"ssl_certfile": None, "ssl_keyfile": None},
        "want a client certificate (kafka.ssl_certfile)?",
    ),
    "a stranger's certificate": (
        "client certificate",
        {"ssl_certfile": "{stranger}/nobody.pem", "ssl_keyfile": "{stranger}/nobody.key"},
        "want another client certificate?",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_refused_is_told_why_and_no_secret(secured_kafka: Secured, tmp_path: Path, case: str) -> None:
    way, changes, says = REFUSED[case]
    settings = {**secured_kafka.ways[way]}
    for name, value in changes.items():
        settings[name] = value.format(stranger=secured_kafka.stranger.folder) if value else None
    settings = {name: value for name, value in settings.items() if value is not None}
    expected = says.format(at=settings["bootstrap_servers"])
    stack = stack_on(tmp_path / "out", settings, WRONG)
    file = tmp_path / "trace.jsonl"
    file.write_bytes(orjson.dumps(TRACE))
    for command in (
        ("publish", str(file)),
        ("status",),
        ("replay", "--from", "2020-01-01", "--to", "2100-01-01"),
        ("worker", "evaluate"),
    ):
        said = _run(stack, *command, seconds=20 if command[0] == "worker" else 60)
        assert expected in said, f"{command}: {said}"
        assert not leaked(said), said


def test_what_is_missing_is_told_before_anything_is_sent(secured_kafka: Secured, tmp_path: Path) -> None:
    stack = stack_on(tmp_path / "out", secured_kafka.ways["PLAIN"])
    del stack.environment["KAFKA_SASL_PASSWORD"]
    assert "kafka.sasl_password: SASL_PLAINTEXT needs a password: KAFKA_SASL_PASSWORD" in _run(stack, "worker", "judge")
    stack = stack_on(tmp_path / "key", secured_kafka.ways["client certificate"])
    stack.environment["KAFKA_SSL_KEY_PASSWORD"] = WRONG
    assert "kafka.ssl_certfile: " in _run(stack, "worker", "judge")
    stack = stack_on(tmp_path / "gone", {**secured_kafka.ways["TLS"], "ssl_cafile": "/nowhere/ca.pem"})
    assert "kafka.ssl_cafile: /nowhere/ca.pem cannot be read: no such file" in _run(stack, "worker", "judge")


def _run(stack: Stack, *arguments: str, seconds: float = 60) -> str:
    """All that a command says; one that waits for better times is ended after a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", *arguments],
        cwd=stack.folder,
        env={**os.environ, **stack.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate(timeout=30)[0]


def leaked(text: str) -> list[str]:
    """The secrets that stand in a text."""
    return [secret for secret in SECRETS if secret in text]
