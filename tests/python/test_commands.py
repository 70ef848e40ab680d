"""Each command: the fields that go out, and what becomes of the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import luna_client.model_commands
from fake_server import FakeServer, Seen
from luna_client import BadRequestError, Client, ServerWarning, UnknownModelError

F32 = np.float32


class Answer:
    """Answers every request alike and keeps what came."""

    def __init__(self, server: FakeServer) -> None:
        self.header: dict[str, Any] = {}
        self.tensors: dict[str, np.ndarray] = {}
        self.seen: list[Seen] = []
        server.on_request = self

    def __call__(self, request: Seen) -> None:
        self.seen.append(request)
        request.reply(self.header, self.tensors)

    @property
    def fields(self) -> dict[str, Any]:
        """Of the last request, without what every request has."""
        header = dict(self.seen[-1].header)
        header.pop("deadline_ms", None)
        return header


@pytest.fixture
def answer(server: FakeServer) -> Answer:
    return Answer(server)


def test_list_models(client: Client, answer: Answer) -> None:
    answer.header = {
        "revision": 7,
        "models": [
            {
                "name": "a.safetensors",
                "kind": "vae",
                "folder": "vae",
                "bytes": 5,
                "modified": 1.5,
                "loaded": ["cpu"],
                "family": "taesd",
                "field of the future": 1,
            },
            {"name": "b.safetensors", "kind": "text"},
        ],
    }
    models = client.list_models(["vae", "text"])
    assert answer.fields == {"cmd": "list_models", "kinds": ["vae", "text"]}
    assert models.revision == 7
    assert [m.name for m in models.of_kind("vae")] == ["a.safetensors"]
    assert models.models[0].loaded == ("cpu",)
    assert models.models[1].family == ""


def test_model_info(client: Client, answer: Answer) -> None:
    answer.header = {
        "family": "taesd",
        "latent_channels": 4,
        "upscale_ratio": 8,
        "token_keys": ["l"],
    }
    info = client.model_info("x", "vae")
    assert answer.fields == {"cmd": "model_info", "model": "x", "kind": "vae"}
    assert (info.latent_channels, info.upscale_ratio, info.token_keys) == (4, 8, ("l",))


def test_vae_encode(client: Client, answer: Answer) -> None:
    answer.header = {"tiled": True, "tiles": 4}
    answer.tensors = {"latents": np.ones((1, 4, 2, 2), F32)}
    got = client.vae_encode(
        np.zeros((16, 16, 3), np.uint8),
        "x",
        tiled=True,
        tile_width=256,
        tile_height=128,
        overlap=32,
        tiled_method="comfyui",
        dtype="f16",
        priority=-1,
        timeout=9,
    )
    assert answer.seen[-1].header == {
        "cmd": "vae_encode",
        "model": "x",
        "tiled": True,
        "tile_width": 256,
        "tile_height": 128,
        "overlap": 32,
        "tiled_method": "comfyui",
        "dtype": "f16",
        "priority": -1,
        "deadline_ms": answer.seen[-1].header["deadline_ms"],
    }
    assert 8000 < answer.seen[-1].header["deadline_ms"] <= 9000
    assert answer.seen[-1].tensors["pixels"].shape == (1, 16, 16, 3)
    assert (got.latents.shape, got.tiled, got.tiles) == ((1, 4, 2, 2), True, 4)


def test_defaults_are_left_to_the_server(client: Client, answer: Answer) -> None:
    answer.tensors = {"images": np.ones((1, 16, 16, 3), F32)}
    client.vae_decode(np.zeros((1, 4, 2, 2), F32), "x")
    assert answer.fields == {"cmd": "vae_decode", "model": "x"}
    answer.tensors = {"cond": np.ones((1, 77, 8), F32)}
    client.clip_encode("a", model="x")
    assert answer.fields == {"cmd": "clip_encode", "model": "x", "positive": "a", "negative": ""}


@pytest.mark.parametrize("shape", [(16, 16), (1, 1, 16, 16, 3), (0, 16, 16, 3)])
def test_pixels_of_a_wrong_shape_are_refused_here(client: Client, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRequestError, match="pixels"):
        client.vae_encode(np.zeros(shape, F32), "x")


def test_clip_tokenize(client: Client, answer: Answer) -> None:
    answer.header = {"tokens": {"l": [[[49406, 1.0, 0], [320, 1.1, 1]]]}}
    tokens = client.clip_tokenize("a", "x", return_word_ids=True)
    assert answer.fields == {
        "cmd": "clip_tokenize",
        "model": "x",
        "text": "a",
        "return_word_ids": True,
    }
    assert tokens == {"l": [[(49406, 1.0, 0), (320, 1.1, 1)]]}


def test_clip_encode_from_tokens(client: Client, answer: Answer) -> None:
    answer.tensors = {
        "cond": np.ones((1, 77, 8), F32),
        "attention_mask": np.ones((1, 77), np.int64),
    }
    tokens = {"l": [[(49406, 1.0), ({"embedding": "ti", "row": 0}, 0.5)]]}
    got = client.clip_encode_from_tokens(
        tokens, "x", layer=-2, projected=False, embeddings={"ti": np.zeros((1, 8), F32)}
    )
    assert answer.fields == {
        "cmd": "clip_encode_from_tokens",
        "model": "x",
        "tokens": {"l": [[[49406, 1.0], [{"embedding": "ti", "row": 0}, 0.5]]]},
        "layer": -2,
        "projected": False,
    }
    assert list(answer.seen[-1].tensors) == ["ti"]
    assert got.pooled is None
    assert got.attention_mask.shape == (1, 77)


def test_clip_encode(client: Client, answer: Answer) -> None:
    answer.tensors = {
        name: np.full((1, 2), i, F32)
        for i, name in enumerate(["cond", "pooled", "uncond", "pooled_neg"])
    }
    files = {"type": "sdxl", "files": ["l.safetensors", "g.safetensors"]}
    got = client.clip_encode("a", None, model=files, loras=[{"name": "x", "strength": 0.5}])
    assert answer.fields == {
        "cmd": "clip_encode",
        "model": files,
        "positive": "a",
        "negative": None,  # null says that it is not wanted
        "loras": [{"name": "x", "strength": 0.5}],
    }
    assert [t[0, 0] for t in (got.cond, got.pooled, got.uncond, got.pooled_neg)] == [0, 1, 2, 3]


def test_clip_encode_sdxl(client: Client, answer: Answer) -> None:
    answer.tensors = {"cond": np.ones((1, 77, 320), F32), "pooled": np.ones((1, 192), F32)}
    answer.header = {"positive": {"width": 1024, "crop_w": 8}}
    got = client.clip_encode_sdxl("a", None, model="x", positive_l="b", crop_w=8)
    assert answer.fields == {
        "cmd": "clip_encode_sdxl",
        "model": "x",
        "positive": "a",
        "positive_l": "b",
        "negative": None,
        "width": 1024,
        "height": 1024,
        "crop_w": 8,
        "crop_h": 0,
        "target_width": 1024,
        "target_height": 1024,
    }
    assert got.positive == {"width": 1024, "crop_w": 8}
    assert got.negative == {}
    assert got.uncond is None


def test_text_cleanup_goes_with_every_prompt(client: Client, answer: Answer) -> None:
    answer.header = {"tokens": {}, "positive": {}}
    answer.tensors = {"cond": np.ones((1, 77, 8), F32)}
    for call in (client.clip_tokenize, client.clip_encode, client.clip_encode_sdxl):
        call("a", model="x", text_cleanup="transformers4")
        assert answer.fields["text_cleanup"] == "transformers4"
        call("a", model="x")
        assert "text_cleanup" not in answer.fields


NAN = {"code": "non_finite", "message": "3 values are NaN", "count": 3}
CUT = {"code": "tiled", "message": "it was computed in tiles", "of the future": 1}


def test_warnings_of_a_reply_are_objects(client: Client, answer: Answer) -> None:
    answer.header = {"tiled": True, "tiles": 9, "warnings": [NAN, CUT, {"code": "no message"}, 7]}
    answer.tensors = {"images": np.ones((1, 16, 16, 3), F32)}
    told = client.vae_decode(np.zeros((1, 4, 2, 2), F32), "x").warnings
    assert told == (
        ServerWarning("3 values are NaN", "non_finite", 3),
        ServerWarning("it was computed in tiles", "tiled"),
    )
    assert str(told[0]) == "3 values are NaN"


def test_warnings_of_an_older_server_are_texts(client: Client, answer: Answer) -> None:
    answer.header = {"warnings": ["it was computed in tiles"]}
    answer.tensors = {"latents": np.ones((1, 4, 2, 2), F32)}
    told = client.vae_encode(np.zeros((16, 16, 3), np.uint8), "x").warnings
    assert told == (ServerWarning("it was computed in tiles"),)


def test_warnings_of_a_batch_in_parts_are_told_once(server: FakeServer, client: Client) -> None:
    server.hello.limits["max_body_bytes"] = 4096 + 16 * 16 * 3  # one image at a time
    latents = {"latents": np.ones((1, 4, 2, 2), F32)}
    server.on_request = lambda request: request.reply({"warnings": [CUT]}, latents)
    got = client.vae_encode(np.zeros((3, 16, 16, 3), np.uint8), "x")
    assert got.latents.shape[0] == 3
    assert [warning.code for warning in got.warnings] == ["tiled"]


def test_prompts_and_tokens_carry_warnings_too(client: Client, answer: Answer) -> None:
    answer.header = {
        "warnings": [{"code": "embedding", "message": "there is no embedding 'x'"}],
        "tokens": {"l": []},
        "positive": {},
    }
    answer.tensors = {"cond": np.ones((1, 77, 8), F32)}
    for told in (
        client.clip_tokenize("embedding:x", "m"),
        client.clip_encode("embedding:x", model="m"),
        client.clip_encode_sdxl("embedding:x", model="m"),
        client.clip_encode_from_tokens({"l": []}, "m"),
    ):
        assert [warning.code for warning in told.warnings] == ["embedding"]


JOB = {
    "job_id": "j",
    "state": "failed",
    "progress": 0.5,
    "attempts": 5,
    "error": {"code": "not_permitted", "message": "the disk is full"},
    "target": "bucket",
    "archive_error": "full",
    "pictures": "given_up",
    "changed": False,
    "warnings": [{"code": "non_finite", "message": "3 values", "count": 3, "later": 1}],
    "images": [
        {"index": 0, "state": "done", "path": "/o/a.png", "subfolder": "", "filename": "a.png"},
        {"index": 1, "state": "failed", "error": "full"},
        {
            "index": 2,
            "state": "discarded",
            "score": 0.1,
            "left_out": ["workflow"],
            "renamed_from": "a.png",
        },
    ],
}


@pytest.mark.parametrize("name", ["job_status", "job_cancel", "job_retry", "job_discard"])
def test_job_commands(client: Client, answer: Answer, name: str) -> None:
    answer.header = JOB
    job = getattr(client, name)("j")
    assert answer.fields == {"cmd": name, "job_id": "j"}
    assert (job.state, job.progress, job.attempts, job.ended) == ("failed", 0.5, 5, True)
    assert job.paths == ("/o/a.png",)
    assert job.images[1].error == "full"
    assert (job.pictures, job.changed) == ("given_up", False)
    assert job.warnings == (luna_client.ServerWarning("3 values", "non_finite", 3),)
    assert (job.target, job.archive, job.archive_error) == ("bucket", "", "full")
    assert [image.discarded for image in job.images] == [False, False, True]
    assert (job.images[2].score, job.images[2].left_out) == (0.1, ("workflow",))
    assert job.images[2].renamed_from == "a.png" and not job.images[0].renamed_from


def test_job_wait_asks_until_the_time_is_over(
    server: FakeServer, client: Client, clock: Any
) -> None:
    waits: list[int] = []

    def still_running(request: Seen) -> None:
        assert "deadline_ms" not in request.header  # timeout_ms + 5 s is the server's own rule
        waits.append(request.header["timeout_ms"])
        clock.time += request.header["timeout_ms"] / 1000
        request.reply({"job_id": "j", "state": "running"})

    server.on_request = still_running
    client.clock = clock
    job = client.job_wait("j", 150.0)
    assert waits == [60000, 60000, 30000]
    assert not job.ended


def test_job_wait_ends_with_the_job(client: Client, answer: Answer) -> None:
    answer.header = {"job_id": "j", "state": "done"}
    assert client.job_wait("j", 150.0).ended
    assert len(answer.seen) == 1


def test_job_list(client: Client, answer: Answer) -> None:
    answer.header = {"jobs": [JOB, {"job_id": "k", "state": "queued"}]}
    jobs = client.job_list("failed", 7)
    assert answer.fields == {"cmd": "job_list", "state": "failed", "limit": 7}
    assert [job.job_id for job in jobs] == ["j", "k"]


ANSWERS = [
    {"who": "alpha", "done": True, "problem": ""},
    {"who": "beta", "done": False, "problem": "is away"},
]


def test_set_attention_mode_says_who_did_not(client: Client, answer: Answer) -> None:
    answer.header = {"mode": "split", "epoch": 3, "done": False, "answers": ANSWERS}
    result = client.set_attention_mode("split")
    assert answer.fields == {"cmd": "set_attention_mode", "mode": "split"}
    assert (result.mode, result.epoch, result.done) == ("split", 3, False)
    assert [(a.who, a.problem) for a in result.problems] == [("beta", "is away")]


def test_unload_models(client: Client, answer: Answer) -> None:
    answer.header = {
        "epoch": 4,
        "done": True,
        "answers": ANSWERS[:1],
        "unloaded": [{"model": "a", "device": "cpu", "bytes": 9}],
        "freed_bytes": {"cpu": 9},
        "kept": [{"model": "b", "reason": "in use"}],
    }
    result = client.unload_models(kinds=["vae"])
    assert answer.fields == {"cmd": "unload_models", "kinds": ["vae"]}
    assert result.unloaded[0].bytes == 9
    assert result.freed_bytes == {"cpu": 9}
    assert result.kept[0].reason == "in use"


def test_reset_and_shutdown(client: Client, answer: Answer) -> None:
    answer.header = {"cancelled": 2}
    assert client.reset().cancelled == 2
    assert answer.fields == {"cmd": "reset", "scope": "connection"}
    answer.header = {"accepted": True, "epoch": 1, "done": True, "answers": ANSWERS[:1]}
    assert client.shutdown("cluster", 12.5).accepted
    assert answer.seen[-1].header == {"cmd": "shutdown", "scope": "cluster", "deadline_ms": 12500}


def test_info(client: Client, answer: Answer) -> None:
    answer.header = {
        "version": "0.1.0",
        "devices": [{"name": "cpu", "node": "alpha", "used_bytes": 1, "more": 2}],
        "nodes": [{"name": "beta", "state": "away"}],
        "pools": [{"name": "vae", "kind": "vae", "queued": 3, "p50_ms": 1.5}],
        "news": [1],
    }
    for name in ("get_info", "get_status", "info"):
        info = getattr(client, name)()
        assert info.devices[0].used_bytes == 1
        assert info.nodes[0].state == "away"
        assert info.pools[0].queued == 3
        assert info.raw["news"] == [1]


def test_ping_and_negotiate_ipc(client: Client, answer: Answer) -> None:
    answer.header = {"pong": True, "time": 5.5, "data": "x"}
    assert client.ping("x").time == 5.5
    assert answer.fields == {"cmd": "ping", "data": "x"}
    answer.header = {"shared_memory": False, "cuda_ipc": False, "reason": "not built"}
    assert client.negotiate_ipc("host").reason == "not built"


def test_an_error_of_the_server_is_raised_with_its_sentence(
    server: FakeServer, client: Client
) -> None:
    server.on_request = lambda r: r.fail(
        "unknown_model", "no vae 'x'; there is 'y'", details={"nearest": ["y"]}
    )
    with pytest.raises(UnknownModelError, match="no vae 'x'; there is 'y'") as caught:
        client.model_info("x", "vae")
    assert caught.value.details == {"nearest": ["y"]}


def test_every_command_of_this_version_has_a_method() -> None:
    built = (
        "list_models model_info vae_encode vae_decode clip_tokenize clip_encode clip_encode_from_tokens"
        " clip_encode_sdxl submit_async"
        " job_status job_wait job_cancel job_retry job_discard job_list"
        " set_attention_mode unload_models reset shutdown ping"
        " get_info get_status subscribe negotiate_ipc health info unload"
    )
    assert not [name for name in built.split() if not callable(getattr(Client, name, None))]
    assert luna_client.model_commands.ModelCommands in Client.__mro__
