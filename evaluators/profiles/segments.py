"""A prompt as a list of segments that can be compared: its lines, long ones cut into sentences, without what varies by its
nature (dates, times, ids, addresses, redaction tokens)."""

from __future__ import annotations

from functools import lru_cache

from schemas.ids import plain_digest
from schemas.patterns import compiled

from ..text import whole_text

MAX_SEGMENTS = 200
MAX_SEGMENT_CHARS = 200
MAX_LINE_CHARS = 300
MAX_PROMPT_CHARS = 60_000
REMEMBERED = 256

_VARIES = compiled(
    r"\[[A-Z_]+:[0-9a-f]{6}\]|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b"
    r"|\b[\w.+-]+@[\w-]+\.[\w.]+\b|\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?\b|\b\d{5,}\b"
    r"|(?i:\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b)"
    r"|(?i:\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}\b)"
)
_SENTENCE = compiled(r"[^.!?]+[.!?]*\s*")
_SPACE = compiled(r"\s+")


@lru_cache(maxsize=REMEMBERED)
def segments_of(text: str) -> tuple[str, ...]:
    """The distinct segments of a text, in order; at most `MAX_SEGMENTS`, the last of which then stands for the rest."""
    lines = _VARIES.sub("…", whole_text(text[:MAX_PROMPT_CHARS])).split("\n")
    found: dict[str, None] = {}
    for line in lines:
        plain = _SPACE.sub(" ", line).strip()
        for piece in [plain] if len(plain) <= MAX_LINE_CHARS else _SENTENCE.findall(plain):
            if piece.strip():
                found[bounded(piece.strip())] = None
    pieces = list(found)
    if len(pieces) > MAX_SEGMENTS:
        pieces = [*pieces[: MAX_SEGMENTS - 1], f"…~{plain_digest(pieces[MAX_SEGMENTS - 1 :])[:8]}"]
    return tuple(pieces)


def bounded(text: str, most: int = MAX_SEGMENT_CHARS) -> str:
    """A text at a bounded length; two long ones that differ stay different."""
    return text if len(text) <= most else f"{text[: most - 9]}~{plain_digest(text)[:8]}"
