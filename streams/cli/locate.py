"""Where a command finds its configuration, its broker and its warehouse.

The configuration: ``-c FILE``, then ``EVALSTREAM_CONFIG``, then ``./evalstream.yaml``, then that of a running
`evalstream up`, then the built-in starter (what `evalstream init` writes). A broker or warehouse that neither the file
nor the environment names is that of the `evalstream up` in the data folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError
from schemas.settings import Settings, SourceMap, load_settings
from streams.up.runtime import Runtime, data_folder, read_runtime, sqlite_url

STARTER = Path(__file__).with_name("starter.yaml")
DEFAULT_FILE = Path("evalstream.yaml")


@dataclass(frozen=True, slots=True)
class Located:
    """A configuration, where it stands, and what runs in the data folder."""

    settings: Settings
    source: SourceMap
    file: Path
    data: Path
    runtime: Runtime | None


def config_file(given: Path | None, runtime: Runtime | None = None) -> Path:
    """The file that holds the configuration; a file that was asked for by name must exist."""
    if given is not None:
        return given
    if named := os.environ.get("EVALSTREAM_CONFIG"):
        return Path(named)
    if DEFAULT_FILE.exists():
        return DEFAULT_FILE
    return Path(runtime.config) if runtime is not None and runtime.running else STARTER


def locate(config: Path | None = None, data: Path | None = None) -> Located:
    """Settings with broker and warehouse filled in from a running `evalstream up`, where nothing names them."""
    folder = data_folder(data)
    runtime = read_runtime(folder)
    file = config_file(config, runtime)
    settings, source = load_settings(file)
    if settings.kafka.bootstrap_servers is None and runtime is not None and runtime.running:
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": runtime.bootstrap_servers})
        settings = settings.model_copy(update={"kafka": kafka})
    if "url" not in settings.warehouse.model_fields_set:
        settings = with_warehouse(settings, _warehouse_of(runtime, folder))
    return Located(settings, source, file, folder, runtime)


def with_warehouse(settings: Settings, url: str) -> Settings:
    """The same settings with another warehouse."""
    return settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"url": url})})


def need_broker(found: Located) -> None:
    """Raise a `ConfigError` that says what to do when no broker is known."""
    if found.settings.kafka.bootstrap_servers is None:
        raise ConfigError(
            f"no broker: nothing runs in {found.data}. Start `evalstream up`, or name a broker by "
            "KAFKA_BOOTSTRAP_SERVERS or kafka.bootstrap_servers (another data folder: --data or EVALSTREAM_DATA)"
        )


def _warehouse_of(runtime: Runtime | None, folder: Path) -> str:
    if runtime is not None and runtime.password_omitted:
        raise ConfigError("the warehouse of the running `evalstream up` has a password: set EVALSTREAM_WAREHOUSE_URL")
    return runtime.warehouse_url if runtime is not None else sqlite_url(folder)
