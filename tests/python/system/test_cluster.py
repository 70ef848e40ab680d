"""Two nodes: work goes to where the pool is, a dead node is noticed, one that comes back serves again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE
from pictures import astronaut, blocks, number_of, numbered
from setting import CLIP, VAE, ClusterFile, Start

from luna_client import Client, Images, LunaError, UnavailableError

TEXT_HERE_VAE_THERE = """
pools = [
  { name = "text", kind = "text", node = "alpha" },
  { name = "vae", kind = "vae", node = "beta" },
]
"""
LATENTS = np.zeros((1, 4, 8, 8), np.float32)


@pytest.fixture
def config(cluster_file: ClusterFile) -> Any:
    return cluster_file.write("alpha", "beta", pools=TEXT_HERE_VAE_THERE)


def until_served(luna: Client, call: Callable[[], Any]) -> Any:
    """Calls until no node is missing any more. Waits for news of nodes in between."""
    deadline = time.monotonic() + PATIENCE
    with luna.subscribe(["node", "pool"]) as news:
        while True:
            try:
                return call()
            except UnavailableError:
                assert time.monotonic() < deadline, "the other node never came"
                news.get(0.2)


def decode(luna: Client) -> Images:
    return luna.vae_decode(LATENTS, VAE)


@pytest.mark.parametrize("order", [("alpha", "beta"), ("beta", "alpha")], ids=" first, then ".join)
def test_a_decode_through_alpha_is_done_by_beta_whichever_starts_first(
    start_node: Start, config: Any, order: tuple[str, str]
) -> None:
    nodes = {name: start_node(config=config, node=name) for name in order}
    with nodes["alpha"].client() as luna:
        until_served(luna, lambda: decode(luna))
        # 3 MB there and back: many chunks
        photo = astronaut()
        latents = luna.vae_encode(photo, VAE).latents
        images = luna.vae_decode(latents, VAE).images
        assert np.abs(images[0] - blocks(photo)).max() < 1e-3
        pools = {pool.kind: pool.node for pool in luna.get_info().pools}
        assert pools == {"text": "alpha", "vae": "beta"}
        luna.clip_encode("a cat", model=CLIP)
    # and the other way round: beta's clients get their text from alpha
    with nodes["beta"].client() as luna:
        assert luna.clip_encode("a cat", model=CLIP).cond.shape == (1, 77, 128)


def test_remote_equals_local(start_node: Start, config: Any) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    latents = np.random.default_rng(1).standard_normal((2, 4, 24, 40)).astype(np.float32) * 0.05
    with alpha.client() as far, beta.client() as near:
        remote = until_served(far, lambda: far.vae_decode(latents, VAE)).images
        local = near.vae_decode(latents, VAE).images
    assert np.abs(remote - local).max() < 1e-6


def test_work_that_waits_fails_within_three_seconds_when_its_node_is_killed(
    start_node: Start, config: Any, background: Callable[..., Any]
) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    large = np.zeros((1, 2048, 2048, 3), np.uint8)
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))

        running = background(luna.vae_encode, large, VAE, timeout=600)
        waiting = [background(luna.vae_encode, large, VAE, timeout=600) for _ in range(3)]
        with luna.subscribe(["node"]) as news:
            # all four are on their way once beta has work of alpha's
            with beta.client() as there:
                while sum(p.queued + p.running for p in there.get_info().pools) == 0:
                    there.ping()
            begin = time.monotonic()
            beta.kill()
            for future in (running, *waiting):
                with pytest.raises(UnavailableError):
                    future.result(3.0)
            assert time.monotonic() - begin <= 3.0
            event = news.get(PATIENCE)
            assert event is not None
            assert event.data["name"] == "beta"
        with pytest.raises(UnavailableError, match="beta|vae"):
            decode(luna)
        luna.clip_encode("alpha goes on", model=CLIP)


def test_a_node_that_comes_back_serves_again_without_a_restart_of_the_other(
    start_node: Start, config: Any
) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        for _ in range(3):
            beta.kill()
            beta = start_node(config=config, node="beta")
            until_served(luna, lambda: decode(luna))
    assert alpha.running


def test_a_stopped_node_is_left_in_order(start_node: Start, config: Any) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        assert beta.stop() == 0
        with pytest.raises(UnavailableError):
            decode(luna)
    assert alpha.stop() == 0


def test_any_pool_may_serve_and_the_living_one_does(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", "beta")
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        decode(luna)
        beta.kill()
        decode(luna)


def test_a_node_that_was_away_is_named_and_adopts_the_mode_when_it_comes_back(
    start_node: Start, config: Any
) -> None:
    alpha = start_node(config=config, node="alpha")
    with alpha.client() as luna:
        result = luna.set_attention_mode("split")
        assert result.mode == "split"
        assert not result.done
        assert [answer.who.partition("/")[0] for answer in result.problems] == ["beta"]
        assert result.problems[0].problem
        beta = start_node(config=config, node="beta")
        until_served(luna, lambda: decode(luna))
        with beta.client() as there, there.subscribe(["attention"]) as news:
            while there.get_info().attention_mode != "split":
                assert news.get(PATIENCE) is not None, "beta never adopted the mode"
        result = luna.set_attention_mode("flash")
        assert result.done, result.answers
        assert {answer.who.partition("/")[0] for answer in result.answers} == {"alpha", "beta"}


def test_epoch_and_mode_outlive_a_restart(start_node: Start, config: Any) -> None:
    alpha = start_node(config=config, node="alpha")
    with alpha.client() as luna:
        epoch = luna.set_attention_mode("pytorch").epoch
    alpha.kill()
    alpha = start_node(config=config, node="alpha")
    with alpha.client() as luna:
        assert luna.get_info().attention_mode == "pytorch"
        assert luna.set_attention_mode("auto").epoch > epoch


def test_control_is_unavailable_while_the_supervisor_is_away_and_data_goes_on(
    start_node: Start, config: Any
) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with beta.client() as luna:
        until_served(luna, lambda: luna.clip_encode("a cat", model=CLIP))
        alpha.kill()
        with pytest.raises(LunaError) as caught:
            luna.set_attention_mode("split", timeout=20)
        assert caught.value.code in ("unavailable", "timeout")
        decode(luna)


def test_unload_reaches_all_nodes(start_node: Start, config: Any) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        luna.clip_encode("a cat", model=CLIP)
        result = luna.unload_models()
        assert result.done, result.answers
        assert {model.model for model in result.unloaded} == {VAE, CLIP}
        assert {answer.who.partition("/")[0] for answer in result.answers} == {"alpha", "beta"}
        beta.kill()
        result = luna.unload_models()
        assert not result.done
        assert [answer.who.partition("/")[0] for answer in result.problems] == ["beta"]


def test_saving_goes_to_the_saving_node(start_node: Start, cluster_file: ClusterFile) -> None:
    config = cluster_file.write("alpha", "beta", more='saving { node = "beta" }')
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        job = until_served(
            luna, lambda: luna.submit_async({"images": [{"image": numbered(9, 512)}]}, key="k")
        )
        done = luna.job_wait(job.job_id, PATIENCE)
        assert done.state == "done", done
        path = Path(done.paths[0])
        assert path.is_relative_to(cluster_file.folder / "beta" / "output")
        assert number_of(path) == 9
        with beta.client() as there:
            assert there.job_status(job.job_id).state == "done"


def test_shutdown_of_the_cluster_stops_every_node_in_order(start_node: Start, config: Any) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        result = luna.shutdown("cluster")
        assert result.accepted
        assert result.done, result.answers
    assert alpha.wait_end() == 0
    assert beta.wait_end() == 0


def test_a_peer_that_hangs_is_noticed(start_node: Start, config: Any) -> None:
    alpha, beta = (start_node(config=config, node=name) for name in ("alpha", "beta"))
    with alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        beta.signal(signal.SIGSTOP)
        with pytest.raises(LunaError) as caught:
            luna.vae_decode(LATENTS, VAE, timeout=20)
        assert caught.value.code == "unavailable", alpha.story("did not notice that its peer hangs")
        beta.signal(signal.SIGCONT)
        until_served(luna, lambda: decode(luna))
