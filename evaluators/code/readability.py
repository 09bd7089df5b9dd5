"""Type `readability`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from schemas.patterns import compiled
from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Skip, Target, Verdict
from ..text import KINDS_WITH_TEXT, TextOptions, pieces

MAX_CHARS = 50_000
MIN_COMMON_SHARE = 0.15
DIGITS = 2
WORDS_REMEMBERED = 16_384


class ReadabilityOptions(TextOptions):
    formula: Literal["ease", "grade"] = Field(
        "ease", description="The value: Flesch reading ease (100 easy, 0 hard) or Flesch-Kincaid grade (school years)."
    )
    min: float | None = Field(None, description="A lower value fails.")
    max: float | None = Field(None, description="A higher value fails.")
    min_words: int = Field(30, ge=1, description="Shorter texts are skipped (`too_short`).")

    @model_validator(mode="after")
    def _ordered(self) -> ReadabilityOptions:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be above max ({self.max})")
        return self


class Readability(CodeEvaluator[ReadabilityOptions]):
    """Measures how hard an English text is to read; fails outside `min` and `max`, where given.

    Flesch reading ease (Flesch 1948) or Flesch-Kincaid grade (Kincaid et al. 1975) from words a sentence and syllables a
    word; syllables are counted by rules, so now and then wrongly. Code, tables and addresses are left out, a list
    item is a sentence. Texts that are short or not English are skipped. What a text says is not asked.
    """

    Options = ReadabilityOptions

    @classmethod
    def default_span_kinds(cls, options: ReadabilityOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        counts = counts_of("\n".join(piece.text for piece in found))
        if counts.words < self.options.min_words:
            return (Skip("too_short"),)
        if counts.common < MIN_COMMON_SHARE * counts.words:
            return (Skip("not_english"),)
        value = round(counts.ease if self.options.formula == "ease" else counts.grade, DIGITS)
        low, high = self.options.min, self.options.max
        if low is None and high is None:
            return (Verdict(value=value),)
        passed = (low is None or value >= low) and (high is None or value <= high)
        told = f"{counts.words / counts.sentences:.1f} words a sentence, {counts.syllables / counts.words:.2f} syllables a word"
        evidence = () if passed else (Evidence(span_id=found[0].span_id, path=found[0].path, quote=counts.longest),)
        explanation = "" if passed else f"{self.options.formula} {value}: {told}; shorten the sentences"
        return (Verdict(value=value, passed=passed, explanation=explanation, evidence=evidence),)


class Counts(NamedTuple):
    """What the formulas need; `common` counts frequent English words, `longest` is the longest sentence."""

    words: int
    sentences: int
    syllables: int
    common: int
    longest: str

    @property
    def ease(self) -> float:
        return 206.835 - 1.015 * self.words / self.sentences - 84.6 * self.syllables / self.words

    @property
    def grade(self) -> float:
        return 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59


_NO_PROSE = compiled(r"(?s)```.*?(?:```|\z)|`[^`]*`|https?://\S+|(?m:^\s*\|.*$)")
_SENTENCE_END = compiled(r"[.!?]+[\"')\]]*(?:\s+|\z)|\n\s*\n|\n\s*(?:[-*•]|\d+[.)])\s+|:\s*\n")
_WORD = compiled(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_VOWELS = compiled(r"[aeiouy]+")
_SILENT = compiled(r"(?:[^aeiouyl]e|[^aeiouytd]ed|[^aeiouycsgxz]es)$")
_SPLIT_VOWELS = compiled(r"i[ao]|[^q]ua|[^p]eo|[aeiou]ing|uou|iu|creat|dea$|sci[ae]")
_JOINED_VOWELS = compiled(r"[tcsg]i(?:o|a)|eou")
_ABBREVIATION = compiled(r"\b(?:e\.g|i\.e|[Mm]rs?|[Dd]r|[Pp]rof|[Ss]t|vs|etc|[Nn]o|[AaPp]\.[Mm])\.")
_COMMON = frozenset(
    [
        "the",
        "be",
        "to",
        "of",
        "and",
        "a",
        "in",
        "that",
        "have",
        "i",
        "it",
        "for",
        "not",
        "on",
        "with",
        "he",
        "as",
        "you",
        "do",
        "at",
        "this",
        "but",
        "his",
        "by",
        "from",
        "they",
        "we",
        "say",
        "her",
        "she",
        "or",
        "an",
        "will",
        "my",
        "one",
        "all",
        "would",
        "there",
        "their",
        "what",
        "so",
        "up",
        "out",
        "if",
        "about",
        "who",
        "get",
        "which",
        "go",
        "me",
        "when",
        "make",
        "can",
        "like",
        "time",
        "no",
        "just",
        "him",
        "know",
        "take",
        "is",
        "are",
        "was",
        "were",
        "has",
        "had",
        "been",
        "your",
        "please",
        "our",
        "us",
    ]
)


def counts_of(text: str) -> Counts:
    """Words, sentences and syllables of a text's prose."""
    prose = _ABBREVIATION.sub(" ", _NO_PROSE.sub(" ", text[:MAX_CHARS]))
    sentences = [part.strip() for part in _SENTENCE_END.split(prose) if part and _WORD.search(part)]
    words = [word.lower() for word in _WORD.findall(prose)]
    longest = max(sentences, key=len, default="")
    return Counts(
        len(words), max(len(sentences), 1), sum(map(syllables, words)), sum(word in _COMMON for word in words), longest
    )


@lru_cache(maxsize=WORDS_REMEMBERED)
def syllables(word: str) -> int:
    """Syllables of an English word in lower case, by rules: groups of vowels, less what is silent."""
    groups = len(_VOWELS.findall(word))
    if groups > 1 and _SILENT.search(word):
        groups -= 1
    split = len(_SPLIT_VOWELS.findall(word)) - len(_JOINED_VOWELS.findall(word))
    return max(groups + max(split, 0), 1)
