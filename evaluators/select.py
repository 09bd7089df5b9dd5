"""Which targets an evaluator looks at: CEL filters and deterministic sampling.

CEL (https://github.com/google/cel-spec) has no loops, no side effects and linear-time regular expressions, so a filter
cannot hang or change anything.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import cel
import re2

from schemas.errors import ConfigError
from schemas.ids import sampling_point
from schemas.score import TargetKind
from schemas.trace import Span, Trace

from .fields import SPAN_FIELDS, TRACE_FIELDS, bounded, span_view, trace_view

FUNCTIONS = frozenset(
    (
        *("size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes"),
        *("timestamp", "duration", "type", "dyn", "getFullYear", "getMonth", "getDate", "getDayOfMonth"),
        *("getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    )
)
_MACROS = ("has", "all", "exists", "exists_one", "map", "filter")
_LITERAL = re2.compile(r'"""(?s:.*?)"""|' + r"'''(?s:.*?)'''|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'")
_WORD = re2.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOUND = re2.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*,")
_MEMBER = re2.compile(r"\b(trace\s*\.\s*root|span|trace)\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")


class Filter:
    """A compiled filter.

    Parameters
    ----------
    expression : CEL that yields true or false.
    target : `span` can be asked about only where the target is one.

    Raises
    ------
    ConfigError : it does not parse, or names a variable, field or function that there is not.
    """

    __slots__ = ("_program", "_roots", "_words", "expression")

    def __init__(self, expression: str, target: TargetKind) -> None:
        self.expression = expression
        try:
            self._program = cel.compile(expression)
        except ValueError as error:
            raise ConfigError(f"no valid CEL: {_first_line(error)}", path="filter") from None
        bare = _LITERAL.sub('""', expression)
        available = {"span", "trace", "resource"} if target == "span" else {"trace", "resource"}
        self._roots = frozenset(self._program.variables()) & available
        self._words = frozenset(_WORD.findall(expression))
        _check_names(bare, frozenset(self._program.variables()), available, target)
        _check_functions(self._program.functions())

    def passes(self, views: Views, span: Span | None) -> bool | None:
        """Whether the target is let through; None when the filter cannot say (a missing key, no boolean)."""
        context: dict[str, Any] = {}
        if "trace" in self._roots:
            context["trace"] = views.trace(self._words)
        if "resource" in self._roots:
            context["resource"] = views.resource()
        if span is not None and "span" in self._roots:
            context["span"] = views.span(span, self._words)
        try:
            answer = self._program.execute(context)
        except Exception:
            return None
        return answer if isinstance(answer, bool) else None


class Views:
    """The plain views of one trace, each built once and only when a filter asks."""

    __slots__ = ("_answers", "_built", "_trace")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._built: dict[Any, Any] = {}
        self._answers: dict[tuple[str, str | None], bool | None] = {}

    def trace(self, words: frozenset[str]) -> dict[str, Any]:
        return self._once(("trace", words), lambda: trace_view(self._trace, words))

    def span(self, span: Span, words: frozenset[str]) -> dict[str, Any]:
        return self._once((span.span_id, words), lambda: span_view(span, words))

    def resource(self) -> dict[str, Any]:
        return self._once("resource", lambda: bounded(self._trace.resource))

    def passes(self, rule: Filter, span: Span | None) -> bool | None:
        """What `rule` says; equal filters of several evaluators are asked once."""
        key = (rule.expression, None if span is None else span.span_id)
        if key not in self._answers:
            self._answers[key] = rule.passes(self, span)
        return self._answers[key]

    def _once(self, key: Any, build: Callable[[], Any]) -> dict[str, Any]:
        if key not in self._built:
            self._built[key] = build()
        return self._built[key]  # type: ignore[no-any-return]


def is_sampled(unit: str, name: str, rate: float) -> bool:
    """Whether evaluator `name` looks at the trace (or session) `unit`: by hash, so every worker says the same."""
    return rate >= 1.0 or sampling_point(unit, name) < rate


def _check_names(bare: str, variables: frozenset[str], available: set[str], target: TargetKind) -> None:
    for name in sorted(variables - available - set(_BOUND.findall(bare))):
        if name == "span":
            raise ConfigError(f"there is no `span` where the target is a {target}", path="filter")
        raise ConfigError(f"unknown variable {name!r}; there are {', '.join(sorted(available))}", path="filter")
    for variable, field in _MEMBER.findall(bare):
        fields = TRACE_FIELDS if variable == "trace" else SPAN_FIELDS
        if field not in fields:
            near = get_close_matches(field, fields, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(fields)}"
            raise ConfigError(f"{variable} has no field {field!r}{hint}", path="filter")


def _check_functions(functions: list[str]) -> None:
    for name in functions:
        if name.isidentifier() and name not in FUNCTIONS and not name.startswith("_"):
            near = get_close_matches(name, (*FUNCTIONS, *_MACROS), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"unknown function {name!r}{hint}", path="filter")


def _first_line(error: ValueError) -> str:
    _, mark, rest = str(error).partition("ERROR: ")
    return rest.splitlines()[0].replace("<input>:", "at ") if mark else "it does not parse"
