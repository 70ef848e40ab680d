"""Putting pictures that were written later into what ComfyUI keeps of a node's run.

The problem: a saver returns before its files exist, so what ComfyUI keeps of the run for its history and its cache has
no pictures. It keeps one object for both, but only from the end of the whole prompt on, which may be long after the
files are there.

Thread rule: :meth:`History.show` from any thread; the pictures of a prompt that still runs wait for its end in a
thread of their own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from luna_client.clock import Clock

from .host import Host

log = logging.getLogger("luna")

#: Between two looks whether a prompt has ended, in seconds.
LOOK_SECONDS = 0.5

#: Of a prompt: its id, the node, the pictures.
_Late = tuple[str, str, Sequence[dict[str, Any]]]


class History:
    """The pictures that came late."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._lock = threading.Lock()
        self._late: list[_Late] = []
        self._thread: threading.Thread | None = None

    def show(self, prompt: str | None, node: str | None, images: Sequence[dict[str, Any]]) -> None:
        """Adds pictures to what is kept of a node's run, now or when its prompt has ended."""
        if prompt is None or node is None or not images:
            return
        if self._kept((prompt, node, images)):
            return
        with self._lock:
            self._late.append((prompt, node, images))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="luna-history", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        never = threading.Event()
        while True:
            with self._lock:
                late = self._late
                if not late:
                    self._thread = None
                    return
                self._late = []
            left = [each for each in late if not self._kept(each)]
            with self._lock:
                self._late += left
            if left:
                self._clock.pause(never, LOOK_SECONDS)

    def _kept(self, late: _Late) -> bool:
        # a ComfyUI that keeps its history otherwise must not end the thread
        try:
            return self._host.keep_images(*late)
        except Exception:
            log.exception("[luna] the pictures of node %s are not in ComfyUI's history", late[1])
            return True
