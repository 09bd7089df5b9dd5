"""Whatever the endpoint does: every request ends as scored or failed within its deadline, and holds nobody up."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog

from evaluators.judge.retry import retry_after_s
from evaluators.protocol import Failure, Verdict
from tests.evaluators.judge.talk import make_judge, ready, settings_for, simple


async def one(judge, deadline_s=20.0):
    async with ready(judge):
        begun = time.monotonic()
        [[answer]] = await judge.judge([judge.view(simple())], deadline_s)
        return answer, time.monotonic() - begun


def judge_of(url, **settings):
    return make_judge(settings_for(url, **settings), rubric="faithfulness")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_429_is_repeated_after_what_it_asks_for(server):
    async with server(reject=1.0, times=1, retry_after="1") as up:
        answer, took = await one(judge_of(up.base_url))
    assert isinstance(answer, Verdict)
    assert 1.0 <= took < 30
    assert (up.requests["429"], up.requests["stop"]) == (1, 1)


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(server):
    async with server(reject=1.0, retry_after="3600") as up:
        answer, took = await one(judge_of(up.base_url), deadline_s=60)
    assert isinstance(answer, Failure)
    assert answer.error_type == "RateLimitError"
    assert took < 30
    assert up.requests["429"] == 1


async def test_a_500_is_repeated_with_backoff_and_given_up_after_max_attempts(server):
    async with server(fail=1.0, times=2) as up:
        answer, took = await one(judge_of(up.base_url))
    assert isinstance(answer, Verdict)
    assert up.requests["500"] == 2
    assert took > 0.7
    async with server(fail=1.0) as up:
        answer, _ = await one(judge_of(up.base_url, max_attempts=2))
    assert answer.error_type == "InternalServerError"
    assert up.requests["500"] == 2


async def test_a_silent_server_is_a_timeout_of_each_attempt(server):
    async with server(hang=1.0) as up:
        answer, took = await one(judge_of(up.base_url, timeout_s=0.3, max_attempts=2))
    assert answer.error_type == "APITimeoutError"
    assert 0.6 < took < 60


async def test_a_server_that_drips_is_a_timeout_too():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    up = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with up:
        port = up.sockets[0].getsockname()[1]
        answer, took = await one(judge_of(f"http://127.0.0.1:{port}/v1", timeout_s=0.4, max_attempts=1))
    assert answer.error_type == "APITimeoutError"
    assert took < 60


async def test_the_deadline_ends_a_silent_server_whatever_the_timeout(server):
    async with server(hang=1.0) as up:
        answer, took = await one(judge_of(up.base_url, timeout_s=60), deadline_s=0.5)
    assert answer.error_type == "DeadlineExceeded"
    assert took < 30


async def test_nobody_listens():
    answer, _ = await one(judge_of(f"http://127.0.0.1:{closed_port()}/v1", max_attempts=2))
    assert answer.error_type == "APIConnectionError"


async def test_a_connection_that_breaks_off_is_repeated_as_a_connection_error():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    up = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with up:
        port = up.sockets[0].getsockname()[1]
        answer, _ = await one(judge_of(f"http://127.0.0.1:{port}/v1", max_attempts=2))
    assert answer.error_type == "APIConnectionError"


async def test_a_wrong_base_url_fails_at_once(server):
    async with server() as up:
        answer, took = await one(judge_of(up.base_url + "/nowhere"))
    assert answer.error_type == "NotFoundError"
    assert took < 30


async def test_a_wrong_key_fails_at_once_and_is_logged_once(server):
    async with server(api_key="right") as up:
        judge = judge_of(up.base_url, api_key="wrong")
        with structlog.testing.capture_logs() as logs:
            async with ready(judge):
                views = [judge.view(simple(f"Answer {i}.")) for i in range(5)]
                answers = [answer for [answer] in await judge.judge(views, 20)]
    assert {answer.error_type for answer in answers} == {"AuthenticationError"}
    assert up.requests["401"] == 5
    assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1
    assert "wrong" not in str(logs)


async def test_the_right_key_is_sent(server):
    async with server(api_key="right") as up:
        answer, _ = await one(judge_of(up.base_url, api_key="right"))
    assert isinstance(answer, Verdict)


async def test_garbage_is_corrected_once_then_failed(server):
    async with server(garbage=1.0, times=1) as up:
        answer, _ = await one(judge_of(up.base_url))
    assert isinstance(answer, Verdict)
    assert up.requests["stop"] == 2
    prices = {"scripted-judge*": {"input_per_mtok": 1000, "output_per_mtok": 1000}}
    async with server(garbage=1.0) as up:
        answer, _ = await one(make_judge(settings_for(up.base_url, prices), rubric="faithfulness"))
    assert answer.error_type == "UnparsableVerdict"
    assert up.requests["stop"] == 2
    assert answer.cost_usd > 0  # it was paid for
    assert answer.model


async def test_an_answer_cut_at_the_length_limit_is_named_so(server):
    async with server(cut=1.0) as up:
        answer, _ = await one(judge_of(up.base_url))
    assert answer.error_type == "TruncatedVerdict"


async def test_a_refusal_is_not_asked_again(server):
    async with server(refuse=1.0) as up:
        answer, _ = await one(judge_of(up.base_url))
    assert answer.error_type == "JudgeRefusal"
    assert up.requests["refusal"] == 1


async def test_a_page_of_html_is_no_verdict():
    async def page(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>"
        )
        await writer.drain()
        writer.close()

    up = await asyncio.start_server(page, "127.0.0.1", 0)
    async with up:
        port = up.sockets[0].getsockname()[1]
        answer, _ = await one(judge_of(f"http://127.0.0.1:{port}/v1", max_attempts=1))
    assert answer.error_type == "InvalidResponse"


@pytest.mark.parametrize("fault", ["hang", "fail", "reject", "garbage"])
async def test_bad_items_hold_no_good_one_up(server, fault):
    """A tenth of the requests fail for good; the others take as long as they would without them."""
    async with server(latency_s=0.05) as up:
        healthy = await times_of_good_ones(up.base_url)
    async with server(latency_s=0.05, retry_after="4", **{fault: 0.1}) as up:
        good = await times_of_good_ones(up.base_url)
    assert 120 < len(good) < len(healthy) == 160
    # 160 items at 16 in flight and 50 ms: 0.5 s. A hanging attempt holds its slot for its timeout, which cannot be helped.
    busy = max(1.0, healthy[144] / 0.6)  # how much slower than that this machine is
    assert good[len(good) * 9 // 10] < busy * (5.0 if fault == "hang" else 3.0)


async def times_of_good_ones(base_url):
    """When each of 160 items that got a verdict had it, in seconds, sorted."""
    judge = judge_of(base_url, max_concurrency=16, timeout_s=1.0, max_attempts=2)
    done: list[float] = []

    async def ask(number):
        [[answer]] = await judge.judge([judge.view(simple(f"Answer number {number}."))], 60)
        if isinstance(answer, Verdict):
            done.append(time.monotonic() - begun)

    async with ready(judge):
        begun = time.monotonic()
        await asyncio.gather(*(ask(i) for i in range(160)))
    return sorted(done)


async def test_a_rate_limit_halves_the_concurrency_and_everything_is_scored_in_the_end(server):
    async with server(latency_s=0.05, max_in_flight=8, retry_after="0.2") as up:
        judge = judge_of(up.base_url, max_concurrency=64, max_attempts=20)
        async with ready(judge) as shared:
            views = [judge.view(simple(f"Answer number {i}.")) for i in range(300)]
            answers = [answer for [answer] in await judge.judge(views, 20)]
            limiter = shared.judge.provider.limiter
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert limiter.halved >= 2
    assert limiter.limit < 40
    assert limiter.in_flight == 0


def test_retry_after_as_seconds_milliseconds_date_and_nonsense():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_s({"retry-after": "1.5"}) == 1.5
    assert retry_after_s({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after_s({"retry-after": format_datetime(now + timedelta(seconds=30))}, now) == 30
    assert retry_after_s({"retry-after": format_datetime(now - timedelta(seconds=30))}, now) == 0
    for nonsense in ("", "soon", "nan", "inf", "-1", "Wed, 99 Foo 2026"):
        assert retry_after_s({"retry-after": nonsense}, now) is None
    assert retry_after_s({}) is None
