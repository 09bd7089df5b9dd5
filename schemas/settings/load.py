"""YAML and environment into `Settings`; errors name file, line and path.

Secrets come from the environment only. `${NAME}` inside a string is replaced by the variable, which must be set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Any

import re2
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ..errors import ConfigError
from .root import Settings

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "bootstrap_servers"),
    "KAFKA_SASL_USERNAME": ("kafka", "sasl_username"),
    "KAFKA_SASL_PASSWORD": ("kafka", "sasl_password"),
    "KAFKA_SSL_KEY_PASSWORD": ("kafka", "ssl_key_password"),
    "EVALSTREAM_WAREHOUSE_URL": ("warehouse", "url"),
    "EVALSTREAM_KEY": ("redaction", "key"),
    "EVALSTREAM_HTTP_TOKEN": ("receiver", "token"),
    "EVALSTREAM_HTTP_HOST": ("http", "host"),
    "EVALSTREAM_HTTP_PORT": ("http", "port"),
    "OPENAI_API_KEY": ("judge", "api_key"),
    "OPENAI_BASE_URL": ("judge", "base_url"),
}
SECRETS_ONLY_FROM_ENVIRONMENT = (
    ("kafka", "sasl_password"),
    ("kafka", "ssl_key_password"),
    ("redaction", "key"),
    ("receiver", "token"),
    ("judge", "api_key"),
)
MAX_DOCUMENT_BYTES = 4 * 2**20
SHORTEST_SECRET = 4
"""Characters; what is shorter is part of too many words to be taken out of them."""
_VARIABLE = re2.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Path_ = tuple[str | int, ...]


class SourceMap:
    """Which line of which file a path of the document stands on.

    `expanded` holds what came in by `${NAME}`, and no message shows it: it may be a secret in the wrong place.
    """

    def __init__(self, file: str, document: Any) -> None:
        self.file, self._document = file, document
        self.expanded: dict[str, str] = {}

    def line(self, path: Path_) -> int | None:
        """The 1-based line of the deepest part of `path` that exists."""
        node, line = self._document, None
        for part in path:
            marks = getattr(node, "lc", None)
            try:
                line = (marks.item(part) if isinstance(part, int) else marks.key(part))[0] + 1  # type: ignore[union-attr]
                node = node[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
        return line

    def error(self, message: str, path: Path_ = ()) -> ConfigError:
        """A `ConfigError` that points at `path`."""
        for value, name in self.expanded.items():
            message = message.replace(value, name)
        return ConfigError(message, path=dotted(path), file=self.file, line=self.line(path))


def load_settings(file: Path | None, environ: Mapping[str, str] = os.environ) -> tuple[Settings, SourceMap]:
    """Read `file` (None: nothing but defaults and environment).

    Raises
    ------
    ConfigError : unreadable, no YAML, an unknown key, a wrong value; with file, line and path.
    """
    if file is None:
        return parse_settings("", "<defaults>", environ)
    try:
        if file.stat().st_size > MAX_DOCUMENT_BYTES:
            raise ConfigError("larger than 4 MB: this is no configuration", file=str(file))
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 (byte {error.start})", file=str(file)) from None
    return parse_settings(text, str(file), environ)


def parse_settings(text: str, file: str, environ: Mapping[str, str] = os.environ) -> tuple[Settings, SourceMap]:
    """Read a YAML text; `file` is how errors call it."""
    document = _document(text, file)
    source = SourceMap(file, document)
    for path in SECRETS_ONLY_FROM_ENVIRONMENT:
        section = document.get(path[0])
        if isinstance(section, Mapping) and section.get(path[1]) is not None:
            name = next(name for name, target in ENVIRONMENT.items() if target == path)
            raise source.error(f"secrets do not belong into a file: set the environment variable {name}", path)
    plain = _expanded(document, environ, source, ())
    for name, (section_name, key) in ENVIRONMENT.items():
        if environ.get(name):
            section = plain.setdefault(section_name, {})
            if isinstance(section, MutableMapping):
                section[key] = environ[name]
    try:
        settings = Settings.model_validate(plain)
    except ValidationError as error:
        raise first_error(error, source) from None
    _check_names(settings, source)
    return settings, source


def first_error(error: ValidationError, source: SourceMap, prefix: Path_ = ()) -> ConfigError:
    """The first problem of a pydantic error, at its place in the document. Used for evaluators' options too."""
    problem = error.errors(include_url=False)[0]
    path = prefix + tuple(problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; see docs/configuration.md"
    elif (
        not isinstance(problem["input"], dict | list) and problem["type"] != "value_error" and "secret" not in str(path)
    ):
        message = f"{message[0].lower()}{message[1:]}, got {problem['input']!r}"
    return source.error(message, path)


def dotted(path: Path_) -> str:
    """``("evaluators", 2, "options")`` as ``evaluators[2].options``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check_names(settings: Settings, source: SourceMap) -> None:
    for what, names in (
        ("evaluators", [evaluator.label for evaluator in settings.evaluators]),
        ("alerts", [rule.name for rule in settings.alerts]),
        ("notify", [destination.name for destination in settings.notify]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                taken = f"{what}[{names.index(name)}]"
                raise source.error(f"{name!r} is taken by {taken}; names are unique", (what, index, "name"))


def _document(text: str, file: str) -> Any:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        document = yaml.load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"no valid YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else None
        ) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"no valid YAML: {type(error).__name__}", file=file) from None
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise ConfigError("must be a mapping of sections, such as `evaluators:`", file=file, line=1)
    return document


def _expanded(node: Any, environ: Mapping[str, str], source: SourceMap, path: Path_) -> Any:
    """A plain copy with `${NAME}` replaced."""
    if isinstance(node, Mapping):
        return {str(key): _expanded(value, environ, source, (*path, key)) for key, value in node.items()}
    if isinstance(node, list):
        return [_expanded(value, environ, source, (*path, index)) for index, value in enumerate(node)]
    if isinstance(node, str):
        for name in _VARIABLE.findall(node):
            if name not in environ:
                raise source.error(f"the environment variable {name} is not set", path)
            if len(environ[name]) >= SHORTEST_SECRET:
                source.expanded[environ[name]] = f"${{{name}}}"
        return _VARIABLE.sub(lambda match: environ[match.group(1)], str(node))
    return node
