"""Which evaluator types there are: the shipped ones by name, and those of the packages named under `plugins`.

A shipped type is imported when a configuration uses it, so that nothing pays for what it does not use.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

from schemas.errors import ConfigError

from .base import BaseEvaluator
from .plugins import EVALUATORS, plugins, unnamed_hint

BUILT_IN: tuple[tuple[str, str], ...] = (
    ("json_validity", "evaluators.code.json_validity:JsonValidity"),
    ("json_schema_match", "evaluators.code.json_schema_match:JsonSchemaMatch"),
    ("regex", "evaluators.code.regex:Regex"),
    ("contains", "evaluators.code.contains:Contains"),
    ("length", "evaluators.code.length:Length"),
    ("tool_call_schema_valid", "evaluators.code.tool_call_schema_valid:ToolCallSchemaValid"),
    ("unknown_tool", "evaluators.code.unknown_tool:UnknownTool"),
    ("argument_provenance", "evaluators.code.argument_provenance:ArgumentProvenance"),
    ("unconfirmed_write", "evaluators.code.unconfirmed_write:UnconfirmedWrite"),
    ("tool_permission", "evaluators.code.tool_permission:ToolPermission"),
    ("tool_error_as_success", "evaluators.code.tool_error_as_success:ToolErrorAsSuccess"),
    ("tool_result_malformed", "evaluators.code.tool_result_malformed:ToolResultMalformed"),
    ("tool_result_partial", "evaluators.code.tool_result_partial:ToolResultPartial"),
    ("tool_result_empty", "evaluators.code.tool_result_empty:ToolResultEmpty"),
    ("tool_result_schema_drift", "evaluators.code.tool_result_schema_drift:ToolResultSchemaDrift"),
    ("output_schema_drift", "evaluators.code.output_schema_drift:OutputSchemaDrift"),
    ("prompt_template_drift", "evaluators.code.prompt_template_drift:PromptTemplateDrift"),
    ("tool_error_unhandled", "evaluators.code.tool_error_unhandled:ToolErrorUnhandled"),
    ("latency_critical_path", "evaluators.code.latency_critical_path:LatencyCriticalPath"),
    ("latency_regression", "evaluators.code.latency_regression:LatencyRegression"),
    ("retry_storm", "evaluators.code.retry_storm:RetryStorm"),
    ("rate_limited", "evaluators.code.rate_limited:RateLimited"),
    ("provider_failover", "evaluators.code.provider_failover:ProviderFailover"),
    ("model_mismatch", "evaluators.code.model_mismatch:ModelMismatch"),
    ("token_spike", "evaluators.code.token_spike:TokenSpike"),
    ("agent_loop", "evaluators.code.agent_loop:AgentLoop"),
    ("latency", "evaluators.code.latency:Latency"),
    ("tokens", "evaluators.code.tokens:Tokens"),
    ("cost", "evaluators.code.cost:Cost"),
    ("refusal", "evaluators.code.refusal:Refusal"),
    ("language", "evaluators.code.language:AnswerLanguage"),
    ("readability", "evaluators.code.readability:Readability"),
    ("pii", "evaluators.code.pii:Pii"),
    ("secrets", "evaluators.code.secrets:Secrets"),
    ("prompt_injection", "evaluators.code.prompt_injection:PromptInjection"),
    ("python", "evaluators.code.python:Python"),
    ("llm_judge", "evaluators.judge.evaluator:LlmJudge"),
    ("embedding_similarity", "evaluators.embedding.similarity:EmbeddingSimilarity"),
    ("embedding", "evaluators.embedding.vector:EmbeddingVector"),
)


def type_names(named: Collection[str] = ()) -> tuple[str, ...]:
    """All types, the shipped ones first, then those of the packages that are `named`."""
    shipped = tuple(name for name, _ in BUILT_IN)
    return shipped + tuple(sorted(point.name for point in plugins(EVALUATORS, named) if point.name not in shipped))


def evaluator_class(type_name: str, named: Collection[str] = ()) -> type[BaseEvaluator[Any]]:
    """The class of a type; `named` are the packages under `plugins`.

    Raises
    ------
    ConfigError : there is no such type (the nearest name is suggested), its package is not named, or a plug-in cannot be
        loaded or is none.
    """
    place = dict(BUILT_IN).get(type_name)
    if place is not None:
        module, _, attribute = place.partition(":")
        found: type[BaseEvaluator[Any]] = getattr(import_module(module), attribute)
        return found
    for point in plugins(EVALUATORS, named):
        if point.name == type_name:
            return _plugin_class(point)
    hint = unnamed_hint(EVALUATORS, type_name)
    if hint is None:
        near = get_close_matches(type_name, type_names(named), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(type_names(named))}"
    raise ConfigError(f"unknown evaluator type {type_name!r}; {hint}", path="type")


def _plugin_class(point: EntryPoint) -> type[BaseEvaluator[Any]]:
    try:
        found = point.load()
    except Exception as error:
        raise ConfigError(
            f"the plug-in {point.value!r} cannot be loaded: {type(error).__name__}: {error}", path="type"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseEvaluator)):
        raise ConfigError(f"the plug-in {point.value!r} is no evaluator class", path="type")
    return found
