"""What a client reads when a model file, a prompt or a result is not what it should be."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from node_process import NodeProcess
from setting import CLIP, VAE, Start

from luna_client import (
    BadModelFileError,
    BadRequestError,
    Client,
    UnsupportedModelError,
)

PIXELS = np.zeros((16, 16, 3), np.uint8)
LATENTS = np.zeros((1, 4, 2, 2), np.float32)


@pytest.fixture
def own_models(models: Path, tmp_path: Path) -> Path:
    """A copy of the models folder that a test may change."""
    return Path(shutil.copytree(models, tmp_path / "models"))


def rewrite(path: Path, **changed: np.ndarray | None) -> None:
    """Writes a model with other tensors; None leaves one out."""
    tensors = safetensors.numpy.load_file(path)
    for name, tensor in changed.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    path.write_bytes(safetensors.numpy.save(tensors))


# -- files -----------------------------------------------------------------------------------------


def test_a_clip_without_layer_5_is_a_broken_file_that_names_it(
    start_node: Start, own_models: Path
) -> None:
    path = own_models / "text_encoders" / CLIP
    names = safetensors.numpy.load_file(path)
    rewrite(path, **{name: None for name in names if ".layers.5." in name})
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(BadModelFileError, match=r"text_model\.encoder\.layers\.5\..*is missing"),
    ):
        luna.clip_encode("a", model=CLIP)


def test_a_quantised_clip_is_unsupported_with_its_format(
    start_node: Start, own_models: Path
) -> None:
    layer = "text_model.encoder.layers.3.mlp.fc1"
    text = json.dumps({"format": "float8_e4m3fn"}).encode()
    rewrite(
        own_models / "text_encoders" / CLIP,
        **{
            layer + ".weight_scale": np.ones((), np.float32),
            layer + ".comfy_quant": np.frombuffer(text, np.uint8),
        },
    )
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(UnsupportedModelError, match=f"'{layer}' is stored as float8_e4m3fn"),
    ):
        luna.clip_encode("a", model=CLIP)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html><title>Sign in</title></html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        (b"PK\x03\x04" + bytes(60), "torch.save"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle"),
    ],
)
def test_a_download_that_failed_is_called_what_it_is(
    start_node: Start, own_models: Path, data: bytes, told: str
) -> None:
    (own_models / "vae" / "got.safetensors").write_bytes(data)
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(BadModelFileError, match=told),
    ):
        luna.vae_encode(PIXELS, "got.safetensors")


def test_a_truncated_file_says_how_much_is_missing(start_node: Start, own_models: Path) -> None:
    path = own_models / "vae" / VAE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with (
        start_node(models=own_models).client() as luna,
        pytest.raises(BadModelFileError, match=f"1000 of its {len(whole)} bytes are missing"),
    ):
        luna.vae_encode(PIXELS, VAE)


# -- results ---------------------------------------------------------------------------------------


def test_an_image_of_nan_comes_with_a_warning(node: NodeProcess) -> None:
    with node.client() as luna:
        assert "warnings" in luna.connection(5).welcome.capabilities
        got = luna.vae_decode(np.full_like(LATENTS, np.nan), VAE)
        (warning,) = got.warnings
        assert warning.code == "non_finite"
        assert warning.count > 0
        assert "latents" in warning.message
        assert luna.vae_decode(LATENTS, VAE).warnings == ()


def test_latents_beyond_f16_are_an_error_that_says_bf16(
    start_node: Start, own_models: Path
) -> None:
    path = own_models / "vae" / VAE
    tensors = safetensors.numpy.load_file(path)
    large = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    large["taesd_encoder.14.bias"] = np.full(4, 1e6, np.float32)
    path.write_bytes(safetensors.numpy.save(large))
    with start_node(models=own_models).client() as luna:
        with pytest.raises(BadRequestError, match=r"'latents' cannot be sent as f16.*bf16"):
            luna.vae_encode(PIXELS, VAE, dtype="f16")
        assert np.isfinite(luna.vae_encode(PIXELS, VAE, dtype="bf16").latents).all()


# -- prompts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", ["1e39", "inf", "-1e300"])
def test_a_weight_that_is_infinite_in_f32_is_refused_with_its_text(
    node: NodeProcess, weight: str
) -> None:
    with node.client() as luna:
        for call in (luna.clip_encode, luna.clip_tokenize):
            with pytest.raises(BadRequestError, match="gives 'cat' the weight"):
                call(f"a (cat:{weight})", model=CLIP)
        tokens = luna.clip_tokenize("a cat", CLIP)
        entries = [list(entry) for entry in tokens["l"][0]]
        entries[2][1] = 1e39
        with pytest.raises(BadRequestError, match=r"tokens\.l\[0\]\[2\]"):
            luna.clip_encode_from_tokens({"l": [entries]}, CLIP)


def test_conditioning_that_overflows_comes_with_a_warning(node: NodeProcess) -> None:
    with node.client() as luna:
        (warning,) = luna.clip_encode("a (cat:3e38)", None, model=CLIP).warnings
    assert warning.code == "non_finite"
    assert warning.count


def embeddings(luna: Client, prompt: str) -> list[str]:
    """The rows of embeddings among a prompt's tokens, in their order."""
    tokens = luna.clip_tokenize(prompt, CLIP)
    entries = [entry[0] for chunk in tokens["l"] for entry in chunk]
    return [entry["embedding"] for entry in entries if isinstance(entry, dict)]


def test_embeddings_are_found_as_comfyui_finds_them_and_broken_ones_are_left_out(
    start_node: Start, own_models: Path
) -> None:
    folder = own_models / "embeddings"
    folder.mkdir(exist_ok=True)
    row = {"emb_params": np.ones((1, 128), np.float32)}
    (folder / "two.safetensors").write_bytes(safetensors.numpy.save(row))
    (folder / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    (folder / "bad.safetensors").write_bytes(struct.pack("<Q", 8) + b"nonsense")
    with start_node(models=own_models).client() as luna:
        for prompt in (
            "embedding: two",
            "embedding:\ntwo",
            "embedding:\u3000two",
            "a\u00a0embedding:two\u00a0b",
            "embedding:,two,",
        ):
            assert embeddings(luna, prompt) == ["clip_l.two"], repr(prompt)
        plain = luna.clip_tokenize("a cat", CLIP)
        for name, told in (("old", "old.pt"), ("bad", "bad.safetensors"), ("none", "'none'")):
            got = luna.clip_tokenize(f"a embedding:{name} cat", CLIP)
            assert [entry[0] for entry in got["l"][0]] == [entry[0] for entry in plain["l"][0]]
            (warning,) = got.warnings
            assert warning.code == "embedding"
            assert told in warning.message


def test_a_prompt_is_read_as_either_transformers_reads_it(node: NodeProcess) -> None:
    def ids(**options: str) -> list[int]:
        return [
            entry[0] for entry in luna.clip_tokenize("\u732bcat\u200b", CLIP, **options)["l"][0]
        ]

    with node.client() as luna:
        assert "text_cleanup" in luna.connection(5).welcome.capabilities
        four, five = ids(text_cleanup="transformers4"), ids(text_cleanup="transformers5")
        assert ids() == five != four
        assert four == [entry[0] for entry in luna.clip_tokenize("\u732b cat", CLIP)["l"][0]]
        cond = luna.clip_encode("\u732bcat\u200b", None, model=CLIP, text_cleanup="transformers4")
        same = luna.clip_encode("\u732b cat", None, model=CLIP)
        np.testing.assert_array_equal(cond.cond, same.cond)
