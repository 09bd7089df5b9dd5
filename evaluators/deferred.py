"""What the deferred evaluators of one worker share, made when first needed: the judge's endpoint and the embedder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Protocol, runtime_checkable

from schemas.settings import Settings

from .embedding.embedder import Embedder
from .judge.budget import Budget
from .judge.cache import VerdictCache
from .judge.runtime import JudgeRuntime, require_judge


class DeferredRuntime:
    """Made by the worker that judges, on its event loop. Nothing is loaded or opened before it is needed.

    Parameters
    ----------
    settings : the whole configuration.
    cache : of verdicts; default: in memory. Not used with `judge.cache: false`.
    budget : default: `judge.budget`, counting this process only.
    """

    def __init__(self, settings: Settings, *, cache: VerdictCache | None = None, budget: Budget | None = None) -> None:
        self.settings = settings
        self._cache, self._budget = cache, budget

    @cached_property
    def judge(self) -> JudgeRuntime:
        """The judge. Raises ConfigError without a key or an endpoint."""
        require_judge(self.settings)
        return JudgeRuntime(self.settings, cache=self._cache, budget=self._budget)

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder. Raises ConfigError without the extra `embeddings`."""
        return Embedder(self.settings.embeddings)

    def attach(self, evaluators: Iterable[object]) -> None:
        """Give every deferred evaluator what it asks through; others are passed over.

        Raises
        ------
        ConfigError : an evaluator needs a key, an endpoint or an extra that is missing.
        """
        for evaluator in evaluators:
            if isinstance(evaluator, Attachable):
                evaluator.attach(self)

    @property
    def judge_in_use(self) -> JudgeRuntime | None:
        """The judge, if an evaluator has asked for one."""
        return vars(self).get("judge")

    async def close(self) -> None:
        """Close connections and end threads; call when no `judge` is under way."""
        if self.judge_in_use is not None:
            await self.judge_in_use.close()
        if "embedder" in vars(self):
            self.embedder.close()


@runtime_checkable
class Attachable(Protocol):
    """An evaluator that needs something of the worker it judges in."""

    def attach(self, runtime: DeferredRuntime) -> None: ...
