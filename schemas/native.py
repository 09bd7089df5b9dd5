"""Native JSON traces: what users publish on topic ``traces``, and our own records.

The friendly form leaves out all that can be computed and writes messages and tools where they are used::

    {"trace_id": "a1", "spans": [
        {"span_id": "1", "name": "chat", "kind": "llm", "start": "2026-01-01T00:00:00Z", "end": 1767225601.5,
         "input_messages": [{"role": "user", "content": "Hello"}], "tools": [{"name": "search"}]}]}

Messages may have any shape that clients write (see `schemas.messages`). Digests that stand in the record are kept:
they are from before redaction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from .base import MAX_ID_BYTES, invalid_record, is_id
from .errors import InvalidRecord
from .ids import Hasher, fingerprint
from .merge import ENVIRONMENT_KEYS, PROJECT_KEYS, SESSION, USER, derived, newest, with_digests
from .messages import MessageBook
from .messages.parsing import storable
from .trace import Message, Span, Trace

_TRACE_FIELDS = frozenset(Trace.model_fields) - {"spans", "messages", "tool_sets", "revision", "fingerprint"}
_TIME = TypeAdapter(datetime)
_LAST_S = datetime.max.replace(tzinfo=UTC).timestamp()
# A number beyond this is no count of seconds in this era: milliseconds, microseconds or nanoseconds since 1970.
_MAX_SECONDS = 1e11


def read_trace(data: bytes, hasher: Hasher, *, default_project: str, default_environment: str) -> Trace:
    """Read a native trace.

    Conflicting copies of a span are resolved as everywhere (the one that ended last, then the larger digest); cycles
    of parents and traces without a root are accepted. `revision` and `fingerprint` are computed anew.

    Raises
    ------
    InvalidRecord : ``undecodable``, ``too_deep``, ``wrong_type`` (the detail names the path) or ``empty_trace``.
    """
    ours = _of_our_own_making(data)
    if ours is not None:
        return ours
    body = _object(_loaded(data), "the record")
    unknown = body.keys() - Trace.model_fields.keys()
    if unknown:
        raise InvalidRecord("wrong_type", f"{min(unknown)}: no such field of a trace")
    book = _Book(hasher, body)
    spans = [book.span(span, f"spans[{i}]") for i, span in enumerate(_list(body.get("spans"), "spans"))]
    if not spans:
        raise InvalidRecord("empty_trace", "spans: a trace has at least one")
    others = {name: value for name, value in body.items() if name in _TRACE_FIELDS and value is not None}
    checked = _valid(Trace, {**others, "spans": (), "trace_id": body.get("trace_id")}, "")
    if not checked.trace_id:
        raise InvalidRecord("wrong_type", "trace_id: must not be empty")
    trace = _joined(checked, spans, book, default_project, default_environment)
    return with_digests(trace, ((span.span_id, span.digest) for span in spans))


def _of_our_own_making(data: bytes) -> Trace | None:
    """A record that `assemble` wrote: whole, derived and joined. Its fingerprint says so, for it is right."""
    try:
        trace: Trace = Trace.__pydantic_validator__.validate_json(data)
    except ValidationError:
        return None
    digests = {span.span_id: span.digest for span in trace.spans}
    whole = (
        trace.fingerprint
        and trace.trace_id
        and len(digests) == len(trace.spans) == trace.revision
        and all(digests.values())
        and trace.fingerprint == fingerprint(digests.items())
        and all(span.end >= span.start for span in trace.spans)
        and all(digest == message.digest for digest, message in trace.messages.items())
    )
    return trace if whole else None


def _joined(checked: Trace, spans: list[Span], book: _Book, project: str, environment: str) -> Trace:
    resource = dict(checked.resource)
    # What the record says of itself is put where a later join of the trace will look for it.
    for said, keys in ((checked.project, PROJECT_KEYS), (checked.environment, ENVIRONMENT_KEYS)):
        if said and next((str(resource[k]) for k in keys if resource.get(k)), None) not in (None, said):
            resource[keys[0]] = said

    def join(shown: tuple[Span, ...]) -> Trace:
        return derived(
            trace_id=checked.trace_id,
            spans=shown,
            messages=book.messages,
            tool_sets=book.tool_sets,
            resource=resource,
            project=checked.project or project,
            environment=checked.environment or environment,
            session_id=checked.session_id,
            user_id=checked.user_id,
            incomplete=checked.incomplete,
            partial=checked.partial,
        )

    trace = join(newest(spans))
    differing = {
        name: value
        for name, value, found in (
            (SESSION, checked.session_id, trace.session_id),
            (USER, checked.user_id, trace.user_id),
        )
        if value and value != found
    }
    if differing and trace.root:
        root = trace.root.model_copy(update={"attributes": {**trace.root.attributes, **differing}})
        trace = join(tuple(root if span.span_id == root.span_id else span for span in trace.spans))
    return trace


class _Book:
    """The messages and tool sets of a record, those written inline included."""

    def __init__(self, hasher: Hasher, body: dict[str, Any]) -> None:
        self._hasher = hasher
        self._inline = MessageBook(hasher)
        self.messages: dict[str, Message] = {}
        self.tool_sets: dict[str, tuple[dict[str, Any], ...]] = {}
        for digest, message in _object(body.get("messages") or {}, "messages").items():
            held = {"digest": digest, **_object(message, f"messages.{digest}")}
            self.messages[digest] = _valid(Message, held, f"messages.{digest}")
            _check_id(self.messages[digest].digest, "messages")
        for digest, tools in _object(body.get("tool_sets") or {}, "tool_sets").items():
            where = f"tool_sets.{digest}"
            _check_id(digest, "tool_sets")
            self.tool_sets[digest] = tuple(_object(tool, where) for tool in _list(tools, where))

    def span(self, value: Any, where: str) -> Span:
        """One span, its inline messages and tools hoisted, its digest computed where it has none."""
        body = dict(_object(value, where))
        digest = body.get("digest") or self._hasher.digest(body)
        tools = body.pop("tools", None)
        if tools:
            found = self._inline.add_tools(_list(tools, f"{where}.tools"))
            if found is None:
                raise InvalidRecord("wrong_type", f"{where}.tools: no tool definition has a name")
            self.tool_sets[found] = self._inline.tool_sets[found]
            body["tool_set"] = found
        for name, role in (("input_messages", "user"), ("output_messages", "assistant")):
            body[name] = self._digests(body.get(name), role, f"{where}.{name}")
        body["start"] = _time(body.get("start"), f"{where}.start")
        body["end"] = max(_time(body.get("end", body["start"]), f"{where}.end"), body["start"])
        body.setdefault("name", body.get("tool_name") or body.get("kind") or "span")
        return _valid(Span, {**body, "digest": digest}, where)

    def _digests(self, value: Any, role: str, where: str) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [{"role": role, "content": value}] if value else []
        items = _list(value, where)
        if all(type(item) is str for item in items):
            return tuple(items)
        found: list[str] = []
        for i, item in enumerate(items):
            if isinstance(item, str):
                found.append(item)
                continue
            message = _object(item, f"{where}[{i}]")
            if "digest" in message:
                held = _valid(Message, message, f"{where}[{i}]")
                _check_id(held.digest, f"{where}[{i}].digest")
                self.messages.setdefault(held.digest, held)
                found.append(held.digest)
                continue
            try:
                digests = self._inline.add([message], role)[0]
            except ValidationError as error:
                raise _at(f"{where}[{i}]", invalid_record("Message", error)) from None
            self.messages.update((digest, self._inline.messages[digest]) for digest in digests)
            found += digests
        return tuple(found)


def _loaded(data: bytes) -> Any:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error):
            raise InvalidRecord("too_deep", "the JSON document is nested too deeply") from None
        raise InvalidRecord("undecodable", f"no JSON: {error}") from None
    if not storable(body, data.count(b"{") + data.count(b"[")):
        raise InvalidRecord("too_deep", "the JSON document is nested too deeply")
    return body


def _time(value: Any, where: str) -> datetime:
    """ISO 8601 text, or seconds since 1970 (milli-, micro- and nanoseconds are told by their size)."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        while abs(value) > _MAX_SECONDS and value != 0:
            value = value / 1000
        return datetime.fromtimestamp(min(max(value, 0), _LAST_S - 1), UTC)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            found = _TIME.validate_python(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValidationError, OverflowError):
            pass
    raise InvalidRecord("wrong_type", f"{where}: must be ISO 8601 text or seconds since 1970")


def _valid(model: Callable[..., Any], body: dict[str, Any], where: str) -> Any:
    try:
        return model(**body)
    except ValidationError as error:
        raise _at(where, invalid_record(model.__name__, error)) from None


def _at(where: str, error: InvalidRecord) -> InvalidRecord:
    return InvalidRecord(error.reason, f"{where}: {error.detail}" if where else error.detail)


def _check_id(value: str, where: str) -> None:
    if not is_id(value):
        raise InvalidRecord("wrong_type", f"{where}: an id has at most {MAX_ID_BYTES} bytes and no NUL")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRecord("wrong_type", f"{where}: must be an object")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidRecord("wrong_type", f"{where}: must be a list")
    return value
