"""A luna-node of the proof: on one address for its whole life, killed and started again at will."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes import Program, ProofError, free_port

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "comfyui"))

from luna_client import Client, LunaError  # noqa: E402
from luna_client.control_results import Info  # noqa: E402


def find_program() -> Path:
    """The ``luna-node`` to prove: the variable ``LUNA_NODE``, else the newest build.

    Raises:
        ProofError: there is none.
    """
    named = os.environ.get("LUNA_NODE")
    builds = [ROOT / "build" / kind / "bin" / "luna-node" for kind in ("release", "dev")]
    candidates = [Path(named)] if named else [path for path in builds if path.is_file()]
    if not candidates or not os.access(candidates[0], os.X_OK):
        raise ProofError(
            "luna-node is not built: run scripts/build release, or name one in LUNA_NODE"
        )
    return max(candidates, key=lambda path: path.stat().st_mtime).absolute()


class LunaServer:
    """Starts, kills and starts again one ``luna-node`` on the same port and data folder."""

    def __init__(
        self, program: Path, folder: Path, model_paths: Path, outputs: Sequence[Path]
    ) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._program = program
        self._folder = folder
        self._arguments = ["--gateway", self.address, "--data", str(folder / "data")]
        self._arguments += ["--extra-model-paths", str(model_paths)]
        for output in outputs:
            self._arguments += ["--output", str(output)]
        self._node: Program | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a ComfyUI use this server."""
        return {"LUNA_SERVER": self.address}

    @property
    def node(self) -> Program:
        if self._node is None:
            raise ProofError("luna-node was not started")
        return self._node

    def start(self) -> LunaServer:
        """Starts it and waits for its ready line."""
        command = [self._program, *self._arguments]
        log = self._folder / "luna-node.log"
        mark = log.stat().st_size if log.exists() else 0
        self._node = Program("luna-node", command, log, cwd=self._folder)
        self._node.wait_until(lambda: "ready node=" in self.node.said(mark), 60, "it was ready")
        return self

    def ensure_running(self) -> None:
        """Starts it again if a scenario before this one has ended it."""
        if not self.node.running:
            self.start()

    def kill(self) -> None:
        """As a power cut would."""
        self.node.kill()

    def stop(self) -> None:
        if self._node is not None:
            self._node.stop()

    def info(self) -> Info:
        """What it says of itself."""
        with Client(self.address, tensors="numpy") as client:
            return client.get_info(timeout=30)

    def completed(self) -> dict[str, int]:
        """Requests done since its start, by the kind of pool."""
        done: dict[str, int] = {}
        for pool in self.info().pools:
            done[pool.kind] = done.get(pool.kind, 0) + pool.completed
        return done

    def completed_more(
        self, before: Mapping[str, int], kinds: Sequence[str], by: int = 1, seconds: float = 15.0
    ) -> dict[str, int]:
        """As :meth:`completed`, waiting until these kinds did so many more: pools tell their figures now and then."""
        deadline = time.monotonic() + seconds
        while True:
            after = self.completed()
            told = all(after.get(kind, 0) >= before.get(kind, 0) + by for kind in kinds)
            if told or time.monotonic() > deadline:
                return after
            threading.Event().wait(0.1)

    def wait_running(self, wanted: bool, seconds: float = 120.0) -> float:
        """Waits until a pool works, or until none does. -> how long that took, in seconds."""
        began = time.monotonic()
        with Client(self.address, tensors="numpy") as client:
            while (sum(pool.running for pool in client.get_info(timeout=30).pools) > 0) != wanted:
                if time.monotonic() - began > seconds:
                    state = "began" if wanted else "ended"
                    raise ProofError(f"within {seconds:.0f} s no work of luna-node {state}")
                threading.Event().wait(0.01)
        return time.monotonic() - began


__all__ = ["LunaError", "LunaServer", "find_program"]
