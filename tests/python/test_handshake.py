"""The hello, both ways: who may talk to whom."""

from __future__ import annotations

import pytest

from fake_server import ERROR, HELLO, REPLY, FakeServer, Hello, frame
from luna_client import (
    BadRequestError,
    Client,
    ConnectionLostError,
    LunaError,
    OverloadedError,
    ProtocolMismatchError,
    UnauthenticatedError,
)
from luna_client.connection import Connection
from luna_client.frames import proof
from luna_client.handshake import split_address

SECRET = b"sixteen bytes are the least"


def connect(server: FakeServer, secret: bytes | None = None) -> Connection:
    return Connection.open(server.address, secret=secret, client="test/1")


def failure(server: FakeServer, secret: bytes | None = None) -> LunaError:
    with pytest.raises(LunaError) as caught:
        connect(server, secret)
    return caught.value


def test_the_server_tells_who_it_is() -> None:
    with FakeServer() as server:
        connection = connect(server)
        welcome = connection.welcome
        connection.close()
    assert (welcome.node, welcome.cluster, welcome.server) == ("alpha", "studio", "luna/fake")
    assert welcome.limits.max_in_flight == 64
    assert welcome.commands == ("ping",)


def test_the_proofs_are_those_of_the_protocols_page() -> None:
    secret = b"correct horse battery staple"
    server, client = "000102030405060708090a0b0c0d0e0f", "f0e0d0c0b0a090807060504030201000"
    assert (
        proof(secret, "client", server, client)
        == "ef363d97370e62c6dce86c688073c3bc87f0a5df3eb83a199be2723c6f6d39cd"
    )
    assert (
        proof(secret, "server", client, server)
        == "5dda056fa376b80e99646fd8ad8c667e7906996d302bda0fe00d8c0891694b28"
    )


def test_both_sides_prove_that_they_know_the_secret() -> None:
    with FakeServer(Hello(secret=SECRET)) as server:
        connect(server, SECRET).close()


def test_a_wrong_secret_is_refused_by_the_server() -> None:
    with FakeServer(Hello(secret=SECRET)) as server:
        assert isinstance(failure(server, b"another secret of length"), UnauthenticatedError)


def test_a_client_without_a_secret_says_that_one_is_wanted() -> None:
    with FakeServer(Hello(secret=SECRET)) as server:
        error = failure(server)
    assert isinstance(error, UnauthenticatedError)
    assert "secret=" in error.message


def test_a_client_with_a_secret_refuses_a_server_that_asks_for_none() -> None:
    with FakeServer(Hello()) as server:
        error = failure(server, SECRET)
    assert isinstance(error, UnauthenticatedError)
    assert "asks for no secret" in error.message


def test_a_client_refuses_a_way_to_prove_that_it_does_not_know() -> None:
    with FakeServer(Hello(secret=SECRET, auth="md5")) as server:
        assert isinstance(failure(server, SECRET), UnauthenticatedError)


@pytest.mark.parametrize("wrong", ["", "00" * 32, proof(b"x" * 16, "server", "a", "b"), "\u00e4"])
def test_a_server_that_cannot_prove_itself_is_refused(wrong: str) -> None:
    with FakeServer(Hello(secret=SECRET, server_proof=wrong)) as server:
        error = failure(server, SECRET)
    assert isinstance(error, UnauthenticatedError)
    assert "did not prove" in error.message


@pytest.mark.parametrize("spoken", [(2, 3), (0, 0)])
def test_without_a_common_protocol_the_client_says_so(spoken: tuple[int, int]) -> None:
    with FakeServer(Hello(protocol=spoken)) as server:
        assert isinstance(failure(server), ProtocolMismatchError)


def test_a_refusal_instead_of_the_last_hello_is_raised_as_it_is() -> None:
    refusal = {
        "code": "overloaded",
        "message": "256 connections are open",
        "retryable": True,
        "retry_after_ms": 500,
    }
    with FakeServer(Hello(error=refusal)) as server:
        error = failure(server)
    assert isinstance(error, OverloadedError)
    assert error.retry_after_ms == 500


def test_a_refusal_instead_of_the_first_hello_is_raised_as_it_is() -> None:
    refusal = frame(
        ERROR, 0, {"code": "overloaded", "message": "too many handshakes", "retryable": True}
    )
    with FakeServer(Hello(raw=refusal)) as server:
        assert isinstance(failure(server), OverloadedError)


RAW = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "a wrong version": frame(HELLO, 0, {}, version=2),
    "a wrong kind": frame(9, 0, {}),
    "flags": frame(HELLO, 0, {}, flags=1),
    "a reserved field": frame(HELLO, 0, {}, reserved=1),
    "a reply": frame(REPLY, 0, {}),
    "a body": frame(HELLO, 0, {}, b"body"),
    "a hello of 65 KiB": frame(HELLO, 0, {"x": "y" * 65 * 1024}),
    "no JSON": frame(HELLO, 0, b"\xff\xfe"),
    "no object": frame(HELLO, 0, b"[]"),
    "65 levels": frame(HELLO, 0, b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
    "no versions": frame(HELLO, 0, {"auth": "none"}),
    "half a head": b"LUNA\x01",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_somebody_else_on_that_port_is_named_and_not_waited_for(raw: bytes) -> None:
    with FakeServer(Hello(raw=raw)) as server:
        error = failure(server)
        assert isinstance(error, ConnectionLostError)
        assert server.address in error.message


def test_nobody_on_that_port_is_a_lost_connection() -> None:
    with FakeServer() as server:
        address = server.address
    with pytest.raises(ConnectionLostError, match=address):
        Connection.open(address)


def test_a_server_that_says_nothing_is_left_after_the_timeout() -> None:
    with FakeServer(Hello(raw=b"")) as server:
        # the fake closes; one that only listens does not even accept
        server.close()
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectionLostError, match="went away"):
            Connection.open(address, timeout=0.05)


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:0", "host:65536", "host:1x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadRequestError):
        split_address(address)


def test_ipv6_stands_in_brackets() -> None:
    assert split_address("[::1]:19283") == ("::1", 19283)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_secret_file_is_read_without_its_newline(tmp_path, ending: bytes) -> None:  # noqa: ANN001
    file = tmp_path / "secret"
    file.write_bytes(SECRET + ending)
    with (
        FakeServer(Hello(secret=SECRET), on_request=lambda r: r.reply({"pong": True})) as server,
        Client(server.address, secret_file=file) as client,
    ):
        client.ping()


def test_a_secret_that_is_too_short_or_missing_is_refused_at_once(tmp_path) -> None:  # noqa: ANN001
    with pytest.raises(UnauthenticatedError, match="at least 16"):
        Client(secret="short")
    with pytest.raises(UnauthenticatedError, match="nowhere"):
        Client(secret_file=tmp_path / "nowhere")


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(on_request=lambda r: r.reply({"pong": True})) as server:
        monkeypatch.setenv("LUNA_ADDRESS", f"127.0.0.1:1, {server.address}")
        with Client() as client:
            client.ping()
