"""The client of the endpoint."""

from __future__ import annotations

import pytest
from aiohttp import web

from evaluators.judge.provider import _client
from schemas.settings import JudgeSettings
from tests.evaluators.judge.talk import make_judge, ready, settings_for, simple


async def test_an_empty_variable_names_no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker-compose.yml passes it on when `.env` leaves it out."""
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    async with _client(JudgeSettings()) as client:
        assert str(client.base_url) == "https://api.openai.com/v1/"


async def test_a_key_that_a_provider_repeats_is_in_no_message():
    async def chat(request):
        told = {"error": {"message": f"Incorrect API key provided: {request.headers['Authorization']}"}}
        return web.json_response(told, status=401)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    judge = make_judge(settings_for(url, api_key="sk-private-key"), rubric="faithfulness")
    try:
        async with ready(judge):
            [[answer]] = await judge.judge([judge.view(simple())], 10)
    finally:
        await runner.cleanup()
    assert answer.error_type == "AuthenticationError"
    assert "Incorrect API key provided: Bearer [API key]" in str(answer)
    assert "private" not in str(answer)
