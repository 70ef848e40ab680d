"""Private certificate authorities for the TLS tests, made with the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and the CA that it trusts."""

    ca: Path
    certificate: Path
    key: Path

    def as_config(self) -> dict[str, Path]:
        return {"ca": self.ca, "certificate": self.certificate, "key": self.key}


class Authority:
    """A CA in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.certificate = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name} CA", "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def issue(self, node: str) -> Identity:
        """A certificate for a node on 127.0.0.1."""
        key, request, certificate = (self.folder / f"{node}.{end}" for end in ("key", "csr", "pem"))
        extensions = self.folder / f"{node}.ext"
        extensions.write_text(
            f"subjectAltName=DNS:{node},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        self._openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={node}", "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return Identity(self.certificate, certificate, key)

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
