"""Google ADK: ``gcp.vertex.agent.*``, beside GenAI attributes.

Source: google/adk-python, ``google/adk/telemetry``. With schema 1 a ``call_llm`` span holds request and response as
JSON, and its child ``generate_content`` repeats the tokens.
"""

from __future__ import annotations

from typing import Any

from ...messages import parse_json
from ..dialect import Dialect, Draft

REQUEST, RESPONSE = "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"
ARGUMENTS, RESULT = "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"
OUTPUTS = "gen_ai.output.messages"
MERGED = "(merged tools)"


def _read_call(draft: Draft) -> None:
    request = _taken(draft, REQUEST)
    response = _taken(draft, RESPONSE)
    if request:
        if "gen_ai.operation.name" not in draft.attributes:
            draft.kind = "llm"
        config: dict[str, Any] = request["config"] if isinstance(request.get("config"), dict) else {}
        draft.offer("request_model", request.get("model"))
        draft.offer("system", config.get("system_instruction"))
        draft.offer("tool_definitions", config.get("tools"))
        draft.offer("inputs", request.get("contents"))
    if response:
        content = response.get("content")
        draft.offer("response_model", response.get("model_version"))
        draft.offer("finish_reasons", response.get("finish_reason"))
        if isinstance(content, dict):
            draft.offer("outputs", [content])
        usage = response.get("usage_metadata")
        if isinstance(usage, dict):
            draft.offer("input_tokens", usage.get("prompt_token_count"))
            draft.offer("output_tokens", usage.get("candidates_token_count"))
            draft.offer("cached_input_tokens", usage.get("cached_content_token_count"))
            draft.offer("reasoning_tokens", usage.get("thoughts_token_count"))


def _read_tool(draft: Draft) -> None:
    """The span that only gathers the answers of parallel calls is no tool call."""
    if draft.attributes.get("gen_ai.tool.name") == MERGED:
        draft.kind = "other"
        for name in (ARGUMENTS, RESULT):
            draft.attributes.pop(name, None)
    for name in (ARGUMENTS, RESULT):
        if draft.attributes.get(name) in ("N/A", "<not specified>", "<not serializable>"):
            del draft.attributes[name]


def _drop_chunks(draft: Draft) -> None:
    """A streamed answer stands there chunk by chunk, without finish reasons, and then whole, with one."""
    said = draft.attributes.get(OUTPUTS)
    if not isinstance(said, str) or said.count("finish_reason") < 2:
        return
    messages = parse_json(said)
    if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
        whole = [message for message in messages if message.get("finish_reason")]
        draft.attributes[OUTPUTS] = whole or messages


def _taken(draft: Draft, name: str) -> dict[str, Any]:
    said = draft.attributes.pop(name, None)
    found = parse_json(said) if isinstance(said, str) else said
    if isinstance(found, dict):
        return found
    if said and said not in ("<not serializable>", "N/A"):
        draft.attributes[name] = said
    return {}


ADK = Dialect(
    name="adk",
    namespaces=frozenset({"gcp"}),
    aliases={
        "arguments": (ARGUMENTS,),
        "result": (RESULT,),
        "session_id": ("gcp.vertex.agent.session_id",),
    },
    before=(_read_call, _read_tool, _drop_chunks),
)
