"""OpenTelemetry GenAI semantic conventions, current (1.3x) and older names, attributes.

Source: open-telemetry/semantic-conventions, ``docs/gen-ai``. Content in span events: `genai_events`.
"""

from __future__ import annotations

from ..dialect import Dialect, Draft
from ..words import OPERATIONS
from .genai_events import read_events

# Written where the provider should stand, by frameworks that do not know it.
_FRAMEWORKS = frozenset({"strands-agents", "gcp.vertex.agent", "crewai", "langchain", "langgraph", "agno", "autogen"})


def _drop_framework(draft: Draft) -> None:
    for name in ("gen_ai.provider.name", "gen_ai.system"):
        said = draft.attributes.get(name)
        if isinstance(said, str) and said.lower() in _FRAMEWORKS:
            del draft.attributes[name]


GENAI = Dialect(
    name="genai",
    namespaces=frozenset({"gen_ai", "error", "session", "user", "enduser", "server"}),
    kinds={"gen_ai.operation.name": OPERATIONS},
    aliases={
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "request_model": ("gen_ai.request.model",),
        "response_model": ("gen_ai.response.model",),
        "inputs": ("gen_ai.input.messages",),
        "outputs": ("gen_ai.output.messages",),
        "system": ("gen_ai.system_instructions",),
        "tool_definitions": ("gen_ai.tool.definitions",),
        "finish_reasons": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cached_input_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.cached_tokens",
        ),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
        ),
        "prompt_name": ("gen_ai.prompt.name",),
        "prompt_version": ("gen_ai.prompt.version",),
        "agent_name": ("gen_ai.agent.name",),
        "tool_name": ("gen_ai.tool.name",),
        "tool_call_id": ("gen_ai.tool.call.id",),
        "arguments": ("gen_ai.tool.call.arguments",),
        "result": ("gen_ai.tool.call.result",),
        "input": ("gen_ai.prompt",),
        "output": ("gen_ai.completion",),
        "documents": ("gen_ai.retrieval.documents",),
        "session_id": ("gen_ai.conversation.id", "session.id"),
        "user_id": ("user.id", "enduser.id"),
        "error_type": ("error.type",),
        "time_to_first_token_s": (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.response.time_to_first_token",
            "gen_ai.server.time_to_first_token",
        ),
    },
    before=(_drop_framework,),
    after=(read_events,),
)
