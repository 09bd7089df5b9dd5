"""The two worlds of the suite: the dev broker with SQLite, and Apache Kafka with PostgreSQL, both behind proxies."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.brokers import KAFKA_SCRIPT, ApacheKafkaProcess, DevBrokerProcess
from tests.faults.proxy import Proxy
from tests.warehouses import POSTGRES_DEFAULT, POSTGRES_VARIABLE, postgres_databases

DISK_MB = 200


class NotHere(Exception):
    """This fault cannot be made in this world; the message says why."""


class Broker(Protocol):
    """What the suite does to a broker."""

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class World(Protocol):
    """A broker and warehouses, and what can go wrong with them."""

    name: str
    broker: Broker
    kafka: Proxy

    def new_warehouse(self, folder: Path) -> tuple[str, str]:
        """The URLs of an empty one: for the workers, and for looking, past the proxy. (libpq may wait with Python's lock
        held, and the proxy is a thread of this process.)"""
        ...

    def warehouse_away(self, seconds: float) -> None:
        """It answers nobody."""
        ...

    def warehouse_slow(self, seconds: float) -> None: ...

    def warehouse_read_only(self, seconds: float) -> None: ...

    def warehouse_resets(self) -> None:
        """All connections to it are reset."""
        ...

    def disk_full(self, seconds: float) -> None:
        """No room for what is written; `new_warehouse` was called with a folder of `small_disk`."""
        ...

    def copy(self) -> Callable[[], None]:
        """Take a copy of the warehouse, nobody using it; the result puts it back in its place."""
        ...


class Embedded:
    """The dev broker and SQLite: needs nothing."""

    name = "embedded"

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.kafka = Proxy()
        broker = DevBrokerProcess(folder / "broker", "--advertised-port", str(self.kafka.port))
        broker.start()
        closing.callback(broker.stop)
        closing.callback(self.kafka.stop)
        self.kafka.target = ("127.0.0.1", broker.port)
        self.broker: Broker = broker
        self._file = Path()

    def new_warehouse(self, folder: Path) -> tuple[str, str]:
        self._file = folder / "warehouse.db"
        return f"sqlite:///{self._file}", f"sqlite:///{self._file}"

    def warehouse_away(self, seconds: float) -> None:
        with self._locked():
            time.sleep(seconds)

    def warehouse_slow(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._locked():
                time.sleep(0.6)
            time.sleep(0.2)

    def warehouse_read_only(self, seconds: float) -> None:
        raise NotHere("root may write to every file" if os.geteuid() == 0 else "not made for SQLite")

    def warehouse_resets(self) -> None:
        """SQLite has no connections that could be reset."""

    def disk_full(self, seconds: float) -> None:
        _fill(self._file.parent, seconds)

    def copy(self) -> Callable[[], None]:
        files = [self._file, *(self._file.with_name(self._file.name + end) for end in ("-wal", "-shm"))]
        with sqlite3.connect(self._file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        copied = self._file.with_suffix(".copy")
        shutil.copy(self._file, copied)

        def restore() -> None:
            for file in files:
                file.unlink(missing_ok=True)
            shutil.copy(copied, self._file)

        return restore

    @contextmanager
    def _locked(self) -> Iterator[None]:
        connection = sqlite3.connect(self._file, isolation_level=None, timeout=60)
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()


class Production:
    """Apache Kafka (../shared and Java) and PostgreSQL (EVALSTREAM_TEST_POSTGRES)."""

    name = "production"

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        if not KAFKA_SCRIPT.exists() or not shutil.which("java"):
            raise NotHere(f"no Apache Kafka: provide {KAFKA_SCRIPT} and Java 17")
        self.kafka = Proxy()
        broker = _AdvertisedKafka(folder / "kafka", self.kafka.port)
        broker.start()
        closing.callback(broker.stop)
        closing.callback(self.kafka.stop)
        self.kafka.target = ("127.0.0.1", int(broker.bootstrap_servers.partition(":")[2]))
        self.broker: Broker = broker
        self._make = closing.enter_context(postgres_databases())
        self._server = make_url(os.environ.get(POSTGRES_VARIABLE, POSTGRES_DEFAULT))
        self._postgres = Proxy((self._server.host or "127.0.0.1", self._server.port or 5432))
        closing.callback(self._postgres.stop)
        self._database = ""

    def new_warehouse(self, folder: Path) -> tuple[str, str]:
        url = make_url(self._make())
        self._database = str(url.database)
        through = url.set(host="127.0.0.1", port=self._postgres.port)
        return through.render_as_string(hide_password=False), url.render_as_string(hide_password=False)

    def warehouse_away(self, seconds: float) -> None:
        self._postgres.refuse()
        time.sleep(seconds)
        self._postgres.accept()

    def warehouse_slow(self, seconds: float) -> None:
        self._postgres.delay_s = 0.05
        time.sleep(seconds)
        self._postgres.delay_s = 0.0

    def warehouse_read_only(self, seconds: float) -> None:
        self._administer(f"ALTER DATABASE {self._database} SET default_transaction_read_only = on")
        self._postgres.reset()
        time.sleep(seconds)
        self._administer(f"ALTER DATABASE {self._database} RESET default_transaction_read_only")
        self._postgres.reset()

    def warehouse_resets(self) -> None:
        self._postgres.reset()

    def disk_full(self, seconds: float) -> None:
        raise NotHere("the disk of the server is not ours to fill")

    def copy(self) -> Callable[[], None]:
        copied = f"{self._database}_copy"
        self._nobody(self._database)
        self._administer(f"CREATE DATABASE {copied} TEMPLATE {self._database}")

        def restore() -> None:
            self._nobody(self._database)
            self._administer(f"DROP DATABASE {self._database} WITH (FORCE)")
            self._administer(f"ALTER DATABASE {copied} RENAME TO {self._database}")

        return restore

    def _nobody(self, database: str) -> None:
        self._administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def _administer(self, statement: str) -> None:
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


class _AdvertisedKafka(ApacheKafkaProcess):
    """Tells clients the port of the proxy."""

    def __init__(self, folder: Path, advertised: int) -> None:
        super().__init__(folder)
        self._extra = f"advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}"

    def _run(self, command: str, *arguments: str) -> None:
        environment = {**os.environ, "KAFKA_EXTRA": self._extra}
        subprocess.run(
            [KAFKA_SCRIPT, command, self.folder, *arguments],
            check=True,
            timeout=60,
            capture_output=True,
            env=environment,
        )


WORLDS: dict[str, Callable[[Path, ExitStack], World]] = {"embedded": Embedded, "production": Production}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, which can be filled without harm."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"a small file system cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _fill(folder: Path, seconds: float) -> None:
    filler = folder / "filler"
    try:
        with filler.open("wb") as out:
            while True:
                out.write(b"\0" * 65_536)
                out.flush()
    except OSError:
        time.sleep(seconds)
    finally:
        filler.unlink()
