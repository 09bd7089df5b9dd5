"""Secrets stay where they are: the whole product runs with marked ones, everything goes wrong, and nothing shows them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from sqlalchemy.engine import make_url

from schemas.settings import Topics
from sinks.warehouse.tables import metadata
from tests.brokers import ROOT, free_port
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile
from tests.e2e.raw_kafka import read_all, write
from tests.e2e.stack import Stack

SECRETS = {
    "KAFKA_SASL_USERNAME": "marked-user-is-no-secret",
    "KAFKA_SASL_PASSWORD": "MARKED-sasl-pa55",
    "KAFKA_SSL_KEY_PASSWORD": "MARKED-ssl-key-pa55",
    "OPENAI_API_KEY": "sk-MARKEDapikey0123456789abcdef0123456789",
    "EVALSTREAM_KEY": "MARKED-installation-key",
    "EVALSTREAM_HTTP_TOKEN": "MARKED-http-token",
    "HOOK_SECRET": "MARKED-hmac-secret",
    "HOOK_TOKEN": "MARKED-hook-path",
}
DATABASE_PASSWORD = "MARKED-database-pa55"
MARK = "MARKED"
CONFIG = """\
kafka: {{session_timeout_s: 6, partitions: 1}}
assemble: {{quiet_s: 0.5, rootless_quiet_s: 1.0}}
evaluators:
  - {{type: contains, name: polite, target: trace, options: {{any_of: [please]}}}}
  - {{type: llm_judge, name: helpful, target: trace, options: {{rubric: toxicity}}}}
judge: {{model: m, max_attempts: 1}}
alerts:
  - {{name: rude, evaluator: polite, statistic: pass_rate, window_count: 5, min_samples: 5, critical: 0.9}}
receiver: {{port: {port}}}
notify:
  - {{name: dead, type: webhook, url: 'http://127.0.0.1:{dead}/${{HOOK_TOKEN}}', secret: '${{HOOK_SECRET}}', allow_private: true, max_attempts: 2}}
  - {{name: rude-hook, type: slack, url: 'http://127.0.0.1:{model}/hook/${{HOOK_TOKEN}}', allow_private: true, max_attempts: 2}}
  - {{name: forbidden, type: webhook, url: 'http://127.0.0.1:{dead}/${{HOOK_TOKEN}}', secret: '${{HOOK_SECRET}}'}}
"""


@pytest.fixture
def rude() -> Iterator[int]:
    """A server that answers everything with an error that repeats what it was sent; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = f"Incorrect credentials: {self.path} {dict(self.headers)}"
            body = orjson.dumps({"error": {"message": told, "type": "auth", "code": "invalid_api_key", "param": told}})
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def secretive(stack: Stack, rude: int, port: int) -> None:
    stack.config.write_text(
        CONFIG.format(port=port, dead=free_port(), model=rude).replace(
            "kafka: {", f"kafka: {{topic_prefix: {stack.prefix}, ", 1
        )
    )
    stack.environment |= {**SECRETS, "OPENAI_BASE_URL": f"http://127.0.0.1:{rude}/v1"}
    if "postgresql" in stack.warehouse_url:
        stack.warehouse_url = (
            make_url(stack.warehouse_url).set(password=DATABASE_PASSWORD).render_as_string(hide_password=False)
        )
        stack.environment["EVALSTREAM_WAREHOUSE_URL"] = stack.warehouse_url


@pytest.mark.timeout(900)  # thirty commands, each a process
def test_no_secret_is_logged_stored_published_or_printed(new_stack: MakeStack, tmp_path: Path, rude: int) -> None:
    stack, port = new_stack(), free_port()
    secretive(stack, rude, port)
    stack.start()
    _start_receiver(stack)
    file = tmp_path / "traces.jsonl"
    file.write_bytes(b"\n".join(map(_trace, range(8))) + b"\n{broken\n")
    said = [_run(stack, "publish", str(file), "--json")]
    garbage = Hostile("garbage", Topics.TRACES, b"\x00\xff not a trace")
    asyncio.run(write(stack, [garbage]))
    stack.until(lambda: stack.sql("SELECT count(*) FROM scores WHERE status = 'failed'")[0][0] >= 8, "no judge failed")
    stack.until(lambda: stack.sql("SELECT count(*) FROM outbox WHERE attempts > 0")[0][0] >= 3, "nothing was sent")
    stack.until(lambda: stack.sql("SELECT count(*) FROM dead_letters")[0][0] >= 1, "no dead letter")
    said += [_post(port, token) for token in (None, "wrong", SECRETS["EVALSTREAM_HTTP_TOKEN"])]
    said += [_run(stack, *command) for command in COMMANDS]
    said += [_run(stack, *command, **environment) for command, environment in _troubles(stack)]
    said += [_run(stack, "check", "-c", _misplaced(stack, text)) for text in MISPLACED]
    stack.stop()
    said += [path.read_text(errors="replace") for path in stack.folder.glob("*.log")]
    assert len([part for part in said if part]) > 25
    for part in said:
        assert MARK not in part, _around(part)
    for topic in Topics.ALL:
        for record in asyncio.run(read_all(stack, topic)):
            assert MARK.encode() not in (record.value or b""), (topic, record.value)
    _nothing_stored(stack)


