"""Webhooks against a real receiver: what is sent, what is tried again, what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas.alert import Alert, LabelChange, WorstTrace
from schemas.drift_event import DriftEvent
from schemas.errors import Unavailable
from schemas.settings import DestinationSettings, MonitorSettings, Settings
from sinks.webhook import Rejected, Webhooks, is_private, slack_message
from streams.monitoring.notifications import notifications
from tests.sinks.receivers import Receiver, receiving
from tests.sinks.test_monitoring import alert, drift_event

ALERT: Alert = alert(
    labels_changed=(LabelChange(label="model", before="gpt-a", after="gpt-<b>"),),
    worst=(WorstTrace(trace_id="4bf9", value=0.1, explanation="no answer & no apology"),),
)


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    hooks = Webhooks()
    yield hooks
    await hooks.close()


def destination(url: str, **fields: object) -> DestinationSettings:
    fields = {"name": "ops", "type": "webhook", "allow_private": True, "timeout_s": 5, **fields}
    return DestinationSettings.model_validate({"url": url, **fields})


async def test_a_signed_alert(webhooks: Webhooks) -> None:
    async with receiving(Receiver()) as receiver:
        await webhooks.send(destination(receiver.url, secret="k3y"), ALERT.to_bytes(), ALERT.alert_id)
    ((headers, body),) = receiver.received
    assert Alert.from_bytes(body) == ALERT
    assert headers["Idempotency-Key"] == ALERT.alert_id
    assert headers["Content-Type"] == "application/json"
    stamp = headers["X-Evalstream-Timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(b"k3y", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Evalstream-Signature"] == f"sha256={expected}"


async def test_a_slack_message(webhooks: Webhooks) -> None:
    async with receiving(Receiver()) as receiver:
        await webhooks.send(destination(receiver.url, type="slack"), ALERT.to_bytes(), ALERT.alert_id)
    ((headers, body),) = receiver.received
    assert "X-Evalstream-Signature" not in headers
    message = orjson.loads(body)
    assert message["text"] == "CRITICAL: it fell"
    text = message["blocks"][0]["text"]["text"]
    assert "gpt-&lt;b&gt;" in text
    assert "no answer &amp; no apology" in text
    assert "shop/test" in text
    assert "4bf9" in text


async def test_a_drift_event_goes_out_like_an_alert(webhooks: Webhooks) -> None:
    event = drift_event().model_copy(update={"explanation": "it fell from <0.9> to 0.5"})
    async with receiving(Receiver()) as receiver:
        await webhooks.send(destination(receiver.url), event.to_bytes(), event.event_id)
        await webhooks.send(destination(receiver.url, type="slack"), event.to_bytes(), event.event_id)
    (_, plain), (headers, slack) = receiver.received
    assert DriftEvent.from_bytes(plain) == event
    assert headers["Idempotency-Key"] == event.event_id
    text = orjson.loads(slack)["blocks"][0]["text"]["text"]
    assert "it fell from &lt;0.9&gt; to 0.5" in text
    assert "model a gave way to b" in text and "model: a → b" in text


def test_drift_events_are_sent_where_the_monitor_says_unless_they_are_old() -> None:
    hook = {"type": "webhook", "url": "https://example.org"}
    monitor = MonitorSettings(destinations=("ops",))
    notify = tuple(DestinationSettings.model_validate({"name": name, **hook}) for name in ("ops", "others"))
    settings = Settings(monitor=monitor, notify=notify)
    fresh = drift_event().model_copy(update={"detected_at": datetime.now(UTC)})
    sent = [(n.destination, n.dedup_id) for n in notifications([], [drift_event(7), fresh], settings)]
    assert sent == [("drift", drift_event(7).event_id), ("drift", fresh.event_id), ("ops", fresh.event_id)]


def test_a_slack_message_has_a_bounded_length() -> None:
    long = tuple(WorstTrace(trace_id=str(i), explanation="x" * 5000) for i in range(50))
    assert len(orjson.dumps(slack_message(ALERT.model_copy(update={"worst": long})))) < 4000


@pytest.mark.parametrize("status", [408, 429, 500, 503, 522])
async def test_an_answer_that_says_to_try_again(webhooks: Webhooks, status: int) -> None:
    async with receiving(Receiver([status], {"Retry-After": "7"})) as receiver:
        with pytest.raises(Unavailable) as caught:
            await webhooks.send(destination(receiver.url), b"{}", "a")
        assert caught.value.retry_after_s == 7
        await webhooks.send(destination(receiver.url), b"{}", "a")


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 410])
async def test_an_answer_that_is_final(webhooks: Webhooks, status: int) -> None:
    async with receiving(Receiver([status], {"Location": "/hook"})) as receiver:
        with pytest.raises(Rejected, match=str(status)):
            await webhooks.send(destination(receiver.url), b"{}", "a")
        assert len(receiver.received) == 1


async def test_a_receiver_that_never_answers(webhooks: Webhooks) -> None:
    async with receiving(Receiver(hang=True)) as receiver:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await webhooks.send(destination(receiver.url, timeout_s=0.3), b"{}", "a")
        assert time.monotonic() - started < 60


async def test_nobody_listens_and_the_url_is_not_told(webhooks: Webhooks) -> None:
    with pytest.raises(Unavailable) as caught:
        await webhooks.send(destination("http://127.0.0.1:1/secret-path"), b"{}", "a")
    assert "secret-path" not in str(caught.value)


LOOPBACK = (
    *("127.0.0.1", "127.1", "0", "2130706433", "017700000001", "0x7f.1", "0177.0.0.1", "localhost", "LOCALHOST."),
    *(
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ),
    *("１２７.0.0.1", "127。0。0。1", "user@127.0.0.1", "8.8.8.8@127.0.0.1"),
)


@pytest.mark.parametrize("host", LOOPBACK)
async def test_a_private_address_is_refused_however_it_is_written(webhooks: Webhooks, host: str) -> None:
    async with receiving(Receiver()) as receiver:
        port = receiver.url.rsplit(":", 1)[1]
        with pytest.raises((Rejected, Unavailable), match=r"private|cannot be used|ClientConnectorDNSError"):
            await webhooks.send(destination(f"http://{host}:{port}", allow_private=False), b"{}", "a")
        assert receiver.received == []


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "example.com"])
async def test_other_schemes_are_refused(webhooks: Webhooks, url: str) -> None:
    with pytest.raises(Rejected, match="http"):
        await webhooks.send(destination(url), b"{}", "a")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("8.8.8.8", False),
        ("2606:4700:4700::1111", False),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("64:ff9b::a00:1", True),
        ("64:ff9b::808:808", False),
        ("2002:a00:1::", True),
        ("::10.0.0.1", True),
        ("::ffff:0:7f00:1", True),
        ("64:ff9b:1::a00:1", True),
        ("fec0::1", True),
        ("2001:0:7f00:1::", True),
        ("192.0.0.8", True),
        ("3fff::1", True),
        ("255.255.255.255", True),
    ],
)
def test_which_addresses_are_private(address: str, private: bool) -> None:
    assert is_private(address) is private


async def test_the_metadata_service_of_a_cloud_is_out_of_reach(webhooks: Webhooks) -> None:
    for host in ("169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"):
        with pytest.raises(Rejected, match=r"private|cannot be used"):
            await webhooks.send(destination(f"http://{host}/latest/", allow_private=False), b"{}", "a")


async def test_what_was_checked_is_what_is_connected_to(webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is looked at and private when it is connected to (DNS rebinding)."""
    loop = asyncio.get_running_loop()
    answers = ["8.8.8.8", "127.0.0.1"]
    connected: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    async def connect(_socket: object, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    monkeypatch.setattr(loop, "sock_connect", connect)
    rebinding = destination("http://rebind.example/hook", allow_private=False)
    with pytest.raises(Unavailable):
        await webhooks.send(rebinding, b"{}", "a")
    assert (connected, answers) == (["8.8.8.8"], ["127.0.0.1"])  # looked up once, and there it went
    await webhooks.close()  # and with it what is remembered of names
    with pytest.raises(Rejected, match="private"):
        await webhooks.send(rebinding, b"{}", "a")
    assert (connected, answers) == (["8.8.8.8"], [])


async def test_one_private_address_among_public_ones_is_enough(
    webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(Rejected, match="private"):
        await webhooks.send(destination("http://both.example/hook", allow_private=False), b"{}", "a")


async def test_a_receiver_knows_an_old_or_changed_message(webhooks: Webhooks) -> None:
    """The check that docs/security.md asks of receivers, on what was really sent."""
    async with receiving(Receiver()) as receiver:
        await webhooks.send(destination(receiver.url, secret="k3y"), ALERT.to_bytes(), ALERT.alert_id)
    ((headers, body),) = receiver.received
    now = time.time()
    assert accepted(headers, body, now)
    assert not accepted(headers, body.replace(b"CRITICAL", b"OK"), now)
    assert not accepted(headers, body, now + 600)
    later = {**headers, "X-Evalstream-Timestamp": str(int(now) + 600)}
    assert not accepted(later, body, now + 600)


def accepted(headers: dict[str, str], body: bytes, now: float, secret: bytes = b"k3y") -> bool:
    stamp, signature = headers["X-Evalstream-Timestamp"], headers["X-Evalstream-Signature"]
    expected = "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, expected) and abs(now - int(stamp)) <= 300
