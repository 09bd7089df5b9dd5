"""Traces a second through Kafka into a warehouse, beside a bare loop that does the same evaluations and nothing else.

The bare loop consumes, parses, calls the same evaluators and inserts the scores in bulk; it redacts nothing, stores no
spans, resolves no versions, publishes nothing and would lose or repeat work in a crash. The ratio is the price of all that.

    python -m tests.benchmarks.pipeline [--copies 10] [--postgres URL]
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Column, Float, MetaData, Text, create_engine, insert
from sqlalchemy import Table as SqlTable

from evaluators.build import build_suite
from evaluators.protocol import Target
from schemas.ids import Hasher
from schemas.otlp import assemble, decode
from schemas.settings import KafkaSettings, Topics, WarehouseSettings, parse_settings
from schemas.trace import Trace
from sinks.warehouse import Warehouse
from streams.kafka.producer import Outgoing, Producer
from streams.kafka.topics import ensure_topics
from tests.brokers import DevBrokerProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "traces" / "airline.otlp.jsonl.gz"
CONFIG = """\
project: bench
evaluators:
  - {type: tool_error_as_success}
  - {type: unknown_tool}
  - {type: tool_call_schema_valid}
  - {type: json_validity, span_kinds: [tool], options: {text: result}}
  - {type: latency, options: {max_s: 30}}
  - {type: tokens, target: trace}
  - {type: length, target: trace, options: {max: 4000}}
  - {type: refusal, target: trace}
"""


def traces(copies: int) -> list[tuple[bytes, bytes]]:
    """(key, record) of the example runs, each `copies` times under another id."""
    hasher = Hasher(b"bench")
    found = []
    for line in gzip.decompress(EXAMPLES.read_bytes()).splitlines():
        trace = assemble(decode(line, hasher), default_project="bench", default_environment="bench")
        body, trace_id = trace.to_bytes(), trace.trace_id
        for copy in range(copies):
            new = f"{copy:08x}{trace_id[8:]}".encode()
            found.append((new, body.replace(trace_id.encode(), new)))
    return found


async def fill(settings: KafkaSettings, records: Sequence[tuple[bytes, bytes]]) -> None:
    await ensure_topics(settings)
    producer = Producer(settings)
    await producer.start()
    for start in range(0, len(records), 500):
        await producer.publish(Outgoing(Topics.TRACES, body, key) for key, body in records[start : start + 500])
    await producer.close()


async def bare_loop(settings: KafkaSettings, url: str, count: int) -> tuple[float, float]:
    """Wall and CPU seconds."""
    suite = build_suite(*parse_settings(CONFIG, "bench", {}))
    engine = create_engine(url)
    metadata = MetaData()
    table = SqlTable(
        f"bare_{uuid4().hex[:8]}", metadata,
        *(Column(name, Text) for name in ("trace_id", "span_id", "evaluator", "label", "passed", "explanation")),
        Column("value", Float),
    )  # fmt: skip
    metadata.create_all(engine)
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + Topics.TRACES,
        bootstrap_servers=settings.bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    begun, cpu, seen = time.perf_counter(), time.process_time(), 0
    while seen < count:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
            rows = [row for record in records for row in _rows(suite.evaluators, record.value)]
            with engine.begin() as connection:
                connection.execute(insert(table), rows)
            seen += len(records)
    spent = time.perf_counter() - begun, time.process_time() - cpu
    await consumer.stop()
    metadata.drop_all(engine)
    return spent


def _rows(evaluators: Sequence[Any], record: bytes) -> list[dict[str, Any]]:
    trace = Trace.from_bytes(record)
    rows = []
    memo: dict[str, Any] = {}
    for evaluator in evaluators:
        spans = [s for s in trace.spans if s.kind in evaluator.span_kinds] if evaluator.target == "span" else [None]
        for span in spans:
            for verdict in evaluator.evaluate(Target(trace, span, None, memo)):
                rows.append(
                    {
                        "trace_id": trace.trace_id,
                        "span_id": span.span_id if span else None,
                        "evaluator": evaluator.name,
                        "label": getattr(verdict, "label", None),
                        "passed": str(getattr(verdict, "passed", None)),
                        "explanation": getattr(verdict, "explanation", ""),
                        "value": getattr(verdict, "value", None),
                    }
                )
    return rows


def worker(settings: KafkaSettings, url: str, count: int, folder: Path) -> tuple[float, float]:
    """Wall seconds from the first stored trace to the last, scaled to all; CPU seconds without the start."""
    config = folder / f"bench-{uuid4().hex[:6]}.yaml"
    config.write_text(CONFIG + f"kafka: {{topic_prefix: {settings.topic_prefix}}}\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers or "",
        "EVALSTREAM_WAREHOUSE_URL": url,
        "EVALSTREAM_KEY": "bench",
    }
    command = [sys.executable, "-m", "streams.cli.main", "worker", "evaluate", "-c", str(config)]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    warehouse, marks = None, []
    while not marks or marks[-1][1] < count:
        time.sleep(0.1)
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended:\n{(folder / 'worker.log').read_text()[-2000:]}")
        try:
            warehouse = warehouse or Warehouse.open(WarehouseSettings(url=url))
            done = warehouse.query("SELECT count(*) FROM traces WHERE measured IS NOT NULL", limit=1).rows[0][0]
        except Exception:  # the schema is being made
            continue
        if done and (not marks or done != marks[-1][1]):
            marks.append((time.perf_counter(), done, _cpu(process.pid)))
    process.terminate()
    process.wait()
    if warehouse:
        warehouse.close()
    first, last = marks[0], marks[-1]
    share = count / max(last[1] - first[1], 1)
    return (last[0] - first[0]) * share, (last[2] - first[2]) * share


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=10, help="of the 40 example runs")
    parser.add_argument(
        "--postgres", default=os.environ.get("EVALSTREAM_BENCH_POSTGRES"), help="URL of an empty database"
    )
    options = parser.parse_args()
    records = traces(options.copies)
    table = Table(title=f"{len(records)} traces of {sum(len(b) for _, b in records) // len(records) // 1024} KB")
    for column in ("warehouse", "who", "traces/s", "CPU ms a trace", "traces/s a core", "CPU, times the bare loop"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = DevBrokerProcess(folder / "broker")
        broker.start()
        try:
            urls = {
                "SQLite": f"sqlite:///{folder / 'bench.db'}",
                **({"PostgreSQL": options.postgres} if options.postgres else {}),
            }
            for title, url in urls.items():
                settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"{uuid4().hex[:6]}-")
                asyncio.run(fill(settings, records))
                bare = asyncio.run(bare_loop(settings, url, len(records)))
                ours = worker(settings, url, len(records), folder)
                for who, (wall, cpu) in (("bare loop", bare), ("evaluate worker", ours)):
                    n = len(records)
                    table.add_row(
                        title, who, f"{n / wall:.0f}", f"{1000 * cpu / n:.2f}", f"{n / cpu:.0f}", f"{cpu / bare[1]:.2f}"
                    )
        finally:
            broker.stop()
    Console(width=120).print(table)
    print(orjson.dumps({"max_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024}).decode())


if __name__ == "__main__":
    main()
