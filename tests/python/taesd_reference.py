"""TAESD of 4 latent channels in numpy, straight from its layer list: the reference for the demo VAE's weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Weights = Mapping[str, np.ndarray]


def convolve(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: int = 1
) -> np.ndarray:
    """3x3 convolution with one pixel of zeros around, x [C, H, W] float32."""
    channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    rows, columns = -(-height // stride), -(-width // stride)
    out = np.zeros((len(weight), rows * columns), np.float32)
    for dy in range(3):
        for dx in range(3):
            taken = padded[:, dy : dy + height : stride, dx : dx + width : stride]
            out += weight[:, :, dy, dx].astype(np.float32) @ taken.reshape(channels, -1)
    if bias is not None:
        out += bias.astype(np.float32)[:, None]
    return out.reshape(-1, rows, columns)


def run(weights: Weights, layers: list[tuple[str, int]], prefix: str, x: np.ndarray) -> np.ndarray:
    """Runs the layers (what, its index in the file) on x [C, H, W]."""
    for what, index in layers:
        name = f"{prefix}{index}."
        if what == "clamp":
            x = np.tanh(x / 3) * 3
        elif what == "relu":
            x = np.maximum(x, 0)
        elif what == "up":
            x = x.repeat(2, axis=1).repeat(2, axis=2)
        elif what == "block":
            y = x
            for layer in (0, 2, 4):
                y = convolve(
                    y, weights[f"{name}conv.{layer}.weight"], weights[f"{name}conv.{layer}.bias"]
                )
                y = np.maximum(y, 0) if layer < 4 else y
            x = np.maximum(y + x, 0)
        else:
            stride = 2 if what == "down" else 1
            x = convolve(x, weights[name + "weight"], weights.get(name + "bias"), stride)
    return x


ENCODER = [("conv", 0), ("block", 1)]
for _first in (2, 6, 10):
    ENCODER += [("down", _first), *(("block", _first + n) for n in (1, 2, 3))]
ENCODER += [("conv", 14)]

DECODER = [("clamp", 0), ("conv", 1), ("relu", 2)]
for _first in (3, 8, 13):
    DECODER += [
        *(("block", _first + n) for n in (0, 1, 2)),
        ("up", _first + 3),
        ("conv", _first + 4),
    ]
DECODER += [("block", 18), ("conv", 19)]


def encode(weights: Weights, image: np.ndarray) -> np.ndarray:
    """image [H, W, 3] in 0..1 -> latents [4, H/8, W/8]"""
    return run(weights, ENCODER, "taesd_encoder.", image.transpose(2, 0, 1).astype(np.float32))


def decode(weights: Weights, latents: np.ndarray) -> np.ndarray:
    """latents [4, h, w] -> image [8h, 8w, 3] in 0..1"""
    image = run(weights, DECODER, "taesd_decoder.", latents.astype(np.float32))
    return np.clip(image, 0, 1).transpose(1, 2, 0)
