"""The models that the proof runs on: the real sizes, generated weights, the same bytes everywhere.

ComfyUI detects a text encoder by its width, so the tiny files of the other tests do not load there. Together about
4.6 GB; written once into a folder that is laid out as ComfyUI's ``models``, then taken from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts" / "demo")]

import make_demo_models  # noqa: E402
import make_models  # noqa: E402
import small_unet  # noqa: E402

CLIP_L = "clip_l.safetensors"
CLIP_G = "clip_g.safetensors"
VAE = "vae_sd.safetensors"
TAESD = make_demo_models.VAE_NAME
SD15 = "sd15_small_unet.safetensors"
SDXL = "sdxl_small_unet.safetensors"
LORA = "lora_sd15_a.safetensors"
LORA_UNET = "lora_sd15_unet.safetensors"
EMBEDDING = "luna_ti.safetensors"

#: Where each file lies, and the arguments of ``make_models.make``.
_PLAIN: dict[str, dict[str, object]] = {
    f"text_encoders/{CLIP_L}": {"family": "clip-l"},
    f"text_encoders/{CLIP_G}": {"family": "clip-g"},
    f"vae/{VAE}": {"family": "vae-sd"},
    f"loras/{LORA}": {"family": "lora-sd15", "name": "lora_a", "rank": 8},
    f"embeddings/{EMBEDDING}": {"family": "embedding", "name": "luna_ti", "rank": 3},
}
_CHECKPOINTS = {
    f"checkpoints/{SD15}": ("sd15", small_unet.SD15),
    f"checkpoints/{SDXL}": ("sdxl", small_unet.SDXL),
}
#: The folders of ComfyUI's ``models`` that hold something here.
FOLDERS = ("text_encoders", "vae", "loras", "embeddings", "checkpoints")


def needed() -> list[str]:
    """Every file, relative to the models folder."""
    return [*_PLAIN, *_CHECKPOINTS, f"loras/{LORA_UNET}", f"vae/{TAESD}"]


def ensure(folder: Path, say: Callable[[str], None] = print) -> None:
    """Writes the files that are missing. A file is there whole or not at all."""
    for name in needed():
        path = folder / name
        if path.is_file():
            continue
        say(f"writing {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, name)


def _write(path: Path, name: str) -> None:
    if name in _PLAIN:
        make_models.make(str(path), scale="full", **_PLAIN[name])
    elif name in _CHECKPOINTS:
        family, unet = _CHECKPOINTS[name]
        encoders, dtype, _ = make_models.family_entries(family, "full", None, 8, "lora", "lora_a")
        tensors = small_unet.entries(unet) + encoders
        make_models.write(str(path), tensors, dtype, 1, {"format": "pt"})
    elif name.endswith(TAESD):
        make_demo_models.write_vae(path)
    else:
        make_models.write(str(path), _unet_lora(), "F16", 1, {"format": "pt"})


def _unet_lora() -> list[make_models.Entry]:
    """A LoRA of rank 4 for one matrix of the SD 1.5 UNet, and nothing of the text encoder."""
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    down = make_models.linear("lora_unet/down", 4, 320)
    up = make_models.Part("lora_unet/up", (320, 4), 0.0, 0.1)
    return [
        make_models.Entry(f"{name}.lora_down.weight", [down]),
        make_models.Entry(f"{name}.lora_up.weight", [up]),
    ]
