"""The base of all records: frozen, strict about unknown fields, JSON by way of orjson."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import InvalidRecord


def _as_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range in UTC") from None


UtcDatetime = Annotated[datetime, AfterValidator(_as_utc)]
"""A moment in UTC; a naive value is taken as UTC."""

MAX_ID_BYTES = 512
"""Of an id in UTF-8: several of them must fit into one index entry of PostgreSQL (2,704 bytes)."""


def is_id(value: str, most_bytes: int = MAX_ID_BYTES) -> bool:
    """Whether a text can be a key in every warehouse: short enough, and without NUL."""
    short = len(value) * 4 <= most_bytes or len(value.encode("utf-8", "replace")) <= most_bytes
    return short and "\x00" not in value


def _as_id(value: str) -> str:
    if not is_id(value):
        raise ValueError(f"an id has at most {MAX_ID_BYTES} bytes and no NUL")
    return value


Identifier = Annotated[str, AfterValidator(_as_id)]
"""A text that is a key in the warehouse, as records from outside may give it."""

Int32 = Annotated[int, Field(ge=0, lt=2**31)]
"""A number from outside that goes into a column of 32 bits."""

Int64 = Annotated[int, Field(ge=0, lt=2**63)]
"""A number from outside that goes into a column of 64 bits."""


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
