"""Batches larger than a frame: split by image, joined again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fake_server import FakeServer, Hello, Seen
from luna_client import BadRequestError, Client

ROOM = 4096  # what the client keeps free for a safetensors header


def limited(max_body_bytes: int) -> Hello:
    return Hello(
        limits={"max_body_bytes": max_body_bytes, "max_header_bytes": 1 << 16, "max_in_flight": 4}
    )


def encode(request: Seen) -> None:
    pixels = request.tensors["pixels"]
    request.reply(
        {"tiled": False, "tiles": 1}, {"latents": pixels[:, :1, :1, :1].transpose(0, 3, 1, 2)}
    )


def test_a_batch_that_is_too_large_goes_in_parts_and_comes_back_whole() -> None:
    parts: list[int] = []

    def work(request: Seen) -> None:
        parts.append(len(request.tensors["pixels"]))
        encode(request)

    one = 16 * 16 * 3 * 4
    pixels = np.arange(7 * 16 * 16 * 3, dtype=np.float32).reshape(7, 16, 16, 3)
    with FakeServer(limited(ROOM + 3 * one), work) as server, Client(server.address) as client:
        got = client.vae_encode(pixels, "m")
    assert parts == [3, 3, 1]
    np.testing.assert_array_equal(got.latents[:, 0, 0, 0], pixels[:, 0, 0, 0])
    assert got.tiles == 3


def test_a_batch_that_fits_goes_at_once() -> None:
    seen: list[Seen] = []

    def work(request: Seen) -> None:
        seen.append(request)
        encode(request)

    with FakeServer(on_request=work) as server, Client(server.address) as client:
        client.vae_encode(np.zeros((5, 16, 16, 3), np.uint8), "m")
    assert len(seen) == 1


def decoder(ratio: int, seen: list[Seen]) -> Any:
    def work(request: Seen) -> None:
        seen.append(request)
        if request.cmd == "model_info":
            request.reply({"upscale_ratio": ratio, "output_channels": 3})
            return
        latents = request.tensors["latents"]
        shape = (len(latents), latents.shape[2] * ratio, latents.shape[3] * ratio, 3)
        kind = np.uint8 if request.header.get("dtype") == "u8" else np.float32
        images = np.broadcast_to(latents[:, :1, :1, :1], shape).astype(kind)
        request.reply({"tiled": False, "tiles": 1}, {"images": np.ascontiguousarray(images)})

    return work


@pytest.mark.parametrize(("dtype", "parts"), [("f32", [2, 2, 1]), ("u8", [5])])
def test_a_decode_is_split_by_the_size_of_its_reply(dtype: str, parts: list[int]) -> None:
    seen: list[Seen] = []
    one = 4 * 4 * 8 * 8 * 3 * 4
    latents = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1) * np.ones((5, 4, 4, 4), np.float32)
    with (
        FakeServer(limited(ROOM + 2 * one), decoder(8, seen)) as server,
        Client(server.address) as client,
    ):
        got = client.vae_decode(latents, "m", dtype=dtype)
    decodes = [len(r.tensors["latents"]) for r in seen if r.cmd == "vae_decode"]
    assert decodes == parts
    assert got.images.shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(got.images[:, 0, 0, 0], np.arange(5))


def test_the_model_is_asked_only_where_its_ratio_matters() -> None:
    seen: list[Seen] = []
    with FakeServer(on_request=decoder(8, seen)) as server, Client(server.address) as client:
        client.vae_decode(np.zeros((2, 4, 4, 4), np.float32), "m")
    assert [r.cmd for r in seen] == ["vae_decode"]


def test_progress_counts_through_all_parts() -> None:
    told: list[tuple[int, int, str]] = []

    def work(request: Seen) -> None:
        for value in (1, 2):
            request.peer.event(
                request.id, {"event": "progress", "value": value, "max": 2, "stage": "encode"}
            )
        encode(request)

    one = 16 * 16 * 3
    with FakeServer(limited(ROOM + one), work) as server, Client(server.address) as client:
        client.vae_encode(
            np.zeros((3, 16, 16, 3), np.uint8), "m", progress=lambda *args: told.append(args)
        )
    assert told == [(n, 6, "encode") for n in range(1, 7)]


def test_one_image_that_is_too_large_is_refused_with_both_sizes() -> None:
    with FakeServer(limited(1000)) as server, Client(server.address) as client:
        with pytest.raises(
            BadRequestError, match=r"vae_encode have \d+ bytes, this server takes 1000"
        ):
            client.vae_encode(np.zeros((2, 32, 32, 3), np.uint8), "m")
