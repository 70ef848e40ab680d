"""The demo models: TAESD's exact layout, weights that do what the label says, and a whole models folder."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from fake_server import FakeServer, Seen
from taesd_reference import DECODER, ENCODER, decode, encode

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "scripts" / "demo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("demo") / "models"
    subprocess.run(
        [sys.executable, DEMO / "make_demo_models.py", models], check=True, capture_output=True
    )
    return models


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(folder / "vae" / "luna_demo_vae.safetensors")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A corner with a face in it, [48, 64, 3] in 0..1."""
    import importlib.util

    found = importlib.util.find_spec("skimage")
    assert found is not None and found.origin is not None
    with Image.open(Path(found.origin).parent / "data" / "astronaut.png") as image:
        return np.asarray(image.convert("RGB"), np.float32)[64:112, 192:256] / 255


def blocks(image: np.ndarray) -> np.ndarray:
    """The mean of each 8x8 block, [H/8, W/8, 3]."""
    height, width, _ = image.shape
    return image.reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))


def test_the_keys_and_shapes_are_those_of_taesd(weights: dict[str, np.ndarray]) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for prefix, layers, ends in (
        ("taesd_encoder.", ENCODER, {0: (64, 3), 14: (4, 64)}),
        ("taesd_decoder.", DECODER, {1: (64, 4), 19: (3, 64)}),
    ):
        for what, index in layers:
            name = f"{prefix}{index}."
            if what == "block":
                for layer in (0, 2, 4):
                    expected[f"{name}conv.{layer}.weight"] = (64, 64, 3, 3)
                    expected[f"{name}conv.{layer}.bias"] = (64,)
            elif what in ("conv", "down"):
                rows, columns = ends.get(index, (64, 64))
                expected[name + "weight"] = (rows, columns, 3, 3)
                if index in ends:
                    expected[name + "bias"] = (rows,)
    assert {name: tensor.shape for name, tensor in weights.items()} == expected
    assert {tensor.dtype for tensor in weights.values()} == {np.dtype(np.float16)}


def test_latents_are_the_scaled_means_of_8x8_blocks(
    weights: dict[str, np.ndarray], photo: np.ndarray
) -> None:
    latents = encode(weights, photo)
    assert latents.shape == (4, 6, 8)
    expected = 0.25 * (blocks(photo) - 0.5)
    np.testing.assert_allclose(latents[:3].transpose(1, 2, 0), expected, atol=1e-6)
    luma = expected @ np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(latents[3], luma, atol=1e-4)


def test_the_decoded_picture_is_the_photograph_at_one_eighth_resolution(
    weights: dict[str, np.ndarray], photo: np.ndarray
) -> None:
    image = decode(weights, encode(weights, photo))
    expected = blocks(photo).repeat(8, axis=0).repeat(8, axis=1)
    assert image.shape == photo.shape
    assert np.abs(image - expected).max() < 0.1 / 255
    # neither mirrored nor turned nor with its colours exchanged: any of that would be far off
    for wrong in (expected[::-1], expected[:, ::-1], expected[..., ::-1]):
        assert np.abs(image - wrong).max() > 0.2


def test_black_and_white_come_back_black_and_white(weights: dict[str, np.ndarray]) -> None:
    for value in (0.0, 1.0):
        image = decode(weights, encode(weights, np.full((8, 8, 3), value, np.float32)))
        assert np.abs(image - value).max() < 0.1 / 255


