"""One connection, many requests: who gets which answer, and what happens when frames are wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from fake_server import ERROR, HEAD, HELLO, PATIENCE, REPLY, FakeServer, Hello, Seen, frame
from luna_client import (
    BadFrameError,
    BadRequestError,
    Client,
    ConnectionLostError,
    InternalError,
    OverloadedError,
    RequestTimeoutError,
)
from luna_client.connection import Connection

Background = Callable[..., "Future[Any]"]


def test_answers_find_their_requests_in_any_order(
    server: FakeServer, client: Client, background: Background
) -> None:
    waiting = {str(n): background(client.ping, str(n)) for n in range(32)}
    seen = [server.next_request() for _ in waiting]
    assert server.connections == 1
    for request in reversed(seen):
        request.reply({"pong": True, "time": 1.5, "data": request.header["data"]})
    for data, future in waiting.items():
        assert future.result(PATIENCE).data == data


def test_ids_are_never_used_twice(server: FakeServer, client: Client) -> None:
    server.on_request = lambda request: request.reply({"pong": True, "data": str(request.id)})
    ids = [client.ping("x").data for _ in range(20)]
    assert len(set(ids)) == 20
    assert "0" not in ids


def test_a_large_body_goes_both_ways_whole(server: FakeServer, client: Client) -> None:
    server.on_request = lambda request: request.reply(
        {}, {"latents": request.tensors["pixels"] * 2}
    )
    pixels = np.arange(2 * 512 * 512 * 3, dtype=np.float32).reshape(2, 512, 512, 3)
    np.testing.assert_array_equal(client.vae_encode(pixels, "m").latents, pixels * 2)


def test_a_late_answer_harms_nobody(
    server: FakeServer, client: Client, background: Background
) -> None:
    server.hello.limits["max_in_flight"] = 64
    request = client.start("ping", {"data": "given up"})
    late = server.next_request()
    request.cancel()
    assert server.cancels.get(timeout=PATIENCE) == late.id
    late.reply({"data": "first"})
    late.reply({"data": "second, which nobody asked for"})
    late.peer.event(late.id, {"event": "progress", "value": 1, "max": 2})
    answer = background(client.ping)
    server.next_request().reply({"pong": True})
    answer.result(PATIENCE)
    assert request.result().header == {"data": "first"}


MANGLED = {
    "another magic": frame(REPLY, 1, {}, magic=b"LUMA"),
    "another version": frame(REPLY, 1, {}, version=2),
    "an unknown kind": frame(7, 1, {}),
    "an unknown flag": frame(REPLY, 1, {}, flags=0x8000),
    "a reserved field": frame(REPLY, 1, {}, reserved=1),
    "a header beyond the limit": HEAD.pack(b"LUNA", 1, REPLY, 0, 1, (16 << 20) + 1, 0, 0),
    "a body beyond the limit": HEAD.pack(b"LUNA", 1, REPLY, 0, 1, 2, 0, (1 << 30) + 1),
    "a header that is no JSON": frame(REPLY, 1, b"{'pong'}"),
    "a header that is no object": frame(REPLY, 1, b"null"),
    "a header of 65 levels": frame(REPLY, 1, b'{"a":' * 65 + b"1" + b"}" * 65),
    "a second hello": frame(HELLO, 0, {}),
    "a request": frame(2, 1, {"cmd": "ping"}),
    "an error about the connection": frame(
        ERROR, 0, {"code": "bad_frame", "message": "what was that"}
    ),
}


@pytest.mark.parametrize("mangled", MANGLED.values(), ids=MANGLED.keys())
def test_a_mangled_frame_ends_the_connection_and_its_requests(
    server: FakeServer, client: Client, mangled: bytes
) -> None:
    server.on_request = lambda request: request.peer.send(mangled)
    with pytest.raises(ConnectionLostError) as caught:
        client.job_cancel("j")
    assert caught.value.begun
    server.on_request = lambda request: request.reply({"pong": True})
    client.ping()
    assert server.connections == 2


def test_an_error_frame_with_the_requests_id_is_the_requests_error(
    server: FakeServer, client: Client
) -> None:
    server.on_request = lambda request: request.fail("bad_frame", "the header is no object")
    with pytest.raises(BadFrameError, match="no object"):
        client.ping()


def test_a_body_that_is_no_safetensors_is_an_error_of_that_request_alone(
    server: FakeServer, client: Client
) -> None:
    server.on_request = lambda request: request.peer.send(
        frame(REPLY, request.id, {}, b"rubbish, not tensors")
    )
    with pytest.raises(BadFrameError, match="safetensors"):
        client.clip_encode("a cat", model="m")
    server.on_request = lambda request: request.reply({"pong": True})
    client.ping()
    assert server.connections == 1


def test_a_reply_that_does_not_fit_the_command_names_the_command(
    server: FakeServer, client: Client
) -> None:
    server.on_request = lambda request: request.reply({"unexpected": 1})
    for call in (
        lambda: client.job_status("j"),
        lambda: client.job_list(),
        lambda: client.clip_encode("a", model="m"),
    ):
        with pytest.raises(InternalError, match="does not fit the protocol"):
            call()


def test_a_frame_that_stands_still_ends_the_connection() -> None:
    def half(request: Seen) -> None:
        request.peer.send(frame(REPLY, request.id, {"pong": True})[:20])

    with (
        FakeServer(on_request=half) as server,
        Client(server.address, stall_timeout=0.05) as client,
        pytest.raises(ConnectionLostError, match="middle of a frame"),
    ):
        client.job_cancel("j")


def test_a_server_that_stops_reading_ends_the_connection() -> None:
    release = threading.Event()

    def never_read_on(request: Seen) -> None:
        release.wait(PATIENCE)

    with (
        FakeServer(on_request=never_read_on) as server,
        Client(server.address, stall_timeout=0.1) as client,
    ):
        try:
            client.start("ping")
            big = np.zeros((64, 1024, 1024), np.uint8)  # more than any socket buffer
            with pytest.raises(ConnectionLostError, match="stopped taking data"):
                client.request("job_cancel", {}, {"x": big})
        finally:
            release.set()


def test_an_idle_connection_is_kept(server: FakeServer) -> None:
    with Client(server.address, stall_timeout=0.01) as client:
        request = client.start("ping")
        seen = server.next_request()
        assert not request.wait(0.1)  # ten times the stall limit, but between frames
        seen.reply({"pong": True})
        request.result()
        assert server.connections == 1


def test_no_more_requests_than_the_server_allows_are_in_flight(background: Background) -> None:
    hello = Hello(
        limits={"max_body_bytes": 1 << 20, "max_header_bytes": 1 << 16, "max_in_flight": 2}
    )
    with FakeServer(hello) as server, Client(server.address) as client:
        first, second = client.start("ping"), client.start("ping")
        seen = [server.next_request(), server.next_request()]
        third = background(client.ping)
        waiting = background(client.job_wait, "j", 60.0)  # does not count
        assert server.next_request().cmd == "job_wait"
        assert not third.done()
        with pytest.raises(OverloadedError, match="2 requests"):
            client.ping(timeout=0.01)
        seen[0].reply({"pong": True})
        server.next_request().reply({"pong": True})
        third.result(PATIENCE)
        seen[1].reply({"pong": True})
        first.result(), second.result()
        server.drop_all()
        server.next_request().reply({"job_id": "j", "state": "done"})
        assert waiting.result(PATIENCE).ended


def test_what_is_larger_than_the_server_takes_is_refused_here() -> None:
    hello = Hello(limits={"max_body_bytes": 1000, "max_header_bytes": 500, "max_in_flight": 2})
    with FakeServer(hello) as server, Client(server.address) as client:
        with pytest.raises(BadRequestError, match=r"clip_tokenize.*500"):
            client.clip_tokenize("x" * 1000, "m")
        with pytest.raises(BadRequestError, match=r"submit_async.*1000 a request"):
            client.submit_async({"images": [{"image": np.zeros((20, 20, 3), np.uint8)}]})
        assert server.no_request()
        server.on_request = lambda request: request.reply({"pong": True})
        client.ping()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_say_is_refused_here(client: Client, value: Any) -> None:
    with pytest.raises(BadRequestError, match="JSON"):
        client.request("ping", {"data": value})


def test_lone_surrogates_travel_as_escapes_for_the_server_to_judge(
    server: FakeServer, client: Client
) -> None:
    server.on_request = lambda request: request.fail("bad_request", repr(request.header["data"]))
    with pytest.raises(BadRequestError, match="udc80"):
        client.ping("\udc80")


def test_closing_fails_what_is_in_flight(
    server: FakeServer, client: Client, background: Background
) -> None:
    future = background(client.ping)
    server.next_request()
    client.close()
    with pytest.raises(ConnectionLostError, match="closed"):
        future.result(PATIENCE)
    with pytest.raises(ConnectionLostError, match="closed"):
        client.ping()


def test_a_timeout_of_the_client_cancels_the_request(server: FakeServer) -> None:
    with Client(server.address, grace=0.0) as client:
        with pytest.raises(RequestTimeoutError, match=r"did not answer ping within 0\.05 s"):
            client.ping(timeout=0.05)
        seen = server.next_request()
        assert 1 <= seen.header["deadline_ms"] <= 50
        assert server.cancels.get(timeout=PATIENCE) == seen.id


def test_threads_end_and_the_socket_closes_with_the_connection(server: FakeServer) -> None:
    before = set(threading.enumerate())
    connection = Connection.open(server.address)
    connection.close()
    connection.close()
    assert isinstance(connection._socket, socket.socket)
    assert connection._socket.fileno() == -1
    # other tests' threads may be there, and the fake's own for this connection may still end
    added = [t.name for t in threading.enumerate() if t not in before]
    assert not [name for name in added if name.startswith("luna-")]


def test_a_header_of_64_levels_is_fine(server: FakeServer, client: Client) -> None:
    deep = b'{"a":' * 64 + b"1" + b"}" * 64
    server.on_request = lambda request: request.peer.send(frame(REPLY, request.id, deep))
    assert "a" in client.request("ping").header
