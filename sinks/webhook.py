"""Webhooks: alerts and drift events as Slack-compatible messages, or as signed JSON."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import socket
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.errors import EvalstreamError, Unavailable
from schemas.settings import DestinationSettings
from sinks.drift_message import drift_message, escaped

SIGNATURE_HEADER = "X-Evalstream-Signature"
TIMESTAMP_HEADER = "X-Evalstream-Timestamp"
ID_HEADER = "Idempotency-Key"
RETRY_STATUSES = frozenset((408, 409, 425, 429))
MAX_WORST_SHOWN = 5
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address stands in the last 32 bits
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is routed in public; what embeds IPv4 in other ways lies outside
NOT_PUBLIC = tuple(  # registered after some of the Pythons that we run on were made
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20"))
)
EMOJI: Mapping[str, str] = {
    "OK": ":large_green_circle:",
    "WARNING": ":large_yellow_circle:",
    "CRITICAL": ":red_circle:",
    "NO_DATA": ":white_circle:",
    "STALE": ":white_circle:",
}


class Rejected(EvalstreamError):
    """The receiver will never take this notification; trying again is of no use."""


class Webhooks:
    """HTTP sessions for all destinations. Redirects are not followed; private addresses are refused unless allowed."""

    def __init__(self) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def send(self, destination: DestinationSettings, body: bytes, dedup_id: str) -> None:
        """POST an alert or a drift event.

        Raises
        ------
        Unavailable : no answer, or one that says to try again.
        Rejected : any other answer, or an address that is not allowed.
        """
        url = _checked_url(destination)
        payload = orjson.dumps(_message(body)) if destination.type == "slack" else body
        headers = {"Content-Type": "application/json", ID_HEADER: dedup_id, **_signed(destination, payload)}
        timeout = aiohttp.ClientTimeout(total=destination.timeout_s)
        session = self._session(destination.allow_private)
        try:
            async with session.post(
                url, data=payload, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                _check_status(answer)
        except _PrivateAddress as error:
            raise Rejected(str(error)) from None
        except aiohttp.InvalidURL:
            raise Rejected(f"the URL of {destination.name} cannot be used") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, _PrivateAddress):
                raise Rejected(str(error.__cause__)) from None
            raise Unavailable(f"{destination.name}: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, allow_private: bool) -> aiohttp.ClientSession:
        if allow_private not in self._sessions:
            resolver = None if allow_private else _PublicResolver()
            connector = aiohttp.TCPConnector(resolver=resolver, limit_per_host=4, ttl_dns_cache=30)
            self._sessions[allow_private] = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._sessions[allow_private]


def slack_message(alert: Alert) -> dict[str, Any]:
    """An alert as a message for Slack's incoming webhooks (and what is compatible with them)."""
    segment = alert.segment
    where = f"{segment.project}/{segment.environment}"
    if segment.dimension:
        where += f" · {segment.dimension} = {segment.dimension_value}"
    lines = [f"{EMOJI[alert.state]} *{alert.state}* {escaped(alert.summary or alert.rule)}", escaped(where)]
    lines += [
        f"• {escaped(change.label)}: {escaped(change.before or '-')} → {escaped(change.after or '-')}"
        for change in alert.labels_changed
    ]
    lines += [
        f"• `{escaped(worst.trace_id)}` {escaped(worst.explanation[:200])}" for worst in alert.worst[:MAX_WORST_SHOWN]
    ]
    return {
        "text": f"{alert.state}: {escaped(alert.summary or alert.rule)}",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:2900]}}],
    }


def _message(body: bytes) -> dict[str, Any]:
    if "rule" in orjson.loads(body):
        return slack_message(Alert.from_bytes(body))
    return drift_message(DriftEvent.from_bytes(body))


def sign(secret: bytes, timestamp: str, payload: bytes) -> str:
    """What the signature header holds: HMAC-SHA256 over ``timestamp.payload``, as ``sha256=<hex>``."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + payload, hashlib.sha256).hexdigest()


def _signed(destination: DestinationSettings, payload: bytes) -> dict[str, str]:
    if destination.secret is None:
        return {}
    timestamp = str(int(time.time()))
    secret = destination.secret.get_secret_value().encode()
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(secret, timestamp, payload)}


def _check_status(answer: aiohttp.ClientResponse) -> None:
    if 200 <= answer.status < 300:
        return
    if answer.status >= 500 or answer.status in RETRY_STATUSES:
        wait = answer.headers.get("Retry-After", "")
        raise Unavailable(f"answered {answer.status}", retry_after_s=float(wait) if wait.isdigit() else 1.0)
    raise Rejected(f"answered {answer.status}")


# --- addresses -------------------------------------------------------------------------------------------------------


class _PrivateAddress(OSError):
    """The name leads into a private network."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and hands out public addresses only: what was checked is what is connected to."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, address in found:
            if is_private(str(address[0])):
                raise _PrivateAddress(f"{host} is an address of a private network; set allow_private to allow it")
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


def is_private(address: str) -> bool:
    """Whether an IP address is anything but a public one."""
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            found = inside
        elif found not in UNICAST:
            return True
    return not found.is_global or found.is_multicast or any(found in net for net in NOT_PUBLIC)


def _checked_url(destination: DestinationSettings) -> URL:
    """The URL as the client will read it: it makes ``127.0.0.1`` of full-width digits, which another parser takes for a
    name. A literal address never reaches a resolver: look at it here."""
    try:
        url = URL(destination.url.get_secret_value())
        host = url.host
    except ValueError:
        raise Rejected(f"the URL of {destination.name} cannot be used") from None
    if url.scheme not in ("http", "https") or not host:
        raise Rejected("the URL of a webhook begins with http:// or https://")
    try:
        private = is_private(host) and not destination.allow_private
    except ValueError:
        return url
    if private:
        raise Rejected(f"{host} is an address of a private network; set allow_private to allow it")
    return url
