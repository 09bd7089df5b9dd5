"""Bounding a view: texts lose their middle, marked, and short ones are spared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAD_SHARE = 0.4  # what comes last (the end of a conversation, of a document's reasoning) weighs more
MARK = "\n[… {count} characters cut …]\n"


def bounded(texts: Mapping[Any, str], max_chars: int) -> tuple[dict[str, str], int]:
    """`texts` with at most `max_chars` characters in all, and how many were cut.

    Every text may keep an equal share; what short ones leave over goes to the longer ones.
    """
    left, result, cut = max_chars, dict(texts), 0
    for done, name in enumerate(sorted(texts, key=lambda n: (len(texts[n]), n))):
        share = left // (len(texts) - done)
        result[name] = without_middle(texts[name], share)
        cut += max(0, len(texts[name]) - share)
        left -= len(result[name])
    return result, cut


def without_middle(text: str, max_chars: int) -> str:
    """`text`, or its head and tail with a mark between them: never longer than `max_chars`."""
    if len(text) <= max_chars:
        return text
    room = max_chars - len(MARK) - len(str(len(text)))
    if room <= 0:
        return text[:max_chars]
    head = int(room * HEAD_SHARE)
    tail = room - head
    return text[:head] + MARK.format(count=len(text) - head - tail) + text[len(text) - tail :]
