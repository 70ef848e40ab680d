"""What the client's tests share: a fake server, a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from fake_server import FakeServer
from luna_client import Client
from manual_clock import ManualClock


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
