"""A record that could not be read or worked on, kept with its reason so that nothing vanishes."""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from .base import Published, UtcDatetime
from .ids import plain_digest
from .source import Source


class DeadLetter(Published):
    """Why, where and what. `payload` is base64 of the redacted bytes, only when the configuration asks for it."""

    schema_version: Literal[1] = 1
    component: str
    reason: str
    detail: str
    source: Source
    digest: str
    size_bytes: int
    key: str | None = None
    time: UtcDatetime
    payload: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def letter_id(self) -> str:
        return plain_digest(
            [self.source.topic, self.source.epoch, self.source.partition, self.source.offset, self.reason]
        )
