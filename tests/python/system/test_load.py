"""Many clients, too many requests, cancelled and expired ones: everyone gets an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from raw_peer import RawPeer
from setting import CLIP, VAE, ClusterFile, Start, eventually

from luna_client import (
    Cancel,
    Client,
    LunaError,
    OverloadedError,
    RequestCancelledError,
    RequestTimeoutError,
)

Background = Callable[..., Any]

#: Minutes of work for a CPU, in many tiles.
LARGE = np.zeros((8, 2048, 2048, 3), np.uint8)
SMALL = np.zeros((16, 16, 3), np.uint8)


class Occupied:
    """Keeps a node's device busy from enter to exit."""

    def __init__(self, node: NodeProcess, background: Background) -> None:
        self._client = node.client(timeout=3600)
        self._cancel = Cancel()
        self._running = threading.Event()
        self.future = background(self._encode)

    def _encode(self) -> None:
        self._client.vae_encode(
            LARGE, VAE, tiled=True, tile_size=256, progress=self._tell, cancel=self._cancel
        )

    def _tell(self, value: int, maximum: int, stage: str) -> None:
        if stage != "load":
            self._running.set()

    def __enter__(self) -> Occupied:
        assert self._running.wait(PATIENCE), "the work never began"
        return self

    def __exit__(self, *exc: object) -> None:
        self._cancel.cancel()
        with pytest.raises(RequestCancelledError):
            self.future.result(PATIENCE)
        self._client.close()


def vae_pool(luna: Client) -> Any:
    return next(pool for pool in luna.get_info().pools if pool.kind == "vae")


def test_two_hundred_clients_are_served_at_once(node: NodeProcess, background: Background) -> None:
    together = threading.Barrier(200)

    def one(number: int) -> str:
        with node.client() as luna:
            luna.ping()
            together.wait(PATIENCE)  # all connections are open now
            tokens = luna.clip_tokenize(f"cat number {number}", CLIP)
            assert len(tokens["l"][0]) == 77
            return luna.ping(str(number)).data or ""

    futures = [background(one, number) for number in range(200)]
    assert [future.result(PATIENCE) for future in futures] == [str(n) for n in range(200)]


