"""All that the pack asks of ComfyUI, in one place: devices, interrupt, progress, folders, its own loaders.

The problem: the proxies must run under every ComfyUI from the oldest supported one on, and in tests without any. So
they ask a :class:`Host`, and only this file imports ComfyUI's modules, each at the call: at import time of a custom
node some of them are not ready yet.

Thread rule: called in ComfyUI's executor thread, but for the folder lists, which any thread may ask for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class ProgressBar(Protocol):
    """ComfyUI's progress bar of the running node."""

    def update_absolute(self, value: int, total: int | None = None) -> None: ...


class Host:
    """The ComfyUI that this process is."""

    # -- tensors ---------------------------------------------------------------------------------

    def conditioning(self, tensor: Any) -> Any:
        """The tensor where ComfyUI keeps conditioning: on ``intermediate_device()``, its type as it is."""
        from comfy import model_management

        return tensor.to(device=model_management.intermediate_device())

    def intermediate(self, tensor: Any) -> Any:
        """The tensor where and as ComfyUI keeps VAE results: ``intermediate_device()``, ``intermediate_dtype()``."""
        import torch
        from comfy import model_management

        # older versions have no such choice: float32
        dtype = getattr(model_management, "intermediate_dtype", lambda: torch.float32)()
        return tensor.to(device=model_management.intermediate_device(), dtype=dtype)

    def float32(self, tensor: Any) -> Any:
        """The tensor as float32 in main memory, as it is sent."""
        import torch

        return tensor.detach().to(device="cpu", dtype=torch.float32)

    # -- the running prompt ----------------------------------------------------------------------

    def check_interrupt(self) -> None:
        """Raises ComfyUI's interrupt (a BaseException) if the person has pressed stop."""
        from comfy import model_management

        model_management.throw_exception_if_processing_interrupted()

    def progress_bar(self, total: int) -> ProgressBar:
        """A bar of so many steps on the node that runs now."""
        from comfy import utils

        return utils.ProgressBar(total)

    # -- folders ---------------------------------------------------------------------------------

    def filenames(self, folder: str) -> list[str]:
        """The files of a model folder as ComfyUI lists them; none where this version has no such folder."""
        import folder_paths

        try:
            return list(folder_paths.get_filename_list(folder))
        except KeyError:
            return []

    def full_path(self, folder: str, name: str) -> str | None:
        """Where the file is; None if it is not there."""
        import folder_paths

        try:
            return folder_paths.get_full_path(folder, name)
        except KeyError:
            return None

    def vae_names(self) -> list[str]:
        """The choices of the stock VAE loader."""
        import nodes

        return list(nodes.VAELoader.vae_list(nodes.VAELoader))

    def input_options(self, node: str, name: str) -> list[str]:
        """The choices of an input of a stock node, for instance the ``type`` of its CLIP loader."""
        import nodes

        kinds = nodes.NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
        spec = {**kinds.get("required", {}), **kinds.get("optional", {})}[name]
        return list(spec[1]["options"] if spec[0] == "COMBO" else spec[0])

    def model_folders(self) -> dict[str, list[str]]:
        """Every kind of model folder and where its folders are."""
        import folder_paths

        kinds = folder_paths.folder_names_and_paths
        return {kind: list(kinds[kind][0]) for kind in kinds if kind != "custom_nodes"}

    def memory(self) -> dict[str, Any]:
        """How full this ComfyUI's own device is, in GB."""
        from comfy import model_management

        device = model_management.get_torch_device()
        total = model_management.get_total_memory(device) / 1e9
        free = model_management.get_free_memory(device) / 1e9
        return {
            "device": str(device),
            "total_gb": round(total, 2),
            "used_gb": round(total - free, 2),
            "free_gb": round(free, 2),
            "percent": round(100 * (total - free) / total, 1) if total else 0,
            "loaded_models_count": len(model_management.current_loaded_models),
        }

    # -- its own tokenizers and loaders ----------------------------------------------------------

    def tokenizer(self, family: str) -> Any:
        """ComfyUI's own tokenizer of a family of text encoders: ``sd1``, ``sdxl``, ``sd2``."""
        import folder_paths

        folders = folder_paths.get_folder_paths("embeddings")
        return _tokenizer_class(family)(embedding_directory=folders)

    def load_clip(self, names: Sequence[str], clip_type: str, device: str) -> Any:
        """What the stock loaders for one or two text encoder files give."""
        import nodes

        loaders = nodes.NODE_CLASS_MAPPINGS
        if len(names) == 1:
            stock = loaders["CLIPLoader"]()
            return stock.load_clip(names[0], type=clip_type, device=device)[0]
        return loaders["DualCLIPLoader"]().load_clip(*names, type=clip_type, device=device)[0]

    def load_vae(self, name: str) -> Any:
        """What the stock VAE loader gives."""
        import nodes

        return nodes.NODE_CLASS_MAPPINGS["VAELoader"]().load_vae(name)[0]

    def load_checkpoint(
        self, name: str, *, model: bool = False, clip: bool = False, vae: bool = False
    ) -> tuple[Any, Any, Any]:
        """MODEL, CLIP and VAE of a checkpoint as the stock loader gives them; None for what is not asked for."""
        import folder_paths
        from comfy import sd

        got = sd.load_checkpoint_guess_config(
            folder_paths.get_full_path_or_raise("checkpoints", name),
            output_vae=vae,
            output_clip=clip,
            output_model=model,
            embedding_directory=folder_paths.get_folder_paths("embeddings"),
        )
        return got[:3]

    # -- saving ----------------------------------------------------------------------------------

    def output_folder(self) -> str:
        """Where pictures go, absolute."""
        import folder_paths

        return os.path.abspath(folder_paths.get_output_directory())

    def metadata_disabled(self) -> bool:
        """Whether ComfyUI was started with ``--disable-metadata``."""
        from comfy.cli_args import args

        return bool(args.disable_metadata)

    def pixels(self, image: Any) -> Any:
        """Pictures in 0..1 as SaveImage makes bytes of them: times 255, clipped, cut off, not rounded; NaN is 0."""
        import torch

        scaled = self.float32(image) * 255.0
        return scaled.nan_to_num_(nan=0.0).clamp_(0, 255).to(torch.uint8).contiguous()

    def save_image_passes(self) -> bool:
        """Whether this version's SaveImage hands its images on."""
        import nodes

        return "IMAGE" in nodes.NODE_CLASS_MAPPINGS["SaveImage"].RETURN_TYPES

    # -- the browser -----------------------------------------------------------------------------

    def running_prompt_id(self) -> str | None:
        """The id of the prompt that runs in this thread."""
        from comfy_execution.utils import get_executing_context

        context = get_executing_context()
        return None if context is None else context.prompt_id

    def running_node(self) -> str | None:
        """The id of the node that runs in this thread, as the browser has it; None where none does."""
        from comfy_execution.utils import get_executing_context

        context = get_executing_context()
        return None if context is None else context.node_id

    def running_client(self) -> str | None:
        """The browser whose prompt runs now; None: all."""
        from server import PromptServer

        return getattr(PromptServer.instance, "client_id", None)

    def keep_images(self, prompt: str, node: str, images: Sequence[dict[str, Any]]) -> bool:
        """Adds pictures to what ComfyUI keeps of a node's run. -> false: the prompt still runs; ask again."""
        from server import PromptServer

        kept = PromptServer.instance.prompt_queue
        with kept.mutex:
            entry = kept.history.get(prompt)
            if entry is None:
                return all(item[1] != prompt for item in kept.currently_running.values())
            output = entry.get("outputs", {}).get(node)
            if output is not None:
                # in its place: the cache holds the same object
                shown = output.setdefault("images", [])
                shown.extend(dict(image) for image in images if image not in shown)
        return True

    def send(self, event: str, data: dict[str, Any], client: str | None) -> None:
        """Sends an event to a browser. Any thread."""
        from server import PromptServer

        PromptServer.instance.send_sync(event, data, client)


def _tokenizer_class(family: str) -> Callable[..., Any]:
    if family == "sd1":
        from comfy import sd1_clip

        return sd1_clip.SD1Tokenizer
    if family == "sdxl":
        from comfy import sdxl_clip

        return sdxl_clip.SDXLTokenizer
    if family == "sd2":
        from comfy.text_encoders import sd2_clip

        return sd2_clip.SD2Tokenizer
    raise KeyError(family)
