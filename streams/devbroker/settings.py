"""What can be set on the broker as a whole; a topic's own settings are in `topic_config`."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class DevBrokerSettings:
    """Settings of one broker; the defaults are Kafka's unless a comment says why not.

    Attributes
    ----------
    partitions : partitions of a topic that is created without saying how many.
    auto_create_topics : asking for an unknown topic creates it, as producers and consumers do before anything else.
    max_message_bytes : default of a topic's ``max.message.bytes``. Our topics allow 8 MB records, so Kafka's 1 MB is raised.
    segment_bytes : default of ``segment.bytes``. Smaller than Kafka's 1 GiB, so that retention is seen to work on a laptop.
    retention_ms, retention_bytes : defaults of ``retention.ms`` and ``retention.bytes``; -1 is unlimited.
    retention_check_s : how often retention runs.
    min_session_timeout_ms, max_session_timeout_ms : bounds of what a group member may ask for.
    advertised_port : the port that clients are told, where it is another than the broker's own: behind a proxy.
    join_window_s : how long the first rebalance of an empty group waits for more members. Kafka waits 3 s.
    """

    partitions: int = 4
    auto_create_topics: bool = True
    max_message_bytes: int = 8 * MIB + 64 * KIB
    segment_bytes: int = 64 * MIB
    retention_ms: int = 7 * 24 * 3600 * 1000
    retention_bytes: int = -1
    retention_check_s: float = 5.0
    min_session_timeout_ms: int = 6_000
    max_session_timeout_ms: int = 1_800_000
    advertised_port: int | None = None
    join_window_s: float = 0.05
