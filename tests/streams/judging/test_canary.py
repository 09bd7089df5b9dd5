"""Canaries: agreement, flips, the model returned; a judge that changes is found by the monitor."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from drift.detectors import build_banks
from drift.monitor import Monitor
from drift.observations import of_columns, of_measurements
from schemas.errors import ConfigError
from schemas.measurement import MeasurementBatch
from schemas.settings import CanarySettings, DetectorSettings, MonitorSettings, Settings, SourceMap, load_settings
from streams.judging.canary import CanaryRun, run_canary
from streams.kafka.producer import Outgoing
from streams.scripted_judge import MODEL, ScriptedJudge
from streams.worker.building import build_all
from tests.drift.streams import one
from tests.warehouses import open_warehouse

GOOD = "The order is on its way and arrives on Friday."
BAD = "Sorry, I cannot. Unfortunately an error, sorry."
ITEMS = [
    {"id": f"i{n}", "fields": {"history": "Where is it?", "output": BAD if n % 4 == 0 else GOOD}, "passed": n % 4 != 0}
    for n in range(40)
]


class Harsher(ScriptedJudge):
    """The provider has put another model under the old name: it finds little good."""

    async def _answer(self, request: web.Request) -> web.Response:
        answer = await ScriptedJudge._answer(self, request)
        assert isinstance(answer.body, bytes)
        document = orjson.loads(answer.body)
        document["model"] = "another-model"
        said = orjson.loads(document["choices"][0]["message"]["content"])
        harsh = {name: {**one, "verdict": 1} for name, one in said.items()}
        document["choices"][0]["message"]["content"] = orjson.dumps(harsh).decode()
        return web.json_response(document)


def configured(
    folder: Path, items: list[dict[str, Any]] = ITEMS, **more: Any
) -> tuple[Settings, SourceMap, CanarySettings]:
    (folder / "frozen.jsonl").write_bytes(b"\n".join(orjson.dumps(item) for item in items))
    canary = {"name": "frozen", "evaluator": "helpful", "file": "frozen.jsonl", **more}
    config = {
        "project": "shop",
        "evaluators": [
            {"type": "llm_judge", "name": "helpful", "target": "trace", "options": {"rubric": "helpfulness"}},
            {"type": "refusal", "target": "trace"},
        ],
        "judge": {"canaries": [canary]},
    }
    file = folder / "evalstream.yaml"
    file.write_bytes(orjson.dumps(config))
    settings, source = load_settings(file, {})
    return settings, source, settings.judge.canaries[0]


async def ran(judge: ScriptedJudge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CanaryRun, list[Outgoing]]:
    settings, source, canary = configured(folder)
    at = settings.judge.model_copy(update={"base_url": judge.base_url, "api_key": None})
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    warehouse = open_warehouse(f"sqlite:///{folder / 'w.db'}")
    warehouse.migrate()
    try:
        await asyncio.sleep(1.1)  # runs are numbered by seconds
        return await run_canary(canary, settings.model_copy(update={"judge": at}), source, warehouse, 1)
    finally:
        warehouse.close()


async def test_a_judge_that_changes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = DetectorSettings(type="conformal", options={"patience": 1000})
    monitor = Monitor(MonitorSettings(detectors=(detector,)), (), partition=0, partition_count=1)
    runs, events, last = [], [], -1
    async with ScriptedJudge() as usual, Harsher() as harsher:
        for judge in (usual, usual, usual, harsher, harsher):
            run, records = await ran(judge, tmp_path, monkeypatch)
            runs.append(run)
            (batch,) = [MeasurementBatch.from_bytes(record.value) for record in records]
            assert min(batch.offset) > last, "a later run is past an earlier one"
            last = max(batch.offset)
            found = of_columns([(batch, range(len(batch.segment)))])
            events += monitor.update(found, now=datetime.now(UTC)).drift_events
    assert [(r.items, r.judged, r.failed) for r in runs] == [(40, 40, 0)] * 5
    assert [r.agreed for r in runs] == [40, 40, 40, 10, 10]
    assert [(r.compared, r.flipped) for r in runs][:4] == [(0, 0), (40, 0), (40, 0), (40, 40)]
    assert [r.models for r in runs] == [(MODEL,)] * 3 + [("another-model",)] * 2
    assert sum(usual.requests.values()) == 120, "nothing is taken from a cache"
    first = events[0]
    assert (first.segment.project, first.segment.evaluator) == ("shop", "canary:frozen")
    assert first.before == pytest.approx(1.0, abs=0.05) and first.after is not None and first.after < 0.6


async def test_the_model_returned_is_a_segment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedJudge() as judge:
        _, records = await ran(judge, tmp_path, monkeypatch)
    (batch,) = [MeasurementBatch.from_bytes(record.value) for record in records]
    assert {(s.dimension, s.dimension_value) for s in batch.segments} == {(None, None), ("model", MODEL)}
    assert set(batch.labels) == {MODEL}


async def test_what_cannot_be_judged_is_counted_and_no_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedJudge(api_key="another") as judge:
        run, records = await ran(judge, tmp_path, monkeypatch)
    assert (run.judged, run.failed, run.agreed) == (0, 40, 0)
    (batch,) = [MeasurementBatch.from_bytes(record.value) for record in records]
    assert set(batch.outcome) == {"failed"} and set(batch.passed) == {None}


@pytest.mark.parametrize(
    ("items", "more", "told"),
    [
        ([{"id": "a", "fields": {"output": "x"}}], {}, "what the judge ought to say"),
        ([ITEMS[0], ITEMS[0]], {}, "stands twice"),
        ([], {}, "has 0 items"),
        (ITEMS, {"file": "nowhere.jsonl"}, "cannot be read"),
        (ITEMS, {"evaluator": "refusal"}, "no llm_judge"),
        (ITEMS, {"evaluator": "nobody"}, "no evaluator is called 'nobody'"),
    ],
)
def test_what_is_wrong_is_told_at_the_start(
    tmp_path: Path, items: list[dict[str, Any]], more: dict[str, Any], told: str
) -> None:
    settings, source, _ = configured(tmp_path, items, **more)
    with pytest.raises(ConfigError, match=told):
        build_all(settings, source)


def test_fifty_items_show_a_fall_of_agreement_within_two_runs() -> None:
    """The figures of docs/evaluators/judges.md: from about .9 to .7, after 15 runs, at a patience of 1,000."""
    found_in: list[int | None] = []
    for seed in range(40):
        dice = random.Random(seed)
        usual = [dice.random() < 0.92 for _ in range(50)]
        changed = [agrees and dice.random() < 0.78 for agrees in usual]
        (bank,) = build_banks([DetectorSettings(type="conformal", options={"patience": 1000})])
        alarms = []
        for run in range(30):
            verdicts = [agrees ^ (dice.random() < 0.02) for agrees in (usual if run < 15 else changed)]
            batch = of_measurements(one(50 * run + i, passed=passed) for i, passed in enumerate(verdicts))
            alarms += [run - 15 for detection in bank.update(batch) if detection.revision == 0]
        found_in.append(alarms[0] if alarms else None)
    assert not [run for run in found_in if run is not None and run < 0], "no alarm while nothing changes"
    assert found_in.count(0) >= 25 and found_in.count(0) + found_in.count(1) >= 37
