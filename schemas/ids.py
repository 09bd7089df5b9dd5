"""Content-derived ids: equal content gives equal ids, on every worker, for ever.

Digests of content are keyed (BLAKE2b with the installation's key), so that nobody who reads the warehouse can
confirm a guess of what a redacted value was.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from .base import MAX_ID_BYTES, canonical_json, is_id

DIGEST_BYTES = 16
MAX_ID_CHARS = 256
BOUNDED_BYTES = MAX_ID_BYTES - 32  # leaves room for what is put before it, such as "session:"
TOKEN_HEX_CHARS = 6


class Hasher:
    """Keyed digests of one installation.

    Parameters
    ----------
    key : any length; the same key on every worker, or the same content has two digests.
    """

    __slots__ = ("_base",)

    def __init__(self, key: bytes) -> None:
        self._base = blake2b(key=blake2b(key, digest_size=32).digest(), digest_size=DIGEST_BYTES)

    def digest(self, value: Any) -> str:
        """32 hex characters for a JSON value."""
        return self.digest_bytes(canonical_json(value))

    def digest_bytes(self, data: bytes) -> str:
        """32 hex characters for bytes."""
        state = self._base.copy()
        state.update(data)
        return state.hexdigest()

    def token(self, kind: str, text: str) -> str:
        """The redaction token of a value, e.g. ``[EMAIL:3fa9c1]``: equal values keep being equal."""
        return f"[{kind.upper()}:{self.digest_bytes(f'{kind}:{text}'.encode())[:TOKEN_HEX_CHARS]}]"


def fingerprint(span_digests: Iterable[tuple[str, str]]) -> str:
    """Identity of a trace: a hash of the sorted set of (span id, span digest)."""
    return plain_digest(sorted(set(span_digests)))


def plain_digest(value: Any) -> str:
    """An unkeyed digest, 32 hex characters, for ids of what is no secret (options, keys, other ids)."""
    return blake2b(canonical_json(value), digest_size=DIGEST_BYTES).hexdigest()


def bounded_id(text: str) -> str:
    """`text` as a key that every warehouse takes: names of sessions, users and projects come from clients. What is no
    key is mended and stays distinct; doing it twice changes nothing."""
    plain = text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
    if len(plain) <= MAX_ID_CHARS and is_id(plain, BOUNDED_BYTES):
        return plain
    kept = plain[: MAX_ID_CHARS - 9].encode("utf-8", "replace")[: BOUNDED_BYTES - 9].decode("utf-8", "ignore")
    return f"{kept}~{plain_digest(text)[:8]}"


def sampling_point(trace_id: str, name: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments; a target is sampled when it is below the rate."""
    state = blake2b(f"{trace_id}\x00{name}".encode(), digest_size=8)
    return int.from_bytes(state.digest(), "big") / 2**64
