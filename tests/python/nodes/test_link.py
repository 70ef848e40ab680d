"""A server that cannot be reached: one attempt in the background, one node that waits a second, and nobody after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from fake_host import FakeHost, InterruptedByPerson
from fake_luna import FakeLuna

from luna_client import Client, ConnectionLostError, LunaError, UnauthenticatedError
from luna_nodes.link import PATIENCE, Link
from luna_nodes.service import Service
from manual_clock import ManualClock

Background = Callable[..., "Future[Any]"]


class Connector:
    """A client whose attempts to connect end when a test says so."""

    address_count = 1

    def __init__(self, clock: ManualClock) -> None:
        self.connected = False
        self.clock = clock
        self.attempts = 0
        self.asked: list[float] = []
        self.begun = threading.Semaphore(0)
        self.outcomes: list[tuple[threading.Event, LunaError | None, float]] = []

    def next(
        self, problem: LunaError | None = None, *, held: bool = False, took: float = 0.0
    ) -> Any:
        """How the next attempt ends; ``held``: not before the event that comes back is set."""
        release = threading.Event()
        if not held:
            release.set()
        self.outcomes.append((release, problem, took))
        return release

    def connection(self, timeout: float) -> None:
        release, problem, took = self.outcomes[self.attempts]
        self.attempts += 1
        self.asked.append(timeout)
        self.begun.release()
        assert release.wait(20.0)
        self.clock.time += took
        if problem is not None:
            raise problem
        self.connected = True


@pytest.fixture
def connector(clock: ManualClock) -> Iterator[Connector]:
    """Time passes for who waits only while an attempt is held; else the attempt ends first."""
    made = Connector(clock)
    pass_time = clock.pause

    def pause(until: threading.Event, seconds: float) -> bool:
        release, _problem, _took = made.outcomes[max(made.attempts - 1, 0)]
        if release.is_set():
            return until.wait(20.0)
        return pass_time(until, seconds)

    clock.pause = pause  # type: ignore[method-assign]
    yield made
    for release, _problem, _took in made.outcomes:
        release.set()


@pytest.fixture
def ups() -> list[int]:
    return []


@pytest.fixture
def link(connector: Connector, clock: ManualClock, ups: list[int]) -> Link:
    return Link(connector, "10.0.0.1:1", clock, lambda: ups.append(1))  # type: ignore[arg-type]


def away(link: Link) -> str:
    with pytest.raises(ConnectionLostError) as lost:
        link.reach()
    return lost.value.message


def test_the_first_node_waits_a_second_and_the_others_not_at_all(
    link: Link, connector: Connector, clock: ManualClock
) -> None:
    # an address that drops packets; before this, Luna Daemon took 12 s, a saver 4 s
    connector.next(held=True)
    began = clock.time
    assert "10.0.0.1:1: no answer within 1 s" in away(link)
    assert clock.time - began == pytest.approx(PATIENCE)
    waited = clock.time
    for _ in range(5):
        assert "no answer" in away(link)
    assert clock.time == waited
    assert connector.attempts == 1 and connector.asked == [PATIENCE]


def test_a_server_that_comes_back_is_found_in_the_background(
    link: Link, connector: Connector, ups: list[int]
) -> None:
    release = connector.next(held=True)
    away(link)
    attempt = link._attempt
    release.set()
    assert attempt is not None and attempt.ended.wait(20.0)
    link.reach()
    assert connector.attempts == 1 and len(ups) == 1


def test_each_node_that_finds_it_away_lets_it_be_tried_again(
    link: Link, connector: Connector, clock: ManualClock
) -> None:
    connector.next(ConnectionLostError("timed out"), took=1.0)
    connector.next(held=True)
    assert away(link) == "timed out"
    waited = clock.time
    assert away(link) == "timed out", "known, so not waited for"
    assert connector.begun.acquire(timeout=20.0) and connector.begun.acquire(timeout=20.0)
    assert clock.time == waited
    assert connector.attempts == 2


def test_a_refused_connection_is_tried_at_each_call(link: Link, connector: Connector) -> None:
    for _ in range(2):
        connector.next(ConnectionLostError("refused"))
    connector.next()
    assert away(link) == away(link) == "refused"
    link.reach()
    assert connector.attempts == 3


def test_nodes_that_come_at_once_share_one_attempt(
    link: Link, connector: Connector, clock: ManualClock, background: Background
) -> None:
    release = connector.next(held=True)
    clock.pause = lambda until, seconds: until.wait(20.0)  # type: ignore[method-assign]
    waiting = [background(link.reach) for _ in range(4)]
    assert connector.begun.acquire(timeout=20.0)
    release.set()
    for each in waiting:
        each.result(20.0)
    assert connector.attempts == 1


def test_a_refusal_is_told_as_it_is(link: Link, connector: Connector) -> None:
    connector.next(UnauthenticatedError("it wants the secret"))
    with pytest.raises(UnauthenticatedError, match="secret"):
        link.reach()


def test_an_interrupt_ends_the_waiting(link: Link, connector: Connector, host: FakeHost) -> None:
    connector.next(held=True)
    host.interrupted = True
    with pytest.raises(InterruptedByPerson):
        link.reach(host.check_interrupt)


def test_nobody_waits_where_there_is_a_connection(link: Link, connector: Connector) -> None:
    connector.connected = True
    link.reach()
    assert connector.attempts == 0


def test_a_listener_that_takes_nobody_in_costs_one_second_once(clock: ManualClock) -> None:
    # a real socket whose backlog is full: the kernel drops what comes after it
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        with Client(address, connect_timeout=PATIENCE, clock=clock) as client:
            link = Link(client, address, clock, lambda: None)
            began = clock.time
            assert "no answer within 1 s" in away(link)
            attempt = link._attempt
            assert "no answer within 1 s" in away(link)
            assert clock.time - began == pytest.approx(PATIENCE)
            assert attempt is not None and attempt.ended.wait(20.0)
            assert attempt.problem is not None, "it took somebody in"
        for each in crowd:
            each.close()


# -- the nodes' service ----------------------------------------------------------------------------


def test_all_requests_of_nodes_know_that_the_server_is_away(
    service: Service, luna: FakeLuna, clock: ManualClock
) -> None:
    from luna_nodes import control

    release = threading.Event()
    luna.connected = False
    luna.connection = lambda timeout: release.wait(20.0)  # type: ignore[assignment,method-assign]
    began = clock.time
    assert control.status(service)["running"] is False
    assert control.is_running(service) is False
    with pytest.raises(ConnectionLostError):
        service.call(lambda client, _t, _s: client.model_info("a", "vae"))
    assert control.unload(service)["success"] is False
    assert clock.time - began == pytest.approx(PATIENCE)
    assert luna.calls == [] and service.reachable is False
    release.set()
