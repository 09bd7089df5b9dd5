"""Cache, calls under way, budget."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from evaluators.judge.budget import Budget
from evaluators.judge.cache import CachedJudgement, CachedVerdict, MemoryCache
from evaluators.judge.runtime import require_judge
from evaluators.protocol import Failure, Skip, Verdict
from schemas.errors import ConfigError
from schemas.settings import BudgetSettings, Settings
from tests.evaluators.judge.talk import make_judge, ready, settings_for, simple, until

PRICES = {"*": {"input_per_mtok": 1000.0, "output_per_mtok": 1000.0}}


async def test_an_equal_view_is_asked_once_and_the_repetition_costs_nothing(server):
    async with server() as up:
        judge = make_judge(settings_for(up.base_url, PRICES), rubric="faithfulness")
        async with ready(judge):
            [[first]] = await judge.judge([judge.view(simple())], 10)
            [[again]] = await judge.judge([judge.view(simple(trace_id="t2"))], 10)
    assert up.requests["stop"] == 1
    assert first.cost_usd > 0
    assert (again.cost_usd, again.attributes["cached"]) == (0.0, True)
    assert (again.value, again.label, again.explanation, again.model) == (
        first.value,
        first.label,
        first.explanation,
        first.model,
    )


async def test_equal_requests_at_the_same_time_share_one_call(server):
    async with server(latency_s=0.2) as up:
        judge = make_judge(settings_for(up.base_url, PRICES), rubric="faithfulness")
        async with ready(judge):
            answers = await judge.judge([judge.view(simple())] * 10, 10)
    assert up.requests["stop"] == 1
    assert sum(answer.cost_usd > 0 for [answer] in answers) == 1


async def test_another_rubric_model_or_text_is_another_question(server):
    async with server() as up:
        settings = settings_for(up.base_url)
        judges = [
            make_judge(settings, rubric="faithfulness"),
            make_judge(settings, rubric="answer_relevance"),
            make_judge(settings, rubric="faithfulness", model="other"),
            make_judge(settings, rubric="faithfulness", temperature=1.0),
        ]
        async with ready(judges[0]) as shared:
            shared.attach(judges)
            for judge in judges:
                await judge.judge([judge.view(simple())], 10)
            await judges[0].judge([judges[0].view(simple("Another answer."))], 10)
    assert up.requests["stop"] == 5


async def test_without_cache_everything_is_asked(server):
    async with server() as up:
        judge = make_judge(settings_for(up.base_url, cache=False), rubric="faithfulness")
        async with ready(judge):
            await judge.judge([judge.view(simple())] * 3, 10)
    assert up.requests["stop"] == 3


async def test_who_gives_up_does_not_end_the_call_for_those_with_more_time(server):
    async with server(latency_s=0.6) as up:
        judge = make_judge(settings_for(up.base_url), rubric="faithfulness")
        async with ready(judge):
            hasty = asyncio.create_task(judge.judge([judge.view(simple())], 0.2))
            await asyncio.sleep(0.05)
            patient = asyncio.create_task(judge.judge([judge.view(simple())], 10))
            [[[failed]], [[scored]]] = await asyncio.gather(hasty, patient)
    assert isinstance(failed, Failure)
    assert failed.error_type == "DeadlineExceeded"
    assert isinstance(scored, Verdict)
    assert up.most_in_flight == 1


async def test_who_is_cancelled_leaves_nothing_behind(server):
    async with server(latency_s=5) as up:
        judge = make_judge(settings_for(up.base_url, PRICES), rubric="faithfulness")
        async with ready(judge) as shared:
            asking = asyncio.create_task(judge.judge([judge.view(simple(f"Answer {i}.")) for i in range(5)], 10))
            await until(lambda: up.in_flight == 5)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until(lambda: up.in_flight == 0)
            assert shared.judge.provider.limiter.in_flight == 0
            assert shared.judge.budget.reserved_usd == pytest.approx(0)
            assert shared.judge.budget.spent_usd > 0  # the provider may well have begun to count


async def test_a_cache_of_another_kind_is_used_and_its_failure_is_a_miss(server):
    class Broken:
        async def get(self, key):
            raise OSError("away")

        async def put(self, key, judgement):
            raise OSError("away")

    class Given:
        async def get(self, key):
            return CachedJudgement(model="m", verdicts=(CachedVerdict(verdict="unfaithful", reason="known"),))

        async def put(self, key, judgement): ...

    async with server() as up:
        judge = make_judge(settings_for(up.base_url), rubric="faithfulness")
        async with ready(judge, cache=Broken()) as shared:
            [[answer]] = await judge.judge([judge.view(simple())], 10)
            assert shared.judge.counts["cache_error"] == 2
        assert isinstance(answer, Verdict)
        async with ready(judge, cache=Given()):
            [[answer]] = await judge.judge([judge.view(simple())], 10)
    assert (answer.label, answer.explanation, answer.model) == ("unfaithful", "known", "m")
    assert up.requests["stop"] == 1


async def test_the_memory_cache_forgets_the_least_recently_used():
    cache = MemoryCache(2)
    held = CachedJudgement(model="m", verdicts=())
    for key in "ab":
        await cache.put(key, held)
    await cache.get("a")
    await cache.put("c", held)
    assert [await cache.get(key) for key in "abc"] == [held, None, held]
    assert CachedJudgement.from_bytes(held.to_bytes()) == held


async def test_beyond_the_budget_requests_are_skipped_and_never_overspent(server):
    async with server() as up:
        settings = settings_for(up.base_url, PRICES, budget={"max_cost_usd": 10.0})
        judge = make_judge(settings, rubric="faithfulness")
        async with ready(judge) as shared:
            views = [judge.view(simple(f"Answer number {i}.")) for i in range(60)]
            answers = [answer for [answer] in await judge.judge(views, 10)]
            spent = shared.judge.budget.spent_usd
    scored = [answer for answer in answers if isinstance(answer, Verdict)]
    skipped = [answer for answer in answers if isinstance(answer, Skip)]
    assert len(scored) + len(skipped) == 60
    assert {answer.reason for answer in skipped} == {"budget"}
    assert scored and skipped
    assert spent == pytest.approx(sum(answer.cost_usd for answer in scored))
    assert spent <= 10.0
    shares = [answer.attributes.get("budget_share", 1.0) for answer in scored]
    assert min(shares) < 1.0  # the last ones were let in by a falling threshold, and say so


async def test_a_budget_counts_what_others_spent_and_begins_anew_each_period():
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    asked: list[datetime] = []

    async def spent(since):
        asked.append(since)
        return 7.0 if len(asked) == 1 else 0.0

    budget = Budget(BudgetSettings(max_cost_usd=10.0, period="month"), spent, now=lambda: now)
    assert await budget.admit("a", 4.0) is None
    admission = await budget.admit("a", 0.5)
    assert admission is not None and admission.share == 1.0
    budget.settle(admission, 0.6)
    assert budget.spent_usd == pytest.approx(7.6)
    now += timedelta(hours=1)
    assert await budget.admit("b", 4.0) is not None
    assert asked == [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)]


async def test_who_is_left_out_depends_on_the_request_not_on_who_comes_first():
    async def decisions(order):
        budget = Budget(BudgetSettings(max_cost_usd=100.0))
        budget.settle((await budget.admit("first", 0.0)), 90.0)
        return {key: await budget.admit(key, 0.0) is not None for key in order}

    keys = [f"request {i}" for i in range(200)]
    forward, backward = await decisions(keys), await decisions(keys[::-1])
    assert forward == backward
    assert 60 < sum(forward.values()) < 140


def test_judges_need_a_key_or_an_endpoint_and_a_budget_needs_a_price():
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        require_judge(Settings())
    require_judge(Settings.model_validate({"judge": {"api_key": "k"}}))
    require_judge(Settings.model_validate({"judge": {"base_url": "http://127.0.0.1:1/v1"}}))
    with pytest.raises(ConfigError, match="http://"):
        require_judge(Settings.model_validate({"judge": {"base_url": "localhost:8000/v1"}}))
    budget = {"judge": {"api_key": "k", "model": "m-1", "budget": {"max_cost_usd": 1}}}
    with pytest.raises(ConfigError, match="m-1"):
        require_judge(Settings.model_validate(budget))
    require_judge(Settings.model_validate(budget | {"prices": {"m*": {"input_per_mtok": 1, "output_per_mtok": 1}}}))


async def test_viewing_needs_neither_key_nor_client():
    judge = make_judge(Settings(), rubric="faithfulness")
    assert judge.view(simple()) is not None
    with pytest.raises(RuntimeError, match="attach"):
        await judge.judge([judge.view(simple())], 1)
