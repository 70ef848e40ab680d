"""luna's node pack for ComfyUI, when this folder lies in (or is linked from) ``custom_nodes``.

ComfyUI imports this file by its path. Both packages here have names of their own, so the folder goes on ``sys.path``
as it is, and everything is in :mod:`luna_nodes`. Without ComfyUI, importing this does nothing else.
"""

import os
import sys

_HERE = os.path.dirname(os.path.realpath(__file__))
if _HERE not in sys.path:
    # first: an older client that pip installed must not be taken for the pack's own
    sys.path.insert(0, _HERE)

from luna_nodes import comfy_entrypoint  # noqa: E402  (the path comes first)

WEB_DIRECTORY = "./luna_nodes/web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
