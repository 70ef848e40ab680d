"""The commands about output folders: whether the server's is ours, and adding one to a server on this machine."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets

from .commands import Sender, read_answer
from .errors import NotPermittedError
from .request import Resend

#: What a proof file is called, before its nonce.
PROOF_PREFIX = ".luna-probe-"


class FolderCommands(Sender):
    """Output folders, as the saving node sees them."""

    def probe_folder(
        self, output_dir: str, nonce: str, *, timeout: float | None = None
    ) -> str | None:
        """What stands in the proof file of that nonce in the server's folder; None: it has no such file."""
        fields = {"output_dir": output_dir, "nonce": nonce}
        reply = self.request("probe_folder", fields, resend=Resend.READ, timeout=timeout)
        return read_answer(
            "probe_folder",
            lambda: str(reply.header["content"]) if reply.header["found"] else None,
        )

    def allow_output(self, path: str, token: str, *, timeout: float | None = None) -> bool:
        """Lets the server write to one more folder of its machine. -> false: it might already.

        Args:
            token: of the program that started the server; see :func:`luna_client.starter.allow_output`.
        """
        fields = {"path": path, "token": token}
        reply = self.request("allow_output", fields, timeout=timeout)
        return read_answer("allow_output", lambda: bool(reply.header["added"]))

    def same_folder(self, folder: str, *, timeout: float = 10.0) -> bool:
        """Whether the server's folder of this path is ours: it must read what we write into ours now.

        Raises:
            NotPermittedError: the server may not use its folder of that path, or we cannot write to ours.
            LunaError: the server does not say.
        """
        nonce, content = secrets.token_hex(16), secrets.token_hex(32)
        path = os.path.join(folder, PROOF_PREFIX + nonce)
        try:
            _write_for_all(path, content)
            found = self.probe_folder(folder, nonce, timeout=timeout)
        except OSError as problem:
            raise NotPermittedError(f"no file can be written to {folder}: {problem}") from problem
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
        return found is not None and hmac.compare_digest(found, content)


def _write_for_all(path: str, content: str) -> None:
    """Writes a new file that other users can read: the server may be one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x", encoding="ascii") as file:
        file.write(content)
    os.chmod(path, 0o644)
