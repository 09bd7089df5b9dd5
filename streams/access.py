"""Who may speak HTTP to us: everybody on this machine; from beyond it, whoever knows the token."""

from __future__ import annotations

import hmac
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from schemas.settings import Settings, SourceMap

if TYPE_CHECKING:
    from aiohttp import web

OPEN_PATHS = ("/healthz", "/readyz")  # probes carry no token, and these answer nothing of interest


def check_exposure(settings: Settings, source: SourceMap, section: Literal["receiver", "http"]) -> None:
    """Refuse to listen beyond loopback without a token.

    Raises
    ------
    ConfigError : at ``section.host``.
    """
    host = settings.receiver.host if section == "receiver" else settings.http.host
    with suppress(ValueError):
        if ip_address(host).is_loopback:
            return
    if host != "localhost" and settings.receiver.token is None:
        raise source.error(f"{host} is beyond loopback: set EVALSTREAM_HTTP_TOKEN", (section, "host"))


def is_allowed(request: web.Request, token: SecretStr | None) -> bool:
    """Whether a request needs no token or carries it."""
    if token is None or request.path in OPEN_PATHS:
        return True
    given = request.headers.get("Authorization", "").encode(errors="replace")
    return hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode())
