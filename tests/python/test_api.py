"""The old daemon's names: plain functions on one shared client."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import luna_client
from fake_server import FakeServer

F32 = np.float32


@pytest.fixture(autouse=True)
def shared(server: FakeServer) -> Iterator[None]:
    luna_client.configure(server.address, tensors="numpy")
    yield
    luna_client.configure(None)


def test_a_running_daemon_is_seen_and_a_stopped_one_too(server: FakeServer) -> None:
    server.on_request = lambda r: r.reply({"pong": True})
    assert luna_client.is_daemon_running()
    server.close()
    assert not luna_client.is_daemon_running()


def test_info_is_the_servers_own_dict(server: FakeServer) -> None:
    server.on_request = lambda r: r.reply({"version": "9", "news": 1})
    assert luna_client.get_daemon_info() == {"version": "9", "news": 1}


def test_tensors_come_bare(server: FakeServer) -> None:
    latents, images = np.ones((1, 4, 1, 1), F32), np.ones((1, 8, 8, 3), F32)
    server.on_request = lambda r: r.reply(
        {}, {"latents": latents} if r.cmd == "vae_encode" else {"images": images}
    )
    assert luna_client.vae_encode(images, "m").shape == (1, 4, 1, 1)
    assert luna_client.vae_decode(latents, "m", tiled=False).shape == (1, 8, 8, 3)


def test_prompts_come_as_the_old_tuples(server: FakeServer) -> None:
    tensors = {name: np.ones((1, 2), F32) for name in ("cond", "pooled", "uncond", "pooled_neg")}
    server.on_request = lambda r: r.reply({"tokens": {"l": [[[1, 1.0]]]}}, tensors)
    assert len(luna_client.clip_encode("a", "b", model="m")) == 4
    tokens = luna_client.clip_tokenize("a", "m")
    assert tokens == {"l": [[(1, 1.0)]]}
    assert luna_client.clip_encode_from_tokens(tokens, "m").shape == (1, 2)
    cond, pooled = luna_client.clip_encode_from_tokens(tokens, "m", return_pooled=True)
    assert cond.shape == pooled.shape == (1, 2)
    assert sorted(luna_client.clip_encode_from_tokens(tokens, "m", return_dict=True)) == [
        "cond",
        "pooled_output",
    ]


def test_sdxls_prompts_come_as_a_samplers_input(server: FakeServer) -> None:
    tensors = {name: np.ones((1, 2), F32) for name in ("cond", "pooled", "uncond", "pooled_neg")}
    server.on_request = lambda r: r.reply(
        {"positive": {"width": 64}, "negative": {"width": 64}}, tensors
    )
    positive, negative = luna_client.clip_encode_sdxl("a", "b", model="m")
    assert positive[0][0].shape == (1, 2)
    assert positive[0][1]["width"] == negative[0][1]["width"] == 64
    assert negative[0][1]["pooled_output"].shape == (1, 2)


def test_submit_answers_as_the_old_one_did(server: FakeServer) -> None:
    server.on_request = lambda r: r.reply(
        {"success": True, "job_id": "j", "images": 2, "queued": 1, "files": []}
    )
    answer = luna_client.submit_async(
        "save_images_async", {"images": [{"image": np.zeros((2, 4, 4, 3), F32)}]}
    )
    assert (answer["success"], answer["job_id"], answer["num_images"]) == (True, "j", 2)


def test_unload_and_attention_mode_tell_who_did_not(server: FakeServer) -> None:
    answers = [{"who": "beta", "done": False, "problem": "is away"}]
    server.on_request = lambda r: r.reply(
        {"mode": "split", "epoch": 1, "done": False, "answers": answers}
    )
    unloaded = luna_client.unload_daemon_models()
    assert unloaded["success"] is False
    assert "beta (is away)" in unloaded["message"]
    mode = luna_client.set_attention_mode("split")
    assert (mode["success"], mode["mode"]) == (False, "split")


def test_errors_of_control_functions_are_answers(server: FakeServer) -> None:
    server.on_request = lambda r: r.fail("bad_request", "no mode 'sage'")
    assert luna_client.set_attention_mode("sage") == {"success": False, "error": "no mode 'sage'"}


def test_without_a_daemon_the_control_functions_answer_as_the_old_ones_did(
    server: FakeServer,
) -> None:
    server.close()
    assert luna_client.shutdown() == {"success": True, "message": "Daemon not running"}
    assert luna_client.unload_daemon_models()["success"] is False


def test_shutdown_tells_that_it_was_accepted(server: FakeServer) -> None:
    server.on_request = lambda r: r.reply({"accepted": True})
    assert luna_client.shutdown()["success"] is True


def test_reset_clients_closes_the_connection_and_the_next_call_makes_another(
    server: FakeServer,
) -> None:
    server.on_request = lambda r: r.reply({"pong": True, "shared_memory": False})
    assert luna_client.negotiate_ipc() is False
    first = luna_client.get_client()
    assert luna_client.reset_clients()["success"] is True
    assert first.closed
    assert luna_client.is_daemon_running()
    assert server.connections == 2


def test_start_daemon_points_the_functions_at_it(server: FakeServer) -> None:
    with FakeServer(on_request=lambda r: r.reply({"pong": True})) as other:
        daemon = luna_client.start_daemon(gateway=other.address)
        assert (daemon.address, daemon.started) == (other.address, False)
        assert luna_client.is_daemon_running()
        assert other.connections >= 2
