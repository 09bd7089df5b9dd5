"""Arrays as bytes and back, exactly; what was cut or altered is refused."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

DIGEST_SIZE = 8


def packed(head: Any, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Equal bytes for equal content. `head` is anything that JSON can say."""
    shapes = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    return orjson.dumps([digest(body), shapes, head]) + b"\n" + body


def unpacked(data: bytes) -> tuple[Any, dict[str, NDArray[Any]]]:
    """What was packed.

    Raises
    ------
    ValueError : these are not the bytes that were packed.
    """
    line, _, body = data.partition(b"\n")
    found = orjson.loads(line)
    if not isinstance(found, list) or len(found) != 3 or found[0] != digest(body):
        raise ValueError("damaged state")
    arrays, at = {}, 0
    for name, dtype, shape in found[1]:
        array = np.frombuffer(body, dtype=dtype, count=int(np.prod(shape)), offset=at).reshape(shape).copy()
        arrays[name], at = array, at + array.nbytes
    return found[2], arrays


def digest(data: bytes) -> str:
    """Tells one state from another."""
    return blake2b(data, digest_size=DIGEST_SIZE).hexdigest()
