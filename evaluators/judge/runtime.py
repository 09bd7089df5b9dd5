"""What all judges of a worker share: provider, cache, budget, and the calls under way."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from time import perf_counter

import structlog

from schemas.errors import ConfigError
from schemas.ids import plain_digest
from schemas.settings import JudgeSettings, Settings

from .budget import Budget
from .cache import CachedJudgement, CachedVerdict, InFlight, MemoryCache, VerdictCache
from .cost import Tokens, cost_usd, price_of
from .errors import BudgetExceeded, JudgeError
from .parse import Given, Unparsable, parsed
from .prompt import Brief, correction, messages
from .provider import Completion, Prompt, Provider, refuse
from .retry import Deadline

CHARS_PER_TOKEN = 4  # rough, for the estimate that the budget reserves
ESTIMATED_OUTPUT_TOKENS = 120

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the judge in one call."""

    brief: Brief
    texts: dict[str, str]
    model: str
    temperature: float | None

    @property
    def key(self) -> str:
        """Equal for questions that one answer serves."""
        return plain_digest([self.brief.digest, self.texts, self.model, self.temperature])


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer. `cost_usd` is None where the model has no price, 0 where no call was made for it."""

    given: tuple[Given, ...]
    model: str
    tokens: Tokens
    cost_usd: float | None
    latency_s: float
    cached: bool = False
    budget_share: float = 1.0


class JudgeRuntime:
    """Made once by the worker that judges, on its event loop; the connections open with the first call.

    Parameters
    ----------
    settings : sections `judge` and `prices` are read.
    cache : default: the last 20,000 judgements in memory; `judge.cache: false` turns any cache off.
    budget : default: `judge.budget`, counting this process only.
    """

    def __init__(self, settings: Settings, *, cache: VerdictCache | None = None, budget: Budget | None = None) -> None:
        self.settings, self.prices = settings.judge, settings.prices
        self.provider = Provider(settings.judge)
        self.cache: VerdictCache | None = (cache or MemoryCache()) if settings.judge.cache else None
        self.budget = budget or Budget(settings.judge.budget)
        self.counts: Counter[str] = Counter()
        """Questions by how they ended: asked, cached, shared, corrected, budget, cache_error."""
        self._calls: InFlight[Judgement] = InFlight()

    async def ask(self, question: Question, deadline_s: float) -> Judgement:
        """The judgement, from the cache, from a call already under way, or from a call.

        Raises
        ------
        JudgeError : there is none, for good; at the latest after `deadline_s`.
        BudgetExceeded : it may not be asked for.
        """
        begun, deadline = perf_counter(), Deadline(deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                key = question.key
                held = await self._cached(key)
                if held is not None:
                    self.counts["cached"] += 1
                    return _from_cache(held, perf_counter() - begun)
                if self.cache is None:
                    return await self._asked(question, key, deadline)
                judgement, first = await self._calls.share(key, deadline, lambda own: self._asked(question, key, own))
        except TimeoutError:
            raise JudgeError("DeadlineExceeded", f"no verdict within {deadline_s:.1f} s") from None
        if first:
            return judgement
        self.counts["shared"] += 1
        return Judgement(judgement.given, judgement.model, Tokens(), 0.0, perf_counter() - begun, cached=True)

    async def close(self) -> None:
        """Close the connections; call when nothing is asked any more."""
        await self.provider.close()

    async def _asked(self, question: Question, key: str, deadline: Deadline) -> Judgement:
        conversation = messages(question.brief, question.texts)
        estimate = self._estimate_usd(question, conversation)
        admission = await self.budget.admit(key, estimate)
        if admission is None:
            self.counts["budget"] += 1
            raise BudgetExceeded
        self.counts["asked"] += 1
        spent = _Spending()
        spent.usd = estimate  # what counts if this is cancelled in mid-call
        try:
            judgement = await self._dialogue(question, conversation, deadline, spent, admission.share)
            spent.usd = judgement.cost_usd or 0.0
        except JudgeError as error:
            error.model = spent.model
            error.cost_usd = self._cost(spent, question.model) if spent.model else None
            spent.usd = error.cost_usd or 0.0
            raise
        finally:
            self.budget.settle(admission, spent.usd)
        await self._keep(key, judgement)
        return judgement

    async def _dialogue(
        self, question: Question, conversation: list[dict[str, str]], deadline: Deadline, spent: _Spending, share: float
    ) -> Judgement:
        begun = perf_counter()
        for corrected in (False, True):
            completion = await self.provider.complete(
                Prompt(question.model, conversation, question.brief.response_format, question.temperature), deadline
            )
            spent.add(completion)
            refuse(completion)
            try:
                given = parsed(completion.content, question.brief.rubrics)
            except Unparsable as problem:
                if corrected:
                    broken = completion.finish_reason == "length"
                    raise JudgeError("TruncatedVerdict" if broken else "UnparsableVerdict", str(problem)) from None
                self.counts["corrected"] += 1
                conversation = correction(conversation, completion.content, str(problem))
                continue
            cost = self._cost(spent, question.model)
            latency = perf_counter() - begun
            return Judgement(given, completion.model, spent.tokens, cost, latency, budget_share=share)
        raise AssertionError("unreachable")

    def _cost(self, spent: _Spending, asked: str) -> float | None:
        price = price_of(spent.model or asked, self.prices) or price_of(asked, self.prices)
        return cost_usd(spent.tokens, price)

    def _estimate_usd(self, question: Question, conversation: list[dict[str, str]]) -> float:
        chars = sum(len(message["content"]) for message in conversation)
        tokens = Tokens(chars // CHARS_PER_TOKEN, ESTIMATED_OUTPUT_TOKENS * len(question.brief.rubrics))
        return cost_usd(tokens, price_of(question.model, self.prices)) or 0.0

    async def _cached(self, key: str) -> CachedJudgement | None:
        if self.cache is None:
            return None
        try:
            return await self.cache.get(key)
        except Exception as error:
            self.counts["cache_error"] += 1
            log.warning("verdict_cache_failed", operation="get", error=type(error).__name__)
            return None

    async def _keep(self, key: str, judgement: Judgement) -> None:
        if self.cache is None:
            return
        verdicts = tuple(CachedVerdict(verdict=g.verdict, reason=g.reason) for g in judgement.given)
        try:
            await self.cache.put(key, CachedJudgement(model=judgement.model, verdicts=verdicts))
        except Exception as error:
            self.counts["cache_error"] += 1
            log.warning("verdict_cache_failed", operation="put", error=type(error).__name__)


class _Spending:
    """What the calls of one question used."""

    def __init__(self) -> None:
        self.tokens, self.model, self.usd = Tokens(), None, 0.0  # type: tuple[Tokens, str | None, float]

    def add(self, completion: Completion) -> None:
        self.tokens += completion.tokens
        self.model = completion.model


def require_judge(settings: Settings) -> None:
    """Check that judges can be asked; for workers and commands that do ask.

    Raises
    ------
    ConfigError : there is neither a key nor another endpoint, the endpoint is no URL, or there is a budget that no price can be held against.
    """
    judge: JudgeSettings = settings.judge
    if judge.api_key is None and judge.base_url is None:
        raise ConfigError(
            "LLM judges need a key or an endpoint: set OPENAI_API_KEY, or OPENAI_BASE_URL for another server",
            path="judge",
        )
    if judge.base_url is not None and not judge.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"must begin with http:// or https://, got {judge.base_url!r}", path="judge.base_url")
    if judge.budget.max_cost_usd is None:
        return
    judges = [entry for entry in settings.evaluators if entry.enabled and entry.type == "llm_judge"]
    models = {str(entry.options.get("model") or judge.model) for entry in judges} or {judge.model}
    for model in sorted(models):
        if price_of(model, settings.prices) is None:
            raise ConfigError(f"a budget needs a price: add {model!r} (or a prefix with *) to `prices`", path="prices")


def _from_cache(held: CachedJudgement, latency_s: float) -> Judgement:
    given = tuple(Given(verdict.verdict, verdict.reason) for verdict in held.verdicts)
    return Judgement(given, held.model, Tokens(), 0.0, latency_s, cached=True)
