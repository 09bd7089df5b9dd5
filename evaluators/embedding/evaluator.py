"""Common part of the evaluators that need vectors: what they see, and how they end when there is no vector."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from schemas.judge_request import View
from schemas.score import TargetKind
from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import DeferredBase, Environment
from ..protocol import Answer, Failure, Skip, Target
from ..text import KINDS_WITH_TEXT, TextChoice, pieces

if TYPE_CHECKING:
    from ..deferred import DeferredRuntime
    from .embedder import Embedder

MAX_ERROR_CHARS = 500

OptionsT = TypeVar("OptionsT", bound=Section)


class EmbeddingEvaluator(DeferredBase[OptionsT]):
    """The evaluate worker calls `view` and loads nothing; the judge worker attaches a `DeferredRuntime`."""

    default_target: ClassVar[TargetKind] = "trace"
    gives_vectors: ClassVar[bool] = False
    _embedder: Embedder | None = None

    @classmethod
    def default_span_kinds(cls, options: OptionsT) -> frozenset[SpanKind]:
        return frozenset().union(*(KINDS_WITH_TEXT[choice] for choice in cls.choices(options)))

    @classmethod
    def version_basis(cls, options: OptionsT, environment: Environment) -> Any:
        embeddings = environment.settings.embeddings
        return [embeddings.model, embeddings.max_chars]

    @classmethod
    @abstractmethod
    def choices(cls, options: OptionsT) -> tuple[TextChoice, ...]:
        """The texts that are needed; without one of them it does not apply."""

    @abstractmethod
    def answer(self, texts: Mapping[str, np.ndarray], references: Sequence[np.ndarray]) -> Answer:
        """From the vectors of the view's texts and of `references()`."""

    def references(self) -> Sequence[str]:
        """Texts of the options that every view is compared with."""
        return ()

    def attach(self, runtime: DeferredRuntime) -> None:
        """Give it the embedder; before the first `judge`."""
        self._embedder = runtime.embedder

    def view(self, target: Target) -> View | Skip | None:
        """The texts, bounded. None when one does not exist, a skip when it was cut away."""
        limit = self.environment.settings.embeddings.max_chars
        fields: dict[str, Any] = {}
        for choice in self.choices(self.options):  # type: ignore[arg-type]
            text = "\n".join(piece.text for piece in pieces(target, choice)).strip()
            if not text:
                return Skip("truncated") if target.span is not None and target.span.truncated else None
            fields[choice] = text[:limit]
        return self.make_view(target, fields)

    async def judge(self, views: Sequence[View], deadline_s: float) -> list[list[Answer]]:
        """One answer for each view; texts of all views and of concurrent calls share batches."""
        return list(await asyncio.gather(*(self._judge(view, deadline_s) for view in views)))

    async def _judge(self, view: View, deadline_s: float) -> list[Answer]:
        if self._embedder is None:
            raise RuntimeError("attach a DeferredRuntime first")
        fields = {name: text for name, text in view.fields.items() if isinstance(text, str)}
        try:
            async with asyncio.timeout(deadline_s):
                vectors = await self._embedder.embed([*fields.values(), *self.references()])
        except TimeoutError:
            return [Failure("DeadlineExceeded", f"no vector within {deadline_s:.1f} s")]
        except Exception as error:
            return [Failure(type(error).__name__, str(error)[:MAX_ERROR_CHARS])]
        return [self.answer(dict(zip(fields, vectors, strict=False)), vectors[len(fields) :])]
