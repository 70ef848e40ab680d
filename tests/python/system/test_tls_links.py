"""A connection that fails, or a node that dies, takes no healthy link along; a node that restarts is met at once."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Authority, Identity
from node_process import NodeProcess
from setting import ClusterFile, Start
from trio import NAMES, Trio


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "studio")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "stranger")


@pytest.fixture
def trio(start_node: Start, cluster_file: ClusterFile, ours: Authority) -> Trio:
    return Trio(start_node, cluster_file, ours)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def hear_the_end(peer: socket.socket) -> None:
    """Reads until the other side has closed: then it has judged what it got."""
    try:
        while peer.recv(4096):
            pass
    except OSError:
        pass


def client_hello(ca: Path) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=ca)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="alpha").do_handshake()
    return outgoing.read()


def shake_hands(peer: socket.socket, ca: Path, identity: Identity | None) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context.wrap_socket(peer)


def probes(ours: Authority, theirs: Authority) -> dict[str, Callable[[socket.socket], None]]:
    """What strangers and broken nodes do to a port, by name."""
    hello = client_hello(ours.certificate)
    basp = bytes([0x01, 0, 0, 0]) + b"\0" * 32

    def say(data: bytes) -> Callable[[socket.socket], None]:
        def probe(peer: socket.socket) -> None:
            peer.sendall(data)
            hear_the_end(peer)

        return probe

    def leave(data: bytes, how: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
        def probe(peer: socket.socket) -> None:
            peer.sendall(data)
            how(peer)

        return probe

    def show(ca: Path, identity: Identity | None) -> Callable[[socket.socket], None]:
        def probe(peer: socket.socket) -> None:
            with contextlib.suppress(ssl.SSLError):
                hear_the_end(shake_hands(peer, ca, identity))

        return probe

    def node_that_dies(peer: socket.socket) -> None:
        link = shake_hands(peer, ours.certificate, ours.issue("any", names=NAMES))
        assert link.recv(1), "a node that is let in is greeted"
        reset(link)

    return {
        "connect and close": leave(b"", socket.socket.close),
        "connect and reset": leave(b"", reset),
        "garbage": say(b"\xff" * 300),
        "zeros": say(b"\0" * 64),
        "HTTP": say(b"GET / HTTP/1.1\r\nHost: alpha\r\n\r\n"),
        "plain BASP": say(basp),
        "a TLS alert": say(b"\x15\x03\x03\x00\x02\x02\x28"),
        "half a hello, close": leave(hello[:50], socket.socket.close),
        "half a hello, reset": leave(hello[:50], reset),
        "a hello, close": leave(hello, socket.socket.close),
        "a hello, reset": leave(hello, reset),
        "no certificate": show(ours.certificate, None),
        "a certificate of another authority": show(ours.certificate, theirs.issue("beta")),
        "trust in another authority": show(theirs.certificate, ours.issue("beta")),
        "an expired certificate": show(ours.certificate, ours.issue("beta", days=(-9, -2))),
        "a certificate for later": show(ours.certificate, ours.issue("beta", days=(2, 9))),
        "the name of no node": show(ours.certificate, ours.issue("delta")),
        "a node that dies after the handshake": node_that_dies,
    }


def test_no_connection_that_fails_takes_a_healthy_link_along(
    trio: Trio, ours: Authority, theirs: Authority
) -> None:
    trio.start().wait_for_mesh()
    silent = [socket.create_connection(("127.0.0.1", trio.ports[name]), 30) for name in NAMES]
    for name, probe in probes(ours, theirs).items():
        for node in NAMES:
            with socket.create_connection(("127.0.0.1", trio.ports[node]), 30) as peer:
                probe(peer)
        trio.use_links()
        assert not trio.losses(), f"after the probe {name!r}"
    for peer in silent:
        peer.close()
    trio.use_links()
    assert not trio.losses()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("victim", NAMES)
def test_the_survivors_of_a_node_keep_their_link(trio: Trio, victim: str, number: int) -> None:
    trio.start().wait_for_mesh()
    survivors = [name for name in NAMES if name != victim]
    trio.nodes[victim].signal(number)
    for name in survivors:
        trio.nodes[name].wait_for_log(f"lost node {victim}")
    trio.nodes[victim].wait_end()
    trio.start(victim).wait_for_mesh()  # new lines only from the one that restarted
    trio.use_links()
    assert [line for line in trio.losses(survivors) if victim not in line] == []


def restarted(trio: Trio, name: str) -> tuple[NodeProcess, float]:
    """Restarts a node as an operator does. -> it, and when it was ready."""
    assert trio.nodes[name].stop() == 0, trio.nodes[name].story("stopped badly")
    trio.start(name)
    return trio.nodes[name], time.monotonic()


def test_a_node_that_restarts_is_met_soon_after_its_ready_line(trio: Trio) -> None:
    """It was 9 to 13 s: the others waited for the answer of the process that ended."""
    trio.start().wait_for_mesh()
    for _ in range(3):
        node, ready = restarted(trio, "alpha")
        for other in ("beta", "gamma"):
            node.wait_for_log(f"alpha met node {other}")
        assert time.monotonic() - ready < 5, "1.5 s, and time for a busy machine"


def test_a_node_that_dialled_others_stops_at_once(trio: Trio) -> None:
    trio.start().wait_for_mesh()
    for _ in range(5):
        node = trio.nodes["gamma"]
        begin = time.monotonic()
        assert node.stop() == 0, node.story("stopped badly")
        assert time.monotonic() - begin < 2.5, "the watchdog's patience is 3 s"
        trio.start("gamma")
        for other in ("alpha", "beta"):
            trio.nodes["gamma"].wait_for_log(f"gamma met node {other}")