def test_the_files_are_labelled_as_demo_and_readable_by_everybody(folder: Path) -> None:
    from safetensors import safe_open

    vae = folder / "vae" / "luna_demo_vae.safetensors"
    with safe_open(vae, "np") as file:
        assert "not trained" in file.metadata()["luna.demo"]
    assert "not trained" in (folder / "README.txt").read_text()
    umask = os.umask(0)
    os.umask(umask)
    for path in (vae, folder / "text_encoders" / "luna_demo_clip_l.safetensors"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert not list(folder.rglob("*.part"))


def test_the_text_encoder_has_the_whole_vocabulary(folder: Path) -> None:
    tensors = safetensors.numpy.load_file(folder / "text_encoders" / "luna_demo_clip_l.safetensors")
    assert tensors["text_model.embeddings.token_embedding.weight"].shape == (49408, 128)
    assert tensors["text_model.embeddings.position_embedding.weight"].shape == (77, 128)


class DemoServer:
    """Answers the round as a luna would, with the reference for the VAE."""

    def __init__(
        self, weights: dict[str, np.ndarray], folder: Path, kinds: tuple[str, ...] = ("vae", "text")
    ) -> None:
        self.weights = weights
        self.folder = folder
        self.kinds = kinds
        self.seen: dict[str, Seen] = {}

    def __call__(self, request: Seen) -> None:
        self.seen[request.cmd] = request
        header, tensors = getattr(self, request.cmd)(request)
        request.reply(header, tensors)

    def list_models(self, request: Seen) -> tuple[dict, dict]:
        models = [
            {"name": "a_users_own.safetensors", "kind": "vae"},
            {"name": "luna_demo_vae.safetensors", "kind": "vae"},
            {"name": "luna_demo_clip_l.safetensors", "kind": "text"},
        ]
        return {"revision": 1, "models": [m for m in models if m["kind"] in self.kinds]}, {}

    def vae_encode(self, request: Seen) -> tuple[dict, dict]:
        pixels = request.tensors["pixels"][0]
        small = 0.25 * (blocks(np.asarray(pixels, np.float32)) - 0.5)
        latents = np.concatenate([small, small.mean(axis=2, keepdims=True)], axis=2)
        return {"tiled": False, "tiles": 1}, {"latents": latents.transpose(2, 0, 1)[None]}

    def vae_decode(self, request: Seen) -> tuple[dict, dict]:
        latents = request.tensors["latents"][0, :3].transpose(1, 2, 0)
        image = (latents / 0.25 + 0.5).repeat(8, axis=0).repeat(8, axis=1)
        return {"tiled": False, "tiles": 1}, {"images": image[None]}

    def clip_encode(self, request: Seen) -> tuple[dict, dict]:
        cond = np.zeros((1, 77, 128), np.float32)
        return {}, {"cond": cond, "uncond": cond, "pooled": cond[:, 0], "pooled_neg": cond[:, 0]}

    def submit_async(self, request: Seen) -> tuple[dict, dict]:
        files = [{"index": 0, "subfolder": "", "filename": "picture.png"}]
        return {"success": True, "job_id": "j", "images": 1, "queued": 1, "files": files}, {}

    def job_wait(self, request: Seen) -> tuple[dict, dict]:
        sent = self.seen["submit_async"]
        entry = sent.header["task_data"]["images"][0]
        picture = sent.tensors[entry["tensor"]]
        path = self.folder / "picture.png"
        Image.fromarray((np.clip(picture[0], 0, 1) * 255).astype(np.uint8)).save(path)
        image = {"index": 0, "state": "done", "path": str(path)}
        return {"job_id": "j", "state": "done", "progress": 1.0, "images": [image]}, {}


def play_round(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO / "round.py"), "--gateway", address, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_round_prints_its_steps_and_the_path_of_the_picture(
    weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    work = DemoServer(weights, tmp_path)
    with FakeServer(on_request=work) as server:
        done = play_round(server.address)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in (
        "list_models",
        "vae_encode",
        "vae_decode",
        "clip_encode",
        "submit_async",
        "job_wait",
    ):
        assert word in done.stdout
    assert "1x4x64x64" in done.stdout
    assert str(tmp_path / "picture.png") in done.stdout
    assert "luna_demo_vae.safetensors" in done.stdout
    task = work.seen["submit_async"].header["task_data"]
    prompt, workflow = json.loads(task["prompt"]), json.loads(task["extra_pnginfo"]["workflow"])
    assert prompt["4"] == {
        "class_type": "VAEDecode",
        "inputs": {"samples": ["3", 0], "vae": ["2", 0]},
    }
    assert prompt["2"]["inputs"]["vae_name"] == "luna_demo_vae.safetensors"
    assert {node["type"] for node in workflow["nodes"]} == {
        node["class_type"] for node in prompt.values()
    }
    for link, source, slot, target, entry, kind in workflow["links"]:
        nodes = {node["id"]: node for node in workflow["nodes"]}
        assert link in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][entry] == {
            **nodes[target]["inputs"][entry],
            "link": link,
            "type": kind,
        }


def test_the_round_takes_the_users_own_models(
    weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    work = DemoServer(weights, tmp_path)
    with FakeServer(on_request=work) as server:
        done = play_round(server.address, "--vae", "a_users_own.safetensors")
    assert done.returncode == 0, done.stderr
    assert work.seen["vae_encode"].header["model"] == "a_users_own.safetensors"


def test_without_a_model_of_a_kind_the_round_says_what_is_missing(
    weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    with FakeServer(on_request=DemoServer(weights, tmp_path, kinds=("vae",))) as server:
        done = play_round(server.address)
    assert done.returncode == 1
    assert "no text encoder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_server_the_round_fails_with_one_line() -> None:
    with FakeServer() as server:
        address = server.address
    done = play_round(address)
    assert done.returncode == 1
    assert address in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_of_the_server_is_one_line() -> None:
    with FakeServer(on_request=lambda r: r.fail("unavailable", "no node serves vae now")) as server:
        done = play_round(server.address)
    assert done.returncode == 1
    assert done.stderr == "The round failed: list_models: no node serves vae now [unavailable]\n"
