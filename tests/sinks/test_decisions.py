"""Decisions: precedence, who was first, measured once, and what is emitted again after a crash."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from schemas.score import Evidence, Score
from schemas.session import SessionClosed, SessionMember
from sinks.warehouse import Position, TraceDecisions, Warehouse
from tests.sinks.making import T0, at, conversation, judge_request, score, source, span, trace
from tests.warehouses import empty, open_warehouse, url_of


def write(warehouse: Warehouse, *scores: Score, **more: object) -> list[TraceDecisions]:
    return warehouse.write_decisions([TraceDecisions("t1", scores, **more)])  # type: ignore[arg-type]


def test_a_score_comes_back_as_it_went(warehouse: Warehouse) -> None:
    warehouse.store_traces([conversation("t1")])
    rich = score(
        "t1",
        span_id="c",
        blamed_span_id="b",
        session_id="s1",
        project="p",
        environment="e",
        kind="llm",
        revision=3,
        value=0.25,
        label="bad",
        passed=False,
        explanation="it's \U0001f4e6",
        evidence=(Evidence(span_id="c", path="result", quote="x"),),
        inclusion_probability=0.5,
        cost_usd=0.01,
        latency_s=1.5,
        model="m",
        prompt_name="n",
        prompt_version="7",
        profile_version="p1",
        attributes={"a": [1, None]},
    )
    kept = write(warehouse, rich)[0].scores
    assert kept == [rich.model_copy(update={"measured": True})]
    assert warehouse.stored_scores(["t1"]) == {rich.key: kept[0]}
    assert warehouse.known_decisions(["t1"])["t1"].keys == {rich.key}
    assert warehouse.known_decisions(["t1"])["t1"].sources == {rich.key: source(1)}
    assert warehouse.known_decisions(["t1"])["t1"].measured == {"ev"}


def test_the_better_stays_then_the_first(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    skipped = score("t1", status="skipped", skip_reason="budget", source=source(1))
    failed = score("t1", status="failed", error_type="Timeout", source=source(2))
    scored = score("t1", value=0.5, source=source(3))
    late = score("t1", value=0.9, source=source(4))
    assert write(warehouse, skipped)[0].scores == [skipped]
    assert write(warehouse, failed)[0].scores == [failed]
    assert write(warehouse, skipped)[0].scores == []
    assert write(warehouse, scored)[0].scores == [scored.model_copy(update={"measured": True})]
    assert write(warehouse, late)[0].scores == []
    assert write(warehouse, failed)[0].scores == []
    assert [s.value for s in warehouse.stored_scores(["t1"]).values()] == [0.5]


def test_what_was_stored_before_is_returned_to_its_own_source(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    first = score("t1", value=0.5, explanation="first")
    write(warehouse, first)
    again = write(warehouse, score("t1", value=0.6, explanation="computed again"))[0].scores
    assert again == [first.model_copy(update={"measured": True})]


def test_all_spans_of_one_call_are_measured_together_and_later_ones_never(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), span("b"))])
    kept = write(
        warehouse,
        score("t1", span_id="a"),
        score("t1", span_id="b"),
        score("t1", "other", span_id="a", status="failed", error_type="X"),
    )[0].scores
    assert [s.measured for s in kept] == [True, True, False]
    later = write(warehouse, score("t1", span_id="c"), score("t1", "other", span_id="b"))[0].scores
    assert [s.measured for s in later] == [False, True]


def test_a_partial_trace_is_not_measured(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), partial=True)])
    assert not write(warehouse, score("t1", measured=True))[0].scores[0].measured
    warehouse.clear_partial(["t1"])
    assert write(warehouse, score("t1", target_digest="e"))[0].scores[0].measured


def test_requests_are_in_flight_until_answered(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), span("b"))])
    request = judge_request("t1", "a", "b", decisions=("judge", "judge.tone"))
    assert write(warehouse, requests=[request])[0].requests == [request]
    known = warehouse.known_decisions(["t1"])["t1"]
    assert {(k.evaluator, k.target_id) for k in known.keys} == {
        ("judge", "a"),
        ("judge", "b"),
        ("judge.tone", "a"),
        ("judge.tone", "b"),
    }
    assert set(known.sources.values()) == {source(1)}
    other = judge_request("t1", "a", "c", source=source(9))
    kept = write(warehouse, requests=[other])[0].requests
    assert [[v.target_id for v in r.views] for r in kept] == [["c"]]
    assert write(warehouse, requests=[judge_request("t1", "b", source=source(9))])[0].requests == []

    verdicts = [
        score(
            "t1", name, span_id=s, target_digest=f"digest of {s}", kind="llm", source=source(5, topic="judge_requests")
        )
        for name in ("judge", "judge.tone")
        for s in ("a", "b")
    ]
    assert all(s.measured for s in warehouse.write_verdicts(verdicts))
    assert _count(warehouse, "requests") == 1
    assert _count(warehouse, "request_decisions") == 1
    assert {k.target_id for k in warehouse.known_decisions(["t1"])["t1"].keys} == {"a", "b", "c"}


def test_of_two_requests_about_a_trace_that_are_answered_at_once_one_is_measured(warehouse: Warehouse) -> None:
    """A trace's request in two pieces, or one for a late span: their verdicts may share a transaction."""
    warehouse.store_traces([trace("t1", span("a"), span("b"))])
    verdicts = [
        score("t1", "judge", span_id=s, target_digest=f"digest of {s}", kind="llm", source=source(n, topic="requests"))
        for n, s in enumerate(("a", "b"))
    ]
    assert [s.measured for s in warehouse.write_verdicts(verdicts)] == [True, False]


