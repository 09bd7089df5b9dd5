"""The monitor's transaction: all or nothing, and only for the owner of the partition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from schemas.alert import Alert, LabelChange
from schemas.cause import Cause, Effect
from schemas.drift_event import DriftEvent
from schemas.errors import Fenced
from schemas.measurement import Segment
from schemas.state_row import StateRow
from sinks.warehouse import Notification, TraceDecisions, Warehouse
from tests.sinks.making import T0, at, score, span, trace

SEGMENT = Segment(project="shop", environment="test", evaluator="ev")
NOTHING = {"rows": [], "positions": {}, "drift_events": [], "alerts": [], "notifications": []}


def alert(sequence: int = 1, rule: str = "low", **fields: object) -> Alert:
    fields = {"segment": SEGMENT, "state": "CRITICAL", "previous_state": "OK", "fired_at": at(sequence), **fields}
    return Alert(rule=rule, sequence=sequence, statistic="pass_rate", summary="it fell", **fields)  # type: ignore[arg-type]


def drift_event(observations: int = 100) -> DriftEvent:
    return DriftEvent(
        segment=SEGMENT,
        detector="adwin",
        detected_at=T0,
        change="recurring",
        changed_at=T0,
        changed_earliest=T0 - timedelta(minutes=3),
        changed_latest=T0 + timedelta(minutes=1),
        before=0.9,
        before_low=0.88,
        before_high=0.92,
        after=0.5,
        after_low=0.4,
        after_high=0.6,
        observations=observations,
        observations_after=20,
        epoch=4,
        revision=1,
        revises="an-event",
        subject="refused",
        labels_changed=(LabelChange(label="model", before="a", after="b"),),
        cause=Cause(
            verdict="app",
            factor="model",
            explanation="model a gave way to b",
            effects=(Effect(factor="model", kind="app", composition=-0.4, within=0.0, low=-0.5, high=-0.3),),
        ),
        details={"n": 1},
    )


def notification(dedup_id: str, destination: str = "alerts", kind: str = "topic") -> Notification:
    return Notification(destination, kind, b'{"a":1}', dedup_id)  # type: ignore[arg-type]


def test_what_was_committed_is_found_by_the_next_owner(warehouse: Warehouse) -> None:
    first = warehouse.claim_partition(3)
    assert (first.epoch, list(first.rows), dict(first.positions)) == (1, [], {})
    warehouse.commit_monitor(
        3,
        first.epoch,
        rows=[StateRow("adwin", "k1", b"\x00\x01"), StateRow("adwin", "k2", b"old")],
        positions={("traces", 0, 0): 10, ("traces", 1, 0): 7},
        drift_events=[drift_event()],
        alerts=[alert()],
        notifications=[notification("a")],
    )
    warehouse.commit_monitor(3, first.epoch, **{**NOTHING, "rows": [StateRow("adwin", "k2", b"new")]})
    second = warehouse.claim_partition(3)
    assert second.epoch == 2
    assert second.rows == [StateRow("adwin", "k1", b"\x00\x01"), StateRow("adwin", "k2", b"new")]
    assert second.positions == {("traces", 0, 0): 10, ("traces", 1, 0): 7}
    assert warehouse.claim_partition(4).rows == []
    assert [found.record for found in warehouse.alerts()] == [alert()]
    assert [found.record for found in warehouse.drift_events()] == [drift_event()]


def test_a_worker_that_lost_the_partition_changes_nothing(warehouse: Warehouse) -> None:
    stalled = warehouse.claim_partition(0)
    owner = warehouse.claim_partition(0)
    with pytest.raises(Fenced):
        warehouse.commit_monitor(
            0,
            stalled.epoch,
            rows=[StateRow("k", "k", b"1")],
            positions={("traces", 0, 0): 99},
            drift_events=[drift_event()],
            alerts=[alert()],
            notifications=[notification("a")],
        )
    assert warehouse.alerts() == []
    assert warehouse.outbox_due([0], at(10**9), 10) == []
    warehouse.commit_monitor(0, owner.epoch, **NOTHING)
    assert warehouse.claim_partition(0).positions == {}


def test_a_partition_never_claimed_is_fenced(warehouse: Warehouse) -> None:
    with pytest.raises(Fenced):
        warehouse.commit_monitor(9, 0, **NOTHING)


def test_many_claims_side_by_side_give_each_an_epoch_of_its_own(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(6) as pool:
        epochs = list(pool.map(lambda _: warehouse.claim_partition(1).epoch, range(12)))
    assert sorted(epochs) == list(range(1, 13))


def test_only_the_newest_of_racing_owners_commits(warehouse: Warehouse) -> None:
    def race(n: int) -> int | None:
        claim = warehouse.claim_partition(1)
        try:
            warehouse.commit_monitor(
                1, claim.epoch, **{**NOTHING, "rows": [StateRow("k", "k", str(claim.epoch).encode())]}
            )
        except Fenced:
            return None
        return claim.epoch

    with ThreadPoolExecutor(6) as pool:
        committed = [epoch for epoch in pool.map(race, range(20)) if epoch is not None]
    last = warehouse.claim_partition(1)
    assert last.rows == [StateRow("k", "k", str(max(committed)).encode())]


def test_the_same_finding_again_is_one_row(warehouse: Warehouse) -> None:
    for _ in range(2):
        epoch = warehouse.claim_partition(0).epoch
        found = {"drift_events": [drift_event()], "alerts": [alert()], "notifications": [notification("a")]}
        warehouse.commit_monitor(0, epoch, **{**NOTHING, **found})
    assert len(warehouse.alerts()) == len(warehouse.drift_events()) == 1
    assert len(warehouse.outbox_due([0], at(10**9), 10)) == 1


def test_the_outbox_gives_each_destination_its_share_in_order(warehouse: Warehouse) -> None:
    epoch = warehouse.claim_partition(0).epoch
    dead = [notification(f"d{i}", "dead", "webhook") for i in range(20)]
    warehouse.commit_monitor(0, epoch, **{**NOTHING, "notifications": [*dead, notification("x", "ops", "slack")]})
    later = at(10**9)

    def due(limit: int, now: datetime = later) -> list[tuple[str, int]]:
        return [(row.dedup_id, row.attempts) for row in warehouse.outbox_due([0], now, limit)]

    assert due(3) == [("d0", 0), ("d1", 0), ("d2", 0), ("x", 0)]
    assert warehouse.outbox_due([1], later, 5) == []
    first, _, _, other = warehouse.outbox_due([0], later, 3)
    assert (first.body, first.kind, first.partition) == (b'{"a":1}', "webhook", 0)
    warehouse.outbox_delivered(other.id, later)
    warehouse.outbox_failed(first.id, "refused", later + timedelta(hours=1), final=False)
    assert due(3) == []
    assert due(2, later + timedelta(hours=2)) == [("d0", 1), ("d1", 0)]
    warehouse.outbox_failed(first.id, "gone", later, final=True)
    assert due(2) == [("d1", 0), ("d2", 0)]
    assert warehouse.counts()["outbox_pending"] == 19


def test_a_topic_and_a_webhook_of_one_name_are_two_destinations(warehouse: Warehouse) -> None:
    epoch = warehouse.claim_partition(0).epoch
    both = [notification("a", "alerts", "topic"), notification("a", "alerts", "slack")]
    warehouse.commit_monitor(0, epoch, **{**NOTHING, "notifications": both})
    assert {row.kind for row in warehouse.outbox_due([0], at(10**9), 1)} == {"topic", "slack"}


def test_the_worst_traces_of_a_segment(warehouse: Warehouse) -> None:
    values = {"t1": 0.9, "t2": 0.1, "t3": 0.5, "t4": 0.2}
    warehouse.store_traces([trace(t, span("a"), span("b", tool_name="fly")) for t in values])
    for i, (t, value) in enumerate(values.items()):
        place = {"project": "shop", "environment": "test", "event_time": at(i)}
        made = [
            score(t, span_id="a", value=value, passed=value > 0.3, explanation=f"{value}", **place),
            score(t, span_id="b", value=1.0, passed=True, **place),
        ]
        warehouse.write_decisions([TraceDecisions(t, made)])

    def worst(segment: Segment, **options: object) -> list[tuple[str, str | None, float | None]]:
        found = warehouse.worst(segment, T0, at(2), **options)  # type: ignore[arg-type]
        return [(w.trace_id, w.span_id, w.value) for w in found]

    assert worst(SEGMENT) == [("t2", "a", 0.1), ("t3", "a", 0.5), ("t1", "a", 0.9)]
    assert worst(SEGMENT, limit=1) == [("t2", "a", 0.1)]
    assert worst(SEGMENT, below=False)[0] == ("t2", "a", 0.1)
    assert worst(SEGMENT, below=False)[1][0] == "t1"
    assert worst(SEGMENT.model_copy(update={"project": "other"})) == []
    fly = SEGMENT.model_copy(update={"dimension": "tool", "dimension_value": "fly"})
    assert {w[1] for w in worst(fly)} == {"b"}


@pytest.mark.parametrize(
    ("dimension", "value", "count"),
    [
        ("tool", "search", 1),
        ("model", "gpt-x-1", 1),
        ("model", "gpt-x", 0),
        ("user_id", "u1", 1),
        ("session", "s1", 1),
        ("service.version", "1.2", 1),
        ("tenant.id", "acme", 1),
        ("tenant.id", "other", 1),
        ("tenant.id", "other@3", 1),
        ("tool+user_id", "search+u1", 1),
        ("tool+user_id", "search+u2", 0),
        ("nothing", "x", 0),
    ],
)
def test_the_worst_of_a_dimension(warehouse: Warehouse, dimension: str, value: str, count: int) -> None:
    from tests.sinks.making import conversation

    found = conversation("t1")
    spans = tuple(s.model_copy(update={"attributes": {"tenant.id": "acme"}}) for s in found.spans)
    warehouse.store_traces([found.model_copy(update={"spans": spans})])
    warehouse.write_decisions([TraceDecisions("t1", [score("t1", project="shop", environment="test")])])
    segment = SEGMENT.model_copy(update={"dimension": dimension, "dimension_value": value})
    assert len(warehouse.worst(segment, T0, at(1))) == count


def test_a_span_of_another_model_is_not_the_worst_of_this_one(warehouse: Warehouse) -> None:
    calls = [span(m, kind="llm", tool_name=None, response_model=m) for m in ("m1", "m2")]
    warehouse.store_traces([trace("t1", *calls)])
    made = [score("t1", span_id=c.span_id, project="shop", environment="test") for c in calls]
    warehouse.write_decisions([TraceDecisions("t1", made)])
    segment = SEGMENT.model_copy(update={"dimension": "model", "dimension_value": "m2"})
    assert [worst.span_id for worst in warehouse.worst(segment, T0, at(1))] == ["m2"]


def test_labels_that_changed(warehouse: Warehouse) -> None:
    def run(i: int, model: str, version: str) -> object:
        made = span("a", kind="llm", tool_name=None, second=i * 60, response_model=model, prompt_version="3")
        return trace(f"t{i}", made, resource={"service.version": version})

    warehouse.store_traces([run(i, "m-1", "1.0") for i in range(30)])  # type: ignore[misc]
    warehouse.store_traces([run(30 + i, "m-2" if i else "m-1", "1.1") for i in range(10)])  # type: ignore[misc]
    changes = warehouse.label_changes(SEGMENT, at(30 * 60), at(60 * 60))
    assert changes == [
        LabelChange(label="model", before="m-1", after="m-2"),
        LabelChange(label="service.version", before="1.0", after="1.1"),
    ]
    assert warehouse.label_changes(SEGMENT, at(10 * 60), at(20 * 60)) == []
