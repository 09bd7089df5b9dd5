"""`kafka`: the broker, its topics and how we speak to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from .base import Section


class KafkaSettings(Section):
    """The broker. Without `bootstrap_servers` (and without KAFKA_BOOTSTRAP_SERVERS), `evalstream up` starts one."""

    bootstrap_servers: str | None = Field(
        None, description="Comma-separated host:port list. Environment: KAFKA_BOOTSTRAP_SERVERS."
    )
    topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]*$", description="Put before every topic and consumer group name."
    )
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of a topic that we create.")
    replication_factor: int = Field(1, ge=1, description="Replicas of a topic that we create; 3 in production.")
    retention_h: float = Field(168.0, gt=0, description="Retention of a topic that we create, hours.")
    max_record_mb: float = Field(8.0, gt=0, le=64, description="Largest record of our topics, MB.")
    max_inflated_mb: float = Field(
        64.0, gt=0, description="A compressed batch that grows beyond this goes to the dead letters unread, MB."
    )
    session_timeout_s: float = Field(8.0, gt=1, description="A worker that is silent this long loses its partitions.")
    batch_records: int = Field(500, ge=1, description="Most records of one partition worked on at once.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: str | None = Field(None, description="CA certificates, PEM.")
    ssl_certfile: str | None = Field(None, description="Client certificate, PEM.")
    ssl_keyfile: str | None = Field(None, description="Client key, PEM.")
    ssl_key_password: SecretStr | None = Field(
        None, description="Of an encrypted client key. Only from the environment: KAFKA_SSL_KEY_PASSWORD."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = Field(None, description="Environment: KAFKA_SASL_USERNAME.")
    sasl_password: SecretStr | None = Field(None, description="Only from the environment: KAFKA_SASL_PASSWORD.")


class Topics:
    """The topics, by what they carry."""

    OTLP_SPANS = "otlp_spans"
    OTLP_SPANS_BY_TRACE = "otlp_spans_by_trace"
    TRACES = "traces"
    SESSION_TRACES = "session_traces"
    SESSIONS = "sessions"
    JUDGE_REQUESTS = "judge_requests"
    MEASUREMENTS = "measurements"
    SCORES = "scores"
    DRIFT = "drift"
    ALERTS = "alerts"
    FEEDBACK = "feedback"
    DEAD_LETTERS = "dead_letters"
    ALL = (
        OTLP_SPANS,
        OTLP_SPANS_BY_TRACE,
        TRACES,
        SESSION_TRACES,
        SESSIONS,
        JUDGE_REQUESTS,
        MEASUREMENTS,
        SCORES,
        DRIFT,
        ALERTS,
        FEEDBACK,
        DEAD_LETTERS,
    )
