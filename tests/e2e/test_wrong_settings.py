"""What is wrong with the settings is one clear line and exit code 2, before anything is read; who is away is exit code 4."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from schemas.settings import WarehouseSettings
from sinks.warehouse import Warehouse
from tests.brokers import ROOT, DevBrokerProcess, free_port
from tests.e2e.hostile import MEGABYTE, native, otlp, otlp_span
from tests.e2e.stack import COMPONENTS

HEAD = "project: demo\n"
AT_ONCE = 3


class Said(NamedTuple):
    code: int
    out: str
    err: str
    seconds: float


class Terminal:
    """A shell in a folder of its own; nothing of the tester's environment reaches it."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("EVALSTREAM_", "OPENAI_", "KAFKA_"))}
        self._environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "EVALSTREAM_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
            "EVALSTREAM_KEY": "test",
        }

    def run(
        self, *arguments: str, config: str | None = None, name: str = "evalstream.yaml", **environment: str
    ) -> Said:
        if config is not None:
            (self.folder / name).write_text(config)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *arguments],
            cwd=self.folder,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


@pytest.fixture
def terminal(tmp_path: Path, dev_broker: DevBrokerProcess) -> Terminal:
    return Terminal(tmp_path, dev_broker.bootstrap_servers)


EVALUATORS = f"{HEAD}evaluators:\n"
WRONG = {
    "unknown type": (
        f"{EVALUATORS}  - {{type: refusal}}\n  - {{type: refusall}}\n",
        ":4: evaluators[1].type: ",
        "refusal",
    ),
    "duplicate name": (
        f"{EVALUATORS}  - {{type: refusal}}\n  - {{type: refusal}}\n",
        ":4: evaluators[1].name: ",
        "refusal",
    ),
    "filter": (f"{EVALUATORS}  - {{type: refusal, filter: 'span.('}}\n", ":3: evaluators[0].filter: ", ""),
    "regex": (
        f"{EVALUATORS}  - {{type: regex, options: {{must_match: '('}}}}\n",
        ":3: evaluators[0].options.must_match",
        "",
    ),
    "threshold": (f"{EVALUATORS}  - {{type: refusal, sample_rate: 1.7}}\n", ":3: evaluators[0].sample_rate: ", "1"),
    "callable": (
        f"{EVALUATORS}  - {{type: python, options: {{callable: './gone.py:f'}}}}\n",
        ":3: evaluators[0].options.callable: ",
        "gone.py",
    ),
    "unknown section": (f"{HEAD}evaluatorz: []\n", ":2: evaluatorz: ", "unknown key"),
    "no YAML": ("project: [\n", ":2: ", ""),
    "detector": (f"{HEAD}monitor:\n  detectors:\n    - {{type: nope}}\n", ":4: monitor.detectors[0].type: ", "nope"),
    "redaction": (f"{HEAD}redaction: {{rules: [{{name: X, pattern: '('}}]}}\n", ":2: redaction.rules[0].pattern: ", ""),
    "rule without window": (f"{HEAD}alerts:\n  - {{name: a, evaluator: e, warning: 0.5}}\n", ":3: alerts[0]", "window"),
}


def test_workers_and_check_say_the_same(terminal: Terminal) -> None:
    """Both name file, line, path and what is wrong. `check` answers the question that it was asked: exit code 1."""

    nowhere = f"127.0.0.1:{free_port()}"  # what is wrong is told before anybody waits for a broker

    def both(number: int, name: str) -> tuple[Said, Said]:
        file, text = f"wrong-{number}.yaml", WRONG[name][0]
        checked = terminal.run("check", "-c", file, config=text, name=file)
        return checked, terminal.run(
            "worker", COMPONENTS[number % len(COMPONENTS)], "-c", file, KAFKA_BOOTSTRAP_SERVERS=nowhere
        )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(WRONG, pool.map(both, range(len(WRONG)), WRONG), strict=True))
    for number, (name, (checked, worked)) in enumerate(found.items()):
        _, place, hint = WRONG[name]
        assert (checked.code, worked.code) == (1, 2), (name, checked, worked)
        for said in (checked, worked):
            [line] = said.err.strip().splitlines()
            assert line.startswith(f"error: wrong-{number}.yaml{place}") and hint in line, (name, said)
            assert said.out == ""


