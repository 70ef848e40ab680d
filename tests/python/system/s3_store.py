"""The object store of a test: started, stopped and started again on its port, and what lies in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from certificates import Identity
from node_process import PATIENCE
from setting import free_port

BUCKET = "renders"


class S3Store:
    """A server that checks signatures (s3_server.py), and the credentials file of a node that uses it."""

    def __init__(self, folder: Path, identity: Identity | None = None) -> None:
        self.port = free_port()
        self.identity = identity
        self.credentials_file = folder / "s3-credentials"
        self.write_credentials("nobody", "nothing")
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._keys = ("", "")

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.identity else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> S3Store:
        """Starts it with an empty bucket and puts its user's keys into the credentials file."""
        pair = [self.identity.certificate, self.identity.key] if self.identity else []
        with (self._folder / "s3-server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("s3_server.py"), str(self.port), *pair],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        ready, access, secret = self._process.stdout.readline().split()
        assert ready == "ready"
        self._keys = (access, secret)
        self.write_credentials(access, secret)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def write_credentials(self, access: str, secret: str, mode: int = 0o600) -> None:
        self.credentials_file.unlink(missing_ok=True)
        self.credentials_file.touch(mode)
        self.credentials_file.write_text(
            f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        )

    def write_right_credentials(self) -> None:
        self.write_credentials(*self._keys)

    def write_wrong_secret(self) -> None:
        access, secret = self._keys
        self.write_credentials(access, secret[:-1] + ("a" if secret[-1] != "a" else "b"))

    def configuration(self, more: str = "") -> str:
        """The section ``saving`` of a cluster.conf with this store as the target ``bucket``."""
        path = json.dumps(str(self.credentials_file))
        return (
            f'saving {{ targets = [ {{ name = "bucket", endpoint = "{self.endpoint}", bucket = "{BUCKET}",\n'
            f' prefix = "luna", credentials-file = {path}, timeout = 5s, tries = 2{more} }} ] }}'
        )

    # -- what lies in it -------------------------------------------------------------------------

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        access, secret = self._keys
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            verify=str(self.identity.ca) if self.identity else None,
            config=Config(proxies={}, retries={"max_attempts": 2}),
        )

    def keys(self) -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def fetch(self, key: str, into: Path) -> tuple[Path, dict[str, str]]:
        """Copies an object to a file. -> the file and the object's metadata."""
        answer = self.client().get_object(Bucket=BUCKET, Key=key)
        path = into / key.replace("/", "__")
        path.write_bytes(answer["Body"].read())
        return path, answer["Metadata"]
