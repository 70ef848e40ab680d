"""Models as files: wrong names, broken files, files that change, memory that comes back."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from node_process import NodeProcess
from setting import CLIP, VAE, ClusterFile, Start, eventually

from luna_client import (
    BadModelFileError,
    BadRequestError,
    LunaError,
    UnknownModelError,
    UnsupportedModelError,
)

PIXELS = np.zeros((16, 16, 3), np.uint8)


@pytest.fixture
def own_models(models: Path, tmp_path: Path) -> Path:
    """A copy of the models folder that a test may change."""
    return Path(shutil.copytree(models, tmp_path / "models"))


def test_a_wrong_name_is_answered_with_the_nearest(node: NodeProcess) -> None:
    with node.client() as luna:
        with pytest.raises(UnknownModelError, match=VAE):
            luna.vae_encode(PIXELS, "luna_demo_va.safetensors")
        with pytest.raises(UnknownModelError, match=CLIP):
            luna.clip_encode("a", model="luna_demo_clip.safetensors")


@pytest.mark.parametrize(
    "name", ["../vae/" + VAE, "/etc/passwd", "vae/../" + VAE, "", "a\0b", "text_encoders:" + VAE]
)
def test_a_name_never_leaves_its_folders(node: NodeProcess, name: str) -> None:
    with node.client() as luna, pytest.raises(LunaError) as caught:
        luna.vae_encode(PIXELS, name)
    assert caught.value.code in ("unknown_model", "bad_request", "not_permitted")


def test_a_folder_may_be_named_exactly(node: NodeProcess) -> None:
    with node.client() as luna:
        luna.vae_encode(PIXELS, "vae:" + VAE)


def test_a_model_of_another_kind_is_not_served(start_node: Start, own_models: Path) -> None:
    shutil.copy(own_models / "text_encoders" / CLIP, own_models / "vae" / "wrong.safetensors")
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(UnsupportedModelError, match="wrong"),
    ):
        luna.vae_encode(PIXELS, "wrong.safetensors")


HOSTILE = {
    "empty": b"",
    "short": b"\x08\0\0",
    "a header beyond the file": struct.pack("<Q", 1 << 40) + b"{}",
    "no JSON": struct.pack("<Q", 8) + b"nonsense",
    "an end beyond the file": struct.pack("<Q", 96)
    + b'{"taesd_decoder.1.weight":{"dtype":"F32","shape":[64,4,3,3],"data_offsets":[0,9216]}}'.ljust(
        96
    ),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_broken_file_is_named_and_harms_nothing(
    start_node: Start, own_models: Path, data: bytes
) -> None:
    (own_models / "vae" / "broken.safetensors").write_bytes(data)
    with start_node(models=own_models).client() as luna:
        with pytest.raises(BadModelFileError, match="broken"):
            luna.vae_encode(PIXELS, "broken.safetensors")
        luna.vae_encode(PIXELS, VAE)


def test_a_file_cut_short_after_the_start_is_an_error_and_no_crash(
    start_node: Start, own_models: Path
) -> None:
    node = start_node(models=own_models)
    path = own_models / "vae" / VAE
    with node.client() as luna:
        assert luna.model_info(VAE, "vae").latent_channels == 4
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with pytest.raises(BadModelFileError):
            luna.vae_encode(PIXELS, VAE)
        luna.clip_encode("a", model=CLIP)
    assert node.running


def test_pickled_checkpoints_are_refused_with_the_way_out(
    start_node: Start, own_models: Path
) -> None:
    (own_models / "vae" / "old.ckpt").write_bytes(b"\x80\x02}q\x00.")
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(LunaError, match="safetensors") as caught,
    ):
        luna.vae_encode(PIXELS, "old.ckpt")
    assert caught.value.code in ("unsupported_model", "bad_model_file")


def put(source: Path, name: str) -> None:
    """Puts a copy of a file beside it, whole from its first moment."""
    partial = source.with_suffix(".partial")
    shutil.copy(source, partial)
    partial.rename(source.with_name(name))


def test_a_file_is_served_from_the_moment_that_it_is_there(
    start_node: Start, own_models: Path
) -> None:
    with start_node(models=own_models).client() as luna:
        for name in ("first.safetensors", "second.safetensors", "third.safetensors"):
            before = luna.list_models()
            with pytest.raises(UnknownModelError):
                luna.vae_encode(PIXELS, name)
            put(own_models / "vae" / VAE, name)
            luna.vae_encode(PIXELS, name)
            eventually(
                luna.list_models,
                lambda now, before=before, name=name: (
                    now.revision != before.revision
                    and name in {model.name for model in now.of_kind("vae")}
                ),
            )


def test_a_file_that_comes_to_another_node_is_served_there(
    start_node: Start, cluster_file: ClusterFile, own_models: Path
) -> None:
    first = cluster_file.write("alpha", "beta", name="alpha.conf")
    cluster_file.models = own_models
    second = cluster_file.write("alpha", "beta", name="beta.conf")
    alpha = start_node(config=first, node="alpha")
    start_node(config=second, node="beta")
    with alpha.client() as luna:
        eventually(luna.get_info, lambda x: all(node.state == "up" for node in x.nodes))
        put(own_models / "vae" / VAE, "new.safetensors")
        luna.vae_encode(PIXELS, "new.safetensors")


def test_another_file_of_the_same_size_and_time_is_loaded_anew(
    start_node: Start, own_models: Path
) -> None:
    path = own_models / "vae" / VAE
    new = path.with_suffix(".new")
    tensors = safetensors.numpy.load_file(path)
    path.write_bytes(safetensors.numpy.save(tensors))
    tensors["taesd_encoder.14.bias"] = tensors["taesd_encoder.14.bias"] + np.float16(1)
    new.write_bytes(safetensors.numpy.save(tensors))
    old = path.stat()
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert new.stat().st_size == old.st_size
    with start_node(models=own_models).client() as luna:
        before = luna.vae_encode(PIXELS, VAE).latents
        new.replace(path)
        after = luna.vae_encode(PIXELS, VAE).latents
    assert np.abs(after - before - 1).max() < 1e-3


def test_what_no_reply_can_hold_is_refused_before_the_work(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    """By a pool of another node, too. Nothing was loaded, so nothing was computed."""
    path = cluster_file.write(
        "alpha",
        "beta",
        pools='pools = [{ name = "vae", kind = "vae", node = "beta", device = "cpu" }]',
        more='limits { body = "1MiB" }',
    )
    start_node(config=path, node="beta")
    with start_node(config=path, node="alpha").client() as luna:
        eventually(luna.get_info, lambda x: any(pool.kind == "vae" for pool in x.pools))
        latents = np.zeros((3, 4, 40, 40), np.float32)  # 1.2 MB for each picture of 320x320
        with pytest.raises(BadRequestError, match="not one image"):
            luna.request("vae_decode", {"model": VAE}, {"latents": latents})
        with pytest.raises(BadRequestError, match="3 images"):
            luna.request(
                "vae_decode", {"model": VAE, "dtype": "u8"}, {"latents": np.repeat(latents, 2, 0)}
            )
        assert all(device.used_bytes == 0 for device in luna.get_info().devices)


def test_a_changed_file_is_loaded_anew(start_node: Start, own_models: Path) -> None:
    white = np.full((16, 16, 3), 255, np.uint8)
    path = own_models / "vae" / VAE
    with start_node(models=own_models).client() as luna:
        before = luna.vae_encode(white, VAE).latents
        tensors = safetensors.numpy.load_file(path)
        tensors["taesd_encoder.14.bias"] = tensors["taesd_encoder.14.bias"] + np.float16(1)
        new = path.with_suffix(".new")
        new.write_bytes(safetensors.numpy.save(tensors))
        new.replace(path)
        after = luna.vae_encode(white, VAE).latents
    assert np.abs(after - before - 1).max() < 1e-3


def test_unloading_gives_the_memory_back_and_the_next_request_loads_again(
    start_node: Start, large_models: Path
) -> None:
    node = start_node(models=large_models)
    with node.client(timeout=300) as luna:
        first = luna.clip_encode("a cat", model="full.safetensors").cond
        loaded = node.anonymous_bytes()
        result = luna.unload_models()
        assert result.done, result.answers
        assert [model.model for model in result.unloaded] == ["full.safetensors"]
        assert not result.kept
        freed = sum(result.freed_bytes.values())
        assert freed > 200e6
        assert loaded - node.anonymous_bytes() >= 0.9 * freed
        eventually(luna.list_models, lambda x: not x.of_kind("text")[0].loaded)
        again = luna.clip_encode("a cat", model="full.safetensors").cond
        np.testing.assert_array_equal(first, again)
        eventually(luna.list_models, lambda x: bool(x.of_kind("text")[0].loaded))


def test_unloading_one_kind_keeps_the_other(node: NodeProcess) -> None:
    with node.client() as luna:
        luna.vae_encode(PIXELS, VAE)
        luna.clip_encode("a", model=CLIP)
        eventually(
            luna.list_models, lambda x: all(x.of_kind(kind)[0].loaded for kind in ("vae", "text"))
        )
        result = luna.unload_models(kinds=["vae"])
        assert [model.model for model in result.unloaded] == [VAE]
        eventually(luna.list_models, lambda x: not x.of_kind("vae")[0].loaded)
        assert luna.list_models().of_kind("text")[0].loaded
        assert [m.model for m in luna.unload_models(models=[CLIP]).unloaded] == [CLIP]
