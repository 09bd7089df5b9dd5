"""The endpoint behind all judges: one `openai` client on aiohttp, one attempt at a time.

The client's own retries are off and its parsing is passed by: at 512 calls in flight its default HTTP layer and response
models made 190 calls a second, the aiohttp backend with the raw body 990.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from schemas.settings import JudgeSettings

from .cost import Tokens
from .errors import AttemptFailed, JudgeError
from .limiter import Limiter
from .retry import Deadline, retry_after_s, with_retries

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

PATH = "chat/completions"
OPENAI_URL = "https://api.openai.com/v1"
OPTIONS: RequestOptions = {
    "headers": {"Content-Type": "application/json"},
    "security": {"bearer_auth": True},  # the default would send an administrator's key where the environment has one
}
NO_KEY = "none"  # for local servers; the client insists on one
RETRYABLE = frozenset((408, 409, 429))
LOGGED_ONCE = frozenset((400, 401, 403, 404))
KEEPALIVE_S = 60.0
MAX_MESSAGE_CHARS = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent."""

    model: str
    messages: Sequence[Mapping[str, str]]
    response_format: Mapping[str, Any]
    temperature: float | None

    def to_bytes(self) -> bytes:
        """The body of the request; some models refuse any temperature, so that None leaves it out."""
        body = {"model": self.model, "messages": self.messages, "response_format": self.response_format}
        return orjson.dumps(body if self.temperature is None else {**body, "temperature": self.temperature})


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `model` is what the server says it used."""

    content: str
    model: str
    finish_reason: str
    refusal: str | None
    tokens: Tokens


class Provider:
    """Chat completions of an OpenAI-compatible endpoint, limited and repeated. Belongs to one event loop."""

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings
        self.limiter = Limiter(settings.max_concurrency)
        self.attempts: Counter[str] = Counter()
        """Attempts by outcome: `ok` or the error type."""
        self._client: AsyncOpenAI | None = None
        self._url = ""  # whole, because the client parses and joins a relative one for every call
        self._said: set[int] = set()

    async def complete(self, prompt: Prompt, deadline: Deadline) -> Completion:
        """The answer to `prompt`. Whoever asks bounds the time itself; `deadline` tells which waits are not worth it.

        Raises
        ------
        JudgeError : no answer by the deadline, within `max_attempts`, or none to be had.
        """
        return await with_retries(
            lambda number: self._attempt(prompt, first=number == 0),
            max_attempts=self.settings.max_attempts,
            deadline=deadline,
        )

    async def close(self) -> None:
        """Close the connections. The provider can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _attempt(self, prompt: Prompt, *, first: bool) -> Completion:
        async with self.limiter.slot() as round_number:
            try:
                completion = await self._send(prompt, self.settings.timeout_s)
            except AttemptFailed as failed:
                self.attempts[failed.error_type] += 1
                if first:
                    self.limiter.report(round_number, rejected=failed.error_type == "RateLimitError")
                raise
            self.attempts["ok"] += 1
            if first:
                self.limiter.report(round_number, rejected=False)
            return completion

    async def _send(self, prompt: Prompt, timeout_s: float) -> Completion:
        import openai
        from httpx2 import Response

        if self._client is None:
            self._client = _client(self.settings)
            self._url = f"{self._client.base_url}{PATH}"
        try:
            async with asyncio.timeout(timeout_s):  # of the whole answer; aiohttp's own are of one read each
                # The typed `create` walks every parameter's type hints: half of the time of a call.
                response = await self._client.post(
                    self._url, cast_to=Response, content=prompt.to_bytes(), options=OPTIONS
                )
        except TimeoutError:
            raise AttemptFailed("APITimeoutError", f"no answer within {timeout_s:.1f} s", retryable=True) from None
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            # An APITimeoutError too: the client was given no timeouts, its transport calls any lost connection one.
            told = f"no connection: {error.__cause__ or error}"[:MAX_MESSAGE_CHARS]
            raise AttemptFailed("APIConnectionError", told, retryable=True) from None
        except openai.OpenAIError as error:
            told = self._without_key(str(error))[:MAX_MESSAGE_CHARS]
            raise AttemptFailed(type(error).__name__, told, retryable=False) from None
        return _completion(response.content, prompt.model)

    def _without_key(self, message: str) -> str:
        """A provider may repeat the key that it refuses; messages are logged and stored."""
        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        return message.replace(key, "[API key]") if key else message

    def _refused(self, error: Any) -> AttemptFailed:
        status: int = error.status_code
        message = f"HTTP {status}: {self._without_key(error.message)}"[:MAX_MESSAGE_CHARS]
        if status in LOGGED_ONCE and status not in self._said:
            self._said.add(status)
            log.error(
                "judge_refused", status=status, message=message, base_url=str(self.settings.base_url or "default")
            )
        # "insufficient_quota" is a 429 that no waiting cures.
        retryable = (status in RETRYABLE or status >= 500) and error.code != "insufficient_quota"
        asked_s = retry_after_s(error.response.headers)
        return AttemptFailed(type(error).__name__, message, retryable=retryable, retry_after_s=asked_s)


def _client(settings: JudgeSettings) -> AsyncOpenAI:
    from httpx2 import Limits, Timeout
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # Both limits must be given: without them aiohttp holds at most 100 connections.
    limits = Limits(
        max_connections=settings.max_concurrency,
        max_keepalive_connections=settings.max_concurrency,
        keepalive_expiry=KEEPALIVE_S,
    )
    return AsyncOpenAI(
        api_key=settings.api_key.get_secret_value() if settings.api_key else NO_KEY,
        base_url=settings.base_url or OPENAI_URL,  # the client would take an OPENAI_BASE_URL that is set but empty
        max_retries=0,
        timeout=Timeout(None),
        http_client=DefaultAioHttpClient(limits=limits, timeout=Timeout(None)),
    )


def _completion(body: bytes, asked: str) -> Completion:
    try:
        answer = orjson.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
        model, finish = answer.get("model"), choice.get("finish_reason")
        usage = answer.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        tokens = Tokens(
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
            int(details.get("cached_tokens") or 0),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        told = f"the answer is no chat completion ({type(error).__name__}); is base_url right?"
        raise AttemptFailed("InvalidResponse", told, retryable=True) from None
    return Completion(
        content if isinstance(content, str) else "",
        model if isinstance(model, str) and model else asked,
        str(finish or ""),
        refusal if isinstance(refusal, str) and refusal else None,
        tokens,
    )


def refuse(completion: Completion) -> None:
    """Raise for an answer that is none and that asking again would not change."""
    if completion.refusal is not None:
        raise JudgeError("JudgeRefusal", f"the judge refused: {completion.refusal[:MAX_MESSAGE_CHARS]}")
    if completion.finish_reason == "content_filter":
        raise JudgeError("ContentFilter", "the provider's content filter stopped the answer")
