"""A topic's settings: which there are, what they may be, and which ones this broker refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.settings import MIB, DevBrokerSettings

INT, LONG, LIST, STRING = 3, 5, 7, 2  # the protocol's config types
UNLIMITED = -1
WEEK_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its type in the protocol, its default, and a check that returns what is wrong, or nothing."""

    type: int
    default: Callable[[DevBrokerSettings], object]
    problem: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """The settings of one topic; `given` are those that somebody set."""

    given: Mapping[str, str]
    broker: DevBrokerSettings

    @classmethod
    def checked(cls, given: Mapping[str, str | None], broker: DevBrokerSettings) -> TopicConfig:
        """Make a config of what a client asks for.

        Raises
        ------
        Refusal : INVALID_CONFIG for an unknown name or a bad value, and for what the broker does not do.
        """
        for name, value in given.items():
            option = OPTIONS.get(name)
            if option is None:
                raise Refusal(Code.INVALID_CONFIG, f"unknown topic config name: {name}")
            problem = option.problem(value or "")
            if problem:
                raise Refusal(Code.INVALID_CONFIG, f"invalid value {value!r} for {name}: {problem}")
        return cls({name: str(value) for name, value in given.items()}, broker)

    def value(self, name: str) -> str:
        return self.given[name] if name in self.given else str(OPTIONS[name].default(self.broker))

    @property
    def max_message_bytes(self) -> int:
        return int(self.value("max.message.bytes"))

    @property
    def retention_bytes(self) -> int:
        return int(self.value("retention.bytes"))

    @property
    def retention_ms(self) -> int:
        return int(self.value("retention.ms"))

    @property
    def segment_bytes(self) -> int:
        return int(self.value("segment.bytes"))

    @property
    def segment_ms(self) -> int:
        return int(self.value("segment.ms"))


def _at_least(least: int) -> Callable[[str], str]:
    def problem(value: str) -> str:
        try:
            return "" if int(value) >= least else f"must be at least {least}"
        except ValueError:
            return "not a number"

    return problem


def _only(allowed: str, why: str) -> Callable[[str], str]:
    return lambda value: "" if value == allowed else f"the dev broker only does {allowed!r}: {why}"


OPTIONS: Mapping[str, Option] = {
    "cleanup.policy": Option(LIST, lambda _: "delete", _only("delete", "it does not compact")),
    "compression.type": Option(STRING, lambda _: "producer", _only("producer", "it stores batches as they come")),
    "max.message.bytes": Option(INT, lambda broker: broker.max_message_bytes, _at_least(0)),
    "message.timestamp.type": Option(
        STRING, lambda _: "CreateTime", _only("CreateTime", "it keeps what producers say")
    ),
    "min.insync.replicas": Option(INT, lambda _: 1, _only("1", "it has one node")),
    "retention.bytes": Option(LONG, lambda broker: broker.retention_bytes, _at_least(UNLIMITED)),
    "retention.ms": Option(LONG, lambda broker: broker.retention_ms, _at_least(UNLIMITED)),
    "segment.bytes": Option(INT, lambda broker: broker.segment_bytes, _at_least(MIB)),
    "segment.ms": Option(LONG, lambda broker: WEEK_MS, _at_least(1)),
}
