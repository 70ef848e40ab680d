"""A clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable

from luna_client.clock import Clock


class ManualClock(Clock):
    """Time that passes only in pauses, and at once."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []
        self.before_pause: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def pause(self, until: threading.Event, seconds: float) -> bool:
        self.before_pause()
        self.time += seconds
        self.pauses.append(seconds)
        return until.is_set()
