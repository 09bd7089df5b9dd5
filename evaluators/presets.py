"""Sets of evaluators that one word turns on: `presets: [failure_modes]`.

`FAILURE_MODES` is the one list: a type that stands there needs no options and is quiet on healthy runs. Types that a
healthy run sets off by its nature (`pii`: users tell their addresses) or that need a policy stand elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.settings import EvaluatorSettings, Settings

FAILURE_MODES: tuple[str, ...] = (
    # silent tool-call failures
    "tool_error_as_success",
    "tool_result_malformed",
    "tool_result_partial",
    "tool_result_empty",
    "tool_error_unhandled",
    # drift of schemas and prompts
    "tool_result_schema_drift",
    "output_schema_drift",
    "prompt_template_drift",
    # latency and routing
    "latency_critical_path",
    "latency_regression",
    "retry_storm",
    "rate_limited",
    "provider_failover",
    "model_mismatch",
    "token_spike",
    # hallucinated actions
    "unknown_tool",
    "tool_call_schema_valid",
    "argument_provenance",
    "unconfirmed_write",
    "agent_loop",
    # leaks and attacks
    "secrets",
    "prompt_injection",
)
PRESETS: Mapping[str, tuple[str, ...]] = {"failure_modes": FAILURE_MODES}


def with_presets(settings: Settings) -> tuple[EvaluatorSettings, ...]:
    """The configured evaluators, then those of the presets under the names of their types.

    An entry that the configuration has for a type, or under its name, takes its place, also one with `enabled: false`.
    """
    given = {entry.type for entry in settings.evaluators} | {entry.label for entry in settings.evaluators}
    wanted = dict.fromkeys(name for preset in settings.presets for name in PRESETS[preset])
    return (*settings.evaluators, *(EvaluatorSettings(type=name) for name in wanted if name not in given))
