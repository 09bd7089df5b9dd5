"""The process that runs users' callables: reads requests from its standard input, answers on its standard output.

Run as a script by `evaluators.callable.pool`; it imports nothing of ours, so that a user's module meets no name of ours.
"""

from __future__ import annotations

import importlib.util
import math
import os
import struct
import sys
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, BinaryIO

import orjson

ENTRY_POINT = "entry point "
MAX_MESSAGE_CHARS = 500
_LENGTH = struct.Struct(">I")
_loaded: dict[str, Callable[[Any], Any]] = {}


def main() -> None:
    # What the callable prints must not end up between the replies.
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # A working directory on PYTHONPATH would put whatever lies there in the way of installed packages.
    sys.path[:] = [place for place in sys.path if place and Path(place).resolve() != Path.cwd().resolve()]
    while head := requests.read(_LENGTH.size):
        _reply(replies, _serve(requests.read(_LENGTH.unpack(head)[0])))


def _serve(request: bytes) -> bytes:
    verb = request[:4]
    size = _LENGTH.unpack(request[4:8])[0]
    spec, body = request[8 : 8 + size].decode(), request[8 + size :]
    try:
        if verb == b"load":
            _loaded[spec] = _load(spec)
            return orjson.dumps({"result": None})
        result = _loaded[spec](_expanded(orjson.loads(body)))
        value = result.get("value") if isinstance(result, dict) else result
        if isinstance(value, float) and not math.isfinite(value):  # in JSON it would become null
            return _error("InvalidVerdict", f"returned {value}; a finite number is wanted")
        return orjson.dumps({"result": result}, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        return _error("InvalidVerdict", f"the result is no JSON: {error}")
    except Exception as error:
        return _error(type(error).__name__, str(error))


def _error(kind: str, message: str) -> bytes:
    text = message[:MAX_MESSAGE_CHARS].encode("utf-8", "replace").decode()
    return orjson.dumps({"error": kind, "message": text})


def _reply(replies: BinaryIO, body: bytes) -> None:
    replies.write(_LENGTH.pack(len(body)) + body)
    replies.flush()


def _load(spec: str) -> Callable[[Any], Any]:
    if spec.startswith(ENTRY_POINT):
        loaded = EntryPoint(spec, spec.removeprefix(ENTRY_POINT), "").load()
    else:
        file, _, name = spec.rpartition(":")
        loaded = getattr(_module(file), name)
    if not callable(loaded):
        raise TypeError(f"{spec!r} is not callable")
    return loaded  # type: ignore[no-any-return]


def _module(file: str) -> Any:
    name = f"_evalstream_callable_{blake2b(file.encode(), digest_size=8).hexdigest()}"
    if name not in sys.modules:
        place = importlib.util.spec_from_file_location(name, file)
        if place is None or place.loader is None:
            raise ImportError(f"{file} is no Python file")
        module = importlib.util.module_from_spec(place)
        sys.modules[name] = module
        try:
            place.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _expanded(target: Any) -> Any:
    """The target with each digest of a message replaced by the message: on the wire a message stands once."""
    messages = target.pop("messages", {})
    tool_sets = target.pop("tool_sets", {})
    for span in target.pop("expand", ()):
        node = target
        for part in span:
            node = node[part]
        for key in ("input_messages", "output_messages"):
            node[key] = [messages[digest] for digest in node[key] if digest in messages]
        node["tools"] = tool_sets.get(node.pop("tool_set", None), [])
    return target


if __name__ == "__main__":
    main()
