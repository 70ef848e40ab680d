"""A ComfyUI that is not there: folders, tokenizers and stock objects, and an interrupt that tests press."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luna_nodes.host import Host


class InterruptedByPerson(BaseException):
    """As ComfyUI's own: no Exception, so that ``except Exception`` lets it through."""


class Placed(np.ndarray):
    """An array that knows where ComfyUI was to keep it."""

    place = ""


def placed(value: Any, place: str) -> Placed:
    out = np.array(value).view(Placed)
    out.place = place
    return out


class FakeBar:
    def __init__(self, total: int) -> None:
        self.total = total
        self.steps: list[tuple[int, int | None]] = []

    def update_absolute(self, value: int, total: int | None = None) -> None:
        self.steps.append((value, total))


class FakeTokenizer:
    """One chunk a tower: the begin, the letters' codes, the end."""

    def __init__(self, towers: Sequence[str]) -> None:
        self.towers = towers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def tokenize_with_weights(
        self, text: str, return_word_ids: bool = False, **options: Any
    ) -> dict[str, Any]:
        self.asked.append((text, options))
        chunk = [(49406, 1.0), *((ord(letter), 1.0) for letter in text), (49407, 1.0)]
        if return_word_ids:
            chunk = [(*entry, number) for number, entry in enumerate(chunk)]
        return {tower: [list(chunk)] for tower in self.towers}


class StockClip:
    """ComfyUI's own CLIP, as far as the pack uses it. Says what it encoded with."""

    def __init__(self, names: Sequence[str] = ("clip_l.a.weight",)) -> None:
        self.names = list(names)
        self.tokenizer = FakeTokenizer(["l"])
        self.cond_stage_model = self
        self.patches: list[tuple[dict[Any, Any], float, float]] = []
        self.layer: int | None = None
        self.encoded: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return dict.fromkeys(self.names)

    def clone(self) -> StockClip:
        copy = StockClip(self.names)
        copy.tokenizer, copy.encoded = self.tokenizer, self.encoded
        copy.patches, copy.layer = list(self.patches), self.layer
        return copy

    def clip_layer(self, layer: int | None) -> None:
        self.layer = layer

    def add_patches(
        self, patches: dict[Any, Any], strength_patch: float, strength_model: float
    ) -> list[Any]:
        self.patches.append((patches, strength_patch, strength_model))
        return list(patches)

    def encode_from_tokens(
        self, tokens: Any, return_pooled: Any = False, return_dict: bool = False
    ) -> Any:
        self.encoded.append(
            {
                "tokens": tokens,
                "pooled": return_pooled,
                "layer": self.layer,
                "patches": self.patches,
            }
        )
        return {"cond": "local cond", "pooled_output": "local pooled"}

    def generate(self, tokens: Any, **options: Any) -> list[int]:
        return [1, 2, len(options)]

    def decode(self, token_ids: Any, **_options: Any) -> str:
        return f"text of {token_ids}"


class StockVae:
    """ComfyUI's own VAE, as far as the pack uses it."""

    latent_channels = 4
    latent_dim = 2
    output_channels = 3
    downscale_ratio = upscale_ratio = 8
    downscale_index_formula = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def decode(self, samples: Any, vae_options: Any = None) -> str:
        self.calls.append(("decode", {"vae_options": vae_options}))
        return "local images"

    def decode_tiled(self, samples: Any, **tiles: Any) -> str:
        self.calls.append(("decode_tiled", tiles))
        return "local images"

    def encode(self, pixels: Any) -> str:
        self.calls.append(("encode", {}))
        return "local latents"

    def encode_tiled(self, pixels: Any, **tiles: Any) -> str:
        self.calls.append(("encode_tiled", tiles))
        return "local latents"

    def spacial_compression_decode(self) -> int:
        return 8

    def spacial_compression_encode(self) -> int:
        return 8

    def temporal_compression_decode(self) -> None:
        return None


