"""What a dialect is: a table of attribute names for our fields, and readers for what no table can say.

A dialect is told by the namespaces of the attributes on a span (the part before the first dot), never by the name of
a client. Several may apply to one span (an OpenLLMetry span carries ``gen_ai.*`` too): they are asked in the order of
`schemas.otlp.dialects.DIALECTS`, and the first value of a field stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..messages import MessageBook
from ..trace import SpanKind
from .raw import RawEvent, RawSpan

Reader = Callable[["Draft"], None]

# Fields that hold content: a second attribute with the same content is not left in `attributes`.
CONTENT_FIELDS = frozenset(
    {"inputs", "outputs", "system", "tool_definitions", "arguments", "result", "input", "output"}
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A table of aliases.

    Attributes
    ----------
    namespaces : the dialect is asked when a span has an attribute in one of these.
    aliases : field → attribute names, the best first. Fields are those of `Draft.fields`.
    kinds : attributes that tell the kind, each with its words (lower case).
    before, after : readers that run before and after the table is applied.
    """

    name: str
    namespaces: frozenset[str]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, SpanKind]] = field(default_factory=dict)
    before: tuple[Reader, ...] = ()
    after: tuple[Reader, ...] = ()
    by_attribute: Mapping[str, tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        table = {name: (to, rank) for to, names in self.aliases.items() for rank, name in enumerate(names)}
        object.__setattr__(self, "by_attribute", table)


class Draft:
    """A span while its dialects read it.

    Attributes
    ----------
    attributes : what no dialect has claimed yet; it ends as the span's attributes.
    events : likewise.
    fields : what was claimed, as received: scalars (``provider``, ``request_model``, …), tokens (``input_tokens``, …)
        and content (``inputs``, ``outputs``, ``system``, ``tool_definitions``, ``arguments``, ``result``; ``input``
        and ``output`` are what a span was given and gave, of a shape still unknown).
    names : the attributes that fields came from.
    inputs, outputs : digests of messages read already, by readers.
    """

    __slots__ = ("attributes", "book", "events", "fields", "inputs", "kind", "names", "outputs", "raw", "reasons")

    def __init__(self, raw: RawSpan, book: MessageBook) -> None:
        self.raw = raw
        self.book = book
        self.attributes: dict[str, Any] = dict(raw.attributes)
        self.events: list[RawEvent] = list(raw.events)
        self.fields: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.kind: SpanKind | None = None
        self.inputs: tuple[str, ...] = ()
        self.outputs: tuple[str, ...] = ()
        self.reasons: tuple[str, ...] = ()

    def offer(self, name: str, value: Any) -> None:
        """Set a field unless a better source has set it."""
        if value not in (None, "", (), [], {}) and self.fields.get(name) is None:
            self.fields[name] = value

    def apply(self, dialect: Dialect) -> None:
        """Read what a dialect knows."""
        for reader in dialect.before:
            reader(self)
        for attribute, words in dialect.kinds.items():
            self._tell_kind(attribute, words)
        table = dialect.by_attribute
        best: dict[str, tuple[int, str]] = {}
        for name in self.attributes.keys() & table.keys():
            to, rank = table[name]
            if to not in best or rank < best[to][0]:
                if to in best and self.attributes[name] in ("", None):
                    continue
                best[to] = (rank, name)
        for to, (_, name) in best.items():
            self.offer(to, self.attributes.pop(name))
            self.names.setdefault(to, name)
            self._drop_copies(to, dialect.aliases[to])
        for reader in dialect.after:
            reader(self)

    def take_event(self, *names: str) -> list[RawEvent]:
        """Claim all events of these names."""
        taken = [event for event in self.events if event.name in names]
        if taken:
            self.events = [event for event in self.events if event.name not in names]
        return taken

    def seconds_until(self, time_ns: int) -> float:
        return max(time_ns - self.raw.start_ns, 0) / 1e9

    def _tell_kind(self, attribute: str, words: Mapping[str, SpanKind]) -> None:
        said = self.attributes.get(attribute)
        if self.kind is None and isinstance(said, str) and said.lower() in words:
            self.kind = words[said.lower()]

    def _drop_copies(self, to: str, names: tuple[str, ...]) -> None:
        held = self.fields.get(to)
        for name in names:
            if name in self.attributes and (to in CONTENT_FIELDS or self.attributes[name] == held):
                del self.attributes[name]
