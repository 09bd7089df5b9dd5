"""tool_result_partial: results that say or show that they are only a part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evaluators.code.recorded import runs
from tests.evaluators.code.sequences import Run, failures, verdict
from tests.evaluators.making import decide, suite_of
from tests.schemas.recorded import needs_shared

ENTRY = "{type: tool_result_partial}"
LINES = "\n".join(f"row {number}: some text" for number in range(60))
PARTIAL: tuple[tuple[object, str], ...] = (
    (LINES + "\n[output truncated]", "marked"),
    (LINES + "\n... [truncated]", "marked"),
    (LINES + "\n<truncated>", "marked"),
    (LINES + "\n... 120 more lines", "marked"),
    (LINES + "\n[1,204 characters omitted]", "marked"),
    (LINES + "\n(showing first 60 rows of 5000)", "marked"),
    (LINES + "\nOutput was truncated because it is too long.", "marked"),
    ("[Result truncated]\n" + LINES, "marked"),
    ("ab cd\n... (output truncated)", "marked"),
    ({"rows": [1, 2], "truncated": True}, "marked"),
    ('{"rows": [1, 2], "isTruncated": true}', "marked"),
    ('{"incomplete_results": true, "items": [1]}', "marked"),
    ({"items": [1, 2], "has_more": True}, "more_pages"),
    ({"items": [1, 2], "nextPageToken": "abc"}, "more_pages"),
    ({"value": [1], "@odata.nextLink": "https://example.com/?p=2"}, "more_pages"),
    ({"Items": [1], "LastEvaluatedKey": {"id": "7"}}, "more_pages"),
    ({"data": [1], "pagination": {"next_cursor": "abc"}}, "more_pages"),
    ({"data": {"nodes": [1], "pageInfo": {}, "hasNextPage": True}}, "more_pages"),
    ({"users": [1, 2, 3], "total_count": 250}, "more_pages"),
    (("a sentence of plain words " * 200)[:3996] + "worx", "cut"),
)
ALL: tuple[object, ...] = (
    LINES,
    "",
    "[]",
    {"items": [1, 2], "has_more": False, "next_cursor": None},
    {"items": [1, 2], "total_count": 2},
    {"items": [1, 2], "total": 129.9},
    {"items": [1], "nextPageToken": ""},
    {"truncated": False},
    "The film was truncated for television; the full version was shown in 1999.",
    "Showing 10 of 10 results" + "\n" + LINES,
    "Our truncated cone has a volume of 12 litres.",
    "He said that 3 more items ... would follow, and 20 lines later they did. " * 3,
    ("a sentence of plain words. " * 200)[:3999] + ".",
    ("a sentence of plain words " * 200)[:3987],
    "Wait for it...",
    {"document": "... [truncated]" + LINES * 20},
)


@pytest.mark.parametrize(("result", "label"), PARTIAL, ids=lambda v: str(v)[-30:])
def test_partial(result: Any, label: str) -> None:
    score = verdict("tool_result_partial", Run().tool("list_rows", {}, result))
    assert (score.passed, score.label, score.blamed_span_id) == (False, label, score.span_id)
    assert score.evidence[0].path.startswith("result") and "only a part" in score.explanation


@pytest.mark.parametrize("result", ALL, ids=lambda v: str(v)[:30])
def test_all(result: Any) -> None:
    score = verdict("tool_result_partial", Run().tool("list_rows", {}, result))
    assert score.passed is True, (score.label, score.explanation)


def test_a_part_was_asked_for() -> None:
    more = {"items": [1], "has_more": True}
    for arguments in ({"limit": 10}, {"pageSize": 5}, {"start_line": 1}, {"max_results": 3}):
        assert verdict("tool_result_partial", Run().tool("list_rows", arguments, more)).label == "asked_for_part"
    assert verdict("tool_result_partial", Run().tool("list_rows", {"limit": None}, more)).passed is False
    assert verdict("tool_result_partial", Run().tool("list_rows", {"customer": "c1"}, more)).passed is False


def test_pages_that_are_fetched_or_searched() -> None:
    first = {"items": [1], "next_cursor": "abc123"}
    went_on = Run().tool("list_rows", {}, first).tool("list_rows", {"after_row": "abc123"}, {"items": [2]})
    stopped = Run().tool("list_rows", {}, first).tool("list_users", {"token": "abc123"}, {"items": [2]})
    assert failures("tool_result_partial", went_on) == {}
    assert failures("tool_result_partial", stopped) == {"s0": "more_pages"}
    assert failures("tool_result_partial", Run().tool("search_rows", {"query": "x"}, first)) == {}


@needs_shared
def test_recorded_runs_have_none() -> None:
    suite = suite_of(f"[{ENTRY}]")
    scores = [
        score for name in ("airline_dev", "airline_dev_faults") for t in runs(name) for score in decide(suite, t).scores
    ]
    assert len(scores) > 1_000 and all(score.passed for score in scores)
