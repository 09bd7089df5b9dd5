"""OpenInference (Arize): ``openinference.span.kind``, flattened ``llm.*``, ``input.value``, ``tool.*``.

Source: Arize-ai/openinference, ``spec/semantic_conventions.md``.
"""

from __future__ import annotations

from typing import Any

from ...messages import parse_json
from ..dialect import Dialect, Draft
from ..flat import take_groups

INPUTS, OUTPUTS, TOOLS = "llm.input_messages", "llm.output_messages", "llm.tools"
PROMPTS, CHOICES = "llm.prompts", "llm.choices"
RETRIEVED, RERANKED = "retrieval.documents", "reranker.output_documents"
_GENERATED = frozenset("0123456789abcdef-")
_PREFIXES = frozenset({INPUTS, OUTPUTS, TOOLS, PROMPTS, CHOICES, RETRIEVED, RERANKED})


def _read_flattened(draft: Draft) -> None:
    groups = take_groups(draft, _PREFIXES)
    if INPUTS in groups:
        draft.inputs, _ = draft.book.add(_uncut(draft, [_message(item) for item in groups[INPUTS]]), "user")
    elif PROMPTS in groups:
        draft.inputs, _ = draft.book.add([_text(item, "prompt") for item in groups[PROMPTS]], "user")
    if OUTPUTS in groups:
        draft.outputs, draft.reasons = draft.book.add([_message(item) for item in groups[OUTPUTS]], "assistant")
    elif CHOICES in groups:
        draft.outputs, _ = draft.book.add([_text(item, "completion") for item in groups[CHOICES]], "assistant")
    if TOOLS in groups:
        draft.offer("tool_definitions", [_tool(item) for item in groups[TOOLS]])
    documents = groups.get(RERANKED, groups.get(RETRIEVED))
    if documents:
        draft.offer("documents", [_document(item) for item in documents])


def _uncut(draft: Draft, messages: list[Any]) -> list[Any]:
    """Without the first message when an attribute limit took its role (and who knows what else) away."""
    first = messages[0] if messages else None
    cut = draft.raw.dropped_attributes > 0 and isinstance(first, dict) and "role" not in first
    return messages[1:] if cut else messages


def _read_parameters(draft: Draft) -> None:
    """The model asked for. OpenAI's agents write the *response* here: then the model is the returned one."""
    said = draft.attributes.get("llm.invocation_parameters")
    parameters = parse_json(said) if isinstance(said, str) else None
    named = draft.attributes.pop("llm.model_name", None)
    if named:
        draft.fields["model_name"] = named
    if isinstance(parameters, dict):
        if "created_at" in parameters or "object" in parameters:
            draft.offer("response_model", parameters.get("model"))
        elif parameters.get("model") or parameters.get("model_name"):
            draft.offer("request_model", parameters.get("model") or parameters["model_name"])
        elif named:
            # Who leaves the model out of the parameters writes the one asked for here (OpenAI's agents, Agno, LiteLLM).
            draft.offer("request_model", draft.fields.pop("model_name"))


def _read_metadata(draft: Draft) -> None:
    """LangChain names its agent in the metadata of every step."""
    said = draft.attributes.get("metadata")
    metadata = parse_json(said) if isinstance(said, str) else said
    if isinstance(metadata, dict):
        draft.offer("agent_name", metadata.get("lc_agent_name"))
        draft.offer("session_id", metadata.get("session_id") or metadata.get("thread_id"))


def _read_first_token(draft: Draft) -> None:
    for event in draft.take_event("First Token Stream Event"):
        draft.offer("time_to_first_token_s", draft.seconds_until(event.time_ns))


def _name_agent(draft: Draft) -> None:
    if draft.kind == "agent":
        node = draft.attributes.get("graph.node.id")
        draft.offer("agent_name", node if isinstance(node, str) and not _GENERATED.issuperset(node) else None)
        draft.offer("agent_name", draft.raw.name)


def _message(item: Any) -> Any:
    message = item.get("message", item) if isinstance(item, dict) else item
    if not isinstance(message, dict):
        return message
    raw = {name: message[name] for name in ("role", "name", "tool_call_id", "finish_reason") if name in message}
    contents = message.get("contents")
    if isinstance(contents, list) and contents:
        raw["content"] = [c.get("message_content", c) if isinstance(c, dict) else c for c in contents]
    else:
        raw["content"] = message.get("content")
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        raw["tool_calls"] = [_call(call) for call in calls]
    elif message.get("function_call_name"):
        arguments = message.get("function_call_arguments_json")
        raw["tool_calls"] = [{"name": message["function_call_name"], "arguments": arguments}]
    return raw


def _call(call: Any) -> Any:
    inner = call.get("tool_call", call) if isinstance(call, dict) else call
    if not isinstance(inner, dict):
        return {}
    function = inner.get("function")
    said = function if isinstance(function, dict) else inner
    return {"id": inner.get("id"), "name": said.get("name"), "arguments": said.get("arguments")}


def _text(item: Any, name: str) -> Any:
    inner = item.get(name, item) if isinstance(item, dict) else item
    return inner.get("text", "") if isinstance(inner, dict) else inner


def _tool(item: Any) -> Any:
    inner = item.get("tool", item) if isinstance(item, dict) else item
    return inner.get("json_schema", inner) if isinstance(inner, dict) else inner


def _document(item: Any) -> Any:
    inner = item.get("document", item) if isinstance(item, dict) else item
    if isinstance(inner, dict) and isinstance(inner.get("metadata"), str):
        inner = {**inner, "metadata": parse_json(inner["metadata"], inner["metadata"])}
    return inner


OPENINFERENCE = Dialect(
    name="openinference",
    namespaces=frozenset({"openinference", "llm", "input", "output", "tool", "tool_call", "retrieval", "reranker"}),
    kinds={
        "openinference.span.kind": {
            "llm": "llm",
            "agent": "agent",
            "tool": "tool",
            "retriever": "retrieval",
            "reranker": "retrieval",
            "embedding": "embedding",
            "chain": "other",
            "guardrail": "other",
            "evaluator": "other",
            "prompt": "other",
            "unknown": "other",
        }
    },
    aliases={
        "provider": ("llm.provider", "llm.system"),
        "finish_reasons": ("llm.finish_reason", "llm.finish_reasons"),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cached_input_tokens": ("llm.token_count.prompt_details.cache_read",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "prompt_version": ("llm.prompt_template.version",),
        "agent_name": ("agent.name", "graph.node.name"),
        "tool_name": ("tool.name", "tool_call.function.name"),
        "tool_call_id": ("tool_call.id", "tool.id"),
        "arguments": ("tool_call.function.arguments",),
        "input": ("input.value",),
        "output": ("output.value",),
        "input_mime_type": ("input.mime_type",),
        "output_mime_type": ("output.mime_type",),
        "session_id": ("session.id",),
        "user_id": ("user.id",),
    },
    before=(_read_flattened, _read_parameters, _read_first_token),
    after=(_read_metadata, _name_agent),
)
