"""Time, as far as decisions hang on it: a seam, so that tests move it."""

from __future__ import annotations

import threading
import time


class Clock:
    """The real clock."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def pause(self, until: threading.Event, seconds: float) -> bool:
        """Waits for the event, at most so many seconds. -> whether the event is set."""
        return until.wait(seconds)
