"""The client of the endpoint."""

from __future__ import annotations

import pytest

from evaluators.judge.provider import _client
from schemas.settings import JudgeSettings


async def test_an_empty_variable_names_no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker-compose.yml passes it on when `.env` leaves it out."""
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    async with _client(JudgeSettings()) as client:
        assert str(client.base_url) == "https://api.openai.com/v1/"
