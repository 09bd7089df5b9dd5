"""One message of any shape as plain messages.

The shape is told by its structure, not by its sender: GenAI parts, OpenAI chat and Responses items, Anthropic and
Bedrock blocks, Google contents, LangChain dumps, or bare text. One received message can hold several of ours: each
tool result becomes a message of role ``tool`` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .parsing import parse_json
from .parts import Collected, read_part
from .results import result_text

Plain = dict[str, Any]
"""A message without its digest and without the fields that hold their default: the form that is digested."""

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
    "tool": "tool",
    "function": "tool",
}
_LANGCHAIN_CLASSES = {
    "SystemMessage": "system",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
    "ChatMessage": "user",
}
_ITEM_TYPES = frozenset({"function_call", "function_call_output", "reasoning"})


def read_messages(value: Any, role: str) -> tuple[list[Plain], list[str]]:
    """The messages in a value, and the finish reasons that stood on them.

    Parameters
    ----------
    value : one message, a list of them (lists of lists are flattened), or text.
    role : the role of a message that names none.
    """
    found: list[Plain] = []
    reasons: list[str] = []
    for raw in flat(value):
        found += read_message(raw, role)
        reason = finish_reason_of(raw)
        if reason:
            reasons.append(reason)
    return found, reasons


def read_message(raw: Any, role: str) -> list[Plain]:
    """One received message as plain ones; nothing for what holds nothing."""
    if isinstance(raw, str):
        return [plain(role, raw)] if raw else []
    if not isinstance(raw, dict):
        return []
    raw, role = _body(raw, role)
    collected = Collected()
    if _word(raw, "type") in _ITEM_TYPES and "role" not in raw:
        read_part(raw, collected)
        return _assembled(collected, "assistant", None)
    if isinstance(raw.get("parts"), list):
        for part in raw["parts"]:
            read_part(part, collected)
    if role == "tool" and "parts" not in raw:
        _read_blocks_of_results(raw.get("content"), collected)
        return collected.results or [_tool_result(raw)]
    _read_content(raw.get("content"), collected)
    for call in _calls(raw):
        read_part(call, collected)
    if role == "tool" and raw.get("tool_call_id") and not collected.results:
        return [_tool_result({**raw, "content": "\n".join(collected.texts)})]
    reasoning = raw.get("reasoning_content", raw.get("reasoning"))
    if isinstance(reasoning, str) and reasoning:
        collected.reasoning.append(reasoning)
    if isinstance(raw.get("refusal"), str) and raw["refusal"]:
        collected.texts.append(raw["refusal"])
    return _assembled(collected, role, raw.get("name"))


def plain(role: str, content: str = "", **others: Any) -> Plain:
    """A plain message; empty fields are left out."""
    found: Plain = {"role": role}
    if content:
        found["content"] = content
    for name, value in others.items():
        if value:
            found[name] = value
    return found


def finish_reason_of(raw: Any) -> str | None:
    """The finish reason that stands on a message (GenAI output messages have one each)."""
    reason = raw.get("finish_reason", raw.get("finishReason")) if isinstance(raw, dict) else None
    return reason if isinstance(reason, str) and reason else None


def flat(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        parsed = parse_json(value)
        value = value if parsed is None or isinstance(parsed, str) else parsed
    if not isinstance(value, list):
        return [value]
    flat: list[Any] = []
    for item in value:
        flat += item if isinstance(item, list) else [item]
    return flat


def _body(raw: dict[str, Any], role: str) -> tuple[dict[str, Any], str]:
    """The fields of a message inside its wrapping, and its role."""
    kind = raw.get("type")
    if isinstance(raw.get("data"), dict) and isinstance(kind, str):
        raw = raw["data"]
    elif isinstance(raw.get("kwargs"), dict) and isinstance(raw.get("id"), list) and raw["id"]:
        role = _LANGCHAIN_CLASSES.get(str(raw["id"][-1]), role)
        raw, kind = raw["kwargs"], raw["kwargs"].get("type")
    elif isinstance(raw.get("message"), dict) and "role" not in raw:
        raw = raw["message"]
    said = raw.get("role", kind if isinstance(kind, str) and kind in _ROLES else None)
    return raw, _ROLES.get(said.lower(), role) if isinstance(said, str) else role


def _read_content(content: Any, collected: Collected) -> None:
    if isinstance(content, str):
        blocks = parse_json(content) if content[:1] == "[" else None
        if isinstance(blocks, list) and blocks and all(_is_block(block) for block in blocks):
            content = blocks
        else:
            if content:
                collected.texts.append(content)
            return
    if isinstance(content, dict) and isinstance(content.get("parts"), list):
        content = content["parts"]
    for part in content if isinstance(content, list) else [] if content is None else [content]:
        read_part(part, collected)


def _read_blocks_of_results(content: Any, collected: Collected) -> None:
    """Several results in one message of role ``tool`` (Bedrock's and Anthropic's blocks)."""
    blocks = parse_json(content) if isinstance(content, str) and content[:1] == "[" else content
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return
    if any("toolResult" in block or block.get("type") == "tool_result" for block in blocks):
        for block in blocks:
            read_part(block, collected)


def _is_block(block: Any) -> bool:
    return isinstance(block, dict) and (
        (isinstance(block.get("type"), str) and ("text" in block or len(block) > 1))
        or block.keys() <= {"text", "toolUse", "toolResult", "reasoningContent", "image", "document"}
    )


def _calls(raw: dict[str, Any]) -> list[Any]:
    calls = raw.get("tool_calls", raw.get("toolCalls"))
    found = (
        [{"type": "tool_call", **call} for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    )
    if isinstance(raw.get("function_call"), dict):
        found.append({"type": "tool_call", "function": raw["function_call"]})
    return found


def _tool_result(raw: dict[str, Any]) -> Plain:
    content = raw.get("content", raw.get("output", raw.get("response", raw.get("result"))))
    call_id = raw.get("tool_call_id", raw.get("toolCallId", raw.get("call_id", raw.get("id"))))
    return plain("tool", result_text(content), tool_call_id=_text(call_id), name=_text(raw.get("name")))


def _assembled(collected: Collected, role: str, name: Any) -> list[Plain]:
    found: list[Plain] = []
    if collected.texts or collected.calls or collected.reasoning or collected.parts or not collected.results:
        found.append(
            plain(
                "assistant" if collected.calls else role,
                "\n".join(collected.texts),
                tool_calls=collected.calls,
                name=_text(name),
                reasoning="\n".join(collected.reasoning),
                parts=collected.parts,
            )
        )
    return collected.results + found


def _word(raw: dict[str, Any], name: str) -> str:
    found = raw.get(name)
    return found if isinstance(found, str) else ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