COMMANDS = (
    *(("status",), ("status", "--json"), ("check",), ("check", "--json"), ("scores",), ("scores", "--json")),
    *(("scores", "--summary"), ("alerts",), ("alerts", "--json"), ("drift",), ("why", "t1"), ("why", "t1", "--json")),
    *(("query", "SELECT * FROM v_scores_current"), ("query", "SELECT nothing", "--json")),
    *(("evaluators", "list"), ("version",), ("--debug", "query", "SELECT nothing")),
    ("replay", "--from", "2020-01-01", "--to", "2100-01-01", "--judges", "--yes"),
    ("feedback", "t1", "--score", "1"),
)
MISPLACED = (
    "project: ['${HOOK_SECRET}']",
    "kafka: {partitions: '${HOOK_SECRET}'}",
    "kafka: {sasl_password: '${HOOK_SECRET}'}",
    "notify: [{name: a, type: '${HOOK_SECRET}', url: '${HOOK_SECRET}'}]",
    "notify: [{name: a, type: slack, url: ['${HOOK_SECRET}']}]",
    "notify: [{name: a, type: slack, url: 'ftp://${HOOK_SECRET}'}]",
    "warehouse: {url: 'oracle://me:${HOOK_SECRET}@there/db'}",
    "evaluators: [{type: '${HOOK_SECRET}'}]",
    "evaluators: [{type: length, options: {max: '${HOOK_SECRET}'}}]",
)


def _troubles(stack: Stack) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """Commands in an environment in which they cannot work."""
    nowhere = f"127.0.0.1:{free_port()}"
    database = f"postgresql+psycopg://app:{DATABASE_PASSWORD}@{nowhere}/db"
    secured = {"EVALSTREAM_CONFIG": str(stack.folder / "secured.yaml"), "KAFKA_BOOTSTRAP_SERVERS": nowhere}
    (stack.folder / "secured.yaml").write_text("kafka: {security_protocol: SASL_PLAINTEXT}\n")
    return [
        (("status",), {"EVALSTREAM_WAREHOUSE_URL": database}),
        (("--debug", "scores"), {"EVALSTREAM_WAREHOUSE_URL": database}),
        (("scores", "--json"), {"EVALSTREAM_WAREHOUSE_URL": f"mysql://app:{DATABASE_PASSWORD}@{nowhere}/db"}),
        (("scores",), {"EVALSTREAM_WAREHOUSE_URL": f"postgresql://app:{DATABASE_PASSWORD}@no port/db"}),
        (("status", "--json"), secured),
        (("--debug", "publish", str(stack.config)), secured),
        (("worker", "nobody"), {}),
    ]


def _misplaced(stack: Stack, text: str) -> str:
    file = stack.folder / "misplaced.yaml"
    file.write_text(text + "\n")
    return str(file)


def _trace(number: int) -> bytes:
    message = {"role": "assistant", "content": f"No. {number}"}
    span = {
        "span_id": f"s{number}",
        "name": "chat",
        "kind": "llm",
        "input_messages": [{"role": "user", "content": "?"}],
        "output_messages": [message],
    }
    span |= {"start": "2026-01-05T12:00:00Z", "end": "2026-01-05T12:00:01Z"}
    return orjson.dumps({"trace_id": f"t{number}", "spans": [span]})


def _run(stack: Stack, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *arguments],
        cwd=stack.folder,
        env={**stack.environment, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return f"{arguments}: {done.stdout}{done.stderr}".replace(str(stack.folder), "")


def _start_receiver(stack: Stack) -> None:
    with (stack.folder / "receiver.log").open("ab") as log:
        stack.processes["receiver"] = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "receiver"],
            cwd=stack.folder,
            env={**os.environ, **stack.environment, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


def _post(port: int, token: str | None) -> str:
    """What the receiver says to no trace at all."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", b"{broken", headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read())
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read()!r} {error.headers}"
    except OSError as error:
        return str(error)


def _nothing_stored(stack: Stack) -> None:
    tables = [f'"{name}"' for name in metadata.tables]
    for table in tables:
        for row in stack.sql(f"SELECT * FROM {table}"):
            assert MARK not in repr(row) and MARK.encode().hex() not in repr(row), (table, row)


def _around(text: str) -> str:
    place = text.index(MARK)
    return f"…{text[max(0, place - 300) : place + 80]}…  in: {text[:200]}"
