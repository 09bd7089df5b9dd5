"""Failure envelopes: JSON objects that say that something went wrong and carry nothing else.

The difficulty is an object that is *about* a failure (a payment with the status "failed", a build with an error count):
there the failure is the answer. So a mark of failure counts only where nothing of substance stands beside it, except
for marks that no entity has, such as ``"success": false``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from schemas.patterns import compiled

from ..depth import TooDeep
from ..text import as_text, whole_text
from .prose import is_failure_phrase, prose_sign
from .sign import ErrorSign

MAX_QUOTE_CHARS = 160
MAX_CACHED_KEYS = 4_096
MAX_WORD_CHARS = 40
CERTAIN, LIKELY = 0.98, 0.85

_NOT_LETTERS = compiled(r"[^a-z]+")
_ERROR_KEYS = frozenset(
    (
        *("error", "errors", "err", "exception", "fault", "failure", "errormessage", "errormsg", "errorcode"),
        *("errortype", "errordescription", "errordetails", "errorinfo", "errno", "stacktrace", "traceback", "errcode"),
        *("errmsg", "errormessages", "errorreason", "errorcause"),
    )
)
_SUCCESS_KEYS = frozenset(("success", "ok", "succeeded", "successful", "issuccess", "issuccessful"))
_FAILURE_FLAGS = frozenset(("iserror", "haserror", "failed", "isfailed", "iserrored", "timedout"))
_STATUS_KEYS = frozenset(("status", "state", "result", "outcome", "resultcode", "responsestatus", "type", "level"))
_CODE_KEYS = frozenset(("status", "statuscode", "code", "httpstatus", "httpstatuscode", "httpcode", "responsecode"))
_MESSAGE_KEYS = frozenset(
    (
        *("message", "msg", "detail", "details", "reason", "description", "title", "info", "hint", "cause"),
        *("messages", "statustext", "statusmessage", "text", "explanation", "suggestion", "usermessage"),
    )
)
_CLASS_KEYS = frozenset(("type", "code", "name", "class"))
_EXCEPTION_NAME = compiled(r"\A[A-Za-z_][\w.#:]*(?:Exception|Error|Fault)\z")
_TELLING_KEYS = frozenset(("message", "msg", "detail", "reason", "statusmessage", "statustext"))
_ENVELOPE_KEYS = (
    _ERROR_KEYS
    | _SUCCESS_KEYS
    | _FAILURE_FLAGS
    | _STATUS_KEYS
    | _CODE_KEYS
    | _MESSAGE_KEYS
    | frozenset(
        (
            *("requestid", "traceid", "spanid", "correlationid", "timestamp", "time", "date", "path", "instance"),
            *("method", "url", "uri", "service", "source", "retryafter", "retryable", "retry", "jsonrpc", "id"),
            *("extensions", "locations", "domain", "docurl", "documentationurl", "helpurl", "moreinfo", "links"),
            *("version", "meta", "severity", "category", "name", "param", "field", "tool", "toolname", "cached"),
            *("statuses", "warnings", "attempts", "durationms", "elapsed", "host", "region", "endpoint", "cfray"),
            *("took", "tookms", "elapsedms", "latency", "latencyms", "duration", "server", "node", "ret", "retcode"),
            *("header", "head", "responsestatus", "responseheader", "responsemetadata"),
        )
    )
)
_FAILURE_WORDS = frozenset(
    (
        *("error", "errored", "failed", "failure", "fail", "exception", "fatal", "timeout", "timedout", "aborted"),
        *("unauthorized", "unauthenticated", "forbidden", "permissiondenied", "accessdenied", "internalerror"),
        *("internalservererror", "serviceunavailable", "unavailable", "badrequest", "invalidrequest", "ratelimited"),
        *("ratelimitexceeded", "toomanyrequests", "deadlineexceeded", "resourceexhausted", "notok", "ko"),
    )
)
_HTTP_FAILURES = range(400, 600)
_NOTHING: tuple[Any, ...] = (None, "", [], {}, False, 0, "none", "None", "null", "0", "false")
_NO_ERROR = frozenset(("ok", "success", "no error", "no errors", "n/a", "-", "none", "successful"))
_HEADS = frozenset(
    ("meta", "header", "head", "status", "responsestatus", "responseheader", "result", "responsemetadata")
)
MAX_ECHOED_FIELDS = 2


def envelope_sign(value: Mapping[str, Any]) -> ErrorSign | None:
    """The sign of failure in one object, not in what it contains."""
    fields = {_letters(str(key)): (str(key), item) for key, item in value.items()}
    substance = any(name not in _ENVELOPE_KEYS and item not in _NOTHING for name, (_, item) in fields.items())
    for name, (key, item) in fields.items():
        if name in _SUCCESS_KEYS and item in (False, "false", "False") and len(fields) > 1:
            return ErrorSign("failure_envelope", LIKELY if substance else CERTAIN, _quote(value), key)
        if name in ("iserror", "haserror") and item is True:
            return ErrorSign("failure_envelope", CERTAIN, _quote(value), key)
    if substance:
        return _beside_an_echo(value, fields)
    for name, (key, item) in fields.items():
        if name in _HEADS and isinstance(item, Mapping):
            inner = envelope_sign(item) if name not in ("result",) else None
            if inner is not None:
                return inner._replace(path=f"{key}.{inner.path}")
    for name, (key, item) in fields.items():
        label = _mark(name, item, fields)
        if label is not None:
            return ErrorSign(label, CERTAIN if name in _ERROR_KEYS else LIKELY, _quote(value), key)
    return _message_alone(value, fields)


def _mark(name: str, item: Any, fields: Mapping[str, tuple[str, Any]]) -> str | None:
    if name in _ERROR_KEYS and not _is_no_error(item) and not isinstance(item, bool | float):
        return "error_object"
    if name in ("detail", "details") and isinstance(item, list) and item and all(_is_validation(each) for each in item):
        return "error_object"
    if name in _ERROR_KEYS | _FAILURE_FLAGS and item is True:
        return "failure_envelope"
    if (
        name in _STATUS_KEYS
        and isinstance(item, str)
        and len(item) <= MAX_WORD_CHARS
        and _letters(item) in _FAILURE_WORDS
    ):
        return "failure_envelope"
    if name in _CLASS_KEYS and isinstance(item, str) and _EXCEPTION_NAME.search(whole_text(item)):
        return "error_object"
    if name in _CODE_KEYS and _is_http_failure(item) and (len(fields) == 1 or _says_why(fields)):
        return "http_status"
    return None


def _is_no_error(item: Any) -> bool:
    """An error field that tells of none: empty, zero, "ok", or an object with nothing but such values."""
    if item in _NOTHING or (isinstance(item, str) and item.strip().lower() in _NO_ERROR):
        return True
    return isinstance(item, Mapping) and all(each in _NOTHING for each in item.values())


def _is_validation(item: Any) -> bool:
    """One entry of a list of validation errors, as FastAPI and pydantic give it."""
    return isinstance(item, Mapping) and "msg" in item and ("loc" in item or "type" in item)


def _beside_an_echo(value: Mapping[str, Any], fields: Mapping[str, tuple[str, Any]]) -> ErrorSign | None:
    """``{"user_id": "u1", "error": "backend unavailable"}``: what was asked for is repeated, and an error says that it
    was not got. An entity that has an error (a build, a payment) has more fields, or says it in words of its own."""
    rest = [item for name, (_, item) in fields.items() if name not in _ENVELOPE_KEYS and item not in _NOTHING]
    if len(rest) > MAX_ECHOED_FIELDS or any(isinstance(item, Mapping | list) for item in rest):
        return None
    for name, (key, item) in fields.items():
        if name in _ERROR_KEYS and isinstance(item, str):
            text = whole_text(item)
            if is_failure_phrase(text) or prose_sign(text):
                return ErrorSign("error_object", LIKELY, _quote(value), key)
    return None


def _says_why(fields: Mapping[str, tuple[str, Any]]) -> bool:
    """Whether a status code comes with a message, or with nothing at all, as it does in an envelope."""
    others = {name for name, (_, item) in fields.items() if name not in _CODE_KEYS and item not in _NOTHING}
    return not others or bool(others & (_MESSAGE_KEYS | _ERROR_KEYS))


def _is_http_failure(item: Any) -> bool:
    if isinstance(item, str) and len(item) == 3 and item.isdigit():
        item = int(item)
    return isinstance(item, int) and not isinstance(item, bool) and item in _HTTP_FAILURES


def _message_alone(value: Mapping[str, Any], fields: Mapping[str, tuple[str, Any]]) -> ErrorSign | None:
    """``{"message": "Forbidden"}``, ``{"detail": "Not authenticated"}``: the message is all there is."""
    told = [(key, item) for name, (key, item) in fields.items() if name in _TELLING_KEYS and item not in _NOTHING]
    if len(told) != 1 or any(name in _STATUS_KEYS | _SUCCESS_KEYS for name in fields):
        return None
    key, item = told[0]
    if not isinstance(item, str):
        return None
    text = whole_text(item)
    if is_failure_phrase(text) or prose_sign(text):
        return ErrorSign("failure_envelope", LIKELY, _quote(value), key)
    return None


@lru_cache(maxsize=MAX_CACHED_KEYS)
def _letters(text: str) -> str:
    return str(_NOT_LETTERS.sub("", whole_text(text.lower())))


def _quote(value: Mapping[str, Any]) -> str:
    try:
        return as_text(dict(value))[:MAX_QUOTE_CHARS]
    except TooDeep:
        return ""
