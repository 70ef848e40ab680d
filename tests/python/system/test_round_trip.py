"""The main job through a real luna-node: encode, decode, prompts, save."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from node_process import NodeProcess
from pictures import astronaut, blocks, read, texts
from setting import CLIP, ROOT, VAE, eventually

from luna_client import BadRequestError, UnknownCommandError


def test_the_demo_round_saves_the_photograph_at_one_eighth_resolution(node: NodeProcess) -> None:
    command = [sys.executable, ROOT / "scripts" / "demo" / "round.py", "--gateway", node.gateway]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, node.story(done.stderr)
    path = Path(done.stdout.rpartition("picture: ")[2].strip())
    saved = read(path).astype(np.float32)
    expected = np.floor(blocks(astronaut()) * 255)
    assert saved.shape == expected.shape
    assert np.abs(saved - expected).max() <= 1
    assert sorted(texts(path)) == ["prompt", "workflow"]
    assert '"VAEDecode"' in texts(path)["prompt"]


def test_latents_and_images_are_what_the_weights_say(node: NodeProcess) -> None:
    photo = astronaut()[:128, :192]
    with node.client() as luna:
        latents = luna.vae_encode(photo, VAE).latents
        assert latents.shape == (1, 4, 16, 24)
        means = blocks(photo)[::8, ::8].transpose(2, 0, 1)
        assert np.abs(latents[0, :3] - 0.25 * (means - 0.5)).max() < 1e-5
        images = luna.vae_decode(latents, VAE).images
        assert images.shape == (1, 128, 192, 3)
        assert np.abs(images[0] - blocks(photo)).max() < 1e-3


def test_odd_sizes_are_cropped_in_the_middle(node: NodeProcess) -> None:
    photo = astronaut()[:69, :75]
    with node.client() as luna:
        whole = luna.vae_encode(photo, VAE).latents
        cropped = luna.vae_encode(photo[2:66, 1:73], VAE).latents
    np.testing.assert_array_equal(whole, cropped)


def test_a_batch_is_the_same_as_its_images_one_by_one(node: NodeProcess) -> None:
    photo = astronaut()
    batch = np.stack([photo[:64, :64], photo[64:128, :64], photo[:64, 64:128]])
    with node.client() as luna:
        together = luna.vae_encode(batch, VAE).latents
        alone = np.concatenate([luna.vae_encode(image, VAE).latents for image in batch])
    assert np.abs(together - alone).max() < 1e-5


def test_tiles_give_the_same_picture(node: NodeProcess) -> None:
    photo = astronaut()[:256, :256]
    with node.client() as luna:
        plain = luna.vae_encode(photo, VAE, tiled=False)
        tiled = luna.vae_encode(photo, VAE, tiled=True, tile_size=128, overlap=32)
        assert not plain.tiled
        assert tiled.tiled
        assert tiled.tiles > 1
        assert np.abs(plain.latents - tiled.latents).max() < 1e-5
        images = [
            luna.vae_decode(plain.latents, VAE, tiled=False).images,
            luna.vae_decode(plain.latents, VAE, tiled=True, tile_size=16, overlap=4).images,
        ]
        assert np.abs(images[0] - images[1]).max() < 1e-5


@pytest.mark.parametrize(
    ("dtype", "kind"), [("f16", np.float16), ("bf16", np.float32), ("u8", np.uint8)]
)
def test_a_reply_comes_in_the_type_that_was_asked_for(
    node: NodeProcess, dtype: str, kind: type
) -> None:
    photo = astronaut()[:64, :64]
    with node.client() as luna:
        latents = luna.vae_encode(photo, VAE).latents
        images = luna.vae_decode(latents, VAE, dtype=dtype).images
    assert images.dtype == kind
    scale = 255 if dtype == "u8" else 1
    assert np.abs(images[0].astype(np.float32) / scale - blocks(photo)).max() < 0.006


def test_prompts_become_conditioning_and_tokens_give_the_same(node: NodeProcess) -> None:
    prompt = "a cat, (very:1.3) fluffy"
    with node.client() as luna:
        pair = luna.clip_encode(prompt, "", model=CLIP)
        tokens = luna.clip_tokenize(prompt, CLIP)
        again = luna.clip_encode_from_tokens(tokens, CLIP)
        single = luna.clip_encode(prompt, None, model=CLIP)
    assert pair.cond.shape == pair.uncond.shape == (1, 77, 128)
    assert pair.pooled.shape == pair.pooled_neg.shape == (1, 128)
    assert np.isfinite(pair.cond).all()
    assert np.abs(pair.cond - pair.uncond).max() > 0.1
    assert np.abs(pair.cond - again.cond).max() < 1e-5
    assert np.abs(pair.cond - single.cond).max() < 1e-5
    assert single.uncond is None
    assert single.pooled_neg is None
    assert tokens["l"][0][:2] == [(49406, 1.0), (320, 1.0)]
    assert {entry[1] for entry in tokens["l"][0]} == {1.0, 1.3}


def test_clip_skip_and_word_ids(node: NodeProcess) -> None:
    with node.client() as luna:
        last, earlier = (
            luna.clip_encode("a cat", None, model=CLIP, layer=n).cond for n in (-1, -2)
        )
        words = luna.clip_tokenize("a cat", CLIP, return_word_ids=True)["l"][0]
        with pytest.raises(BadRequestError, match="layer"):
            luna.clip_encode("a cat", None, model=CLIP, layer=1)
    assert np.abs(last - earlier).max() > 0.1
    assert [entry[2] for entry in words[:4]] == [0, 1, 1, 0]


def test_progress_is_told_while_tiles_are_made(node: NodeProcess) -> None:
    told: list[tuple[int, int, str]] = []
    with node.client() as luna:
        photo = np.zeros((1, 512, 512, 3), np.uint8)
        luna.vae_encode(
            photo, VAE, tiled=True, tile_size=128, progress=lambda *args: told.append(args)
        )
    assert told
    assert all(0 <= value <= maximum for value, maximum, _ in told)
    assert {stage for _, _, stage in told} <= {"load", "encode", "decode", "tile"}


def test_the_server_tells_what_it_is(node: NodeProcess) -> None:
    with node.client() as luna:
        assert luna.ping("hello").data == "hello"
        luna.clip_encode("a cat", model=CLIP)
        luna.vae_encode(np.zeros((16, 16, 3), np.uint8), VAE)
        info = eventually(luna.get_info, lambda info: info.devices[0].used_bytes > 0)
        assert info.status == "running"
        assert info.clip_request_count == 1
        assert info.vae_request_count == 1
        assert info.connections == 1
        assert {pool.kind for pool in info.pools} >= {"text", "vae"}
        for kind, name in (("vae", VAE), ("text", CLIP)):
            listed = eventually(
                lambda kind=kind: luna.list_models([kind]),
                lambda x: all(model.loaded for model in x.models),
            )
            assert [(model.kind, model.name) for model in listed.models] == [(kind, name)]
        assert luna.model_info(VAE, "vae").latent_channels == 4
        assert luna.model_info(VAE, "vae").upscale_ratio == 8
        assert luna.model_info(CLIP, "text").token_keys == ("l",)
        ipc = luna.negotiate_ipc("host")
        assert not ipc.shared_memory
        assert ipc.reason


def test_what_is_not_built_says_so_and_is_not_announced(node: NodeProcess) -> None:
    with node.client() as luna:
        announced = luna.connection(10).welcome.commands
        assert {"ping", "health", "vae_decode", "submit_async", "unload"} <= set(announced)
        for cmd in (
            "zimage_encode",
            "encode_vision",
            "vlm_generate",
            "lora_cache_stats",
        ):
            assert cmd not in announced
            with pytest.raises(UnknownCommandError, match=cmd):
                luna.request(cmd)
        with pytest.raises(BadRequestError, match="loras"):
            luna.clip_encode(
                "a cat", model=CLIP, loras=[{"name": "x.safetensors", "strength": 1.0}]
            )


@pytest.mark.parametrize("mode", ["auto", "flash", "split", "pytorch"])
def test_every_attention_mode_gives_the_same_conditioning(node: NodeProcess, mode: str) -> None:
    with node.client() as luna:
        before = luna.clip_encode("a cat", model=CLIP).cond
        result = luna.set_attention_mode(mode)
        assert result.done, result.answers
        assert result.mode == luna.get_info().attention_mode == mode
        after = luna.clip_encode("a cat", model=CLIP).cond
    assert np.abs(before - after).max() < 1e-4
