"""TLS to PostgreSQL, against a server of the test's own: whom we trust, and what is said when we must not."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from schemas.errors import ConfigError
from sinks.warehouse import Warehouse
from tests.brokers import free_port
from tests.certificates import Authority
from tests.sinks.making import score
from tests.warehouses import open_warehouse

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "right-pa55word-of-the-warehouse"
HBA = """\
local all postgres trust
hostssl all app 127.0.0.1/32 scram-sha-256
hostssl all by_certificate 127.0.0.1/32 cert
"""
SETTINGS = """\
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.pem'
listen_addresses = '127.0.0.1'
fsync = off
"""


@dataclass(frozen=True)
class Server:
    """What to connect with; `authority` has signed the server, `stranger` has not."""

    port: int
    authority: Authority
    stranger: Authority

    def url(self, user: str = "app", password: str | None = PASSWORD, **options: str | Path) -> str:
        trusted = {"sslmode": "verify-full", "sslrootcert": self.authority.certificate, **options}
        query = {name: str(value) for name, value in trusted.items()}
        made = URL.create("postgresql+psycopg", user, password, "127.0.0.1", self.port, "postgres", query)
        return made.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def tls_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PostgreSQL that takes connections by TLS only."""
    if not BINARIES or not shutil.which("runuser"):
        pytest.skip("no PostgreSQL server is installed here")
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres to run a server as")
    certificates = tmp_path_factory.mktemp("certificates")
    authority, stranger = Authority(certificates / "ca"), Authority(certificates / "stranger", "a stranger")
    authority.issue("server", "IP:127.0.0.1")
    for signer in (authority, stranger):
        signer.issue("by_certificate")
    folder, port = Path(tempfile.mkdtemp(prefix="evalstream-postgres-")), free_port()
    data = folder / "data"
    try:
        shutil.chown(folder, owner.pw_uid)
        _as_postgres(BINARIES[-1] / "initdb", "-D", data, "--auth=trust", "-E", "UTF8")
        for name in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(authority.folder / name, data / name)
            shutil.chown(data / name, owner.pw_uid, owner.pw_gid)
            (data / name).chmod(0o600)
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(f"{SETTINGS}port = {port}\nunix_socket_directories = '{folder}'\n")
        (data / "pg_hba.conf").write_text(HBA)
        _as_postgres(BINARIES[-1] / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60", "start")
        for user in (f"app PASSWORD '{PASSWORD}'", "by_certificate"):
            _as_postgres("psql", "-h", folder, "-p", port, "-c", f"CREATE ROLE {user.split()[0]} SUPERUSER LOGIN")
            if "PASSWORD" in user:
                _as_postgres("psql", "-h", folder, "-p", port, "-c", f"ALTER ROLE {user}")
        yield Server(port, authority, stranger)
    finally:
        _as_postgres(BINARIES[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(*command: object, check: bool = True) -> None:
    words = ["runuser", "-u", "postgres", "--", *map(str, command)]
    # Not captured: the server would inherit the pipes, and nobody would ever see their end.
    done = subprocess.run(
        words, cwd="/", check=False, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert done.returncode == 0 or not check, words


def works(url: str) -> str:
    """Fill a warehouse a little; the version of TLS on its connection."""
    warehouse: Warehouse = open_warehouse(url)
    try:
        warehouse.migrate()
        warehouse.write_feedback([score("t1", kind="human")])
        assert [found.trace_id for found in warehouse.scores()] == ["t1"]
        with warehouse.database.read() as connection:
            query = text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            return str(connection.execute(query).scalar_one())
    finally:
        warehouse.close()


def test_a_server_whose_certificate_is_checked(tls_postgres: Server) -> None:
    assert works(tls_postgres.url()) == "TLSv1.3"


def test_a_client_that_shows_a_certificate_needs_no_password(tls_postgres: Server) -> None:
    folder = tls_postgres.authority.folder
    own = {"sslcert": folder / "by_certificate.pem", "sslkey": folder / "by_certificate.key"}
    assert works(tls_postgres.url("by_certificate", None, **own)) == "TLSv1.3"


def test_what_must_not_be_trusted_is_a_mistake_in_the_settings(tls_postgres: Server) -> None:
    strange = tls_postgres.stranger.folder
    own = {"sslcert": strange / "by_certificate.pem", "sslkey": strange / "by_certificate.key"}
    wrong = {
        tls_postgres.url(sslrootcert=tls_postgres.stranger.certificate): "certificate verify failed",
        tls_postgres.url(sslrootcert="/nowhere/ca.pem"): "root certificate file",
        tls_postgres.url(password="wrong-pa55word"): "password authentication failed",
        tls_postgres.url(sslmode="disable"): "no pg_hba.conf entry",
        tls_postgres.url().replace("@127.0.0.1", "@localhost"): "does not match host name",
        tls_postgres.url("by_certificate", None): "certificate",
        tls_postgres.url("by_certificate", None, **own): "unknown ca",
    }
    for url, says in wrong.items():
        began = time.monotonic()
        with pytest.raises(ConfigError) as caught:
            open_warehouse(url)
        assert says in str(caught.value), str(caught.value)
        assert str(caught.value).startswith("warehouse.url: ")
        assert "pa55word" not in str(caught.value)
        assert time.monotonic() - began < 30


def test_a_server_without_tls_is_refused(postgres_url: str) -> None:
    with pytest.raises(ConfigError, match="server does not support SSL"):
        open_warehouse(postgres_url + "?sslmode=require")
