"""Private certificate authorities for the TLS tests, made with the openssl program."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


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
        self._issued = 0
        key = self.folder / "ca.key"
        self._openssl(
            "req", "-x509", *CURVE, "-days", "2", "-subj", f"/CN={name} CA", "-keyout", key, "-out", self.certificate,
        )  # fmt: skip
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text("01")
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = {self.folder}\ndatabase = {self.folder}/index.txt\n"
            f"serial = {self.folder}/serial\ncertificate = {self.certificate}\nprivate_key = {key}\n"
            "default_md = sha256\npolicy = p\nunique_subject = no\n[p]\ncommonName = supplied\n"
        )

    def issue(
        self, node: str, *, names: Sequence[str] | None = None, days: tuple[int, int] = (-1, 365)
    ) -> Identity:
        """A certificate for a node on 127.0.0.1. @param names: subjectAltName, default the node's;
        ``days``: from when to when it is valid, counted from now."""
        self._issued += 1
        stem = self.folder / f"{node}-{self._issued}"
        key, request, certificate = (Path(f"{stem}.{end}") for end in ("key", "csr", "pem"))
        extensions = Path(f"{stem}.ext")
        alternatives = ",".join([*(f"DNS:{name}" for name in names or [node]), "IP:127.0.0.1"])
        extensions.write_text(
            f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        self._openssl("req", "-new", *CURVE, "-subj", f"/CN={node}", "-keyout", key, "-out", request)  # fmt: skip
        begin, end = (
            (dt.datetime.now(dt.UTC) + dt.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ")
            for day in days
        )
        self._openssl(
            "ca", "-batch", "-config", self.folder / "ca.cnf", "-notext", "-in", request, "-startdate", begin,
            "-enddate", end, "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return Identity(self.certificate, certificate, key)

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
