"""What evaluators are made of: who they are, what they may use, and the common constructor.

Every type is a class with an `Options` model, built as ``Type(identity, options, environment)``. The identity comes from
the YAML entry, filled up with the class's defaults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from schemas.judge_request import View
from schemas.score import TargetKind
from schemas.settings import Section, Settings
from schemas.trace import Span, SpanKind

from .callable.pool import CallablePool
from .protocol import Answer, Context, Lane, Target

ALL_KINDS: frozenset[SpanKind] = frozenset(("agent", "llm", "tool", "retrieval", "embedding", "other"))
ALL_TARGETS: frozenset[TargetKind] = frozenset(("span", "trace", "session"))

OptionsT = TypeVar("OptionsT", bound=Section)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an evaluator is, resolved from its entry and its type's defaults."""

    name: str
    version: str
    target: TargetKind
    span_kinds: frozenset[SpanKind]
    context: Context = "span"
    needs_complete: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """What a constructor may use beside its options. `folder` is where relative paths of the options start."""

    settings: Settings
    folder: Path
    callables: CallablePool


class NoOptions(Section):
    """For types without options."""


class BaseEvaluator(ABC, Generic[OptionsT]):
    """Common part of inline and deferred evaluators.

    A constructor may raise ``ConfigError(message, path="limit")`` about an option; `build_suite` adds file and line.

    Class attributes
    ----------------
    Options : model of the options.
    implementation_version : raise it when the same options begin to give other verdicts.
    targets : which kinds of target the type can judge; `default_target` is one of them.
    """

    Options: ClassVar[type[Section]] = NoOptions
    implementation_version: ClassVar[int] = 1
    targets: ClassVar[frozenset[TargetKind]] = ALL_TARGETS
    default_target: ClassVar[TargetKind] = "span"
    default_context: ClassVar[Context] = "span"
    default_needs_complete: ClassVar[bool] = False

    kind: Literal["code", "llm"] = "code"
    lane: Lane = "inline"

    def __init__(self, identity: Identity, options: OptionsT, environment: Environment) -> None:
        self.name, self.version = identity.name, identity.version
        self.target, self.span_kinds = identity.target, identity.span_kinds
        self.context, self.needs_complete = identity.context, identity.needs_complete
        self.options, self.environment = options, environment
        self.decisions: tuple[str, ...] = (identity.name,)

    @classmethod
    def default_span_kinds(cls, options: OptionsT) -> frozenset[SpanKind]:
        """Kinds of spans it looks at, unless the entry says otherwise."""
        return ALL_KINDS

    @classmethod
    def version_basis(cls, options: OptionsT, environment: Environment) -> Any:
        """JSON that decides on verdicts beside type, options and implementation version: prices, a file's content."""
        return None


class CodeEvaluator(BaseEvaluator[OptionsT]):
    """An evaluator that answers at once, from what is in memory."""

    @abstractmethod
    def evaluate(self, target: Target) -> Iterable[Answer]:
        """Answers about `target`; none at all when it does not apply. Pure: no clock, no state, no mutation."""


class DeferredBase(BaseEvaluator[OptionsT]):
    """An evaluator that answers in the judge worker."""

    lane: Lane = "deferred"

    def make_view(self, target: Target, fields: Mapping[str, Any]) -> View:
        """`fields` as the view of `target`, under the ids that its decisions will have."""
        return View(
            target_id=target_id(target),
            target_digest=target_digest(target, self.context),
            span_id=target.span.span_id if target.span is not None else None,
            fields=fields,
        )


def target_id(target: Target) -> str:
    """As in `DecisionKey.target_id`."""
    if target.session is not None:
        return f"session:{target.session.session_id}"
    return target.span.span_id if target.span is not None else ""


def target_digest(target: Target, context: Context) -> str:
    """What of the target a decision rests on: the decision is made again when this changes."""
    if target.session is not None:
        return target.session.fingerprint
    if target.span is None or context == "trace":
        return target.trace.fingerprint
    return target.span.digest


def model_of(span: Span) -> str | None:
    """The model that answered, else the one that was asked."""
    return span.response_model or span.request_model
