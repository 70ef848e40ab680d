"""What the client's tests share: a fake server, a clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from fake_server import FakeServer
from luna_client import Client
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


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.address, tensors="numpy") as luna:
        yield luna


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    """Runs a call in another thread: ``background(function, *args, **kwargs).result(seconds)``."""
    with ThreadPoolExecutor(64) as pool:
        yield pool.submit
