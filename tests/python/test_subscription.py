"""Events: whom they reach, and what a broken connection does to them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from fake_server import PATIENCE, FakeServer, Seen
from luna_client import BadRequestError, Client, ConnectionLostError
from luna_client.subscription import MAX_WAITING

Background = Callable[..., "Future[Any]"]


def accept(request: Seen) -> None:
    request.reply({})


def test_events_reach_their_subscription(
    server: FakeServer, client: Client, background: Background
) -> None:
    future = background(client.subscribe, ["job", "node"])
    request = server.next_request()
    assert request.header["events"] == ["job", "node"]
    request.reply({})
    with future.result(PATIENCE) as events:
        request.peer.event(0, {"event": "pool", "name": "not asked for"})
        request.peer.event(0, {"event": "job", "job_id": "j", "state": "done", "progress": 1.0})
        request.peer.event(0, {"event": "lost", "n": 3})
        event = events.get(PATIENCE)
        assert (event.name, event.job.job_id, event.job.ended) == ("job", "j", True)
        lost = events.get(PATIENCE)
        assert (lost.name, lost.data) == ("lost", {"n": 3})
        assert events.get(0) is None
    assert events.get() is None  # closed


def test_a_refused_subscription_is_raised_and_forgotten(server: FakeServer, client: Client) -> None:
    server.on_request = lambda request: request.fail("bad_request", "no events 'tea'")
    with pytest.raises(BadRequestError, match="tea"):
        client.subscribe(["tea"])
    server.on_request = accept
    client.subscribe(["job"])
    assert client._subscribed() == ["job"]


def test_two_subscriptions_share_the_connection(server: FakeServer, client: Client) -> None:
    peers: list[Seen] = []

    def note(request: Seen) -> None:
        peers.append(request)
        accept(request)

    server.on_request = note
    jobs, nodes = client.subscribe(["job"]), client.subscribe(["node"])
    assert peers[-1].header["events"] == ["job", "node"]
    peers[-1].peer.event(0, {"event": "node", "name": "beta"})
    peers[-1].peer.event(0, {"event": "job", "job_id": "j"})
    assert nodes.get(PATIENCE).data == {"name": "beta"}
    assert jobs.get(PATIENCE).name == "job"


def test_a_reader_reconnects_subscribes_again_and_says_so(
    server: FakeServer, client: Client, background: Background
) -> None:
    server.on_request = accept
    events = client.subscribe(["job"])
    server.on_request = None
    waiting = background(events.get, PATIENCE)
    server.drop_all()
    assert waiting.result(PATIENCE).name == "reconnected"
    again = server.next_request()
    assert again.header == {"cmd": "subscribe", "events": ["job"]}
    again.reply({})
    again.peer.event(0, {"event": "job", "job_id": "k"})
    assert events.get(PATIENCE).data["job_id"] == "k"


def test_a_reader_learns_that_the_server_is_gone(
    server: FakeServer, client: Client, background: Background
) -> None:
    server.on_request = accept
    events = client.subscribe(["job"])
    waiting = background(list, events)
    server.stop_listening()
    server.drop_all()
    with pytest.raises(ConnectionLostError):
        waiting.result(PATIENCE)


def test_closing_the_client_ends_its_subscriptions(
    server: FakeServer, client: Client, background: Background
) -> None:
    server.on_request = accept
    waiting = background(list, client.subscribe(["job"]))
    client.close()
    assert waiting.result(PATIENCE) == []


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many(
    client: Client, server: FakeServer
) -> None:
    server.on_request = accept
    events = client.subscribe(["job"])
    for n in range(MAX_WAITING + 5):
        events.push("job", {"job_id": str(n)})
    assert events.get(0).data == {"n": 5}
    assert events.get(0).data == {"job_id": "5"}


def test_closing_a_subscription_tells_the_server_what_is_still_wanted(
    server: FakeServer, client: Client
) -> None:
    wanted: list[list[str]] = []

    def note(request: Seen) -> None:
        wanted.append(request.header["events"])
        accept(request)

    server.on_request = note
    jobs, nodes = client.subscribe(["job"]), client.subscribe(["node"])
    server.on_request = None
    jobs.close()
    assert server.next_request().header["events"] == ["node"]
    nodes.close()
    nodes.close()
    assert server.next_request().header["events"] == []
    assert server.no_request()
