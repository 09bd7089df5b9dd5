"""Asking the deferred evaluators (LLM judges, embeddings) outside the judge worker: for `run` and `replay`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evaluators.deferred import DeferredRuntime
from evaluators.judge.cost import Tokens, cost_usd, price_of
from evaluators.judge.evaluator import LlmJudge
from evaluators.judge.prompt import instructions
from evaluators.judge.runtime import CHARS_PER_TOKEN, ESTIMATED_OUTPUT_TOKENS
from evaluators.protocol import Answer, Failure
from evaluators.run import Suite
from schemas.judge_request import JudgeRequest
from schemas.score import Score
from schemas.settings import Settings


class Estimate(NamedTuple):
    """What answering would take. `cost_usd` is None when a model has no price; nothing is taken off for the cache."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


def estimate(suite: Suite, requests: Sequence[JudgeRequest], settings: Settings) -> Estimate:
    """Roughly, before anything is asked: four characters a token, a fixed length of answers."""
    judges = {name: found for name, found in suite.deferred().items() if isinstance(found, LlmJudge)}
    calls = read = written = 0
    cost: float | None = 0.0
    for request in requests:
        judge = judges.get(request.evaluator)
        if judge is None:
            continue
        asked = len(instructions(judge.rubrics))
        for view in request.views:
            chars = asked + sum(len(text) for text in view.fields.values() if isinstance(text, str))
            tokens = Tokens(chars // CHARS_PER_TOKEN, ESTIMATED_OUTPUT_TOKENS * len(judge.rubrics))
            price = cost_usd(tokens, price_of(judge.model, settings.prices))
            calls, read, written = calls + 1, read + tokens.input, written + tokens.output
            cost = None if cost is None or price is None else cost + price
    return Estimate(calls, read, written, cost)


async def answer(
    suite: Suite,
    requests: Sequence[JudgeRequest],
    settings: Settings,
    on_scores: Callable[[JudgeRequest, list[Score]], None],
) -> None:
    """Answer every request; one that cannot be answered becomes failed scores.

    Raises
    ------
    ConfigError : a judge needs a key or an endpoint, an embedder its extra.
    """
    deferred = suite.deferred()
    runtime = DeferredRuntime(settings)
    slots = asyncio.Semaphore(settings.judge.max_concurrency)

    async def one(request: JudgeRequest) -> None:
        async with slots:
            answers: list[list[Answer]]
            try:
                answers = await deferred[request.evaluator].judge(request.views, settings.judge.deadline_s)
            except Exception as error:
                answers = [[Failure(type(error).__name__, str(error))] for _ in request.views]
        on_scores(request, suite.to_scores(request, answers, source=None))

    try:
        runtime.attach(deferred.values())
        await asyncio.gather(*(one(request) for request in requests))
    finally:
        await runtime.close()