class FakeHost(Host):
    """Files are those of ``folders``; ``interrupted`` is the person's stop button."""

    def __init__(self, root: Path | None = None) -> None:
        self.folders: dict[str, list[str]] = {
            "text_encoders": ["clip_l.safetensors", "clip_g.safetensors"],
            "checkpoints": ["sd15.safetensors"],
            "vae": ["vae.safetensors"],
            "vae_approx": [],
        }
        self.root = root
        self.interrupted = False
        self.bars: list[FakeBar] = []
        self.loaded: list[tuple[Any, ...]] = []
        self.tokenizers: list[str] = []
        self.broken: Exception | None = None
        self.stock_clip: Callable[[], StockClip] = StockClip
        self.node: str | None = "5"
        self.sent: list[tuple[str, dict[str, Any], str | None]] = []
        self.passes_images = True
        self.no_metadata = False
        self.prompt_runs = False
        self.kept: list[tuple[str, str, list[dict[str, Any]]]] = []  # by keep_images

    def conditioning(self, tensor: Any) -> Any:
        return placed(tensor, "conditioning")

    def intermediate(self, tensor: Any) -> Any:
        return placed(tensor, "intermediate")

    def float32(self, tensor: Any) -> Any:
        return np.asarray(tensor, np.float32)

    def check_interrupt(self) -> None:
        if self.interrupted:
            self.interrupted = False
            raise InterruptedByPerson

    def progress_bar(self, total: int) -> FakeBar:
        self.bars.append(FakeBar(total))
        return self.bars[-1]

    def filenames(self, folder: str) -> list[str]:
        return list(self.folders.get(folder, []))

    def full_path(self, folder: str, name: str) -> str | None:
        if name not in self.folders.get(folder, []):
            return None
        return str((self.root or Path("/nowhere")) / folder / name)

    def vae_names(self) -> list[str]:
        return [*self.folders["vae"], "pixel_space"]

    def input_options(self, node: str, name: str) -> list[str]:
        if name == "device":
            return ["default", "cpu"]
        return ["sdxl", "sd3", "flux"] if node == "DualCLIPLoader" else ["stable_diffusion", "sd3"]

    def tokenizer(self, family: str) -> FakeTokenizer:
        self.tokenizers.append(family)
        return FakeTokenizer({"sd1": ["l"], "sdxl": ["g", "l"], "sd2": ["h"]}[family])

    def load_clip(self, names: Sequence[str], clip_type: str, device: str) -> StockClip:
        self._load("clip", *names, clip_type, device)
        return self.stock_clip()

    def load_vae(self, name: str) -> StockVae:
        self._load("vae", name)
        return StockVae()

    def load_checkpoint(
        self, name: str, *, model: bool = False, clip: bool = False, vae: bool = False
    ) -> tuple[Any, Any, Any]:
        self._load(
            "checkpoint",
            name,
            *(part for part, wanted in (("model", model), ("clip", clip), ("vae", vae)) if wanted),
        )
        return (
            "MODEL" if model else None,
            StockClip() if clip else None,
            StockVae() if vae else None,
        )

    def _load(self, *what: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.loaded.append(what)

    def model_folders(self) -> dict[str, list[str]]:
        return {"vae": ["/models/vae", "/more/vae"], "loras": [], "text_encoders": ["/models/te"]}

    def memory(self) -> dict[str, Any]:
        return {"device": "cpu", "total_gb": 8.0}

    # -- saving ----------------------------------------------------------------------------------

    def output_folder(self) -> str:
        return str((self.root or Path("/nowhere")) / "output")

    def metadata_disabled(self) -> bool:
        return self.no_metadata

    def pixels(self, image: Any) -> Any:
        return np.clip(np.asarray(image) * 255.0, 0, 255).astype(np.uint8)

    def save_image_passes(self) -> bool:
        return self.passes_images

    def running_prompt_id(self) -> str | None:
        return "prompt-1"

    def running_node(self) -> str | None:
        return self.node

    def running_client(self) -> str | None:
        return "browser-1"

    def keep_images(self, prompt: str, node: str, images: Sequence[dict[str, Any]]) -> bool:
        if self.prompt_runs:
            return False
        self.kept.append((prompt, node, list(images)))
        return True

    def send(self, event: str, data: dict[str, Any], client: str | None) -> None:
        self.sent.append((event, data, client))
