"""What is sent again and what is not, when connections break; cancel; progress; several addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from fake_server import PATIENCE, FakeServer, Hello, Seen
from luna_client import (
    Cancel,
    Client,
    ConnectionLostError,
    RequestCancelledError,
    Resend,
    ShuttingDownError,
    UnauthenticatedError,
)
from manual_clock import ManualClock

Background = Callable[..., "Future[Any]"]


def pong(request: Seen) -> None:
    request.reply({"pong": True})


def dropping(times: int) -> Callable[[Seen], None]:
    """Breaks the connection so many times instead of answering, then answers."""
    left = [times]

    def handle(request: Seen) -> None:
        if left[0]:
            left[0] -= 1
            request.peer.drop()
        else:
            pong(request)

    return handle


# -- reconnecting ----------------------------------------------------------------------------------


def test_a_read_is_sent_again_when_the_connection_breaks() -> None:
    with FakeServer(on_request=dropping(2)) as server, Client(server.address) as client:
        client.ping()
        assert server.connections == 3


def test_a_read_is_given_up_after_three_connections() -> None:
    with FakeServer(on_request=dropping(9)) as server, Client(server.address) as client:
        with pytest.raises(ConnectionLostError):
            client.ping()
        assert server.connections == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.job_cancel("j"),
        lambda c: c.job_retry("j"),
        lambda c: c.job_discard("j"),
        lambda c: c.set_attention_mode("auto"),
        lambda c: c.unload_models(),
        lambda c: c.reset(),
        lambda c: c.shutdown(),
    ],
    ids=[
        "job_cancel",
        "job_retry",
        "job_discard",
        "set_attention_mode",
        "unload_models",
        "reset",
        "shutdown",
    ],
)
def test_what_changes_something_is_never_sent_twice(change: Callable[[Client], object]) -> None:
    with FakeServer(on_request=dropping(1)) as server, Client(server.address) as client:
        with pytest.raises(ConnectionLostError, match="whether .* was done is unknown"):
            change(client)
        assert server.connections == 1


def test_a_connection_that_broke_while_idle_is_made_anew_even_for_changes(
    server: FakeServer,
) -> None:
    gone = threading.Event()
    with Client(server.address) as client:
        client._on_close = gone.set  # type: ignore[method-assign]
        server.on_request = pong
        client.ping()
        server.drop_all()
        assert gone.wait(PATIENCE)
        server.on_request = lambda request: request.reply({"cancelled": 3})
        assert client.reset().cancelled == 3
    assert server.connections == 2


def test_nobody_listening_is_an_error_at_once() -> None:
    with FakeServer() as server:
        address = server.address
    with Client(address) as client, pytest.raises(ConnectionLostError, match=address) as caught:
        client.ping()
    assert not caught.value.begun


def test_many_threads_share_one_reconnect(background: Background) -> None:
    barrier = threading.Barrier(17)

    def call(client: Client) -> None:
        barrier.wait(PATIENCE)
        client.ping()

    with FakeServer(on_request=pong) as server, Client(server.address) as client:
        futures = [background(call, client) for _ in range(16)]
        barrier.wait(PATIENCE)
        for future in futures:
            future.result(PATIENCE)
        assert server.connections == 1


# -- several addresses -----------------------------------------------------------------------------


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with FakeServer() as gone, FakeServer(on_request=pong) as there:
        gone.close()
        with Client([gone.address, there.address]) as client:
            client.ping()
            client.ping()
        assert there.connections == 1


def test_a_read_goes_on_at_the_next_address_when_the_first_dies() -> None:
    def die(request: Seen) -> None:
        request.peer.server.stop_listening()  # nobody gets in any more
        request.peer.drop()

    with FakeServer(on_request=die) as first, FakeServer(on_request=pong) as second:
        with Client([first.address, second.address]) as client:
            client.ping()
        assert (first.connections, second.connections) == (1, 1)


def test_a_server_that_drains_is_left_for_another() -> None:
    def drain(request: Seen) -> None:
        request.fail("shutting_down", "the node drains", retryable=True)

    with FakeServer(on_request=drain) as first, FakeServer(on_request=pong) as second:
        with Client([first.address, second.address]) as client:
            client.ping()
            client.ping()
        assert (first.connections, second.connections) == (1, 1)


def test_a_server_that_drains_is_an_error_where_there_is_no_other() -> None:
    with (
        FakeServer(on_request=lambda r: r.fail("shutting_down", retryable=True)) as server,
        Client(server.address) as client,
        pytest.raises(ShuttingDownError),
    ):
        client.ping()


def test_when_all_addresses_fail_each_is_named_with_its_reason() -> None:
    with FakeServer() as gone, FakeServer(Hello(secret=b"0123456789abcdef")) as closed:
        gone.close()
        with (
            Client([gone.address, closed.address]) as client,
            pytest.raises(ConnectionLostError) as caught,
        ):
            client.ping()
    assert gone.address in caught.value.message
    assert "secret=" in caught.value.message


def test_when_all_addresses_refuse_alike_the_error_is_theirs() -> None:
    secret = Hello(secret=b"0123456789abcdef")
    with FakeServer(secret) as one, FakeServer(secret) as two:
        with Client([one.address, two.address]) as client, pytest.raises(UnauthenticatedError):
            client.ping()
        assert (one.connections, two.connections) == (1, 1)


# -- cancel ----------------------------------------------------------------------------------------


def test_cancel_from_another_thread_ends_the_wait(
    server: FakeServer, client: Client, background: Background
) -> None:
    cancel = Cancel()
    future = background(client.clip_encode, "a cat", model="m", cancel=cancel)
    seen = server.next_request()
    cancel.cancel()
    assert server.cancels.get(timeout=PATIENCE) == seen.id
    seen.fail("cancelled", "cancelled by the client")
    with pytest.raises(RequestCancelledError):
        future.result(PATIENCE)


def test_a_result_that_was_faster_than_the_cancel_is_returned(
    server: FakeServer, client: Client
) -> None:
    request = client.start("ping", resend=Resend.READ)
    seen = server.next_request()
    request.cancel()
    server.cancels.get(timeout=PATIENCE)
    seen.reply({"pong": True})
    assert request.result().header == {"pong": True}
    assert request.result().header == {"pong": True}  # and again


def test_what_is_cancelled_before_it_starts_never_runs(server: FakeServer, client: Client) -> None:
    cancel = Cancel()
    cancel.cancel()
    server.on_request = lambda request: request.fail("cancelled")
    with pytest.raises(RequestCancelledError):
        client.vae_encode([[[0.5]]], "m", cancel=cancel)


def test_a_cancelled_read_is_not_sent_again_when_the_connection_breaks(
    server: FakeServer, client: Client
) -> None:
    request = client.start("ping", resend=Resend.READ)
    seen = server.next_request()
    request.cancel()
    server.cancels.get(timeout=PATIENCE)
    seen.peer.drop()
    with pytest.raises(RequestCancelledError):
        request.result()
    assert server.connections == 1


def test_a_request_that_waits_behind_another_is_cancelled_without_being_sent(
    background: Background,
) -> None:
    release = threading.Event()

    def hold(request: Seen) -> None:
        release.wait(PATIENCE)
        pong(request)

    import numpy as np

    with FakeServer(on_request=hold) as server, Client(server.address) as client:
        client.start("ping")
        blocked = client.start("ping", {}, {"x": np.zeros(64 << 20, np.uint8)})  # fills the socket
        behind = client.start("ping", {"data": "never sent"})
        behind.cancel()
        with pytest.raises(RequestCancelledError, match="before it was sent"):
            behind.result()
        release.set()
        blocked.result()


# -- progress --------------------------------------------------------------------------------------


def test_progress_is_told_in_the_thread_that_waits(
    server: FakeServer, client: Client, background: Background
) -> None:
    told: list[tuple[int, int, str, int]] = []

    def tell(value: int, maximum: int, stage: str) -> None:
        told.append((value, maximum, stage, threading.get_ident()))

    def call() -> int:
        client.clip_encode("a cat", None, model="m", progress=tell)
        return threading.get_ident()

    import numpy as np

    def work(request: Seen) -> None:
        assert request.header["progress"] is True
        request.peer.event(request.id, {"event": "progress", "value": 1, "max": 4, "stage": "load"})
        request.peer.event(request.id, {"event": "news of the future"})
        request.peer.event(
            request.id, {"event": "progress", "value": 4, "max": 4, "stage": "encode"}
        )
        request.reply({}, {"cond": np.zeros((1, 77, 8), np.float32)})

    server.on_request = work
    thread = background(call).result(PATIENCE)
    assert told == [(1, 4, "load", thread), (4, 4, "encode", thread)]


def test_an_exception_of_the_callback_cancels_the_request_and_goes_on(
    server: FakeServer, client: Client
) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(value: int, maximum: int, stage: str) -> None:
        raise Interrupted

    server.on_request = lambda r: r.peer.event(
        r.id, {"event": "progress", "value": 1, "max": 2, "stage": "tile"}
    )
    with pytest.raises(Interrupted):
        client.vae_decode([[[[0.5]]]], "m", progress=interrupt)
    assert server.cancels.get(timeout=PATIENCE) == 1


# -- deadlines -------------------------------------------------------------------------------------


def test_the_deadline_travels_with_the_request(server: FakeServer, clock: ManualClock) -> None:
    deadlines: list[int] = []

    def note(request: Seen) -> None:
        deadlines.append(request.header["deadline_ms"])
        clock.time += 3.0
        if len(deadlines) == 1:
            request.peer.drop()
        else:
            pong(request)

    server.on_request = note
    with Client(server.address, clock=clock) as client:
        client.ping(timeout=10.0)
    assert deadlines == [10000, 7000]  # the second attempt has what is left


def test_the_default_deadline_is_the_protocols(server: FakeServer, clock: ManualClock) -> None:
    server.on_request = lambda request: request.reply(
        {"pong": True, "data": str(request.header["deadline_ms"])}
    )
    with Client(server.address, clock=clock) as client:
        assert client.ping().data == "120000"


def test_no_deadline_is_longer_than_the_protocol_has(
    server: FakeServer, clock: ManualClock
) -> None:
    server.on_request = lambda request: request.reply(
        {"pong": True, "data": str(request.header["deadline_ms"])}
    )
    with Client(server.address, clock=clock) as client:
        assert client.ping(timeout=1e9).data == "86400000"
