"""A VAE in TAESD's layout whose weights are computed, not trained: a DEMO, not a model of any use for pictures.

What it does: the encoder averages each 8x8 block of the image, the decoder paints the block in that colour. So
``vae_decode(vae_encode(photograph))`` is the photograph at one-eighth resolution, and a person sees at once whether
layout, colours and orientation are right.

How it does so in TAESD's own layers (C = 64 hidden channels, of which only 3 carry anything):

- encoder: a 3x3 convolution copies R, G, B (0..1, so that every ReLU lets them pass); the residual blocks have zero
  weights, so they give their input back; each stride-2 convolution takes the mean of the pixels at 2i and 2i + 1 (its
  taps 1 and 2); the last convolution makes the latent (mean - 0.5) * GAIN, and a fourth channel, the luma.
- decoder: the clamp 3 * tanh(x / 3) hardly bends values as small as +-GAIN / 2 (at most 0.06 of an 8-bit step); the
  first convolution undoes gain and offset; the blocks give back their input; each nearest-neighbour doubling is
  followed by a convolution that copies; the last one hands R, G, B on.

Every weight is a power of two or a sum of few, so float16 holds it exactly (but the three of the luma).
"""

from __future__ import annotations

import numpy as np

HIDDEN = 64
COLOURS = 3
LATENT = 4
GAIN = 0.25
#: Rec. 709
LUMA = (0.2126, 0.7152, 0.0722)

ENCODER_BLOCKS = (1, 3, 4, 5, 7, 8, 9, 11, 12, 13)
ENCODER_DOWN = (2, 6, 10)
DECODER_BLOCKS = (3, 4, 5, 8, 9, 10, 13, 14, 15, 18)
DECODER_UP = (7, 12, 17)


def _convolution(rows: int, columns: int) -> np.ndarray:
    """Weights [out, in, 3, 3], all zero."""
    return np.zeros((rows, columns, 3, 3), np.float32)


def _copy(rows: int, columns: int) -> np.ndarray:
    """A convolution that hands the colours on and nothing else."""
    weight = _convolution(rows, columns)
    for colour in range(COLOURS):
        weight[colour, colour, 1, 1] = 1.0
    return weight


def _halve() -> np.ndarray:
    """A stride-2 convolution that takes the mean of 2x2 pixels."""
    weight = _convolution(HIDDEN, HIDDEN)
    for colour in range(COLOURS):
        weight[colour, colour, 1:, 1:] = 0.25
    return weight


def _block() -> dict[str, np.ndarray]:
    """A residual block that adds nothing: conv.0, conv.2 and conv.4 of the layer."""
    tensors = {}
    for layer in (0, 2, 4):
        tensors[f"conv.{layer}.weight"] = _convolution(HIDDEN, HIDDEN)
        tensors[f"conv.{layer}.bias"] = np.zeros(HIDDEN, np.float32)
    return tensors


def _encoder() -> dict[str, np.ndarray]:
    tensors = {"0.weight": _copy(HIDDEN, COLOURS), "0.bias": np.zeros(HIDDEN, np.float32)}
    for layer in ENCODER_DOWN:
        tensors[f"{layer}.weight"] = _halve()
    last = _convolution(LATENT, HIDDEN)
    for colour in range(COLOURS):
        last[colour, colour, 1, 1] = GAIN
        last[COLOURS, colour, 1, 1] = GAIN * LUMA[colour]
    tensors["14.weight"] = last
    tensors["14.bias"] = np.full(LATENT, -GAIN / 2, np.float32)
    return tensors


def _decoder() -> dict[str, np.ndarray]:
    first = _convolution(HIDDEN, LATENT)
    bias = np.zeros(HIDDEN, np.float32)
    for colour in range(COLOURS):
        first[colour, colour, 1, 1] = 1 / GAIN
        bias[colour] = 0.5
    tensors = {"1.weight": first, "1.bias": bias}
    for layer in DECODER_UP:
        tensors[f"{layer}.weight"] = _copy(HIDDEN, HIDDEN)
    tensors["19.weight"] = _copy(COLOURS, HIDDEN)
    tensors["19.bias"] = np.zeros(COLOURS, np.float32)
    return tensors


def demo_vae() -> dict[str, np.ndarray]:
    """Every tensor of the file, float16, under the keys of a TAESD of 4 latent channels."""
    encoder, decoder = _encoder(), _decoder()
    for half, layers in ((encoder, ENCODER_BLOCKS), (decoder, DECODER_BLOCKS)):
        for layer in layers:
            half.update({f"{layer}.{name}": tensor for name, tensor in _block().items()})
    named = {f"taesd_encoder.{name}": tensor for name, tensor in encoder.items()}
    named.update({f"taesd_decoder.{name}": tensor for name, tensor in decoder.items()})
    return {name: named[name].astype(np.float16) for name in sorted(named)}
