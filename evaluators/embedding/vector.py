"""`embedding`: the vector of a text, for the monitor to watch where the texts move. It gives no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from schemas.settings import Section

from ..protocol import Answer, Verdict
from ..text import TextChoice
from .evaluator import EmbeddingEvaluator


class EmbeddingVectorOptions(Section):
    """Which text."""

    text: Literal["input", "output"] = Field(
        "input", description="input: what the user said last; output: what the model said, of a trace its final answer."
    )


class EmbeddingVector(EmbeddingEvaluator[EmbeddingVectorOptions]):
    """Always `scored`, with value None; the vector is normalised and goes to the monitor as float16."""

    Options = EmbeddingVectorOptions
    gives_vectors: ClassVar[bool] = True

    @classmethod
    def choices(cls, options: EmbeddingVectorOptions) -> tuple[TextChoice, ...]:
        return (options.text,)

    def answer(self, texts: Mapping[str, np.ndarray], references: Sequence[np.ndarray]) -> Answer:
        vector = texts[self.options.text]
        model = self.environment.settings.embeddings.model
        return Verdict(vector=tuple(vector.tolist()), model=model)
