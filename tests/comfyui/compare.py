"""Compares what two runs of a workflow left: the recorded tensors and the saved pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open
from tolerance import PIXEL_SHARE, PIXEL_STEP, Limit


@dataclass(frozen=True)
class Difference:
    """One tensor or picture against the other.

    Attributes:
        what: the record and the tensor, or the picture.
        value: the largest difference; of pictures the share of places that differ.
        limit: the largest that is right.
        problem: what else is wrong (a shape, a key); "" for nothing.
    """

    what: str
    value: float
    limit: float
    problem: str = ""

    @property
    def right(self) -> bool:
        return not self.problem and self.value <= self.limit


def records(stock: Path, luna: Path, limit: Limit) -> list[Difference]:
    """Compares two files of the recorder, tensor by tensor, and that all else in them is equal."""
    name = luna.stem.partition(".")[2] or luna.stem
    missing = [path.name for path in (stock, luna) if not path.is_file()]
    if missing:
        return [_wrong(name, f"was not written: {', '.join(missing)}")]
    (expected, expected_rest), (got, rest) = _read(stock), _read(luna)
    found = []
    if rest != expected_rest:
        found.append(_wrong(name, _other_differs(expected_rest, rest)))
    if set(got) != set(expected):
        found.append(_wrong(name, f"has {sorted(got)}, not {sorted(expected)}"))
    for key in sorted(set(got) & set(expected)):
        found.append(tensors(f"{name}.{key}", expected[key], got[key], limit))
    return found


def tensors(what: str, expected: np.ndarray, got: np.ndarray, limit: Limit) -> Difference:
    """Compares one tensor."""
    if got.shape != expected.shape:
        return _wrong(what, f"has shape {got.shape}, not {expected.shape}")
    if not np.isfinite(got).all():
        return _wrong(what, "has values that are no numbers")
    if expected.size == 0:
        return Difference(what, 0.0, 0.0)
    value = float(np.abs(got.astype(np.float64) - expected).max())
    return Difference(what, value, limit.allowed(float(np.abs(expected).max())))


def pictures(what: str, stock: Path, luna: Path) -> Difference:
    """Compares two saved pictures, place by place (a place is one channel of one pixel)."""
    missing = [path.name for path in (stock, luna) if not path.is_file()]
    if missing:
        return _wrong(what, f"was not saved: {', '.join(missing)}")
    expected, got = (np.asarray(Image.open(path)).astype(np.int16) for path in (stock, luna))
    if got.shape != expected.shape:
        return _wrong(what, f"has shape {got.shape}, not {expected.shape}")
    steps = np.abs(got - expected)
    worst = int(steps.max())
    share = float((steps > 0).mean())
    if worst > PIXEL_STEP:
        return Difference(what, share, PIXEL_SHARE, f"differs by up to {worst} steps")
    return Difference(what, share, PIXEL_SHARE)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """-> the tensors of a record, and what else the graph passed on."""
    with safe_open(path, "np") as file:
        rest = json.loads((file.metadata() or {}).get("other", "{}"))
        return {key: file.get_tensor(key) for key in file.keys()}, rest  # noqa: SIM118  (no dict)


def _other_differs(expected: dict[str, object], got: dict[str, object]) -> str:
    differing = sorted(key for key in set(expected) | set(got) if expected.get(key) != got.get(key))
    pairs = [f"{key} {got.get(key)!r}, not {expected.get(key)!r}" for key in differing[:4]]
    return "has " + "; ".join(pairs)


def _wrong(what: str, problem: str) -> Difference:
    return Difference(what, 0.0, 0.0, problem)