def test_what_only_the_worker_can_find_out(terminal: Terminal, tmp_path: Path) -> None:
    """A missing key, a warehouse that is read-only or none at all."""
    judged = f"{EVALUATORS}  - {{type: llm_judge, options: {{rubric: helpfulness}}}}\n"
    Warehouse.open(WarehouseSettings(url=f"sqlite:///{tmp_path / 'kept.db'}")).migrate()
    (tmp_path / "notes.txt").write_text("I am no database, and I am longer than a header of SQLite would be." * 20)
    read_only = f"sqlite:///file:{tmp_path / 'kept.db'}?mode=ro&uri=true"
    cases = {
        "missing key": terminal.run("worker", "judge", config=judged),
        "read-only": terminal.run("worker", "evaluate", config=HEAD, EVALSTREAM_WAREHOUSE_URL=read_only),
        "no database": terminal.run("worker", "evaluate", EVALSTREAM_WAREHOUSE_URL=f"sqlite:///{tmp_path}/notes.txt"),
        "no URL": terminal.run("worker", "evaluate", EVALSTREAM_WAREHOUSE_URL="here"),
        "no component": terminal.run("worker", "nobody"),
        "no broker named": terminal.run("worker", "evaluate", KAFKA_BOOTSTRAP_SERVERS=""),
    }
    for name, said in cases.items():
        assert said.code == 2 and "Traceback" not in said.err, (name, said)
    told = {name: said.err.strip().splitlines()[-1] for name, said in cases.items()}
    assert "OPENAI_API_KEY" in told["missing key"]
    assert "warehouse.url" in told["read-only"] and "read-only" in told["read-only"]
    assert "is not a SQLite database" in told["no database"]
    assert "is no SQLAlchemy URL" in told["no URL"]
    assert "KAFKA_BOOTSTRAP_SERVERS" in told["no broker named"]


def test_a_broker_that_is_away_ends_publish_soon(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_bytes(orjson.dumps(native("t1")))
    nowhere = f"127.0.0.1:{free_port()}"
    for command in (("publish", "traces.jsonl"), ("feedback", "t1", "--score", "1")):
        said = terminal.run(*command, config=HEAD, KAFKA_BOOTSTRAP_SERVERS=nowhere)
        assert said.code == 4 and said.seconds < 40, said
        assert f"error: no broker answers at {nowhere}" in said.err and "Traceback" not in said.err


def test_what_is_too_large_is_told_and_left_out(terminal: Terminal, tmp_path: Path) -> None:
    big = native("big", *native("x")["spans"], resource={"blob": "x" * (9 * MEGABYTE)})
    giant = otlp(otlp_span(f"{1:032x}", blob="x" * (9 * MEGABYTE)))
    (tmp_path / "native.jsonl").write_bytes(orjson.dumps(native("t1")) + b"\n" + orjson.dumps(big) + b"\n")
    (tmp_path / "spans.jsonl").write_bytes(giant + b"\n{cut\n" + otlp(otlp_span(f"{2:032x}")) + b"\n")
    said = terminal.run("publish", "native.jsonl", "spans.jsonl", "--json", config=HEAD)
    assert said.code == 1 and "Traceback" not in said.err
    tally = orjson.loads(said.out)
    assert (tally["records"], tally["bad"]) == (2, 3)
    told = {(problem["place"], problem["reason"]) for problem in tally["problems"]}
    assert told >= {("native.jsonl:2", "too_large"), ("spans.jsonl:1", "too_large")}
    assert "native.jsonl:2: too_large: a record may have" in said.err


def test_query_only_reads(terminal: Terminal, tmp_path: Path) -> None:
    warehouse = Warehouse.open(WarehouseSettings(url=f"sqlite:///{tmp_path / 'warehouse.db'}"))
    warehouse.migrate()
    warehouse.set_meta_once("kept", "yes")
    for sql in (
        "DELETE FROM meta",
        "WITH x AS (SELECT 1) DELETE FROM meta",
        "DROP TABLE scores",
        "PRAGMA user_version=9",
    ):
        said = terminal.run("query", sql, config=HEAD)
        assert said.code == 2 and "only reading is allowed" in said.err and "Traceback" not in said.err, (sql, said)
    assert ("kept", "yes") in [tuple(row) for row in warehouse.query("SELECT key, value FROM meta").rows]
    warehouse.close()
