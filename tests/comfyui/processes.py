"""Programs that the proof starts: their output is kept, they are waited for by what they say, ended by their id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class ProofError(RuntimeError):
    """The proof cannot go on; the sentence says what is missing or what went wrong."""


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Program:
    """One process in a session of its own, its output in a file.

    The output goes to a file, not to a pipe: nothing here can make the program wait, and the log is at hand later.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._log_file = log.open("ab")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def said(self, since: int = 0) -> str:
        """Its output from this byte on."""
        with self.log.open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def mark(self) -> int:
        """Where its output ends now; for :meth:`said`."""
        return self.log.stat().st_size

    def wait_until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Asks again and again until it is true.

        Raises:
            ProofError: it ended before, or the time is over.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if not self.running:
                raise ProofError(self.story(f"ended with {self.process.returncode} before {what}"))
            if time.monotonic() > deadline:
                raise ProofError(self.story(f"took longer than {seconds:.0f} s until {what}"))
            threading.Event().wait(0.02)

    def story(self, what: str) -> str:
        """What happened, with the end of its output."""
        tail = "\n  | ".join(self.said().splitlines()[-25:])
        return f"{self.name} {what}; its output ends with\n  | {tail}"

    def kill(self) -> None:
        """Ends it as a power cut would and waits until it is gone."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> None:
        """Asks it to end and waits; one that does not is killed."""
        if self.running:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log_file.close()
