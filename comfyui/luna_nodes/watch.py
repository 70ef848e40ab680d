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

from .host import Host, ProgressBar

T = TypeVar("T")

#: Between two looks at ComfyUI's interrupt, in seconds.
POLL_SECONDS = 0.05


def watched(host: Host, work: Callable[[Progress, Cancel], T]) -> T:
    """Does the work in another thread, shows its progress on the node, and leaves at once when interrupted.

    Raises:
        whatever the work raises, or ComfyUI's interrupt.
    """
    told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    cancel = Cancel()

    def run() -> None:
        try:
            result = work(lambda *step: told.put(("progress", step)), cancel)
        except BaseException as problem:  # goes to the thread that waits
            told.put(("failed", problem))
        else:
            told.put(("done", result))

    threading.Thread(target=run, name="luna-request", daemon=True).start()
    try:
        return _follow(host, told)
    except BaseException:
        cancel.cancel()
        raise


def _follow(host: Host, told: queue.SimpleQueue[tuple[str, Any]]) -> Any:
    bar: ProgressBar | None = None
    shown = ("", 0)
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
        step, total, stage = value
        if total <= 0:
            continue
        if bar is None or shown != (stage, total):
            # ComfyUI's bar only goes forward: another stage (load, then encode) needs another
            bar, shown = host.progress_bar(total), (stage, total)
        bar.update_absolute(step, total)


def pause(host: Host, clock: Clock, seconds: float) -> None:
    """Waits so long, unless the person interrupts."""
    never = threading.Event()
    until = clock.now() + seconds
    while (left := until - clock.now()) > 0:
        host.check_interrupt()
        clock.pause(never, min(left, POLL_SECONDS))
