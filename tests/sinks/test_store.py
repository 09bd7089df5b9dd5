"""Storing traces: the same tables whatever the order, repetition or splitting of what arrives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from schemas.ids import fingerprint
from schemas.trace import Trace
from sinks.warehouse import Warehouse
from tests.sinks.making import conversation, message, span, trace
from tests.warehouses import empty


def test_a_trace_comes_back_as_it_went(warehouse: Warehouse) -> None:
    given_trace = conversation("t1")
    stored = warehouse.store_traces([given_trace])["t1"]
    assert (stored.is_new, stored.gained) == (True, True)
    assert stored.trace == given_trace
    assert warehouse.traces(["t1", "absent"]) == {"t1": given_trace}
    assert warehouse.fingerprints(["t1"]) == {"t1": given_trace.fingerprint}


def test_the_same_trace_again_changes_nothing(warehouse: Warehouse) -> None:
    warehouse.store_traces([conversation("t1")])
    before = _tables(warehouse)
    again = warehouse.store_traces([conversation("t1"), conversation("t1")])["t1"]
    assert (again.is_new, again.gained) == (False, False)
    assert again.trace == conversation("t1")
    assert _tables(warehouse) == before


def test_a_late_span_is_added(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    stored = warehouse.store_traces([trace("t1", span("b", second=5))])["t1"]
    assert (stored.is_new, stored.gained) == (False, True)
    assert [s.span_id for s in stored.trace.spans] == ["a", "b"]
    assert stored.trace.revision == 2
    assert stored.trace.fingerprint == fingerprint([("a", "digest of a"), ("b", "digest of b")])


def test_of_two_versions_the_later_end_is_shown_and_both_are_kept(warehouse: Warehouse) -> None:
    long, short = span("a", digest="1", lasts=5), span("a", digest="2", lasts=1)
    warehouse.store_traces([trace("t1", long)])
    stored = warehouse.store_traces([trace("t1", short)])["t1"]
    assert stored.trace.spans == (long,)
    assert stored.trace.revision == 2
    warehouse.store_traces([trace("t1", newest := span("a", digest="3", lasts=9))])
    assert warehouse.traces(["t1"])["t1"].spans == (newest,)
    with warehouse.database.read() as connection:
        rows = connection.execute(text("SELECT digest, shown FROM spans ORDER BY digest")).all()
    assert [(r.digest, bool(r.shown)) for r in rows] == [("1", False), ("2", False), ("3", True)]


def test_partial_ends_with_the_first_whole_record(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), partial=True)])
    assert warehouse.partial_older_than(0) == ["t1"]
    assert warehouse.partial_older_than(60) == []
    whole = warehouse.store_traces([trace("t1", span("a"))])["t1"]
    assert (whole.gained, whole.trace.partial, whole.trace.incomplete) == (False, False, False)
    assert warehouse.partial_older_than(0) == []


def test_a_partial_trace_that_was_swept_is_incomplete(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"), partial=True)])
    warehouse.clear_partial(["t1"])
    found = warehouse.traces(["t1"])["t1"]
    assert (found.partial, found.incomplete) == (False, True)


def test_text_that_a_database_refuses_is_stored_readable(warehouse: Warehouse) -> None:
    said = message("a\x00b")
    odd = span("a", name="n\x00", result={"k\x00": "v\x00 \\u0000"}, attributes={"x": "\ud800"})
    odd = odd.model_copy(update={"input_messages": (said.digest,)})
    warehouse.store_traces([trace("t1", odd, messages={said.digest: said})])
    found = warehouse.traces(["t1"])["t1"]
    assert found.messages[said.digest].content == "a\ufffdb"
    assert found.spans[0].result == {"k\ufffd": "v\ufffd \\u0000"}
    assert found.spans[0].attributes == {"x": "?"}


def test_an_empty_batch_is_nothing(warehouse: Warehouse) -> None:
    assert warehouse.store_traces([]) == {}
    assert warehouse.traces([]) == {}


VERSIONS = st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.integers(0, 3))
PIECES = st.lists(
    st.tuples(st.sampled_from(["t1", "t2"]), st.lists(VERSIONS, min_size=1, max_size=4), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=PIECES, seed=st.integers(0, 1000))
def test_order_repetition_and_splitting_change_nothing(
    warehouse: Warehouse, pieces: list[tuple[str, list[tuple[str, str, int]], bool]], seed: int
) -> None:
    fragments = [_fragment(*piece) for piece in pieces]
    empty(warehouse)
    warehouse.store_traces(fragments)
    at_once = _tables(warehouse)
    chosen = random.Random(seed)
    shuffled = [*fragments, *chosen.sample(fragments, chosen.randint(0, len(fragments)))]
    chosen.shuffle(shuffled)
    empty(warehouse)
    for batch in _cut(shuffled, chosen):
        warehouse.store_traces(batch)
    assert _tables(warehouse) == at_once


def test_writers_side_by_side_lose_nothing(warehouse: Warehouse) -> None:
    ids = [f"t{i}" for i in range(8)]
    parts = [[trace(t, span(f"s{n}", second=n)) for t in ids] for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda part: warehouse.store_traces(random.sample(part, len(part))), parts))
    for trace_id in ids:
        assert sum(one[trace_id].is_new for one in found) == 1
        assert sorted(one[trace_id].trace.revision for one in found) == list(range(1, 13))
    assert {t.revision for t in warehouse.traces(ids).values()} == {12}


@pytest.mark.parametrize("count", [7000])
def test_many_ids_at_once(warehouse: Warehouse, count: int) -> None:
    ids = [f"t{i}" for i in range(count)]
    warehouse.store_traces([trace("t5", span("a")), trace("t6999", span("a"))])
    assert set(warehouse.traces(ids)) == {"t5", "t6999"}
    assert len(warehouse.known_decisions(ids)) == count


def _fragment(trace_id: str, versions: list[tuple[str, str, int]], partial: bool) -> Trace:
    # A digest stands for content: equal digests are equal spans.
    unique = {
        (span_id, digest): span(span_id, digest=digest, second=int(digest), lasts=int(digest) % 2)
        for span_id, digest, _ in versions
    }
    return trace(trace_id, *unique.values(), partial=partial)


def _cut(items: Sequence[Trace], chosen: random.Random) -> list[list[Trace]]:
    batches: list[list[Trace]] = [[]]
    for item in items:
        if chosen.random() < 0.5:
            batches.append([])
        batches[-1].append(item)
    return batches


def _tables(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """All that is stored, but for the moment of storing."""
    found: list[tuple[object, ...]] = []
    with warehouse.database.read() as connection:
        for query in (
            "SELECT trace_id, session_id, user_id, project, environment, revision, fingerprint, root_name, start, "
            '"end", incomplete, partial, CAST(resource AS text) FROM traces ORDER BY 1',
            "SELECT trace_id, span_id, digest, shown, name, start, CAST(body AS text) FROM spans ORDER BY 1, 2, 3",
            "SELECT trace_id, digest, role, content, CAST(body AS text) FROM messages ORDER BY 1, 2",
        ):
            found += (tuple(row) for row in connection.execute(text(query)))
    return found
