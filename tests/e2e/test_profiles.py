"""What is learned across traces, end to end: features → monitor → profiles → evaluate, also through kill -9 of the monitor."""

from __future__ import annotations

import orjson
import pytest

from evaluators.build import build_suite
from evaluators.profiles.learning import Learning
from schemas.measurement import MeasurementBatch
from schemas.profile import Profile, ProfileKey
from schemas.settings import Topics, parse_settings
from streams.base.repeats import last_offset
from streams.monitoring.learning import features_past
from tests.e2e.conftest import MakeStack
from tests.e2e.raw_kafka import read_all
from tests.e2e.stack import Stack
from tests.schemas.recorded import EXAMPLES

CONFIG = """\
project: airline-agent
environment: production
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 2}
assemble: {quiet_s: 1.0, rootless_quiet_s: 3.0}
evaluate: {profile_poll_s: 0.5, profile_wait_s: 10}
presets: [failure_modes]
"""
LABELS = EXAMPLES / "airline_faulty.labels.jsonl"
FAULTS = ("renamed_key", "retyped_value")
COMPONENTS = ("assemble", "evaluate", "monitor")

pytestmark = pytest.mark.timeout(600)


async def test_learned_as_from_the_log_although_the_monitor_dies(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start(*COMPONENTS[:2])
    stack.start("monitor", crash_at="monitor.counted:2")
    stack.publish(EXAMPLES / "airline.otlp.jsonl.gz")
    stack.wait_for_death("monitor")
    stack.start("monitor", crash_at="monitor.committed:3")
    stack.publish(EXAMPLES / "airline_faulty.otlp.jsonl.gz")
    stack.wait_for_death("monitor")
    stack.start("monitor")
    stack.settle(COMPONENTS)
    expected = await learned_from_the_log(stack)
    assert len(expected) > 10 and sum(len(versions) for versions in expected.values()) > 60
    for key, versions in expected.items():
        kept = versions[-50:]
        assert stack.warehouse.profile_versions(key) == kept, key
    assert set(expected) == {profile.key for profile in stack.warehouse.profiles()[0]}


def test_decisions_wait_for_their_profile_and_are_made(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start(*COMPONENTS)
    stack.publish(EXAMPLES / "airline_faulty.otlp.jsonl.gz")
    stack.settle(COMPONENTS)
    labels = [orjson.loads(line) for line in LABELS.read_bytes().splitlines()]
    faults = {(label["trace_id"], label["span_id"]) for label in labels if label["fault"] in FAULTS}
    found = "SELECT trace_id, blamed_span_id FROM v_scores_current WHERE NOT passed AND evaluator LIKE 'tool_result_%'"
    stack.until(lambda: faults <= set(stack.sql(found)), "faults that only a profile shows were not found", 60)
    rows = stack.sql(
        "SELECT DISTINCT profile_version FROM v_scores_current "
        "WHERE evaluator = 'tool_result_schema_drift' AND status = 'scored'"
    )
    known = {version for (version,) in stack.sql("SELECT version FROM profiles")}
    assert rows and {version for (version,) in rows} <= known
    made_up = "SELECT count(*) FROM scores WHERE status = 'scored' AND source_topic IS NULL AND measured"
    assert stack.sql(made_up) == [(0,)]


async def learned_from_the_log(stack: Stack) -> dict[ProfileKey, list[Profile]]:
    """What one learner makes of each partition of `measurements`, read from its beginning."""
    suite = build_suite(*parse_settings(CONFIG, "test.yaml", {}))
    learners: dict[int, Learning] = {}
    positions: dict[tuple[int, str, int, int], int] = {}
    for record in await read_all(stack, Topics.MEASUREMENTS):
        learning = learners.setdefault(record.partition, Learning(suite.learners(), 5_000))
        batch = MeasurementBatch.from_bytes(record.value)
        place = (record.partition, batch.source_topic, batch.source_partition, batch.source_epoch)
        learning.learn(features_past(batch, positions.get(place, -1)))
        positions[place] = max(positions.get(place, -1), last_offset(batch))
    found: dict[ProfileKey, list[Profile]] = {}
    for learning in learners.values():
        for profile in learning.published():
            found.setdefault(profile.key, []).append(profile)
    return found
