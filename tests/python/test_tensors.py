"""The safetensors body, checked against the safetensors package."""

import json
import struct
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from fake_server import FakeServer
from luna_client import BadFrameError, BadRequestError, Client
from luna_client.tensors import decode, encode


def buffer_of(pieces: list[memoryview]) -> bytes:
    return b"".join(pieces)


def as_body(data: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(data), np.uint8)


def hand_made(header: Any, data: bytes, pad: bool = True) -> np.ndarray:
    blob = header if isinstance(header, bytes) else json.dumps(header).encode()
    if pad:
        blob += b" " * (-len(blob) % 8)
    return as_body(struct.pack("<Q", len(blob)) + blob + data)


ARRAYS = {
    "f32": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "f16": np.arange(5, dtype=np.float16),
    "f64": np.array(1.5),
    "u8": np.arange(7, dtype=np.uint8),
    "i64": np.arange(-3, 3),
    "bool": np.array([True, False]),
    "none": np.zeros((0, 4), np.float32),
}


def test_what_we_write_the_package_reads() -> None:
    got = safetensors.numpy.load(buffer_of(encode(ARRAYS)))
    assert sorted(got) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert got[name].dtype == array.dtype
        assert got[name].shape == array.shape
        np.testing.assert_array_equal(got[name], array)


def test_what_the_package_writes_we_read() -> None:
    got = decode(as_body(safetensors.numpy.save(ARRAYS, metadata={"a": "b"})), "numpy")
    assert sorted(got) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


def test_slices_and_big_endian_arrays_arrive_as_they_look() -> None:
    whole = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    sent = {"cut": whole[:, ::2, 1:], "turned": whole.T, "big": whole.astype(">f4")}
    got = decode(as_body(buffer_of(encode(sent))), "numpy")
    for name, array in sent.items():
        np.testing.assert_array_equal(got[name], array)


def test_results_are_views_of_the_body() -> None:
    body = as_body(buffer_of(encode({"x": np.zeros(4, np.float32)})))
    assert np.shares_memory(decode(body, "numpy")["x"], body)


def test_no_tensors_are_no_body() -> None:
    assert encode({}) == []
    assert decode(np.empty(0, np.uint8), "numpy") == {}


def test_bfloat16_becomes_float32_exactly() -> None:
    values = np.array([1.0, -2.5, 3.140625, 0.0], np.float32)
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    header = {"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    got = decode(hand_made(header, bits.tobytes()), "numpy")["x"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, values.reshape(2, 2))


def test_a_header_of_odd_length_still_gives_aligned_arrays() -> None:
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    header += b" " * (1 - len(header) % 2)
    body = hand_made(header, np.array([1, 2], np.float32).tobytes(), pad=False)
    got = decode(body, "numpy")["x"]
    assert got.flags.aligned
    np.testing.assert_array_equal(got, [1, 2])


def test_a_type_that_the_wire_has_not_is_refused_by_name() -> None:
    with pytest.raises(BadRequestError, match="'phase'.*complex64"):
        encode({"phase": np.zeros(2, np.complex64)})


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HOSTILE = {
    "a length beyond the body": as_body(struct.pack("<Q", 1 << 60) + b"{}"),
    "four bytes": as_body(b"\x00\x00\x00\x00"),
    "no JSON": hand_made(b"{{{{", b""),
    "a list": hand_made([], b""),
    "an end beyond the data": hand_made({"x": entry(0, 8, [2])}, b"\0" * 4),
    "a gap": hand_made({"x": entry(4, 8, [1])}, b"\0" * 8),
    "an overlap": hand_made({"x": entry(0, 8, [2]), "y": entry(4, 12, [2])}, b"\0" * 12),
    "a negative size": hand_made({"x": entry(0, 4, [-1, -1])}, b"\0" * 4),
    "a size that does not fit": hand_made({"x": entry(0, 8, [3])}, b"\0" * 8),
    "a product that overflows": hand_made({"x": entry(0, 0, [1 << 62, 4])}, b""),
    "an unknown type": hand_made({"x": entry(0, 4, [1], "F8")}, b"\0" * 4),
    "left-over bytes": hand_made({"x": entry(0, 4, [1])}, b"\0" * 8),
    "no offsets": hand_made({"x": {"dtype": "F32", "shape": []}}, b""),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_an_error_with_a_reason(body: np.ndarray) -> None:
    with pytest.raises(BadFrameError, match="safetensors"):
        decode(body, "numpy")


def test_torch_tensors_go_and_come_back() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed in this environment")
    sent = {
        "bf16": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16),
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "grad": torch.ones(2, requires_grad=True),
    }
    got = decode(as_body(buffer_of(encode(sent))), "torch")
    for name, tensor in sent.items():
        assert got[name].dtype == tensor.dtype
        assert torch.equal(got[name], tensor.detach())


def test_results_are_of_the_kind_that_was_sent(server: FakeServer) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed in this environment")
    server.on_request = lambda r: r.reply({}, {"latents": r.tensors["pixels"] / 2})
    with Client(server.address) as luna:
        pixels = torch.rand(1, 8, 8, 3)
        latents = luna.vae_encode(pixels, "m").latents
        assert isinstance(latents, torch.Tensor)
        assert torch.equal(latents, pixels / 2)
        assert isinstance(luna.vae_encode(pixels.numpy(), "m").latents, np.ndarray)
