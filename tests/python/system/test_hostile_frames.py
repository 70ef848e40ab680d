"""Bytes without manners: each has one definite answer, hurts its own connection alone, and crashes nothing."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from node_process import NodeProcess
from raw_peer import RawPeer
from setting import VAE, Start

from fake_server import CANCEL, ERROR, EVENT, HEAD, HELLO, REPLY, REQUEST, frame
from luna_client import UnauthenticatedError

MIB = 1 << 20

BAD_FRAMES = {
    "another magic": frame(REQUEST, 1, {"cmd": "ping"}, magic=b"LUMA"),
    "another version": frame(REQUEST, 1, {"cmd": "ping"}, version=2),
    "kind 0": frame(0, 1, {"cmd": "ping"}),
    "kind 7": frame(7, 1, {"cmd": "ping"}),
    "a flag": frame(REQUEST, 1, {"cmd": "ping"}, flags=1),
    "the reserved field": frame(REQUEST, 1, {"cmd": "ping"}, reserved=1),
    "a header beyond the limit": HEAD.pack(b"LUNA", 1, REQUEST, 0, 1, 16 * MIB + 1, 0, 0),
    "the largest header": HEAD.pack(b"LUNA", 1, REQUEST, 0, 1, 0xFFFFFFFF, 0, 0),
    "a body beyond the limit": HEAD.pack(b"LUNA", 1, REQUEST, 0, 1, 14, 0, 1024 * MIB + 1),
    "the largest body": HEAD.pack(b"LUNA", 1, REQUEST, 0, 1, 14, 0, 0xFFFFFFFFFFFFFFFF),
    "no header": frame(REQUEST, 1, b""),
    "no JSON": frame(REQUEST, 1, b"cmd=ping"),
    "no UTF-8": frame(REQUEST, 1, b'{"cmd":"\xff\xfe"}'),
    "a list": frame(REQUEST, 1, b'["ping"]'),
    "half an object": frame(REQUEST, 1, b'{"cmd":"ping"'),
    "two objects": frame(REQUEST, 1, b'{"cmd":"ping"}{}'),
    "65 levels": frame(REQUEST, 1, b'{"cmd":"ping","data":' + b"[" * 64 + b"]" * 64 + b"}"),
    "a million levels": frame(REQUEST, 1, b"[" * MIB),
    "a reply": frame(REPLY, 1, {}),
    "an error": frame(ERROR, 1, {}),
    "an event": frame(EVENT, 1, {}),
    "a request with id 0": frame(REQUEST, 0, {"cmd": "ping"}),
}


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_bad_frame_is_answered_and_closes(node: NodeProcess, data: bytes) -> None:
    with RawPeer(node.gateway) as peer:
        peer.send(data)
        _, header = peer.error()
        assert header["code"] == "bad_frame", header
        assert header["retryable"] is False
        assert peer.closed()
    with node.client() as luna:
        luna.ping()


@pytest.mark.parametrize(
    "data",
    [
        frame(REQUEST, 1, {"cmd": "ping"}),
        frame(CANCEL, 1, {}),
        frame(REPLY, 1, {}),
        frame(HELLO, 0, {"client": "x/1", "nonce": "00" * 16}),
        frame(HELLO, 0, {"client": "x/1", "protocol": 1, "nonce": "short"}),
        frame(HELLO, 0, {"client": "x/1", "protocol": 1, "nonce": "ab" * 16}, b"body"),
        frame(HELLO, 0, {"client": "x" * 70000, "protocol": 1, "nonce": "ab" * 16}),
        frame(HELLO, 0, {"client": "x/1", "protocol": 99, "nonce": "ab" * 16}),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    ],
    ids=[
        "request",
        "cancel",
        "reply",
        "no protocol",
        "short nonce",
        "body",
        "64 KiB",
        "protocol 99",
        "HTTP",
        "TLS",
    ],
)
def test_without_a_right_hello_nobody_gets_in(node: NodeProcess, data: bytes) -> None:
    with RawPeer(node.gateway, hello=False) as peer:
        peer.read()  # the server's own hello
        peer.send(data)
        _, header = peer.error()
        assert header["code"] in ("unauthenticated", "protocol_mismatch", "bad_frame")
        assert peer.closed()


def test_a_request_id_in_use_closes_and_ends_no_other_request(node: NodeProcess) -> None:
    with RawPeer(node.gateway) as peer:
        peer.request(7, "job_wait", job_id="x", timeout_ms=50000)
        # an unknown job answers at once, so use one that waits: a large encode
        assert peer.error()[1]["code"] == "unknown_job"
        body = safetensors.numpy.save({"pixels": np.zeros((1, 1024, 1024, 3), np.uint8)})
        peer.request(8, "vae_encode", body, model=VAE)
        peer.request(8, "ping")
        request_id, header = peer.error()
        assert (request_id, header["code"], header["details"]["id"]) == (
            0,
            "duplicate_request_id",
            8,
        )
        assert peer.closed()


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b'{"cmd":7}',
        b'{"cmd":"ping","data":NaN}',
        b'{"cmd":"ping","data":"\\ud800"}',
        b'{"cmd":"ping","data":5}',
        b'{"cmd":"ping","tea":"green"}',
        b'{"cmd":"ping","deadline_ms":-1}',
        b'{"cmd":"ping","deadline_ms":1e400}',
        b'{"cmd":"ping","priority":2}',
        b'{"cmd":"set_attention_mode","mode":"sage"}',
        b'{"cmd":"vae_decode"}',
        b'{"cmd":"clip_encode","model":"x"}',
        b'{"cmd":"submit_async","task_name":"dance","task_data":{}}',
        b'{"cmd":"subscribe","events":["tea"]}',
    ],
)
def test_a_bad_request_is_an_error_and_the_connection_stays(
    node: NodeProcess, header: bytes
) -> None:
    with RawPeer(node.gateway) as peer:
        peer.send(frame(REQUEST, 1, header))
        request_id, error = peer.error()
        assert (request_id, error["code"]) == (1, "bad_request"), error
        peer.request(1, "ping", data="still here")
        assert peer.read()[2]["data"] == "still here"


def buffer(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


BODIES = {
    "rubbish": b"rubbish, not tensors at all",
    "short": b"\1\2\3",
    "a header beyond": struct.pack("<Q", 1 << 62) + b"{}",
    "an end beyond": buffer(
        b'{"latents":{"dtype":"F32","shape":[1,4,8,8],"data_offsets":[0,1024]}}', b"\0" * 16
    ),
    "a shape that does not fit": buffer(
        b'{"latents":{"dtype":"F32","shape":[1,4,9,9],"data_offsets":[0,1024]}}', b"\0" * 1024
    ),
    "an overflow": buffer(
        b'{"latents":{"dtype":"F32","shape":[4611686018427387904,4,8,8],"data_offsets":[0,0]}}'
    ),
    "another name": safetensors.numpy.save({"pixels": np.zeros((1, 4, 8, 8), np.float32)}),
    "integers": safetensors.numpy.save({"latents": np.zeros((1, 4, 8, 8), np.int64)}),
    "three axes": safetensors.numpy.save({"latents": np.zeros((4, 8, 8), np.float32)}),
    "nothing in it": safetensors.numpy.save({"latents": np.zeros((0, 4, 8, 8), np.float32)}),
    "one tensor too many": safetensors.numpy.save(
        {"latents": np.zeros((1, 4, 8, 8), np.float32), "more": np.zeros(1, np.float32)}
    ),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_malformed_body_is_an_error_and_the_connection_stays(
    node: NodeProcess, body: bytes
) -> None:
    with RawPeer(node.gateway) as peer:
        peer.request(1, "vae_decode", body, model=VAE)
        request_id, error = peer.error()
        assert (request_id, error["code"]) == (1, "bad_request"), error
        peer.request(2, "ping", data="still here")
        assert peer.read()[2]["data"] == "still here"


def test_a_frame_that_comes_byte_by_byte_is_served(node: NodeProcess) -> None:
    body = safetensors.numpy.save({"latents": np.zeros((1, 4, 1, 1), np.float32)})
    data = frame(REQUEST, 5, {"cmd": "vae_decode", "model": VAE}, body)
    with RawPeer(node.gateway) as peer:
        for i in range(len(data)):
            peer.send(data[i : i + 1])
        kind, request_id, header, answer = peer.read()
        assert (kind, request_id) == (REPLY, 5), header
        assert safetensors.numpy.load(answer)["images"].shape == (1, 8, 8, 3)


def test_a_frame_that_is_cut_off_harms_nobody(node: NodeProcess) -> None:
    data = frame(REQUEST, 1, {"cmd": "ping"}, b"x" * 100)
    for length in (1, 31, 32, 40, len(data) - 1):
        with RawPeer(node.gateway) as peer:
            peer.send(data[:length])
    with node.client() as luna:
        luna.ping()
        assert luna.get_info().connections == 1


def test_announced_bytes_that_never_come_take_no_memory(node: NodeProcess) -> None:
    with node.client() as luna, contextlib.ExitStack() as peers:
        luna.ping()
        before = node.anonymous_bytes()
        for _ in range(20):
            peer = peers.enter_context(RawPeer(node.gateway))
            peer.send(
                HEAD.pack(b"LUNA", 1, REQUEST, 0, 1, 14, 0, 1024 * MIB)
                + b'{"cmd":"ping"}'
                + b"x" * 1000
            )
        luna.ping()
        assert node.anonymous_bytes() - before < 64 * MIB


def test_random_bytes_crash_nothing(node: NodeProcess) -> None:
    chance = random.Random(11)
    with node.client() as luna:
        for _ in range(200):
            with (
                RawPeer(node.gateway, hello=chance.random() < 0.7) as peer,
                contextlib.suppress(OSError),
            ):
                if chance.random() < 0.5:
                    peer.send(chance.randbytes(chance.randint(1, 400)))
                else:
                    peer.send(mutated(chance))
        luna.ping()
        assert luna.get_info().connections == 1
    assert node.running


def mutated(chance: random.Random) -> bytes:
    """A good frame with some bytes changed."""
    body = safetensors.numpy.save({"latents": np.zeros((1, 4, 1, 1), np.float32)})
    data = bytearray(frame(REQUEST, 1, {"cmd": "vae_decode", "model": VAE}, body))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def test_a_client_that_does_not_read_hurts_itself_only(node: NodeProcess) -> None:
    with RawPeer(node.gateway) as deaf, node.client() as luna:
        deaf.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for n in range(1, 100000):  # until neither side takes any more
                deaf.send(frame(REQUEST, n, {"cmd": "ping", "data": "x" * 10000}))
        luna.ping()
        assert node.anonymous_bytes() < 1024 * MIB


def test_a_secret_is_asked_for_and_proved(
    start_node: Start, cluster_file: Any, tmp_path: Any
) -> None:
    (tmp_path / "secret").write_text("sixteen bytes are the least\n")
    (tmp_path / "secret").chmod(0o600)
    config = cluster_file.write("alpha")
    text = config.read_text().replace(
        'name = "test"', f'name = "test"\n secret-file = "{tmp_path}/secret"'
    )
    config.write_text(text)
    node = start_node(config=config, node="alpha")
    with node.client(secret_file=tmp_path / "secret") as luna:
        luna.ping()
    for wrong in ({"secret": b"another secret of length"}, {}):
        with node.client(**wrong) as luna, pytest.raises(UnauthenticatedError):
            luna.ping()
    with RawPeer(node.gateway, hello=False) as peer:
        peer.read()
        peer.send(
            frame(
                HELLO, 0, {"client": "x/1", "protocol": 1, "nonce": "ab" * 16, "proof": "00" * 32}
            )
        )
        assert peer.error()[1]["code"] == "unauthenticated"
        assert peer.closed()
