"""The audit of dependencies, with the real pip-audit and a vulnerability service of the test's own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

AUDIT = Path(__file__).resolve().parents[1] / ".ci" / "audit"
FINDING = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-0001"],
    "summary": "it can be made to",
    "details": "it can be made to",
    "affected": [
        {
            "package": {"name": "holey", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}

pytest.importorskip("pip_audit", reason="pip-audit is not installed")


@pytest.fixture
def service() -> Iterator[str]:
    """Speaks OSV's protocol, and knows of one hole."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = orjson.dumps({"vulns": [FINDING]} if asked["package"]["name"] == "holey" else {})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    server.shutdown()
    server.server_close()


def audit(url: str, folder: Path, *packages: str, script: Path = AUDIT) -> subprocess.CompletedProcess[str]:
    wanted = folder / "requirements.txt"
    wanted.write_text("".join(f"{package}\n" for package in packages))
    what = ("-s", "osv", "--osv-url", url, "-r", str(wanted), "--no-deps", "--disable-pip", "--timeout", "5")
    cache = ("--cache-dir", str(folder / "cache"))
    return subprocess.run([sys.executable, str(script), *what, *cache], capture_output=True, text=True, timeout=120)


def test_a_known_finding_fails(service: str, tmp_path: Path) -> None:
    done = audit(service, tmp_path, "holey==1.0", "sound==1.0")
    assert done.returncode == 1, done
    assert done.stdout == "holey 1.0: PYSEC-2026-1, fixed in 2.0\n2 of 2 packages audited, 1 findings\n"


def test_no_finding_passes_and_says_how_many_were_looked_at(service: str, tmp_path: Path) -> None:
    done = audit(service, tmp_path, "sound==1.0")
    assert (done.returncode, done.stdout) == (0, "1 of 1 packages audited, 0 findings\n"), done


def test_an_accepted_finding_is_shown_and_passes(service: str, tmp_path: Path) -> None:
    script = tmp_path / "audit"
    script.write_text(AUDIT.read_text())
    (tmp_path / "audit-accepted").write_text("# why\nCVE-2026-0001 not reachable from our code, until 2.0 is out\n")
    done = audit(service, tmp_path, "holey==1.0", script=script)
    assert done.returncode == 0, done
    assert "PYSEC-2026-1, fixed in 2.0 (accepted)" in done.stdout


def test_a_service_that_is_away_fails_nothing_and_is_told(tmp_path: Path) -> None:
    done = audit("http://127.0.0.1:1/v1/query", tmp_path, "sound==1.0")
    assert done.returncode == 0, done
    assert "NOTHING WAS AUDITED: the vulnerability service does not answer" in done.stderr


def test_a_mistake_of_ours_is_no_service_that_is_away(service: str, tmp_path: Path) -> None:
    assert audit(service, tmp_path, "no version at all").returncode == 2
