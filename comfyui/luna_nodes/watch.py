"""Waiting for the server without being deaf to the person: interrupt and progress of the running node.

The problem: core nodes call a CLIP or VAE as a plain function and wait for it in ComfyUI's executor thread, while a
decode on the server may take minutes. So the request runs in a thread of its own; the executor thread looks every
50 ms whether the person has pressed stop, and then leaves at once: the cancel goes to the server, and whatever it
still answers is dropped.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from luna_client import Cancel
from luna_client.clock import Clock
from luna_client.request import Progress

from . import notes
from .host import Host, ProgressBar

T = TypeVar("T")

#: Between two looks at ComfyUI's interrupt, in seconds.
POLL_SECONDS = 0.05
#: A request that takes longer says on the node what it is at, in seconds.
SILENT_SECONDS = 1.0
_MB = 1_000_000
_STAGES = {
    "load": "luna loads the model",
    "encode": "luna encodes",
    "decode": "luna decodes",
    "tile": "luna works in tiles",
    "save": "luna takes the images",
}


def watched(host: Host, work: Callable[[Progress, Cancel], T], clock: Clock | None = None) -> T:
    """Does the work in another thread, shows its progress on the node, and leaves at once when interrupted.

    Raises:
        whatever the work raises, or ComfyUI's interrupt.
    """
    told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    cancel = Cancel()
    shown = _Shown(host, clock or Clock())

    def run() -> None:
        try:
            result = work(lambda *step: told.put(("progress", step)), cancel)
        except BaseException as problem:  # goes to the thread that waits
            told.put(("failed", problem))
        else:
            told.put(("done", result))

    threading.Thread(target=run, name="luna-request", daemon=True).start()
    try:
        return _follow(host, told, shown)
    except BaseException:
        cancel.cancel()
        raise


def _follow(host: Host, told: queue.SimpleQueue[tuple[str, Any]], shown: _Shown) -> Any:
    try:
        while True:
            try:
                what, value = told.get(timeout=POLL_SECONDS)
            except queue.Empty:
                host.check_interrupt()
                continue
            if what == "done":
                return value
            if what == "failed":
                raise value
            host.check_interrupt()
            shown.step(*value)
    finally:
        shown.end()


class _Shown:
    """The bar and the line on the running node. Bytes are shown as MB."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._began = clock.now()
        self._bar: ProgressBar | None = None
        self._of = ("", 0)
        self._line = ""

    def step(self, value: int, total: int, stage: str) -> None:
        if total <= 0:
            return
        unit = ""
        if stage == "load":
            value, total, unit = value // _MB, max(1, total // _MB), " MB"
        if self._bar is None or self._of != (stage, total):
            # ComfyUI's bar only goes forward: another stage (load, then encode) needs another
            self._bar, self._of = self._host.progress_bar(total), (stage, total)
        self._bar.update_absolute(value, total)
        line = f"{_STAGES.get(stage, stage)}: {value} of {total}{unit}"
        if line != self._line and self._clock.now() - self._began >= SILENT_SECONDS:
            self._line = line
            notes.busy(self._host, line)

    def end(self) -> None:
        if self._line:
            notes.busy(self._host, "")


def pause(host: Host, clock: Clock, seconds: float) -> None:
    """Waits so long, unless the person interrupts."""
    never = threading.Event()
    until = clock.now() + seconds
    while (left := until - clock.now()) > 0:
        host.check_interrupt()
        clock.pause(never, min(left, POLL_SECONDS))
