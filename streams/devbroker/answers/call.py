"""What a request came with, beside its body."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """Header of one request.

    Attributes
    ----------
    version : of the request and of its response.
    client_id : as the client calls itself.
    """

    version: int
    client_id: str
