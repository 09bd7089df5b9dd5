"""A scripted stand-in for a judge: an OpenAI-compatible server that is NO MODEL.

It answers chat completions with verdicts from a few fixed rules over the fenced texts (errors, apologies and empty answers
make a verdict worse), so that the demo, the tests and a first try need no key and no network. Its verdicts say nothing about
quality, and it says so in the name of its "model". Choices are taken to be listed best first and scores to be better when
higher, as in the shipped rubrics.

It also misbehaves on request, repeatably: slow, rejecting, failing, talking nonsense, or silent. A request's fate depends on
a hash of its texts, so that its repetition meets the same server.

    python -m streams.scripted_judge --port 0 --latency-s 0.2 --reject 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson
import re2
from aiohttp import web

MODEL = "scripted-judge (not a model)"
CHARS_PER_TOKEN = 4
MAX_BODY_BYTES = 16 * 2**20
HANG_S = 3600.0

_CODE_WORD = re2.compile(r"code word of this call is ([0-9a-f]+)")
_TROUBLE = re2.compile(
    r"(?i)\b(error|exception|traceback|timed out|timeout|not found|failed|failure|unavailable|invalid|denied)\b"
)
_TOOL_HEADING = re2.compile(r"\[\d+\] TOOL")
_APOLOGY = re2.compile(
    r"(?i)\b(sorry|apologi[sz]e|unfortunately|i(?: a|')m (?:unable|not able)|i can(?:no|')t|couldn't|something went wrong)\b"
)
_ABUSE = re2.compile(r"(?i)\b(idiot|stupid|moron|shut up|hate you|worthless|dumb)\b")


@dataclass(slots=True)
class Faults:
    """What goes wrong, each as a share of the requests in [0, 1], chosen by hash of their texts.

    `times`: a chosen request fails this often and succeeds then; None: always.
    """

    reject: float = 0.0
    fail: float = 0.0
    garbage: float = 0.0
    refuse: float = 0.0
    cut: float = 0.0
    hang: float = 0.0
    times: int | None = None
    retry_after: str | None = "1"


@dataclass(slots=True)
class ScriptedJudge:
    """The server.

    Parameters
    ----------
    latency_s : how long every answer takes.
    max_in_flight : beyond it requests are rejected with 429, as by a rate limit.
    api_key : when given, another one is answered 401.
    faults : see `Faults`.
    """

    latency_s: float = 0.0
    max_in_flight: int | None = None
    api_key: str | None = None
    faults: Faults = field(default_factory=Faults)
    requests: Counter[str] = field(default_factory=Counter)
    """Requests by what became of them."""
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0
    _met: Counter[bytes] = field(default_factory=Counter)
    _runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port: int = 0) -> str:
        """Listen on loopback; gives the base URL."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=2048)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self.base_url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> ScriptedJudge:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _models(self, _: web.Request) -> web.Response:
        return _json(
            {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "evalstream"}]}
        )

    async def _chat(self, request: web.Request) -> web.Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request) -> web.Response:
        if self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return self._error(401, "Incorrect API key provided", "invalid_api_key")
        try:
            body = orjson.loads(await request.read())
            messages = [(str(m["role"]), str(m["content"])) for m in body["messages"]]
        except (ValueError, KeyError, TypeError):
            return self._error(400, "no chat completion request", "invalid_request_error")
        if self.max_in_flight is not None and self.in_flight > self.max_in_flight:
            return self._error(429, "Rate limit reached", "rate_limit_exceeded")
        return await self._scripted(body, messages)

    async def _scripted(self, body: Mapping[str, Any], messages: list[tuple[str, str]]) -> web.Response:
        texts = _without_code(next((text for role, text in messages if role == "user"), ""))
        fate = self._fate(texts)
        if fate == "reject":
            return self._error(429, "Rate limit reached", "rate_limit_exceeded")
        if fate == "fail":
            return self._error(500, "The server had an error", "server_error")
        await asyncio.sleep(HANG_S if fate == "hang" else self.latency_s)
        if fate == "garbage":
            return self._completion(body, messages, 'Well, {"verdict": "it depends" — hard to say!')
        if fate == "refuse":
            return self._completion(body, messages, None, refusal="I'm sorry, I can't help with that.")
        answer = orjson.dumps(_verdicts(body, texts)).decode()
        if fate == "cut":
            return self._completion(body, messages, answer[: len(answer) // 2], finish_reason="length")
        return self._completion(body, messages, answer)

    def _fate(self, texts: str) -> str:
        """What becomes of a request with these texts: equal for its repetitions, until `times` are over."""
        key = blake2b(texts.encode("utf-8", "replace"), digest_size=8).digest()
        point, edge = int.from_bytes(key, "big") / 2**64, 0.0
        for name in ("reject", "fail", "garbage", "refuse", "cut", "hang"):
            edge += getattr(self.faults, name)
            if point < edge:
                self._met[key] += 1
                return name if self.faults.times is None or self._met[key] <= self.faults.times else "ok"
        return "ok"

    def _completion(
        self,
        body: Mapping[str, Any],
        messages: list[tuple[str, str]],
        content: str | None,
        *,
        refusal: str | None = None,
        finish_reason: str = "stop",
    ) -> web.Response:
        self.requests["refusal" if refusal else finish_reason] += 1
        given = sum(len(text) for _, text in messages) // CHARS_PER_TOKEN
        made = len(content or refusal or "") // CHARS_PER_TOKEN
        message = {"role": "assistant", "content": content, "refusal": refusal}
        return _json(
            {
                "id": "chatcmpl-scripted",
                "object": "chat.completion",
                "created": 0,
                "model": MODEL,
                "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
                "usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made},
            }
        )

    def _error(self, status: int, message: str, code: str) -> web.Response:
        self.requests[str(status)] += 1
        asks_to_wait = status == 429 and self.faults.retry_after is not None
        headers = {"Retry-After": str(self.faults.retry_after)} if asks_to_wait else {}
        body = {"error": {"message": message, "type": code, "code": code, "param": None}}
        return _json(body, status=status, headers=headers)


def quality(criterion: str, texts: str) -> tuple[float, str]:
    """The rules: a number in [0, 1] and what it rests on. This is no judgement."""
    output = _section(texts, "output") or _section(texts, "transcript")[-2000:] or texts
    if "toxic" in criterion:
        found = len(_ABUSE.findall(output))
        return (0.0 if found else 1.0), f"{found} abusive words in the answer"
    if not output.strip():
        return 0.0, "the answer is empty"
    trouble = len(_TROUBLE.findall(f"{_tool_results(texts)}\n{output}"))
    apologies = len(_APOLOGY.findall(output))
    lost = min(0.4, 0.1 * trouble) + min(0.7, 0.35 * apologies)
    return max(
        0.0, 1.0 - lost
    ), f"{trouble} words of failure in results and answer, {apologies} apologies in the answer"


def _verdicts(body: Mapping[str, Any], texts: str) -> dict[str, Any]:
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema") or {}
    answer: dict[str, Any] = {}
    for criterion, wanted in (schema.get("properties") or {}).items():
        value, why = quality(criterion, texts)
        verdict = _on_scale(value, (wanted.get("properties") or {}).get("verdict") or {})
        answer[criterion] = {"reason": f"Scripted, no model: {why}.", "verdict": verdict}
    return answer


def _on_scale(value: float, schema: Mapping[str, Any]) -> Any:
    choices = schema.get("enum")
    if choices and schema.get("type") == "string":
        return choices[round((1 - value) * (len(choices) - 1))]
    if choices:
        return choices[round(value * (len(choices) - 1))]
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    number = low + value * (high - low)
    return round(number) if schema.get("type") == "integer" else number


def _without_code(text: str) -> str:
    found = _CODE_WORD.search(text)
    return text.replace(found.group(1), "") if found else text


def _section(texts: str, name: str) -> str:
    _, begun, rest = texts.partition(f"[[BEGIN {name} ]]\n")
    return rest.partition(f"\n[[END {name} ]]")[0] if begun else ""


def _tool_results(texts: str) -> str:
    """The lines under headings such as `[3] TOOL search` of a transcript, and the context."""
    lines, inside = [_section(texts, "context")], False
    for line in texts.splitlines():
        if line.startswith("["):
            inside = _TOOL_HEADING.match(line) is not None
        elif inside:
            lines.append(line)
    return "\n".join(lines)


def _json(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=dict(headers or {}), content_type="application/json"
    )


async def serve(judge: ScriptedJudge, port: int) -> None:
    """Run until cancelled."""
    base_url = await judge.start(port)
    print(f"scripted judge (not a model) listening; base_url {base_url}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await judge.close()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m streams.scripted_judge``."""
    import uvloop

    parser = argparse.ArgumentParser(prog="scripted_judge", description="An OpenAI-compatible server that is no model.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--max-in-flight", type=int, help="answer 429 beyond this")
    parser.add_argument("--times", type=int, help="a chosen request fails this often; default: always")
    parser.add_argument("--retry-after", default="1", help="of a 429; empty: none")
    for name in ("reject", "fail", "garbage", "refuse", "cut", "hang"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help=f"share of requests that meet {name!r}")
    given = parser.parse_args(arguments)
    shares = {name: getattr(given, name) for name in ("reject", "fail", "garbage", "refuse", "cut", "hang")}
    faults = Faults(**shares, times=given.times, retry_after=given.retry_after or None)
    judge = ScriptedJudge(latency_s=given.latency_s, max_in_flight=given.max_in_flight, faults=faults)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(judge, given.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
