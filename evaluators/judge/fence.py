"""Fencing untrusted text: a marker that nobody can know beforehand, and nothing inside that looks like one."""

from __future__ import annotations

import re2

NEUTRAL = "\N{REPLACEMENT CHARACTER}"
_MARKER = re2.compile(r"(?i)\[\[(\s*(?:BEGIN|END)\b)")
# Control tokens of chat templates, which some servers honour inside a message.
_CONTROL = re2.compile(r"<(\|[A-Za-z_/ ]{0,40}\|?>?)|\[(/?(?:INST|SYS)\])|<(</?SYS>>)")
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
# C0 controls but tab and newline, bidirectional overrides, zero-width signs, the invisible tag alphabet.
_INVISIBLE = re2.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


def fenced(name: str, text: str, code: str) -> str:
    """`text` between markers that carry `code`, which must be random for each call."""
    return f"[[BEGIN {name} {code}]]\n{neutral(text).replace(code, NEUTRAL)}\n[[END {name} {code}]]"


def neutral(text: str) -> str:
    """`text` without anything that looks like a marker, a chat template's control token, or cannot be seen."""
    raw = text.encode("utf-8", "replace")  # lone surrogates
    text = raw.decode()
    # The plain comparisons spare most texts the expressions, which take longer than all the rest of a prompt.
    if not raw.isascii() or len(raw.translate(None, _CONTROLS)) < len(raw):
        text = _INVISIBLE.sub(NEUTRAL, text)
    if "[[" in text:
        text = _MARKER.sub(r"[ [\1", text)
    if "<|" in text or "INST]" in text or "SYS>>" in text:
        text = _CONTROL.sub(lambda match: f"< {match.group(1) or match.group(2) or match.group(3)}", text)
    return text
