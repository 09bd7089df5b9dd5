"""Strands Agents: GenAI attributes and events, with Bedrock's blocks inside (read by `schemas.messages`).

Source: strands-agents/sdk-python, ``strands/telemetry/tracer.py``.
"""

from __future__ import annotations

from ..dialect import Dialect, Draft

FRAMEWORK = "strands-agents"


def _drop_framework(draft: Draft) -> None:
    """The framework's own name is no provider."""
    for name in ("gen_ai.provider.name", "gen_ai.system"):
        if draft.attributes.get(name) == FRAMEWORK:
            del draft.attributes[name]


STRANDS = Dialect(name="strands", namespaces=frozenset({"gen_ai"}), before=(_drop_framework,))
