"""The base of all records: frozen, strict about unknown fields, JSON by way of orjson."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from .errors import InvalidRecord


def _as_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


UtcDatetime = Annotated[datetime, AfterValidator(_as_utc)]
"""A moment in UTC; a naive value is taken as UTC."""


class Record(BaseModel):
    """A frozen record. Unknown fields are refused, so that a misspelt one is not lost silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def to_bytes(self) -> bytes:
        """The record as JSON, without the fields that hold their default (but always with its schema version)."""
        body = self.__pydantic_serializer__.to_json(self, exclude_defaults=True)
        version = getattr(self, "schema_version", None)
        return (
            body
            if version is None
            else b'{"schema_version":%d%s' % (version, b"," + body[1:] if len(body) > 2 else b"}")
        )

    @classmethod
    def from_bytes(cls, data: bytes | str) -> Self:
        """Read a record from JSON.

        Raises
        ------
        InvalidRecord : the bytes are no JSON, or no record of this class.
        """
        try:
            return cls.__pydantic_validator__.validate_json(data)
        except ValidationError as error:
            raise invalid_record(cls.__name__, error) from None


class Published(Record):
    """A record that others read from a topic: every field is written, ids included, and readers skip what they do not
    know."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    def to_bytes(self) -> bytes:
        """The record as JSON, whole."""
        return self.__pydantic_serializer__.to_json(self)


def invalid_record(what: str, error: ValidationError) -> InvalidRecord:
    """The first problems of a pydantic error as one `InvalidRecord`, without the input's text."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    reason = "undecodable" if any(p["type"] == "json_invalid" for p in problems) else "wrong_type"
    shown = "; ".join(f"{'.'.join(map(str, p['loc'])) or what}: {p['msg']}" for p in problems[:3])
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return InvalidRecord(reason, f"not a valid {what}: {shown}{more}")


def canonical_json(value: Any) -> bytes:
    """Bytes that are equal for equal JSON values: sorted keys, no spaces. The basis of every content-derived id."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
