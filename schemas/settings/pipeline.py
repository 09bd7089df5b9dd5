"""Sections of the components: `assemble`, `evaluate`, `redaction`, `warehouse`, `receiver`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from .base import Section


class AssembleSettings(Section):
    """When the spans of a trace are taken to be whole."""

    quiet_s: float = Field(5.0, ge=0, description="After the root has ended, wait this long for late spans.")
    rootless_quiet_s: float = Field(
        30.0, ge=0, description="Without a root, wait until nothing new came for this long."
    )
    max_age_s: float = Field(600.0, gt=0, description="A trace older than this is cut and marked incomplete.")
    max_open_mb: float = Field(
        256.0, gt=0, description="Spans held in memory; beyond it the oldest traces leave as partial."
    )
    max_commit_lag_s: float = Field(300.0, gt=0, description="How far an open trace may hold back the commit.")
    max_spans: int = Field(10_000, ge=1, description="A trace with more spans is cut and marked incomplete.")


class SessionSettings(Section):
    """When a session is taken to be over for now."""

    quiet_s: float = Field(60.0, ge=0, description="Evaluate a session when no trace of it came for this long.")
    max_age_s: float = Field(3600.0, gt=0, description="Evaluate a session that never rests at least this often.")


class EvaluateSettings(Section):
    """The evaluate worker."""

    callable_workers: int = Field(1, ge=1, le=64, description="Processes for users' own callables.")
    callable_timeout_s: float = Field(
        5.0, gt=0, description="A callable that takes longer is killed; its decision is failed."
    )
    callable_folders: tuple[str, ...] = Field((), description="Where callables may lie beside this file's own folder.")
    profile_poll_s: float = Field(
        2.0, gt=0, description="How often profiles that the monitor has learned are looked for."
    )
    profile_wait_s: float = Field(
        60.0, ge=0, description="A decision that waits for more to be learned is made by what there is after so long."
    )
    max_deaths: int = Field(
        3, ge=1, description="A record at whose position this many starts died is a dead letter (poison)."
    )


class RedactionRule(Section):
    """One pattern whose matches are swapped for a typed token."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="Type shown in the token: [NAME:3fa9c1].")
    pattern: str = Field(description="RE2 regular expression; group 1, when there is one, is what is swapped.")


class RedactionSettings(Section):
    """What is replaced before a trace is stored or shown to a judge."""

    presets: tuple[Literal["pii", "secrets"], ...] = Field(("pii", "secrets"), description="Shipped rule sets.")
    rules: tuple[RedactionRule, ...] = ()
    key: SecretStr | None = Field(
        None, description="Key of digests and tokens. Only from the environment: EVALSTREAM_KEY."
    )
    keep_dead_letter_payloads: bool = Field(False, description="Keep the redacted bytes of a dead letter.")


class HousekeepingSettings(Section):
    """How long workers keep what is theirs. Applied once an hour by a monitor worker; days."""

    judge_cache_days: float = Field(30.0, gt=0, description="Answers of judges, used again for an equal question.")
    requests_days: float = Field(30.0, gt=0, description="Judge requests that nobody has answered.")
    outbox_days: float = Field(30.0, gt=0, description="Notifications that were delivered or given up.")
    dead_letters_days: float = Field(90.0, gt=0, description="Dead letters; the topic has its own retention.")


class WarehouseSettings(Section):
    """The SQL warehouse."""

    url: str = Field(
        "sqlite:///.evalstream/warehouse.db",
        description="SQLAlchemy URL, sqlite:/// or postgresql+psycopg://. Environment: EVALSTREAM_WAREHOUSE_URL.",
    )
    migrate_on_start: bool = Field(True, description="Bring the schema up to date when a component starts.")
    retention_days: float | None = Field(
        None, gt=0, description="Delete traces, with all that belongs to them, this long after they were first stored."
    )
    keep_scores: bool = Field(
        False, description="At the end of their retention keep the rows of `scores`, without the texts they quote."
    )
    housekeeping: HousekeepingSettings = HousekeepingSettings()


class ReceiverSettings(Section):
    """The OTLP/HTTP receiver of `evalstream up`."""

    host: str = "127.0.0.1"
    port: int = Field(4318, ge=0, le=65535)
    token: SecretStr | None = Field(
        None, description="Bearer token, needed beyond loopback. Environment: EVALSTREAM_HTTP_TOKEN."
    )
    max_body_mb: float = Field(16.0, gt=0)
