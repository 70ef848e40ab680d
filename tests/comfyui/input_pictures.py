"""The pictures that the workflows load: computed, the same everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from make_models import pattern_image

#: Name -> height, width, seed of the pattern. None of the sizes divides by a tile; one is no multiple of 8.
_SIZES = {
    "square.png": (256, 256, 1),
    "oblong.png": (392, 520, 2),
    "one.png": (128, 192, 3),
    "two.png": (128, 192, 4),
    "three.png": (128, 192, 5),
    "four.png": (128, 192, 6),
}
_MASKED = "masked.png"


def write(folder: Path) -> None:
    """Writes them all; ``masked.png`` has a transparent disc, which LoadImage gives as its mask."""
    for name, (height, width, seed) in _SIZES.items():
        Image.fromarray(_pattern(height, width, 3, seed)).save(folder / name)
    picture = _pattern(204, 260, 4, 7)
    y, x = np.mgrid[:204, :260]
    picture[..., 3] = np.where((y - 90) ** 2 + (x - 140) ** 2 < 60**2, 0, 255)
    Image.fromarray(picture).save(folder / _MASKED)


def _pattern(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    return np.ascontiguousarray(pattern_image(height, width, channels, seed)).astype(np.uint8)
