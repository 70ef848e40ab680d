"""The quality gates: how much there is to see in a picture, as a number from 0 to 1.

Thread rule: functions without state, any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: The variance of brightness (0..255) of a picture with full marks, and the mean step between neighbours (0..1).
FULL_VARIANCE = 3000.0
FULL_EDGES = 0.05

GATES = ("disabled", "variance", "edge_density", "both")


@dataclass(frozen=True)
class Verdict:
    """``score`` is None where no gate is set."""

    passed: bool = True
    score: float | None = None


def judge(gate: str, threshold: float, pixels: Any) -> Verdict:
    """Whether a picture passes.

    Args:
        gate: one of :data:`GATES`; "both" wants both, and its score is their mean.
        pixels: [H, W, C] uint8; an alpha channel does not count.
    """
    if gate == "disabled":
        return Verdict()
    scores = []
    brightness = _brightness(np.asarray(pixels))
    if gate in ("variance", "both"):
        scores.append(min(1.0, float(brightness.var()) / FULL_VARIANCE))
    if gate in ("edge_density", "both"):
        scores.append(min(1.0, _edges(brightness / 255.0) / FULL_EDGES))
    return Verdict(min(scores) >= threshold, sum(scores) / len(scores))


def _brightness(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float64)
    if values.shape[2] < 3:
        return values[:, :, 0]
    return 0.299 * values[:, :, 0] + 0.587 * values[:, :, 1] + 0.114 * values[:, :, 2]


def _edges(brightness: np.ndarray) -> float:
    """The mean step to the neighbour below and to the right, both together halved."""
    steps = [np.abs(np.diff(brightness, axis=axis)) for axis in (0, 1)]
    return sum(float(step.mean()) if step.size else 0.0 for step in steps) / 2
