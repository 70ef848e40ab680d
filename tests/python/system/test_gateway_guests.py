"""Who comes to a gateway: at which addresses, how many strangers, what is left of them, and when a node stops."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from node_process import NodeProcess
from operator_files import make_secret, picture, with_secret
from raw_peer import RawPeer
from setting import VAE, ClusterFile, Start, eventually
from test_cluster import LATENTS, TEXT_HERE_VAE_THERE, decode, until_served
from test_load import Background, Occupied

from luna_client import Client, ShuttingDownError, UnavailableError

#: Bytes that thousands of guests may leave: 2 KiB of each were 8 MiB.
BOUND = 2 << 20


# -- addresses ---------------------------------------------------------------------------------------------------------


def gateways(address: str) -> list[str]:
    with RawPeer(address) as peer:
        peer.request(1, "get_status")
        return peer.read()[2]["gateways"]


def test_a_gateway_listens_at_every_address_of_its_name(start_node: Start) -> None:
    node = start_node(gateway="localhost:0")
    told = node.gateways
    assert told
    for address in told:
        with Client(address) as luna:
            luna.ping()
    assert gateways(told[0]) == told
    port = told[0].rpartition(":")[2]
    known = {entry[4][0] for entry in socket.getaddrinfo("localhost", None)}
    wanted = {f"[{x}]:{port}" if ":" in x else f"{x}:{port}" for x in known}
    assert set(told) <= wanted
    if socket.has_ipv6 and "::1" in known and Path("/proc/net/if_inet6").exists():
        assert set(told) == wanted


def test_a_gateway_at_all_addresses_tells_those_that_can_be_dialled(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path / "secret")
    config = with_secret(cluster_file.write("alpha", gateways={"alpha": "0.0.0.0:0"}), secret)
    node = start_node(config=config, node="alpha")
    assert node.gateways[0].startswith("127.0.0.1:")
    assert not any(address.startswith("0.0.0.0") for address in node.gateways)
    for address in node.gateways:
        with Client(address, secret_file=secret) as luna:
            luna.ping()


# -- strangers and leaks -----------------------------------------------------------------------------------------------


def test_handshakes_of_a_stranger_do_not_keep_clients_out(node: NodeProcess) -> None:
    with node.client() as luna:
        luna.ping()
    silent = [RawPeer(node.gateway, hello=False) for _ in range(64)]
    try:
        with node.client() as luna:
            luna.ping()
    finally:
        for peer in silent:
            peer.socket.close()


def hello_and_ping(node: NodeProcess) -> None:
    with RawPeer(node.gateway) as peer:
        peer.request(1, "ping")
        peer.read()
        peer.hang_up()


def no_hello(node: NodeProcess) -> None:
    with RawPeer(node.gateway, hello=False) as peer:
        peer.read()
        peer.hang_up()


def garbage(node: NodeProcess) -> None:
    with RawPeer(node.gateway, hello=False) as peer:
        peer.read()
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.error()
        peer.hang_up()


@pytest.fixture
def patient(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> tuple[NodeProcess, str]:
    """A node with a job that stays queued, for its store is away."""
    keys = make_secret(tmp_path / "keys", "aws_access_key_id = a\naws_secret_access_key = b\n")
    target = f'name = "away", endpoint = "http://127.0.0.1:1", bucket = "luna", credentials-file = "{keys}"'
    config = cluster_file.write("alpha", more=f"saving {{ targets = [{{ {target} }}] }}")
    node = start_node(config=config, node="alpha")
    with node.client() as luna:
        return node, luna.submit_async(picture("x", target="away")).job_id


def growth(node: NodeProcess, visit: Callable[[], None]) -> int:
    """Bytes that 4,000 visits add, after 2,000 have filled what is reused: the least of three rounds.

    One visit ends before the next begins: memory for those that come at once is no leak, and a busy machine has more.
    A leak grows in each round; an allocator that takes another page, or a thread that first wakes, in one.
    """

    def visit_and_settle(times: int) -> int:
        for _ in range(times):
            visit()
        with node.client() as luna:
            eventually(lambda: luna.get_info().connections, lambda n: n == 1)
            # the timers of connections and queues are due within a second of the last visit
            begin = luna.get_info().uptime_sec
            eventually(lambda: luna.get_info().uptime_sec, lambda now: now > begin + 1.5)
        return node.anonymous_bytes()

    sizes = [visit_and_settle(2000)]
    for _ in range(3):
        sizes.append(visit_and_settle(4000))
        if sizes[-1] - sizes[-2] < BOUND:
            break
    return sizes[-1] - sizes[-2]


@pytest.mark.parametrize(
    "visit",
    [hello_and_ping, no_hello, garbage],
    ids=lambda x: x.__name__.replace("_", " "),
)
def test_nothing_is_left_of_thousands_of_connections(
    node: NodeProcess, visit: Callable[[NodeProcess], None]
) -> None:
    assert growth(node, lambda: visit(node)) < BOUND


def test_nothing_is_left_of_thousands_of_waits_whose_clients_went(
    patient: tuple[NodeProcess, str],
) -> None:
    node, job = patient

    def wait_and_go() -> None:
        with RawPeer(node.gateway) as peer:
            peer.request(1, "job_wait", job_id=job, timeout_ms=86_400_000)
            peer.request(2, "ping")
            peer.read()
            peer.hang_up()

    assert growth(node, wait_and_go) < BOUND


def test_nothing_is_left_of_thousands_of_waits_that_were_cancelled(
    patient: tuple[NodeProcess, str],
) -> None:
    node, job = patient

    with node.client() as luna:
        assert luna.job_status(job).state in ("queued", "running")
    with RawPeer(node.gateway) as peer:

        def wait_and_cancel() -> None:
            peer.request(1, "job_wait", job_id=job, timeout_ms=86_400_000)
            peer.cancel(1)
            assert peer.error()[1]["code"] == "cancelled"

        for _ in range(2000):
            wait_and_cancel()
        before = node.anonymous_bytes()
        for _ in range(8000):
            wait_and_cancel()
        assert node.anonymous_bytes() - before < BOUND


# -- a node that stops -------------------------------------------------------------------------------------------------


def test_models_of_a_node_that_drains_are_unavailable_not_unknown(
    start_node: Start, cluster_file: ClusterFile, background: Background
) -> None:
    config = cluster_file.write("alpha", "beta", pools=TEXT_HERE_VAE_THERE)
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        with Occupied(beta, background):
            beta.signal(signal.SIGTERM)
            states = eventually(
                lambda: {node.name: node.state for node in luna.get_info().nodes},
                lambda x: x["beta"] != "up",
            )
            assert states["beta"] == "draining"
            with pytest.raises((UnavailableError, ShuttingDownError)) as told:
                luna.vae_decode(np.asarray(LATENTS), VAE)
            assert told.value.retryable
            assert "beta" in str(told.value)
    assert beta.wait_end() == 0
