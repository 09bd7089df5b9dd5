"""Fencing untrusted text: a marker that nobody can know beforehand, and nothing inside that looks like one."""

from __future__ import annotations

import re2

NEUTRAL = "\N{REPLACEMENT CHARACTER}"
_MARKER = re2.compile(r"(?i)[\[［]{2}(\s*(?:BEGIN|END)\b)")
# Control tokens of chat templates, which some servers honour inside a message: ChatML and Llama 3, DeepSeek, Gemma, the
# beginning and end of a text, Mistral, Llama 2. What follows the first sign of each is kept, behind a space.
_CONTROL = re2.compile(
    r"<(\|[A-Za-z_/ ]{0,40}\|?>?)|<(｜[^｜\n]{0,40}｜?>?)|<((?:start|end)_of_turn>|/?s>|[be]os>)"
    r"|\[(/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT)\])|<(</?SYS>>)"
)
_CONTROL_SIGNS = ("<|", "<｜", "_turn>", "s>", "INST]", "SYS]", "PROMPT]", "TOOL", "SYS>>")
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
    if "[[" in text or "［" in text:
        text = _MARKER.sub(r"[ [\1", text)
    if any(sign in text for sign in _CONTROL_SIGNS):
        text = _CONTROL.sub(_apart, text)
    return text


def _apart(match: re2._Match) -> str:
    """The token with a space behind its first sign."""
    return f"{match.group()[0]} {match.group()[1:]}"
