"""Deletion: what belongs to a trace, a session or a user goes and stays away; what is others' is not touched."""

from __future__ import annotations

import threading
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from schemas.alert import Alert, WorstTrace
from schemas.dead_letter import DeadLetter
from schemas.drift_event import DriftEvent
from schemas.errors import ConfigError
from schemas.ids import Hasher, plain_digest
from schemas.measurement import Segment
from schemas.session import SessionClosed, SessionMember
from schemas.source import Source
from schemas.trace import Trace
from sinks.warehouse import Notification, Subject, TraceDecisions, Warehouse
from tests.sinks.making import HASHER, T0, conversation, judge_request, score, source, span, trace
from tests.warehouses import open_warehouse, url_of

SEGMENT = Segment(project="shop", environment="test", evaluator="e")
TEXTS = ("traces", "spans", "messages", "scores", "requests", "request_decisions", "judge_cache", "sessions")


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    """Ann's traces a1 and a2 and Bob's b1 in the session s, Bob's b2 in a session of its own."""
    warehouse.use_key(HASHER)
    for trace_id, user, session in (("a1", "ann", "s"), ("a2", "ann", "s"), ("b1", "bob", "s"), ("b2", "bob", "own")):
        found = _of(conversation(trace_id), user, session)
        warehouse.store_traces([found])
        warehouse.store_session(SessionClosed(session_id=session, members=(_member(found),)))
        made = [score(trace_id, explanation=f"about {trace_id}", source=source(1))]
        asked = [judge_request(trace_id, "b", source=source(1))]
        warehouse.write_decisions([TraceDecisions(trace_id, made, asked)])
        warehouse.write_feedback([score(trace_id, "human", kind="human", explanation=f"said of {trace_id}")])
        warehouse.cache_verdict(f"key of {trace_id}", b"because", trace_id)
    whole = score("b1", "conversation", target="session", session_id="s", target_digest="f", explanation="of all")
    warehouse.write_decisions([TraceDecisions("b1", [whole])])
    return warehouse


def _of(found: Trace, user: str | None, session: str | None) -> Trace:
    return found.model_copy(update={"user_id": user, "session_id": session})


def _member(found: Trace) -> SessionMember:
    return SessionMember(
        session_id=found.session_id or "", trace_id=found.trace_id, fingerprint=found.fingerprint, event_time=T0
    )


def _ids(warehouse: Warehouse, table: str) -> set[str]:
    return {row[0] for row in warehouse.query(f"SELECT trace_id FROM {table}", limit=10_000).rows}


def test_a_user_goes_and_others_stay(filled: Warehouse) -> None:
    subject = Subject("user", "ann")
    assert filled.traces_belonging([subject]) == ["a1", "a2"]
    foreseen = filled.rows_belonging(["a1", "a2"])
    counts = filled.delete([subject])
    for table in ("traces", "spans", "messages", "scores", "requests", "request_decisions", "judge_cache"):
        assert _ids(filled, table) == {"b1", "b2"}, table
        assert foreseen[table] > 0
    assert counts["traces"] == foreseen["traces"] == 2
    assert counts["scores"] == foreseen["scores"] + 1, "and the verdict on the conversation that was partly hers"
    assert [row.traces for row in _sessions(filled)] == [["b2"], ["b1"]]
    assert filled.delete([subject]) == {}, "a second time there is nothing"


def _sessions(warehouse: Warehouse) -> list[object]:
    from sqlalchemy import select

    from sinks.warehouse.tables import sessions

    with warehouse.database.read() as connection:
        return list(connection.execute(select(sessions).order_by(sessions.c.session_id)))


def test_ids_are_not_kept(filled: Warehouse) -> None:
    filled.delete([Subject("user", "ann"), Subject("trace", "b2")])
    rows = filled.query("SELECT kind, digest FROM tombstones").rows
    assert sorted(row[0] for row in rows) == ["trace", "trace", "trace", "user"]
    named = [["user", "ann"], ["trace", "a1"], ["trace", "a2"], ["trace", "b2"]]
    assert {row[1] for row in rows} == {HASHER.digest(subject) for subject in named}
    assert not {row[1] for row in rows} & {plain_digest(subject) for subject in named}, "nobody can try out names"
    assert filled.tombstoned([Subject("user", "ann"), Subject("user", "bob"), Subject("trace", "a1")]) == {
        Subject("user", "ann"),
        Subject("trace", "a1"),
    }


def test_late_spans_do_not_bring_it_back(filled: Warehouse) -> None:
    filled.delete([Subject("user", "ann")])
    late = span("late", second=50)
    assert filled.store_traces([trace("a1", late)]) == {}, "without a word of whose it is"
    assert filled.store_traces([_of(trace("a3", late), "ann", None)]) == {}, "a trace of hers that was never seen"
    assert filled.store_traces([trace("a3", late)]) == {}, "and its other spans"
    stored = filled.store_traces([_of(trace("b1", late), "bob", "s"), _of(trace("b3", late), "bob", "s")])
    assert sorted(stored) == ["b1", "b3"]
    assert _ids(filled, "traces") == {"b1", "b2", "b3"}


def test_a_trace_that_turns_out_to_be_hers_goes(filled: Warehouse) -> None:
    filled.delete([Subject("user", "ann")])
    assert filled.store_traces([trace("a4", span("first"))])
    assert filled.store_traces([_of(trace("a4", span("second")), "ann", None)]) == {}
    assert "a4" not in _ids(filled, "traces") | _ids(filled, "spans")


