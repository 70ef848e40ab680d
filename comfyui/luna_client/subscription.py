"""Events that the server sends without being asked each time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from .connector import Connector
from .results import Event

#: Events that may wait for a reader; the oldest go when there are more, which an event ``lost`` tells.
MAX_WAITING = 1024


class Subscribed(Connector, Protocol):
    """Who tells subscriptions of events: the client."""

    def unsubscribe(self, subscription: Subscription) -> None: ...


class Subscription:
    """A stream of events, from :meth:`Client.subscribe`. One thread reads it; any thread may close it.

    When the connection breaks, the thread that waits for events makes it anew, and the next event is
    ``reconnected``: whatever happened in between was not seen.
    """

    def __init__(self, client: Subscribed, names: Sequence[str]) -> None:
        self.names = frozenset(names)
        self._client = client
        self._waiting: deque[Event] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._closed = False
        self.active = False

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Yields events until the subscription is closed. Raises when no address answers any more."""
        while (event := self.get()) is not None:
            yield event

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; nothing when the seconds have passed or the subscription is closed.

        Raises:
            ConnectionLostError: the connection broke and no address answers.
        """
        clock = self._client.clock
        deadline = None if timeout is None else clock.now() + timeout
        while True:
            with self._changed:
                if self._waiting or self._dropped:
                    return self._take()
                if self._closed:
                    return None
                left = None if deadline is None else max(0.0, deadline - clock.now())
                if self._client.connected:
                    if left == 0.0 or not self._changed.wait(left):
                        return None
                    continue
            # outside the lock: connecting pushes the event "reconnected"
            self._client.connection(30.0 if left is None else left)

    def close(self) -> None:
        """Ends it; a reader that waits gets nothing. Safe to call twice."""
        self._client.unsubscribe(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def push(self, name: str, data: Mapping[str, Any]) -> None:
        """Adds an event; never blocks. Called by the client."""
        with self._changed:
            self._waiting.append(Event(name, data))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self._dropped += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Lets the reader look at the connection. Called by the client."""
        with self._changed:
            self._changed.notify_all()

    def _take(self) -> Event:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            return Event("lost", {"n": dropped})
        return self._waiting.popleft()
