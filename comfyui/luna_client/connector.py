"""What requests and subscriptions need of whoever has the connection: the client, seen from below."""

from __future__ import annotations

from typing import Protocol

from .clock import Clock
from .connection import Connection


class Connector(Protocol):
    """Has addresses, and at most one open connection to one of them."""

    clock: Clock

    @property
    def address_count(self) -> int: ...

    @property
    def connected(self) -> bool: ...

    def connection(self, timeout: float) -> Connection: ...

    def avoid(self, connection: Connection) -> None: ...