def test_nothing_is_decided_said_cached_or_gathered_about_it(filled: Warehouse) -> None:
    filled.delete([Subject("trace", "a1"), Subject("session", "own")])
    made = [score("a1", source=source(9)), score("a2", "new", source=source(9))]
    kept = filled.write_decisions(
        [TraceDecisions("a1", made[:1], [judge_request("a1", "b", evaluator="late", source=source(9))])]
    )
    assert kept == []
    assert [s.trace_id for s in filled.write_verdicts(made)] == ["a2"]
    of_session = score("b1", "conversation", target="session", session_id="own", source=source(9))
    assert filled.write_verdicts([of_session]) == []
    said = [score("a1", "human", kind="human"), score("b1", "human", kind="human")]
    assert [s.trace_id for s in filled.write_feedback(said)] == ["b1"]
    filled.cache_verdict("late", b"because", "a1")
    assert filled.cached_verdict("late") is None
    assert filled.store_session(SessionClosed(session_id="own", members=(_member(conversation("b2")),))) is None
    session = filled.store_session(SessionClosed(session_id="s", members=(_member(conversation("a1")),)))
    assert session is not None and [t.trace_id for t in session.traces] == ["a2", "b1"]
    assert "a1" not in set().union(*(_ids(filled, table) for table in TEXTS if table != "sessions"))


def test_alerts_drift_events_and_dead_letters_forget_it(filled: Warehouse) -> None:
    worst = tuple(WorstTrace(trace_id=t, explanation=f"about {t}") for t in ("a1", "b1"))
    alert = Alert(
        rule="r",
        segment=SEGMENT,
        state="WARNING",
        previous_state="OK",
        sequence=1,
        statistic="mean",
        fired_at=T0,
        worst=worst,
    )
    epoch = filled.claim_partition(0).epoch
    filled.commit_monitor(
        0,
        epoch,
        rows=[],
        positions={},
        drift_events=[],
        alerts=[alert],
        notifications=[Notification("team", "webhook", alert.to_bytes(), alert.alert_id)],
    )
    filled.write_dead_letters([_letter(1, b'{"trace_id":"a1","spans":5}'), _letter(2, b"of b1"), _letter(3, b"", "a1")])
    counts = filled.delete([Subject("trace", "a1")])
    assert (counts["alerts"], counts["outbox"], counts["dead_letters"]) == (1, 1, 2)
    [found] = filled.alerts()
    assert [one.trace_id for one in found.record.worst] == ["b1"]
    [waiting] = filled.outbox_due([0], datetime.now(UTC), 10)
    assert b"about a1" not in waiting.body and Alert.from_bytes(waiting.body).alert_id == alert.alert_id
    letters = filled.query("SELECT source_offset, payload IS NULL, key FROM dead_letters ORDER BY 1").rows
    assert [(row[0], bool(row[1]), row[2]) for row in letters] == [(1, True, None), (2, False, "k"), (3, True, None)]


def test_excerpts_in_drift_events_go_with_their_trace(filled: Warehouse) -> None:
    texts = [{"trace_id": t, "text": f"said in {t}"} for t in ("a1", "b1")]
    event = DriftEvent(
        segment=SEGMENT,
        detector="embedding",
        kind="embedding",
        detected_at=T0,
        subject="said in a1",
        explanation="moved: more texts like “said in a1”, “said in b1”",
        details={"more": True, "typical_traces": ["a1", "b1", "b2"], "typical_texts": texts},
    )
    filled.commit_monitor(
        0,
        filled.claim_partition(0).epoch,
        rows=[],
        positions={},
        drift_events=[event],
        alerts=[],
        notifications=[Notification("drift", "topic", event.to_bytes(), event.event_id)],
    )
    assert filled.delete([Subject("trace", "a1")])["drift_events"] == 1
    [found] = filled.drift_events()
    assert found.record.subject is None
    assert found.record.explanation == "moved: more texts like “…”, “said in b1”"
    assert found.record.details == {"more": True, "typical_traces": ["b1", "b2"], "typical_texts": texts[1:]}
    [waiting] = filled.outbox_due([0], datetime.now(UTC), 10)
    assert b"said in a1" not in waiting.body


def _letter(offset: int, payload: bytes, key: str = "k") -> DeadLetter:
    return DeadLetter(
        component="evaluate",
        reason="wrong_type",
        detail="",
        source=Source(topic="traces", partition=0, offset=offset),
        digest="d",
        size_bytes=1,
        key=key,
        time=T0,
        payload=b64encode(payload).decode() or None,
    )


def test_without_the_key_nothing_is_written_that_might_be_deleted(filled: Warehouse) -> None:
    filled.delete([Subject("trace", "a1")])
    other = open_warehouse(url_of(filled))
    with pytest.raises(ConfigError, match="only the installation's key"):
        other.store_traces([trace("new", span("a"))])
    with pytest.raises(ConfigError, match="is not the key"):
        other.use_key(Hasher(b"another"))
    other.use_key(HASHER)
    assert other.store_traces([trace("new", span("a"))])
    other.close()


def test_whoever_writes_meanwhile_leaves_nothing_behind(filled: Warehouse) -> None:
    """Two threads store spans of Ann's and Bob's while she is deleted."""
    stop = threading.Event()

    def write(name: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            pieces = [_of(trace(f"{t}{number % 7}", span(f"{name}{number}")), u, "s") for t, u in _WRITERS]
            stored = filled.store_traces(pieces)
            filled.write_decisions([TraceDecisions(t, [score(t, source=source(number))]) for t in stored])

    threads = [threading.Thread(target=write, args=(name,)) for name in "xy"]
    for thread in threads:
        thread.start()
    for _ in range(3):
        filled.delete([Subject("user", "ann")])
    stop.set()
    for thread in threads:
        thread.join()
    left = set().union(*(_ids(filled, table) for table in ("traces", "spans", "messages", "scores")))
    assert {trace_id[0] for trace_id in left} == {"b"}


_WRITERS = (("a", "ann"), ("b", "bob"))
