"""A run of Luna Multi Saver for its tests: what goes in, and what lies in a folder afterwards."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

NOW = datetime(2025, 12, 2, 23, 36, 42)
ONE = np.full((1, 4, 6, 3), 0.5, np.float32)
BATCH = np.random.default_rng(1).random((3, 8, 8, 3), np.float32)
PROMPT = {"1": {"class_type": "KSampler", "inputs": {"seed": 7}}}
EXTRA = {"workflow": {"nodes": [], "name": "Käse"}}


def save(**given: Any) -> Any:
    """Runs the node; inputs that are not given have their defaults, but for the name."""
    from luna_nodes.nodes_multi_save import LunaMultiSaver  # ComfyUI's API is there by now

    class Running(LunaMultiSaver):
        hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo=EXTRA, unique_id="9")

    return Running.execute(**{"filename": "pic", **given})


def files(folder: Path) -> list[str]:
    """All files below a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
