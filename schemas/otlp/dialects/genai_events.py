"""GenAI content in span events: the per-message events of older conventions and the operation-details event.

Source: open-telemetry/semantic-conventions, ``docs/gen-ai/gen-ai-events.md``, at 1.27 (``gen_ai.content.*``), 1.28 to
1.36 (``gen_ai.*.message``, ``gen_ai.choice``) and since (``gen_ai.client.inference.operation.details``). Strands
writes its own blocks into these events; Azure's SDK puts the body into ``gen_ai.event.content``.
"""

from __future__ import annotations

from typing import Any

from ...messages import parse_json
from ..dialect import Draft
from ..raw import RawEvent

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CONTENT = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


def read_events(draft: Draft) -> None:
    """Claim the events that hold messages."""
    if not draft.events:
        return
    kept: list[RawEvent] = []
    for event in draft.events:
        body = _body(event)
        if event.name == DETAILS:
            _read_details(draft, body)
        elif event.name in _CONTENT and _CONTENT[event.name] in body:
            role, target = ("user", "in") if event.name == "gen_ai.content.prompt" else ("assistant", "out")
            _add(draft, target, body[_CONTENT[event.name]], role)
        elif draft.kind == "tool" and event.name in ("gen_ai.tool.message", CHOICE):
            draft.offer("tool_call_id", body.get("id"))
            draft.offer(
                *(("result", body.get("message")) if event.name == CHOICE else ("arguments", body.get("content")))
            )
        elif event.name in _ROLES:
            _add(draft, "in", [_message(body, _ROLES[event.name])], _ROLES[event.name])
        elif event.name == CHOICE:
            _read_choice(draft, body)
        else:
            kept.append(event)
    draft.events = kept


def read_event_list(draft: Draft, events: Any) -> None:
    """The same events as a JSON list in an attribute (pydantic-ai before version 2)."""
    listed = parse_json(events) if isinstance(events, str) else events
    for body in listed if isinstance(listed, list) else []:
        name = body.get("event.name") if isinstance(body, dict) else None
        if not isinstance(name, str):
            continue
        if name in _ROLES:
            _add(draft, "in", [_message(body, _ROLES[name])], _ROLES[name])
        elif name == CHOICE:
            _read_choice(draft, body)


def _body(event: RawEvent) -> dict[str, Any]:
    said = event.attributes.get("gen_ai.event.content")
    inner = parse_json(said) if isinstance(said, str) else said
    return {**event.attributes, **inner} if isinstance(inner, dict) else event.attributes


def _read_details(draft: Draft, body: dict[str, Any]) -> None:
    draft.offer("system", body.get("gen_ai.system_instructions"))
    draft.offer("tool_definitions", body.get("gen_ai.tool.definitions"))
    if "gen_ai.input.messages" in body:
        _add(draft, "in", body["gen_ai.input.messages"], "user")
    if "gen_ai.output.messages" in body:
        _add(draft, "out", body["gen_ai.output.messages"], "assistant")


def _read_choice(draft: Draft, body: dict[str, Any]) -> None:
    message = body.get("message", body.get("content"))
    reason = body.get("finish_reason")
    if isinstance(reason, str) and reason:
        draft.reasons += (reason,)
    _add(draft, "out", [_message({"content": message}, "assistant")], "assistant")
    if "tool.result" in body:
        _add(draft, "out", [_message({"content": body["tool.result"]}, "tool")], "tool")


def _message(body: dict[str, Any], role: str) -> dict[str, Any]:
    content = body.get("content")
    whole = parse_json(content) if isinstance(content, str) and content[:1] == "{" else None
    if isinstance(whole, dict) and "role" in whole:
        content = whole
    if isinstance(content, dict) and ("content" in content or "tool_calls" in content or "role" in content):
        return {"role": role, **content}
    raw: dict[str, Any] = {name: body[name] for name in ("role", "name", "tool_calls", "tool_call_id") if name in body}
    raw.setdefault("role", role)
    if role == "tool" and "id" in body:
        raw.setdefault("tool_call_id", body["id"])
    parsed = parse_json(content) if isinstance(content, str) and content[:1] == "[" else None
    return {**raw, "content": parsed if isinstance(parsed, list) else content}


def _add(draft: Draft, where: str, value: Any, role: str) -> None:
    digests, reasons = draft.book.add(value, role)
    if where == "in":
        draft.inputs += digests
    else:
        draft.outputs += digests
        draft.reasons += reasons
