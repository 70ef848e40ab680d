"""Pictures for the tests, and a look at what was saved."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image


def astronaut() -> np.ndarray:
    """The demo's photograph [512, 512, 3] in 0..1."""
    found = importlib.util.find_spec("skimage")
    assert found is not None and found.origin is not None
    with Image.open(Path(found.origin).parent / "data" / "astronaut.png") as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


def blocks(image: np.ndarray) -> np.ndarray:
    """Each 8x8 block of [H, W, 3] in its mean colour: what the demo VAE makes of a picture."""
    height, width, _ = image.shape
    means = image.reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))
    return means.repeat(8, axis=0).repeat(8, axis=1)


def numbered(number: int, side: int = 64) -> np.ndarray:
    """A picture [side, side, 3] uint8 that holds its number, and noise that compresses badly."""
    noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    noise[0, 0] = [number >> 16 & 255, number >> 8 & 255, number & 255]
    return noise


def number_of(path: Path) -> int:
    """The number of a saved :func:`numbered` picture, every pixel of which is checked."""
    pixels = read(path)
    number = int(pixels[0, 0, 0]) << 16 | int(pixels[0, 0, 1]) << 8 | int(pixels[0, 0, 2])
    np.testing.assert_array_equal(
        pixels, numbered(number, len(pixels)), err_msg=f"{path} is damaged"
    )
    return number


def read(path: Path) -> np.ndarray:
    """All pixels of a picture; a half one is an error."""
    with Image.open(path) as image:
        image.load()
        return np.asarray(image)


def texts(path: Path) -> dict[str, str]:
    """The text chunks of a PNG."""
    with Image.open(path) as image:
        image.load()
        return dict(image.text)  # type: ignore[attr-defined]
