"""Text that people do not see and models read: tag characters, runs of zero-width ones, bidirectional overrides."""

from __future__ import annotations

import re2

MIN_INVISIBLE = 8
TAG_FIRST, TAG_LAST = 0xE0020, 0xE007E

_TAGS = re2.compile(r"[\x{E0001}-\x{E007F}]{2,}")
_FLAG = re2.compile(r"\x{1F3F4}[\x{E0020}-\x{E007F}]{2,8}")  # a flag of a region (UTS 51) is made of tags
_INVISIBLE = re2.compile(rf"[\x{{200B}}\x{{200C}}\x{{2060}}-\x{{2064}}\x{{FEFF}}\x{{180E}}]{{{MIN_INVISIBLE},}}")
_OVERRIDE = re2.compile(r"\x{202E}[^\x{202C}\n]{4,}")
_MAY = re2.compile(r"[\x{E0001}-\x{E007F}\x{200B}\x{200C}\x{2060}-\x{2064}\x{FEFF}\x{180E}\x{202E}]")


def hidden_text(text: str) -> tuple[str, str] | None:
    """What kind of hidden text there is, and what it says where that can be read."""
    if text.isascii() or not _MAY.search(text):
        return None
    rest = _FLAG.sub("", text)
    tags = _TAGS.search(rest)
    if tags is not None:
        said = "".join(chr(ord(c) - 0xE0000) for c in tags.group(0) if TAG_FIRST <= ord(c) <= TAG_LAST)
        return "tag characters", said
    if _INVISIBLE.search(rest):
        return "zero-width characters", f"{len(_INVISIBLE.search(rest).group(0))} in a row"
    override = _OVERRIDE.search(rest)
    return ("bidirectional override", override.group(0)[1:]) if override is not None else None
