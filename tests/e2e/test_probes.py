"""What a worker tells its orchestrator and Prometheus, asked over HTTP while it works."""

from __future__ import annotations

import signal

import orjson
import pytest

from schemas.settings import Topics
from streams.telemetry.metrics import table
from tests.brokers import DevBrokerProcess
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native
from tests.e2e.probes import Scrape, address, get, ready
from tests.e2e.raw_kafka import write
from tests.e2e.stack import Stack

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 2}
http: {port: 0}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: latency, options: {max_s: 30}}
  - {type: length, name: rare, target: trace, filter: 'trace.project == "other"', options: {max: 1}}
  - {type: llm_judge, name: helpful, target: trace, options: {rubric: helpfulness}}
judge: {model: scripted-judge}
prices: {"scripted-*": {input_per_mtok: 1, output_per_mtok: 2}}
alerts:
  - {name: fast, evaluator: latency, statistic: mean, window_count: 10, min_samples: 5, below: false, warning: 0.5}
"""
WORKERS = ("evaluate", "judge", "monitor")
TRACES = 30


def traces(first: int, count: int) -> list[Hostile]:
    return [
        Hostile(f"t{n}", Topics.TRACES, orjson.dumps(native(f"t{n}")), key=f"t{n}".encode())
        for n in range(first, first + count)
    ]


@pytest.mark.timeout(300)
async def test_metrics_agree_with_the_warehouse(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start_judge()
    stack.start(*WORKERS)
    stack.ready(WORKERS)
    bad = [Hostile("bad", Topics.TRACES, b"{", key=b"bad")]
    await write(stack, traces(0, TRACES) + bad)
    stack.settle(WORKERS)
    evaluate, judge, monitor = (Scrape(address(stack, name)) for name in WORKERS)

    assert evaluate.total("evalstream_records_total", topic="traces") == TRACES + 1
    assert evaluate.total("evalstream_lag_records", topic="traces") == 0
    assert evaluate.total("evalstream_dead_letters_total", reason="undecodable") == 1
    assert evaluate.total("evalstream_passed_over_total", evaluator="rare", reason="filtered") == TRACES
    for name, scrape in (("length", evaluate), ("latency", evaluate), ("helpful", judge)):
        [(stored,)] = stack.sql(f"SELECT count(*) FROM scores WHERE evaluator = '{name}' AND status = 'scored'")
        assert scrape.total("evalstream_decisions_total", evaluator=name, status="scored") == stored >= TRACES
    [(cost,)] = stack.sql("SELECT sum(cost_usd) FROM scores WHERE evaluator = 'helpful'")
    assert judge.total("evalstream_judge_cost_usd_total", evaluator="helpful") == pytest.approx(cost) and cost > 0
    assert judge.total("evalstream_judge_attempts_total", outcome="ok") >= 1
    asked = judge.total("evalstream_judge_questions_total", outcome="asked")
    assert judge.total("evalstream_judge_latency_seconds_count", evaluator="helpful") >= asked >= 1
    assert judge.total("evalstream_judge_concurrency_limit") == 64
    assert monitor.total("evalstream_measurements_total") >= 3 * TRACES
    assert monitor.total("evalstream_alerts_total", rule="fast", state="WARNING") == 1
    assert monitor.total("evalstream_alert_segments", rule="fast", state="WARNING") == 1
    for scrape in (evaluate, judge, monitor):
        assert scrape.total("evalstream_ready") == 1 and scrape.total("evalstream_build_info") == 1
        assert scrape.total("process_resident_memory_bytes") > 10 * 2**20
        assert scrape.total("evalstream_db_transaction_seconds_count") > 0
        declared = {one.name for one in table()}
        assert {
            name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in scrape.names()
        } <= (declared)


@pytest.mark.timeout(240)
def test_alive_at_once_ready_when_its_dependencies_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("late")
    broker = DevBrokerProcess(folder / "broker")
    broker.start()
    broker.stop()
    stack = Stack(folder / "stack", broker.bootstrap_servers, None, CONFIG)
    try:
        stack.start("evaluate")
        url = address(stack, "evaluate")
        assert get(f"{url}/healthz") == (200, b'{"alive": true}')
        stack.until(lambda: ready(url)[1]["reasons"] == ["waiting for the broker"], "it does not say what it waits for")
        assert ready(url)[0] == 503 and Scrape(url).total("evalstream_ready") == 0
        broker.start()
        stack.until(lambda: ready(url) == (200, {"ready": True, "reasons": []}), "it does not become ready")
        [shown] = stack.cli("status", "--heartbeat", "--component", "evaluate")
        assert [i["http"] for i in shown["components"]["evaluate"]["instances"]] == [url]
        stack.processes["evaluate"].send_signal(signal.SIGTERM)
        assert stack.wait_for_death("evaluate") == 0
    finally:
        stack.stop()
        broker.stop()


@pytest.mark.timeout(240)
def test_metrics_want_the_token_and_probes_do_not(
    dev_broker: DevBrokerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("token")
    stack = Stack(
        folder, dev_broker.bootstrap_servers, None, CONFIG.replace("kafka: {", "kafka: {topic_prefix: tok-, ")
    )
    stack.environment |= {"EVALSTREAM_HTTP_TOKEN": "s3cret", "EVALSTREAM_HTTP_HOST": "0.0.0.0"}
    try:
        stack.start("monitor")
        url = address(stack, "monitor").replace("0.0.0.0", "127.0.0.1")
        assert get(f"{url}/healthz")[0] == 200
        assert get(f"{url}/metrics")[0] == 401 and get(f"{url}/metrics", "wrong")[0] == 401
        assert get(f"{url}/metrics", "s3cret")[0] == 200
        assert "s3cret" not in stack.logs()
        stack.processes["monitor"].send_signal(signal.SIGTERM)
        assert stack.wait_for_death("monitor") == 0
        del stack.environment["EVALSTREAM_HTTP_TOKEN"]
        stack.start("monitor")
        assert stack.wait_for_death("monitor") == 2
        assert "0.0.0.0 is beyond loopback: set EVALSTREAM_HTTP_TOKEN" in stack.logs()
    finally:
        stack.stop()
