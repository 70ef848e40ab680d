"""The pictures that the workflows load: computed, the same everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from make_models import pattern_image

#: Name -> height, width, seed of the pattern. None of the sizes divides by a tile; two are no multiples of 8.
_SIZES = {
    "square.png": (192, 192, 1),
    "oblong.png": (204, 268, 2),
    "one.png": (96, 128, 3),
    "two.png": (96, 128, 4),
    "three.png": (96, 128, 5),
    "four.png": (96, 128, 6),
}
_MASKED = "masked.png"


def write(folder: Path) -> None:
    """Writes them all; ``masked.png`` has a transparent disc, which LoadImage gives as its mask."""
    for name, (height, width, seed) in _SIZES.items():
        Image.fromarray(_pattern(height, width, 3, seed)).save(folder / name)
    picture = _pattern(140, 196, 4, 7)
    y, x = np.mgrid[:140, :196]
    picture[..., 3] = np.where((y - 60) ** 2 + (x - 110) ** 2 < 40**2, 0, 255)
    Image.fromarray(picture).save(folder / _MASKED)


def _pattern(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    return np.ascontiguousarray(pattern_image(height, width, channels, seed)).astype(np.uint8)
