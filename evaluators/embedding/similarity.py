"""`embedding_similarity`: how near a text is to reference texts, or two texts of one target to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field, model_validator

from schemas.settings import Section

from ..protocol import Answer, Verdict
from ..text import TextChoice
from .evaluator import EmbeddingEvaluator


class EmbeddingSimilarityOptions(Section):
    """Give `reference` or `between`."""

    text: TextChoice = Field("output", description="What is compared with the reference.")
    reference: str | tuple[str, ...] | None = Field(None, description="One or several; the nearest counts.")
    between: tuple[TextChoice, TextChoice] | None = Field(None, description="Two texts, such as [input, output].")
    threshold: float | None = Field(None, ge=0, le=1, description="Passed when the similarity is at least this.")

    @model_validator(mode="after")
    def _one_of(self) -> EmbeddingSimilarityOptions:
        if (self.reference is None) == (self.between is None):
            raise ValueError("give exactly one of reference and between")
        if self.reference is not None and not all(map(str.strip, _listed(self.reference))):
            raise ValueError("a reference is empty")
        if not _listed(self.reference) and self.between is None:
            raise ValueError("there is no reference")
        if self.between is not None and self.between[0] == self.between[1]:
            raise ValueError("between needs two different texts")
        return self


class EmbeddingSimilarity(EmbeddingEvaluator[EmbeddingSimilarityOptions]):
    """Value: cosine similarity, with what is below 0 (unrelated) as 0; the cosine itself stands in the attributes."""

    Options = EmbeddingSimilarityOptions

    @classmethod
    def choices(cls, options: EmbeddingSimilarityOptions) -> tuple[TextChoice, ...]:
        return options.between or (options.text,)

    def references(self) -> Sequence[str]:
        return _listed(self.options.reference)

    def answer(self, texts: Mapping[str, np.ndarray], references: Sequence[np.ndarray]) -> Answer:
        options, model = self.options, self.environment.settings.embeddings.model
        if options.between is not None:
            first, second = options.between
            cosine = float(texts[first] @ texts[second])
            said = f"cosine of {first} and {second} {cosine:.3f}"
        else:
            cosines = [float(texts[options.text] @ reference) for reference in references]
            nearest = int(np.argmax(cosines))
            cosine = cosines[nearest]
            said = f"cosine to reference {nearest + 1} of {len(cosines)} {cosine:.3f}"
        value = min(1.0, max(0.0, cosine))
        passed = None if options.threshold is None else value >= options.threshold
        return Verdict(value=value, passed=passed, explanation=said, model=model, attributes={"cosine": cosine})


def _listed(reference: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (reference,) if isinstance(reference, str) else reference or ()
