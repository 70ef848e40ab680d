"""A real luna-node as a test sees it: started, waited for by what it says, ended by its id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luna_client import Client

#: How long a test waits for what must come, in seconds: only a failing test waits that long.
PATIENCE = 60.0


class NodeProcess:
    """One ``luna-node``. Reads both its outputs, so that neither can fill up; waits end with what it said."""

    def __init__(self, program: Path, arguments: Sequence[str], cwd: Path) -> None:
        self.arguments = list(arguments)
        self._changed = threading.Condition()
        self.log: list[str] = []
        self.said: list[str] = []
        self._open_streams = 2
        self.process = subprocess.Popen(
            [str(program), *self.arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for stream, lines in ((self.process.stdout, self.said), (self.process.stderr, self.log)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    # -- waiting ---------------------------------------------------------------------------------

    def wait_ready(self) -> NodeProcess:
        """Waits for the ready line."""
        self._wait(lambda: bool(self.said), "to be ready")
        assert self.said, self.story("ended before it was ready")
        assert re.fullmatch(r"ready node=\S+ gateway=\S+", self.said[0]), self.story(
            "said something else"
        )
        return self

    def wait_for_log(self, pattern: str, after: int = 0) -> str:
        """Waits for a log line that matches, from line number ``after`` on. -> the line."""
        expression = re.compile(pattern)

        def found() -> str | None:
            return next((line for line in self.log[after:] if expression.search(line)), None)

        self._wait(lambda: found() is not None, f"to log {pattern!r}")
        line = found()
        assert line is not None, self.story(f"ended without logging {pattern!r}")
        return line

    def wait_end(self, seconds: float = PATIENCE) -> int:
        """Waits for the end of the process. -> its status, negative for a signal."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.story(f"did not end within {seconds} s")) from None
        with self._changed:
            assert self._changed.wait_for(lambda: self._open_streams == 0, PATIENCE)
        return status

    # -- facts -----------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def gateway(self) -> str:
        """The first address that a client can dial."""
        return self.gateways[0]

    @property
    def gateways(self) -> list[str]:
        return self.said[0].partition("gateway=")[2].split(",")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def client(self, **options: Any) -> Client:
        options.setdefault("tensors", "numpy")
        return Client(self.gateway, **options)

    def anonymous_bytes(self) -> int:
        """Memory of the process that no file backs."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
        assert match, status
        return int(match[1]) * 1024

    def story(self, what: str) -> str:
        """What happened, for an assertion: the end of its log included."""
        tail = "\n  | ".join(self.log[-25:])
        status = self.process.poll()
        return f"luna-node {' '.join(self.arguments)} {what} (status {status}); its log ends with\n  | {tail}"

    # -- ending ----------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it as a power cut would, and waits until it is gone."""
        if self.running:
            self.signal(signal.SIGKILL)
        self.wait_end()

    def stop(self) -> int:
        """Asks it to stop and waits. -> its status."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait_end()

    def dispose(self) -> None:
        """Ends it whatever state it is in."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    # -- helpers ---------------------------------------------------------------------------------

    def _wait(self, done: Any, what: str) -> None:
        """Waits for the condition, or for both outputs to end."""
        with self._changed:
            if not self._changed.wait_for(lambda: done() or self._open_streams == 0, PATIENCE):
                raise AssertionError(self.story(f"took longer than {PATIENCE} s {what}"))

    def _read(self, stream: Any, lines: list[str]) -> None:
        try:
            for line in stream:
                # a node on a busy machine may say that it still reads its job log
                recovering = lines is self.said and line.startswith("recovering ")
                with self._changed:
                    (self.log if recovering else lines).append(line.rstrip("\n"))
                    self._changed.notify_all()
        except ValueError:
            pass  # closed by dispose
        finally:
            with self._changed:
                self._open_streams -= 1
                self._changed.notify_all()
