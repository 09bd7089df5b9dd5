"""Certificates for tests of TLS, made by openssl: an authority, what it signed, and an authority that nobody trusts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DAYS = "7"


class Authority:
    """A certificate authority in a folder.

    Parameters
    ----------
    folder : is made; holds ``ca.pem``, and ``NAME.pem`` (certificate), ``NAME.key`` and ``NAME.both.pem`` of each `issue`.
    """

    def __init__(self, folder: Path, name: str = "evalstream tests") -> None:
        if not shutil.which("openssl"):
            pytest.skip("openssl is not at hand")
        folder.mkdir(parents=True)
        self.folder, self.certificate = folder, folder / "ca.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", f"/CN={name}"),
            *("-keyout", "ca.key", "-out", "ca.pem"),
        )

    def issue(self, name: str, *hosts: str, password: str | None = None) -> tuple[Path, Path]:
        """A certificate for `name`, valid for these hosts; the files of certificate and key, which `password` encrypts."""
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", "plain", "-out", "csr")
        (self.folder / "ext").write_text(f"subjectAltName={','.join(hosts) or 'DNS:' + name}\n")
        self._openssl(
            *("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", DAYS, "-extfile", "ext", "-out", f"{name}.pem"),
        )
        cipher = ("-v2", "aes256", "-passout", f"pass:{password}") if password else ("-nocrypt",)
        self._openssl("pkcs8", "-topk8", "-in", "plain", "-out", f"{name}.key", *cipher)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        key.chmod(0o600)
        (self.folder / f"{name}.both.pem").write_text(key.read_text() + certificate.read_text())
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)
