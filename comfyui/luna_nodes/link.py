"""Whether the server can be reached: found out in the background, so that no node waits long and none waits twice.

The problem: an address that drops packets answers nothing, not even a refusal. Every node that asks it would wait for
its own attempt to time out. So there is one attempt at a time, in a thread of its own; the first node waits for it for
a second at most, and from then on all know that the server is away, until an attempt in the background gets through.

Thread rule: any thread.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable

from luna_client import Client, ConnectionLostError, LunaError
from luna_client.clock import Clock

from .watch import POLL_SECONDS

log = logging.getLogger("luna")

#: How long an attempt to connect to one address may take, and a node waits for it, in seconds.
PATIENCE = 1.0
#: A server that took longer than this to be found unreachable is not waited for again.
SLOW_FAILURE = 0.3


class _Attempt:
    """One attempt to connect."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.problem: LunaError | None = None


class Link:
    """The way to the server of one client. ``on_up`` is called, in any thread, when an attempt got through."""

    def __init__(
        self, client: Client, server: str, clock: Clock, on_up: Callable[[], None]
    ) -> None:
        self._client = client
        self._server = server
        self._clock = clock
        self._on_up = on_up
        self._lock = threading.Lock()  # of the fields below; held briefly
        self._attempt: _Attempt | None = None
        self._away = ""  # why the server is not waited for; empty: it is

    def reach(self, look: Callable[[], None] = lambda: None) -> None:
        """Returns if there is a connection, within a second.

        Args:
            look: called meanwhile again and again; what it raises ends the waiting.

        Raises:
            LunaError: there is none, and why.
        """
        with self._lock:
            if self._client.connected:
                self._away = ""
                return
            away = self._away
            attempt = self._attempt or self._begin()
        if away:
            raise ConnectionLostError(away)
        self._wait(attempt, look)
        if not attempt.ended.is_set():
            raise ConnectionLostError(self._is_away())
        if attempt.problem is not None:
            raise copy.copy(attempt.problem)

    def _wait(self, attempt: _Attempt, look: Callable[[], None]) -> None:
        until = self._clock.now() + PATIENCE
        while not attempt.ended.is_set() and (left := until - self._clock.now()) > 0:
            look()
            self._clock.pause(attempt.ended, min(left, POLL_SECONDS))

    def _is_away(self) -> str:
        with self._lock:
            self._away = self._away or (
                f"cannot reach luna at {self._server}: no answer within {PATIENCE:g} s; is luna-node running?"
            )
            return self._away

    # -- the attempt -----------------------------------------------------------------------------

    def _begin(self) -> _Attempt:
        """Starts an attempt; the lock is held."""
        self._attempt = attempt = _Attempt()
        threading.Thread(target=self._run, args=(attempt,), name="luna-dial", daemon=True).start()
        return attempt

    def _run(self, attempt: _Attempt) -> None:
        began = self._clock.now()
        try:
            self._client.connection(PATIENCE * self._client.address_count)
        except LunaError as problem:
            attempt.problem = problem
        except Exception as problem:  # a defect of ours: nobody may wait for ever
            log.exception("[luna] the attempt to reach luna at %s failed", self._server)
            attempt.problem = ConnectionLostError(f"luna at {self._server}: {problem!r}")
        with self._lock:
            self._attempt = None
            slow = self._clock.now() - began > SLOW_FAILURE
            self._away = attempt.problem.message if attempt.problem is not None and slow else ""
        attempt.ended.set()
        if attempt.problem is None:
            self._on_up()
