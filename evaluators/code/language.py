"""Type `language`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from schemas.patterns import compiled
from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..languages import Language, language_of
from ..protocol import Answer, Skip, Target, Verdict
from ..text import Piece, pieces

QUOTE_CHARS = 120


class LanguageOptions(Section):
    expected: tuple[str, ...] | None = Field(
        None, description="ISO 639 codes the answer must be in, e.g. [en, de]; default: the user's own."
    )
    min_probability: float = Field(0.8, gt=0, lt=1, description="Less sure of either language is skipped (`unsure`).")
    min_letters: int = Field(20, ge=1, description="Less prose than this is skipped (`too_short`).")


class AnswerLanguage(CodeEvaluator[LanguageOptions]):
    """Fails where an answer is in another language than the user wrote in.

    Languages are told by fastText's model of 176 languages, from prose alone: code, addresses and words with digits are
    left out. Near twins (Danish and Norwegian, Croatian and Serbian) count as one. The label is the answer's language, the
    value how sure it is. Short texts, doubtful ones, and a user who names a language or asks for a translation are
    skipped. Of a trace the final answer is judged.
    """

    Options = LanguageOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span", "trace"))

    @classmethod
    def default_span_kinds(cls, options: LanguageOptions) -> frozenset[SpanKind]:
        return frozenset(("llm",))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        said = pieces(target, "output")
        if not said:
            return ()
        asked = pieces(target, "input") if self.options.expected is None else []
        if self.options.expected is None and not asked:
            return ()
        answer = self._sure("\n".join(piece.text for piece in said))
        if isinstance(answer, Skip):
            return (answer,)
        if self.options.expected is not None:
            wanted = {Language(code.lower(), 1.0, 0).family for code in self.options.expected}
            return (_verdict(answer, wanted, said[0], f"expected is {', '.join(self.options.expected)}", []),)
        text = "\n".join(piece.text for piece in asked)
        if _NAMES_A_LANGUAGE.search(text):
            return (Skip("language_named"),)
        user = self._sure(text)
        if isinstance(user, Skip):
            return (user,)
        return (_verdict(answer, {user.family}, said[0], f"the user writes {user.code}", asked),)

    def _sure(self, text: str) -> Language | Skip:
        found = language_of(text)
        # Scripts without spaces say in a few signs what others say in many letters.
        enough = self.options.min_letters if text.isascii() or found is None or found.family not in _DENSE else 4
        if found is None or found.letters < enough:
            return Skip("too_short")
        return found if found.probability >= self.options.min_probability else Skip("unsure")


_DENSE = frozenset(("zh", "ja", "ko", "th"))
_NAMES_A_LANGUAGE = compiled(
    r"(?i)translat|traduc|traduz|übersetz|перев[её]|翻译|翻訳|번역"
    r"|\b(?:english|german|deutsch\w*|french|français\w*|spanish|español\w*|italian\w*|portugu\w+|dutch|nederlands|polish|polski|russian|русск\w*"
    r"|chinese|mandarin|cantonese|japanese|korean|arabic|hebrew|hindi|turkish|türkçe|swedish|svenska|norwegian|danish|finnish|greek|czech"
    r"|ukrainian|vietnamese|thai|indonesian|latin|esperanto|anglais|inglés|inglese|inglês|englisch\w*|language|sprache|langue|idioma|lingua)\b|中文|英文|英語|日本語|한국어|по-английски|английск"
)


def _verdict(answer: Language, wanted: set[str], said: Piece, why: str, asked: list[Piece]) -> Verdict:
    if answer.family in wanted:
        return Verdict(value=answer.probability, label=answer.code, passed=True)
    return Verdict(
        value=answer.probability,
        label=answer.code,
        passed=False,
        explanation=f"the answer is in {answer.code}, {why}: say in the prompt which language to answer in",
        evidence=tuple(
            Evidence(span_id=piece.span_id, path=piece.path, quote=piece.text[:QUOTE_CHARS])
            for piece in (said, *asked[:1])
        ),
        blamed_span_id=said.span_id,
    )
