"""The messages and tool definitions met while reading, each parsed, digested and held once."""

from __future__ import annotations

from typing import Any

import orjson

from ..ids import Hasher
from ..trace import Message, ToolCall
from .parsing import parse_json
from .shapes import Plain, finish_reason_of, flat, plain, read_message
from .tools import read_tool_definitions


class MessageBook:
    """Messages by digest, tool sets by digest, and what was already read of the record at hand.

    A conversation is repeated in every call of an agent: a message that was read before costs one look at its
    bytes. Make one for each record, so that nothing is held longer.
    """

    def __init__(self, hasher: Hasher) -> None:
        self.messages: dict[str, Message] = {}
        self.tool_sets: dict[str, tuple[dict[str, Any], ...]] = {}
        self._hasher = hasher
        self._read: dict[tuple[str, bytes], tuple[tuple[str, ...], str | None]] = {}
        self._lists: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._tools: dict[str | bytes, str | None] = {}

    def add(self, raw: Any, role: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read messages of any shape: their digests, and the finish reasons that stood on them."""
        if isinstance(raw, str):
            known = self._lists.get((role, raw))
            if known is None:
                known = self._lists[role, raw] = self._add(raw, role)
            return known
        return self._add(raw, role)

    def add_system(self, raw: Any) -> tuple[str, ...]:
        """Read system instructions: text, messages, or parts without a role, which are one message."""
        key = ("instructions", raw) if isinstance(raw, str) else None
        if key is not None and key in self._lists:
            return self._lists[key][0]
        parsed = parse_json(raw) if isinstance(raw, str) else raw
        if isinstance(parsed, list) and not any(isinstance(item, dict) and "role" in item for item in parsed):
            parsed = [{"role": "system", "parts": parsed}]
        found = self._add(raw if parsed is None else parsed, "system")
        if key is not None:
            self._lists[key] = found
        return found[0]

    def put(self, message: Plain) -> str:
        """Hold a plain message; its digest."""
        digest = self._hasher.digest(message)
        if digest not in self.messages:
            calls = tuple(ToolCall(**call) for call in message.get("tool_calls", ()))
            others = {name: value for name, value in message.items() if name != "tool_calls"}
            self.messages[digest] = Message(digest=digest, tool_calls=calls, **others)
        return digest

    def put_text(self, role: str, text: str) -> str:
        return self.put(plain(role, text))

    def add_tools(self, raw: Any) -> str | None:
        """Hold a set of tool definitions of any shape; its digest, or None when there are none."""
        key = raw if isinstance(raw, str) else orjson.dumps(raw, option=orjson.OPT_NON_STR_KEYS)
        if key not in self._tools:
            definitions = read_tool_definitions(raw)
            self._tools[key] = digest = self._hasher.digest(definitions) if definitions else None
            if digest:
                self.tool_sets.setdefault(digest, definitions)
        return self._tools[key]

    def _add(self, raw: Any, role: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        digests: list[str] = []
        reasons: list[str] = []
        for item in flat(raw):
            found, reason = self._one(item, role)
            digests += found
            if reason:
                reasons.append(reason)
        return tuple(digests), tuple(reasons)

    def _one(self, item: Any, role: str) -> tuple[tuple[str, ...], str | None]:
        key = (role, orjson.dumps(item, option=orjson.OPT_NON_STR_KEYS))
        found = self._read.get(key)
        if found is None:
            digests = tuple(self.put(message) for message in read_message(item, role))
            found = self._read[key] = (digests, finish_reason_of(item))
        return found
