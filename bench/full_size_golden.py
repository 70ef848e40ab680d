"""Full-size models through a real server against what ComfyUI answered: the numbers of tests/unit/models at real scale.

    .venv/bin/python bench/full_size_golden.py --folder DIR [--node build/release/bin/luna-node]

The models of generated weights are made in DIR at the first run (2 GB). bench/golden holds ComfyUI 0.33.0's answers
(torch 2.13.0, CPU). Prints one JSON object a case; the status is 1 if one is off by more than its tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("comfyui", "tests", "tests/python/system", "bench")]

import numpy as np  # noqa: E402
from full_size_models import PAIR, make_models, started  # noqa: E402
from luna_client import Client  # noqa: E402
from make_models import pattern_image  # noqa: E402
from safetensors import safe_open  # noqa: E402

GOLDEN = ROOT / "bench" / "golden"
TEXT = {"full_clip_l": ("clip_l.safetensors", 1.5e-4), "full_sdxl": (PAIR, 6e-4)}
IMAGE_TOLERANCE, LATENT_TOLERANCE = 1.5e-4, 3e-4
VAE = "vae_sd.safetensors"


class Golden:
    """One file: its cases, and its tensors by their whole names."""

    def __init__(self, title: str) -> None:
        with safe_open(GOLDEN / f"{title}.safetensors", "np") as file:
            self.cases: dict[str, Any] = json.loads(file.metadata()["luna.cases"])
            names = file.keys()
            self.tensors = {name: file.get_tensor(name) for name in names}

    def distance(self, name: str, got: np.ndarray) -> float:
        """Largest |got - want|; a stored name may end in _s<n>: every n-th row (and column)."""
        stored = next(key for key in self.tensors if key == name or key.startswith(name + "_s"))
        if stored != name:
            step = int(stored.rsplit("_s", 1)[1])
            got = got[:, ::step] if got.ndim == 3 else got[:, ::step, ::step]
        want = self.tensors[stored]
        assert got.shape == want.shape, f"{stored}: {got.shape} instead of {want.shape}"
        return float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max())


def text_errors(luna: Client) -> Iterator[tuple[str, float, float]]:
    for name, (model, tolerance) in TEXT.items():
        golden = Golden(name)
        for case, asked in golden.cases.items():
            if "loras" in asked:
                continue  # this build refuses LoRA
            got = luna.clip_encode(asked["prompt"], None, model=model, timeout=600)
            yield f"{name} {case} cond", golden.distance(f"{case}.cond", got.cond), tolerance
            yield f"{name} {case} pooled", golden.distance(f"{case}.pooled", got.pooled), tolerance


def vae_errors(luna: Client) -> Iterator[tuple[str, float, float]]:
    golden = Golden("full_vae")
    latents = golden.tensors["vae_sd_decode.latent"]
    images = luna.vae_decode(latents, VAE, timeout=600).images
    error = golden.distance("vae_sd_decode.image", images)
    yield "full_vae vae_sd_decode image", error, IMAGE_TOLERANCE
    image = golden.cases["vae_sd_encode"]["image"]
    height, width, channels = image["pattern"]
    pixels = pattern_image(height, width, channels, image["seeds"][0]) / np.float32(255)
    got = luna.vae_encode(pixels[None].astype(np.float32), VAE, timeout=600).latents
    error = golden.distance("vae_sd_encode.latent", got)
    yield "full_vae vae_sd_encode latent", error, LATENT_TOLERANCE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="where the models are or come to be"
    )
    parser.add_argument(
        "--node", type=Path, default=ROOT / "build" / "release" / "bin" / "luna-node"
    )
    options = parser.parse_args()
    make_models(options.folder)
    good = True
    with started(options.node, options.folder) as node, node.client() as luna:
        for measure in (text_errors, vae_errors):
            for case, error, tolerance in measure(luna):
                good &= error <= tolerance
                line = {"case": case, "largest_error": error, "tolerance": tolerance}
                print(json.dumps({**line, "met": error <= tolerance}), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
