"""LiteLLM: GenAI attributes, plus a child span ``raw_gen_ai_request`` with Python reprs in ``llm.<provider>.*``.

Source: BerriAI/litellm, ``litellm/integrations/opentelemetry.py``. By default it writes a model call's attributes
onto the user's own span: a span that is named ``invoke_agent …`` and says ``chat`` is still the agent's. The raw span
then is the only one of its call; elsewhere it repeats its parent (`schemas.merge` tells the two cases apart).
"""

from __future__ import annotations

from typing import Any

from ...merge import RAW_CALL
from ...messages import parse_json, parse_python
from ..dialect import Dialect, Draft

_AGENT_NAMES = ("invoke_agent ", "create_agent ")


def _read_raw(draft: Draft) -> None:
    provider = next(
        (n.split(".")[1] for n in draft.attributes if n.startswith("llm.") and n.endswith(".choices")), None
    )
    if provider is None or draft.raw.name != "raw_gen_ai_request":
        return
    draft.kind = "llm"
    draft.attributes[RAW_CALL] = True

    def take(name: str) -> Any:
        said = draft.attributes.pop(f"llm.{provider}.{name}", None)
        return parse_python(said, parse_json(said, said)) if isinstance(said, str) else said

    draft.offer("provider", provider)
    draft.offer("inputs", take("messages"))
    draft.offer("tool_definitions", take("tools"))
    draft.offer("response_model", take("model"))
    choices, usage, response_id = take("choices"), take("usage"), take("id")
    if isinstance(choices, list):
        said = [{**c["message"], "finish_reason": c.get("finish_reason")} for c in choices if _has_message(c)]
        draft.offer("outputs", said)
    if isinstance(usage, dict):
        draft.offer("input_tokens", usage.get("prompt_tokens"))
        draft.offer("output_tokens", usage.get("completion_tokens"))
        details = usage.get("prompt_tokens_details")
        draft.offer("cached_input_tokens", details.get("cached_tokens") if isinstance(details, dict) else None)
    if response_id:
        draft.attributes.setdefault("gen_ai.response.id", response_id)


def _is_agent(draft: Draft) -> None:
    if draft.raw.name.startswith(_AGENT_NAMES) and "litellm.call_id" in draft.attributes:
        draft.kind = "agent"


def _has_message(choice: Any) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict)


LITELLM = Dialect(name="litellm", namespaces=frozenset({"litellm", "llm"}), before=(_read_raw, _is_agent))
