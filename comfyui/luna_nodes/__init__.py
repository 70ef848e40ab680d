"""luna's nodes for ComfyUI: loaders whose CLIP and VAE work on a luna server, and a saver that does not wait.

ComfyUI calls :func:`comfy_entrypoint`. Importing the package needs no ComfyUI: everything that does is imported in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension


async def comfy_entrypoint() -> ComfyExtension:
    """The pack, for ComfyUI: its nodes. Starts the background refresh of the model list."""
    from .extension import LunaExtension

    return LunaExtension()


__all__ = ["comfy_entrypoint"]
