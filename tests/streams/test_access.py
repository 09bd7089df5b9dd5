"""Who may speak HTTP to us."""

from __future__ import annotations

import inspect

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from schemas.errors import ConfigError
from schemas.settings import parse_settings
from streams import access
from streams.access import check_exposure, is_allowed

TOKEN = SecretStr("s3cret-tökén")


@pytest.mark.parametrize("section", ["receiver", "http"])
@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("evalstream.internal", False),
        ("", False),
        ("127.1", False),
        ("::ffff:0.0.0.0", False),
    ],
)
def test_beyond_loopback_nothing_listens_without_a_token(section: str, host: str, inside: bool) -> None:
    text = f"project: x\n{section}: {{host: '{host}'}}"
    settings, source = parse_settings(text, "evalstream.yaml", {})
    if inside:
        check_exposure(settings, source, section)  # type: ignore[arg-type]
        return
    with pytest.raises(ConfigError, match="is beyond loopback: set EVALSTREAM_HTTP_TOKEN") as caught:
        check_exposure(settings, source, section)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"evalstream.yaml:2: {section}.host: ")
    settings, source = parse_settings(text, "evalstream.yaml", {"EVALSTREAM_HTTP_TOKEN": "s3cret"})
    check_exposure(settings, source, section)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer s3cret-tökén ",
        "bearer s3cret-tökén",
        "Basic s3cret-tökén",
        "s3cret-tökén",
    ],
)
def test_a_request_without_the_token_is_not_allowed(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    assert not is_allowed(make_mocked_request("GET", "/metrics", headers=headers), TOKEN)
    assert is_allowed(make_mocked_request("GET", "/metrics", headers=headers), None)


def test_the_token_opens_and_probes_need_none() -> None:
    right = {"Authorization": f"Bearer {TOKEN.get_secret_value()}"}
    assert is_allowed(make_mocked_request("POST", "/v1/traces", headers=right), TOKEN)
    for path in ("/healthz", "/readyz"):
        assert is_allowed(make_mocked_request("GET", path), TOKEN)
    for path in ("/healthz/", "/healthz/../v1/traces", "//healthz", "/HEALTHZ", "/metrics"):
        assert not is_allowed(make_mocked_request("GET", path), TOKEN)


def test_tokens_are_compared_in_constant_time() -> None:
    """Not to be measured on a busy machine: the one comparison is the standard library's."""
    assert "hmac.compare_digest(" in inspect.getsource(access.is_allowed)
    assert "==" not in inspect.getsource(access.is_allowed)
