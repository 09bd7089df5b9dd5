"""Type `json_schema_match`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import orjson
from pydantic import ConfigDict, Field

from schemas.errors import ConfigError
from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator, Environment, Identity
from ..depth import TooDeep
from ..json_schema import UnusableSchema, first_problem, validator_of
from ..protocol import Answer, Failure, Target, Verdict
from ..text import KINDS_WITH_TEXT, Piece, TextOptions, pieces
from .json_validity import MAX_DEPTH, is_nested_deeper, unfenced

MAX_SCHEMA_BYTES = 2**20


class JsonSchemaMatchOptions(TextOptions):
    model_config = ConfigDict(populate_by_name=False)

    json_schema: Mapping[str, Any] | str = Field(
        alias="schema", description="A JSON Schema, or the path of a file that holds one, relative to this file."
    )
    fences: Literal["strip", "refuse"] = Field(
        "strip", description="Whether JSON inside one Markdown code fence (```json) counts."
    )


class JsonSchemaMatch(CodeEvaluator[JsonSchemaMatchOptions]):
    """Fails where a text is no JSON, or JSON of another shape than the schema says; tells the path.

    JSON Schema, draft 2020-12 unless `$schema` names another. References beyond the schema are not fetched; `format` is
    not checked unless the draft does.
    """

    Options = JsonSchemaMatchOptions

    def __init__(self, identity: Identity, options: JsonSchemaMatchOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        try:
            self._validator = validator_of(_schema(options, environment))
        except UnusableSchema as error:
            raise ConfigError(f"no usable JSON Schema: {error}", path="schema") from None

    @classmethod
    def default_span_kinds(cls, options: JsonSchemaMatchOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    @classmethod
    def version_basis(cls, options: JsonSchemaMatchOptions, environment: Environment) -> Any:
        return _schema(options, environment)

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        for piece in found:
            answer = self._judge(piece)
            if answer is not None:
                return (answer,)
        return (Verdict(value=1.0, label="match", passed=True),)

    def _judge(self, piece: Piece) -> Answer | None:
        text = unfenced(piece.text) if self.options.fences == "strip" else piece.text
        try:
            problem = first_problem(self._validator, orjson.loads(text))
        except orjson.JSONDecodeError as error:
            if is_nested_deeper(text, MAX_DEPTH):
                return Failure("TooDeep", f"{piece.path} is nested deeper than {MAX_DEPTH} levels")
            return _failed(piece, "no_json", f"{piece.path} is no JSON: {error.msg}", "")
        except TooDeep as error:
            return Failure("TooDeep", f"{piece.path} is {error}")
        if problem is None:
            return None
        return _failed(piece, "mismatch", f"{problem.path or 'the value'}: {problem.message}", problem.path)


def _failed(piece: Piece, label: str, explanation: str, path: str) -> Verdict:
    evidence = (Evidence(span_id=piece.span_id, path=piece.path + path),)
    return Verdict(value=0.0, label=label, passed=False, explanation=explanation, evidence=evidence)


def _schema(options: JsonSchemaMatchOptions, environment: Environment) -> Any:
    if not isinstance(options.json_schema, str):
        return options.json_schema
    file = environment.folder / options.json_schema
    try:
        if file.stat().st_size > MAX_SCHEMA_BYTES:
            raise ConfigError(f"{options.json_schema}: larger than 1 MB: this is no schema", path="schema")
        return orjson.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{options.json_schema}: cannot be read: {error.strerror}", path="schema") from None
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{options.json_schema}:{error.lineno}: no JSON: {error.msg}", path="schema") from None