def test_a_request_whose_decisions_are_measured_is_not_measurable(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), span("b"))])
    warehouse.write_verdicts([score("t1", "judge", span_id="a", target_digest="digest of a")])
    kept = write(warehouse, requests=[judge_request("t1", "b")])[0].requests
    assert [r.measurable for r in kept] == [False]
    assert warehouse.restate(["t1"], [source(1)])[0].requests == kept


def test_restate_gives_exactly_what_these_sources_made(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a")), trace("t2", span("a"))])
    mine, theirs = score("t1", source=source(7)), score("t1", "x", source=source(8))
    request = judge_request("t1", "a", source=source(7))
    write(warehouse, mine, theirs, requests=[request])
    warehouse.write_decisions([TraceDecisions("t2", [score("t2", source=source(7))])])
    again = warehouse.restate(["t1", "t2"], [source(7), source(70)])
    assert [d.trace_id for d in again] == ["t1", "t2"]
    assert [s.key for s in again[0].scores] == [mine.key]
    assert again[0].scores[0].measured
    assert again[0].requests == [request]
    assert warehouse.restate(["t1"], []) == []


def test_passed_over_is_merged(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    write(warehouse, passed_over={"x": "filtered", "y": "sampled out"})
    write(warehouse, score("t1"), passed_over={"y": "filtered"})
    write(warehouse, score("t1", "z"))
    with warehouse.database.read() as connection:
        held = connection.execute(text("SELECT passed_over, measured FROM traces")).one()
    assert held == ('{"x":"filtered","y":"filtered"}', '["ev","z"]')


def test_positions_only_go_forward_within_an_epoch(warehouse: Warehouse) -> None:
    def move(offset: int, epoch: int = 0) -> int:
        warehouse.write_decisions([], [Position("evaluate", "traces", 3, epoch, offset)])
        return warehouse.positions("evaluate")["traces", 3].next_offset

    assert move(10) == 10
    assert move(5) == 10
    assert warehouse.raise_epoch("evaluate", "traces", 3) == 1
    assert warehouse.positions("evaluate")["traces", 3] == Position("evaluate", "traces", 3, 1, 0)
    assert move(20, epoch=0) == 0
    assert move(2, epoch=1) == 2
    assert warehouse.positions("judge") == {}


def test_a_session_is_measured_once(warehouse: Warehouse) -> None:
    first, second = trace("t1", span("a")), trace("t2", span("b", second=50))
    warehouse.store_traces([first, second])
    members = [
        SessionMember(session_id="s", trace_id=t.trace_id, fingerprint=t.fingerprint, event_time=T0, project="shop")
        for t in (first, second)
    ]
    one = warehouse.store_session(SessionClosed(session_id="s", members=tuple(members[:1])))
    both = warehouse.store_session(SessionClosed(session_id="s", members=tuple(members[1:])))
    assert one and both
    assert [t.trace_id for t in both.traces] == ["t1", "t2"]
    assert (one.revision, both.revision, both.project) == (1, 2, "shop")
    assert one.fingerprint != both.fingerprint
    assert warehouse.session("s") == both
    assert warehouse.session("unknown") is None

    def of(trace_id: str, fingerprint: str) -> Score:
        return score(trace_id, "polite", target="session", session_id="s", target_digest=fingerprint)

    kept = [
        warehouse.write_decisions([TraceDecisions(s.trace_id, [s])])[0].scores[0].measured
        for s in (of("t1", one.fingerprint), of("t2", both.fingerprint))
    ]
    assert kept == [True, False]


def test_a_decision_on_a_trace_that_is_not_stored_is_kept_and_not_measured(warehouse: Warehouse) -> None:
    assert [s.measured for s in write(warehouse, score("t1"))[0].scores] == [False]


def test_what_was_computed_beside_the_stream_is_not_measured(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    replayed = score("t1", value=0.5, source=None)
    assert not write(warehouse, replayed)[0].scores[0].measured
    assert warehouse.known_decisions(["t1"])["t1"].measured == frozenset()
    grown = score("t1", value=0.7, target_digest="other", source=source(3))
    assert write(warehouse, grown)[0].scores[0].measured


def test_what_people_say_last_stays(warehouse: Warehouse) -> None:
    said = [score("t1", "human", kind="human", value=v, event_time=at(t)) for v, t in ((0.1, 1), (0.9, 5), (0.4, 3))]
    for order in (said, said[::-1]):
        for one in order:
            warehouse.write_feedback([one])
        assert [s.value for s in warehouse.stored_scores(["t1"]).values()] == [0.9]


STATUSES = st.lists(
    st.tuples(st.sampled_from(["scored", "failed", "skipped"]), st.sampled_from(["ev", "ev2"]), st.sampled_from("ab")),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=STATUSES, seed=st.integers(0, 1000))
def test_order_and_repetition_do_not_change_what_stands(
    warehouse: Warehouse, made: list[tuple[str, str, str]], seed: int
) -> None:
    scores = [score("t1", name, span_id=s, status=status) for status, name, s in made]
    outcomes = []
    for shuffled in (scores, random.Random(seed).sample(scores * 2, len(scores) * 2)):
        empty(warehouse)
        warehouse.store_traces([trace("t1", span("a"), span("b"))])
        for one in shuffled:
            write(warehouse, one)
        stored = warehouse.stored_scores(["t1"])
        outcomes.append({key: found.status for key, found in stored.items()})
        measured = Counter(found.evaluator for found in stored.values() if found.measured)
        scored = {found.evaluator for found in stored.values() if found.status == "scored"}
        assert measured == dict.fromkeys(scored, 1)
    assert outcomes[0] == outcomes[1]


def test_threads_measure_each_trace_and_evaluator_once(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(6) as pool:
        emitted = [found for part in pool.map(lambda n: _work(warehouse, n), range(12)) for found in part]
    _check_once(warehouse, emitted)


def test_processes_measure_each_trace_and_evaluator_once(warehouse: Warehouse) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        parts = pool.starmap(_work_apart, [(url_of(warehouse), n) for n in range(6)])
    _check_once(warehouse, [found for part in parts for found in part])


TRACES, EVALUATORS = 10, 3


def _work_apart(url: str, n: int) -> list[Score]:
    warehouse = open_warehouse(url)
    try:
        return _work(warehouse, n)
    finally:
        warehouse.close()


def _work(warehouse: Warehouse, n: int) -> list[Score]:
    """What evaluate does with a batch: the same traces, each worker with a span of its own."""
    fragments = [trace(f"t{i}", span(f"s{n}"), span("all")) for i in range(TRACES)]
    random.Random(n).shuffle(fragments)
    warehouse.store_traces(fragments)
    decisions = [
        TraceDecisions(
            f.trace_id,
            [
                score(f.trace_id, f"ev{e}", span_id=s.span_id, target_digest=s.digest, source=source(n))
                for e in range(EVALUATORS)
                for s in f.spans
            ],
        )
        for f in fragments
    ]
    return [s for kept in warehouse.write_decisions(decisions) for s in kept.scores]


def _check_once(warehouse: Warehouse, emitted: list[Score]) -> None:
    by_key = Counter(s.key for s in emitted)
    assert set(by_key.values()) == {1}
    stored = warehouse.stored_scores([f"t{i}" for i in range(TRACES)])
    assert set(stored) == set(by_key)
    offsets: dict[tuple[str, str], set[int]] = {}
    for s in stored.values():
        if s.measured:
            assert s.source is not None
            offsets.setdefault((s.trace_id, s.evaluator), set()).add(s.source.offset)
    assert len(offsets) == TRACES * EVALUATORS
    assert all(len(found) == 1 for found in offsets.values())


def _count(warehouse: Warehouse, table: str) -> int:
    with warehouse.database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
