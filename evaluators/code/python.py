"""Type `python`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from schemas.settings import Section

from ..base import CodeEvaluator, Environment, Identity
from ..callable.payload import payload
from ..callable.pool import CallableError
from ..callable.spec import resolve
from ..protocol import Answer, Failure, Target, Verdict
from ..verdicts import INVALID, is_finite

_KEYS = frozenset(("value", "label", "passed", "explanation"))


class PythonOptions(Section):
    callable: str = Field(
        min_length=1,
        description="`./checks.py:polite`, below this file's folder, or an entry point of a package under `plugins`.",
    )


class Python(CodeEvaluator[PythonOptions]):
    """Your own function: receives a plain dict of the target, returns what it thinks of it.

    It returns a bool (passed), a number (the value), a dict with any of `value`, `label`, `passed` and `explanation`,
    or None where it does not apply. It runs in a process of its own under `evaluate.callable_timeout_s`; hanging
    (`CallableTimeout`), dying (`CallableDied`) or raising (the exception's class) is recorded as failed and touches
    nothing else. It must give the same answer for the same target. A file is loaded under a private name: what it
    imports must be installed, files beside it are not found.
    """

    Options = PythonOptions

    def __init__(self, identity: Identity, options: PythonOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self._spec = resolve(options.callable, environment.folder, environment.settings).spec

    @classmethod
    def version_basis(cls, options: PythonOptions, environment: Environment) -> Any:
        return resolve(options.callable, environment.folder, environment.settings).basis

    def evaluate(self, target: Target) -> Iterable[Answer]:
        try:
            result = self.environment.callables.call(self._spec, payload(target, self.context))
        except CallableError as error:
            return (Failure(error.error_type, error.message),)
        return () if result is None else (_verdict(result),)


def _verdict(result: Any) -> Answer:
    if isinstance(result, bool):
        return Verdict(value=float(result), passed=result)
    if is_finite(result):
        return Verdict(value=float(result))
    if not isinstance(result, Mapping):
        return Failure(INVALID, f"returned a {type(result).__name__}; a bool, a finite number or a dict is wanted")
    unknown = sorted(map(str, result.keys() - _KEYS))
    if unknown:
        return Failure(INVALID, f"returned the unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    if not result:
        return Failure(INVALID, "returned an empty dict")
    explanation = result.get("explanation")
    value, passed = result.get("value"), result.get("passed")
    if isinstance(value, bool):
        value, passed = float(value), value if passed is None else passed
    return Verdict(value, result.get("label"), passed, "" if explanation is None else explanation)
