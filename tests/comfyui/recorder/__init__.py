"""A test-only ComfyUI pack: writes what goes along a graph's links to files, and says what is executed now.

It runs inside ComfyUI with nothing but ComfyUI's own packages, on every version under test, and so uses the oldest node
API. It computes nothing: what it writes are the very tensors that the graph passed on.
"""

from __future__ import annotations

import json
import os

import torch
from aiohttp import web
from safetensors.torch import save_file
from server import PromptServer

#: The folder of the records; the harness sets it.
FOLDER = os.environ.get("LUNA_PROOF_RECORDS", "")


class LunaProofRecord:
    """Writes whatever is linked to ``<name>.safetensors``: float32 tensors, and all else as JSON in its metadata."""

    CATEGORY = "luna/proof"
    FUNCTION = "record"
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (ComfyUI's name)
        return {
            "required": {"name": ("STRING", {"default": "record"})},
            "optional": {
                "conditioning": ("CONDITIONING",),
                "latent": ("LATENT",),
                "image": ("IMAGE",),
            },
        }

    def record(self, name, conditioning=None, latent=None, image=None):
        tensors: dict[str, torch.Tensor] = {}
        other: dict[str, object] = {}
        if image is not None:
            _put("image", image, tensors, other)
        if latent is not None:
            _put("latent", latent, tensors, other)
        if conditioning is not None:
            for i, (cond, extra) in enumerate(conditioning):
                _put(f"cond{i}", cond, tensors, other)
                _put(f"cond{i}", extra, tensors, other)
        metadata = {"other": json.dumps(other, sort_keys=True)}
        path = os.path.join(FOLDER, f"{name}.safetensors")
        save_file(tensors, path, metadata)
        return {}


def _put(name: str, value, tensors: dict, other: dict) -> None:
    """Sorts one value, and what is in it, into tensors and the rest."""
    if isinstance(value, torch.Tensor):
        other[f"{name}.dtype"] = str(value.dtype)
        other[f"{name}.device"] = str(value.device)
        tensors[name] = value.detach().to("cpu", torch.float32).contiguous().clone()
    elif isinstance(value, dict):
        for key, item in sorted(value.items()):
            _put(f"{name}.{key}", item, tensors, other)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _put(f"{name}.{i}", item, tensors, other)
    else:
        other[name] = value if isinstance(value, (str, int, float, bool)) else repr(value)


@PromptServer.instance.routes.get("/luna_proof/state")
async def state(_request: web.Request) -> web.Response:
    """The node that is executed now (its id in the graph; null: none)."""
    return web.json_response({"node": PromptServer.instance.last_node_id})


NODE_CLASS_MAPPINGS = {"LunaProofRecord": LunaProofRecord}
NODE_DISPLAY_NAME_MAPPINGS = {"LunaProofRecord": "Record (proof)"}
