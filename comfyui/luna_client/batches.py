"""Batches that are larger than a frame may be: split by image, sent one part after the other, joined again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from .errors import BadRequestError
from .frames import Limits
from .request import Progress
from .tensors import WIRE_ITEM, Tensor, is_torch, size_of

T = TypeVar("T")

#: What a safetensors header of a request or reply of ours needs at most, in bytes.
_HEADER_ROOM = 4096


def image_batch(name: str, value: Tensor, axes: Sequence[int]) -> Tensor:
    """The tensor with its batch axis: [H, W, C], where three axes are allowed, becomes [1, H, W, C]."""
    tensor = value if is_torch(value) else np.asarray(value)
    if tensor.ndim not in axes:
        wanted = " or ".join(str(n) for n in axes)
        raise BadRequestError(
            f"{name} has {tensor.ndim} axes {tuple(tensor.shape)}, it must have {wanted}"
        )
    if tensor.shape[0] == 0:
        raise BadRequestError(f"{name} is an empty batch {tuple(tensor.shape)}")
    return tensor[None] if tensor.ndim == 3 else tensor


def fitting(
    limits: Limits,
    tensors: Sequence[Tensor],
    *,
    cells: int = 0,
    ratio: int = 0,
    channels: int = 0,
    dtype: str = "f32",
) -> int:
    """How many images of a batch fit one request and its reply, at least 1.

    Args:
        tensors: batches [B, ...] of the request.
        cells, ratio, channels, dtype: the reply's images: latent cells each, pixels of a cell's side, and so on;
            left out where the reply is smaller than the request.
    """
    room = limits.max_body_bytes - _HEADER_ROOM
    one_in = sum(size_of(tensor) // int(tensor.shape[0]) for tensor in tensors)
    one_out = cells * ratio * ratio * channels * WIRE_ITEM.get(dtype, 4)
    return max(1, room // max(1, one_in, one_out))


def in_parts(
    batch: Tensor,
    at_once: int,
    run: Callable[[Tensor, Progress | None], T],
    progress: Progress | None,
) -> list[T]:
    """Runs a batch in parts of at most that many images; the progress counts through all of them."""
    count = int(batch.shape[0])
    if at_once >= count:
        return [run(batch, progress)]
    starts = range(0, count, at_once)
    results = []
    for number, start in enumerate(starts):
        results.append(run(batch[start : start + at_once], _shifted(progress, number, len(starts))))
    return results


def _shifted(progress: Progress | None, number: int, parts: int) -> Progress | None:
    if progress is None:
        return None

    def tell(value: int, maximum: int, stage: str) -> None:
        progress(number * maximum + value, parts * maximum, stage)

    return tell
