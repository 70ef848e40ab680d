"""The body of a frame: one safetensors buffer, to and from numpy arrays and torch tensors.

Nothing is copied where it need not be: arrays that are read are views of the received buffer, arrays that are
sent go to the socket from their own memory. torch is used only where the caller already has it.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .errors import BadFrameError, BadRequestError

if TYPE_CHECKING:
    import torch

    #: What the client takes and gives: a numpy array or a torch tensor.
    Tensor = Union[np.ndarray, "torch.Tensor"]
else:
    Tensor = Any

_NUMPY_OF = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "BF16": np.dtype("<u2"),  # the bits; numpy has no such type
}
_NAME_OF = {dtype: name for name, dtype in _NUMPY_OF.items() if name != "BF16"}
#: Bytes of one element on the wire, by the protocol's own names of reply types.
WIRE_ITEM = {"f32": 4, "f16": 2, "bf16": 2, "u8": 1}


def is_torch(value: Any) -> bool:
    """Whether the value is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def encode(tensors: Mapping[str, Tensor]) -> list[memoryview]:
    """A safetensors buffer in pieces, ready to be sent one after the other; an empty list for no tensors.

    torch tensors come from any device; bfloat16 goes out as it is.
    """
    if not tensors:
        return []
    header: dict[str, Any] = {}
    pieces: list[memoryview] = []
    offset = 0
    for name, value in tensors.items():
        kind, array = _wire_array(name, value)
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
        if array.nbytes:
            pieces.append(memoryview(array.reshape(-1)).cast("B"))
    blob = json.dumps(header, separators=(",", ":")).encode("utf-8")
    blob += b" " * (-len(blob) % 8)  # so that the data after it is aligned
    return [memoryview(struct.pack("<Q", len(blob)) + blob), *pieces]


def decode(body: np.ndarray, wanted: str) -> dict[str, Tensor]:
    """Reads a safetensors buffer.

    Args:
        body: uint8 ``[n]``; the results are views of it.
        wanted: ``"numpy"`` or ``"torch"``. bfloat16 becomes float32 in numpy (exact), and stays in torch.

    Raises:
        BadFrameError: the buffer is no safetensors: offsets outside, sizes that do not fit, no JSON.
    """
    if body.size == 0:
        return {}
    try:
        return _decode(body, wanted)
    except (KeyError, TypeError, ValueError, struct.error, RecursionError) as problem:
        raise BadFrameError(
            f"the server sent a body that is no safetensors buffer: {problem}"
        ) from problem


def byte_count(pieces: Iterable[memoryview]) -> int:
    """The bytes of an encoded body."""
    return sum(piece.nbytes for piece in pieces)


def size_of(value: Tensor) -> int:
    """The bytes of one tensor."""
    if is_torch(value):
        return int(value.numel() * value.element_size())
    return int(np.asarray(value).nbytes)


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Joins tensors of one library along axis 0."""
    if len(parts) == 1:
        return parts[0]
    if is_torch(parts[0]):
        return sys.modules["torch"].cat(list(parts), dim=0)
    return np.concatenate([np.asarray(part) for part in parts], axis=0)


def _wire_array(name: str, value: Tensor) -> tuple[str, np.ndarray]:
    """The safetensors type of a tensor and its elements as a contiguous little-endian array."""
    if is_torch(value):
        torch = sys.modules["torch"]
        value = value.detach().to("cpu").contiguous()
        if value.dtype == torch.bfloat16:
            return "BF16", value.view(torch.int16).numpy()
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":  # of the ml_dtypes package
        return "BF16", np.ascontiguousarray(array).view(np.uint16)
    little = array.dtype.newbyteorder("<")
    kind = _NAME_OF.get(little)
    if kind is None:
        raise BadRequestError(
            f"tensor {name!r} has type {array.dtype}; send float32, float16, bfloat16, uint8 or an integer type"
        )
    # ascontiguousarray makes a scalar one-dimensional: keep the shape
    return kind, np.ascontiguousarray(array, little).reshape(array.shape)


def _decode(body: np.ndarray, wanted: str) -> dict[str, Tensor]:
    (header_bytes,) = struct.unpack_from("<Q", body, 0)
    if header_bytes > body.size - 8:
        raise ValueError(f"its header claims {header_bytes} bytes")
    header = json.loads(bytes(body[8 : 8 + header_bytes]).decode("utf-8"))
    data = body[8 + header_bytes :]
    header.pop("__metadata__", None)
    tensors: dict[str, Tensor] = {}
    end_of_last = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
        begin, end = (int(n) for n in entry["data_offsets"])
        dtype = _NUMPY_OF[kind]
        if min(shape, default=0) < 0 or begin != end_of_last or end > data.size:
            raise ValueError(f"tensor {name!r} lies outside, or overlaps another")
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(
                f"tensor {name!r} has {end - begin} bytes, which does not fit its shape {shape}"
            )
        end_of_last = end
        raw = data[begin:end]
        if raw.ctypes.data % dtype.itemsize:
            raw = raw.copy()  # a header of odd length: give the caller aligned memory
        tensors[name] = _finish(kind, raw.view(dtype).reshape(shape), wanted)
    if end_of_last != data.size:
        raise ValueError(f"{data.size - end_of_last} bytes belong to no tensor")
    return tensors


def _finish(kind: str, array: np.ndarray, wanted: str) -> Tensor:
    if wanted != "torch":
        if kind != "BF16":
            return array
        return np.asarray(array.astype(np.uint32) << 16).view(np.float32)
    import torch

    if kind == "BF16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