def test_clients_beyond_the_bound_are_refused_with_a_hint(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", more="limits { connections = 3 }")
    node = start_node(config=config, node="alpha")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(RawPeer(node.gateway))
        with node.client() as luna, pytest.raises(OverloadedError) as caught:
            luna.ping()
        assert caught.value.retryable


def test_cancelling_running_work_answers_at_once_and_frees_the_device(
    node: NodeProcess, background: Background
) -> None:
    with Occupied(node, background):
        pass  # leaving cancels, and checks that it was answered
    with node.client() as luna:
        begin = time.monotonic()
        luna.vae_encode(SMALL, VAE)
        assert time.monotonic() - begin < 20  # the rest of LARGE would take minutes
        eventually(lambda: vae_pool(luna), lambda pool: pool.running == 0)


def test_cancelling_queued_work_drops_it(node: NodeProcess, background: Background) -> None:
    with Occupied(node, background), node.client() as luna:
        request = luna.start("vae_encode", {"model": VAE}, {"pixels": SMALL[None]})
        eventually(lambda: vae_pool(luna), lambda pool: pool.queued == 1)
        begin = time.monotonic()
        request.cancel()
        with pytest.raises(RequestCancelledError):
            request.result()
        assert time.monotonic() - begin < 2
        eventually(lambda: vae_pool(luna), lambda pool: pool.queued == 0)


def test_a_deadline_is_kept_while_others_run(node: NodeProcess, background: Background) -> None:
    with Occupied(node, background), node.client() as luna:
        begin = time.monotonic()
        with pytest.raises(RequestTimeoutError) as caught:
            luna.vae_encode(SMALL, VAE, timeout=0.3)
        assert 0.25 < time.monotonic() - begin < 2
        assert "did not answer" not in caught.value.message  # the server itself has said so
        eventually(lambda: vae_pool(luna), lambda pool: pool.queued == 0)


def test_a_deadline_ends_running_work_too(node: NodeProcess) -> None:
    with node.client() as luna:
        begin = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            luna.vae_encode(LARGE, VAE, timeout=1.0)
        assert time.monotonic() - begin < 3
        luna.vae_encode(SMALL, VAE)


def test_a_client_that_goes_away_takes_its_queued_work_along(
    node: NodeProcess, background: Background
) -> None:
    with Occupied(node, background), node.client() as luna:
        other = node.client()
        for _ in range(5):
            other.start("vae_encode", {"model": VAE}, {"pixels": SMALL[None]})
        eventually(lambda: vae_pool(luna), lambda pool: pool.queued == 5)
        other.close()
        eventually(lambda: vae_pool(luna), lambda pool: pool.queued == 0)


def test_a_full_queue_refuses_with_a_hint_and_loses_nothing(
    start_node: Start, cluster_file: ClusterFile, background: Background
) -> None:
    pools = 'pools = [ { name = "vae", kind = "vae", queue = 3 } ]'
    node = start_node(config=cluster_file.write("alpha", pools=pools), node="alpha")
    with node.client(timeout=600) as luna:
        with Occupied(node, background):
            requests = [
                luna.start("vae_encode", {"model": VAE}, {"pixels": SMALL[None]}) for _ in range(12)
            ]
            refused = []
            while len(refused) < 9:
                refused = [request for request in requests if request.done()]
                luna.ping()
            for request in refused:
                with pytest.raises(OverloadedError) as caught:
                    request.result()
                assert caught.value.retryable
                assert caught.value.retry_after_ms
        kept = [request for request in requests if request not in refused]
        assert len(kept) == 3
        for request in kept:
            assert request.result().tensors["latents"].shape == (1, 4, 2, 2)


def test_more_requests_than_a_connection_may_have_are_refused_one_by_one(
    node: NodeProcess, background: Background
) -> None:
    import safetensors.numpy

    body = safetensors.numpy.save({"pixels": SMALL[None]})
    with Occupied(node, background), RawPeer(node.gateway) as peer:
        limit = peer.welcome["limits"]["max_in_flight"]
        for n in range(1, limit + 11):
            peer.request(n, "vae_encode", body, model=VAE)
        errors = [peer.error() for _ in range(10)]
        assert {error["code"] for _, error in errors} == {"overloaded"}
        assert all(error["retry_after_ms"] > 0 for _, error in errors)
        assert {request_id for request_id, _ in errors} == set(range(limit + 1, limit + 11))


def test_a_request_of_higher_priority_goes_first(node: NodeProcess, background: Background) -> None:
    done: list[int] = []
    with node.client(timeout=600) as luna:
        futures = []
        with Occupied(node, background):
            for queued, priority in enumerate((-1, 0, 1), start=1):

                def encode(priority: int = priority) -> None:
                    luna.vae_encode(
                        np.zeros((1, 16 * (priority + 2), 16, 3), np.uint8), VAE, priority=priority
                    )
                    done.append(priority)

                futures.append(background(encode))
                eventually(lambda: vae_pool(luna), lambda pool, n=queued: pool.queued == n)
        for future in futures:
            future.result(PATIENCE)
    assert done == [1, 0, -1]


def test_reset_cancels_this_connections_requests_and_no_others(
    node: NodeProcess, background: Background
) -> None:
    with node.client() as ours, node.client(timeout=600) as others:
        with Occupied(node, background):
            work = ("vae_encode", {"model": VAE}, {"pixels": SMALL[None]})
            mine = [ours.start(*work) for _ in range(2)]
            theirs = others.start(*work)
            eventually(lambda: vae_pool(ours), lambda pool: pool.queued == 3)
            assert ours.reset().cancelled == 2
            for request in mine:
                with pytest.raises(RequestCancelledError):
                    request.result()
            assert not theirs.done()
        assert theirs.result().tensors["latents"].shape == (1, 4, 2, 2)


def test_every_request_is_answered_by_its_deadline_whatever_happens(
    node: NodeProcess, background: Background
) -> None:
    """A storm of requests with short deadlines, half of them cancelled: each ends, none hangs."""

    def one(number: int) -> str:
        cancel = Cancel()
        if number % 2:
            cancel.cancel()
        try:
            storm.vae_encode(
                np.zeros((256, 256, 3), np.uint8), VAE, timeout=0.5 + number % 5, cancel=cancel
            )
        except LunaError as error:
            return error.code
        return "done"

    with node.client() as storm:
        ends = [
            future.result(PATIENCE) for future in [background(one, number) for number in range(60)]
        ]
        assert set(ends) <= {"done", "cancelled", "timeout", "overloaded"}, ends
        assert "done" in ends
        assert "cancelled" in ends
        eventually(lambda: vae_pool(storm), lambda pool: pool.queued + pool.running == 0)
