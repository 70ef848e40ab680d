"""Connecting and the three hellos: who is there, and does it know our secret (docs/protocol.md, section 2)."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import frames
from .errors import (
    BadFrameError,
    BadRequestError,
    ConnectionLostError,
    ProtocolMismatchError,
    UnauthenticatedError,
    error_from_header,
)
from .frames import Kind, Limits

#: The shortest secret that the protocol allows, in bytes.
MIN_SECRET_BYTES = 16


@dataclass(frozen=True)
class Welcome:
    """What the server told about itself in its last hello."""

    server: str
    node: str
    cluster: str
    limits: Limits
    commands: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` in its two parts."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadRequestError(
            f"{address!r} is no address; write host:port, for instance 127.0.0.1:19283"
        )
    return host.strip("[]"), int(port)


def tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)


def greet(sock: socket.socket, address: str, secret: bytes | None, client: str) -> Welcome:
    """The three hellos; the socket has its timeout set."""
    limits = Limits(max_body_bytes=0, max_header_bytes=frames.MAX_HELLO_BYTES)

    def read_into(view: memoryview) -> None:
        while view.nbytes:
            count = sock.recv_into(view)
            if count == 0:
                raise ConnectionLostError(f"{address} closed the connection during the hello")
            view = view[count:]

    def read_hello() -> dict[str, Any]:
        frame = frames.read_frame(read_into, limits)
        if frame.kind == Kind.ERROR:
            raise error_from_header(frame.header)
        if frame.kind != Kind.HELLO:
            raise BadFrameError(
                f"it sent a frame of kind {frame.kind.name.lower()} instead of a hello"
            )
        return frame.header

    offer = read_hello()
    answer, nonce = _answer(offer, address, secret, client)
    blob = frames.dump_header(answer)
    sock.sendall(frames.pack_head(Kind.HELLO, 0, len(blob), 0) + blob)
    welcome = read_hello()
    if secret is not None:
        expected = frames.proof(secret, "server", nonce, str(offer["nonce"]))
        if not hmac.compare_digest(expected.encode(), str(welcome.get("proof", "")).encode()):
            raise UnauthenticatedError(
                f"luna at {address} did not prove that it knows our secret; is that address the right one?"
            )
    if welcome.get("ok") is not True:
        raise BadFrameError("its last hello does not say ok")
    return _welcome(offer, welcome)


def _answer(
    offer: Mapping[str, Any], address: str, secret: bytes | None, client: str
) -> tuple[dict[str, Any], str]:
    """Our hello, and the nonce in it."""
    spoken = offer.get("protocol")
    if not (
        isinstance(spoken, list) and len(spoken) == 2 and all(isinstance(n, int) for n in spoken)
    ):
        raise BadFrameError("its hello names no protocol versions")
    if not spoken[0] <= frames.PROTOCOL <= spoken[1]:
        raise ProtocolMismatchError(
            f"luna at {address} speaks protocol {spoken[0]} to {spoken[1]}, this client {frames.PROTOCOL};"
            " install the client of the server's version"
        )
    auth = offer.get("auth")
    nonce = secrets.token_hex(16)
    answer: dict[str, Any] = {"client": client, "protocol": frames.PROTOCOL, "nonce": nonce}
    if secret is None:
        if auth != "none":
            raise UnauthenticatedError(
                f"luna at {address} wants the shared secret ({auth}); give it as secret="
            )
        return answer, nonce
    if auth != "hmac-sha256":
        raise UnauthenticatedError(
            f"luna at {address} asks for no secret although we have one; it may not be ours, so nothing was sent"
        )
    server_nonce = offer.get("nonce")
    if not isinstance(server_nonce, str) or not server_nonce.isascii() or len(server_nonce) < 32:
        raise BadFrameError("its hello has no nonce")
    answer["proof"] = frames.proof(secret, "client", server_nonce, nonce)
    return answer, nonce


def _welcome(offer: Mapping[str, Any], welcome: Mapping[str, Any]) -> Welcome:
    told = welcome.get("limits")
    limits = told if isinstance(told, dict) else {}

    def limit(name: str, default: int) -> int:
        value = limits.get(name, default)
        return value if isinstance(value, int) and value > 0 else default

    return Welcome(
        server=str(offer.get("server", "")),
        node=str(welcome.get("node", "")),
        cluster=str(welcome.get("cluster", "")),
        limits=Limits(
            limit("max_body_bytes", frames.MAX_BODY_BYTES),
            limit("max_header_bytes", frames.MAX_HEADER_BYTES),
            limit("max_in_flight", 64),
        ),
        commands=tuple(str(name) for name in welcome.get("commands", ())),
        capabilities=tuple(str(name) for name in welcome.get("capabilities", ())),
    )
