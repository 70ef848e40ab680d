"""How far what luna computes may be from what ComfyUI computes itself.

The limits are those of the golden vectors (the largest absolute difference of two right fp32 implementations, with a
margin), times three for models of the real size. What a sampler makes of such a difference has no such limit: there the
8-bit picture counts, and the tensors before it are held to a share of their range.
"""

from __future__ import annotations

from dataclasses import dataclass

_FULL_SIZE = 3.0

#: Share of the places of an 8-bit picture that may differ, by one step.
PIXEL_STEP = 1
PIXEL_SHARE = 0.001


@dataclass(frozen=True)
class Limit:
    """``absolute``: of every element; ``of_range``: a share of the tensor's largest absolute value, instead."""

    absolute: float = 0.0
    of_range: float = 0.0

    def allowed(self, largest: float) -> float:
        """What one element may differ by, in a tensor whose largest absolute value this is."""
        return self.absolute if self.of_range == 0.0 else self.of_range * largest


CLIP_L = Limit(5e-5 * _FULL_SIZE)
SDXL = Limit(2e-4 * _FULL_SIZE)


def latent(*, tiled: bool = False) -> Limit:
    """Of what a VAE encodes."""
    return Limit((2e-4 if tiled else 1e-4) * _FULL_SIZE)


def picture(*, tiled: bool = False) -> Limit:
    """Of what a VAE decodes."""
    return Limit((1e-4 if tiled else 5e-5) * _FULL_SIZE)


def sampled() -> Limit:
    """Of what went through a sampler."""
    return Limit(of_range=5e-5)
