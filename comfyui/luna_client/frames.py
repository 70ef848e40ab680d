"""Frames: the 32-byte head, the JSON header and the body that everything on the wire consists of.

Pure functions and one small reader; sockets come in from outside (docs/protocol.md, section 1).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from .errors import BadFrameError, BadRequestError

MAGIC = b"LUNA"
PROTOCOL = 1
HEAD = struct.Struct("<4sBBHQIIQ")
assert HEAD.size == 32

#: Limits before hello has announced the server's own, in bytes.
MAX_HELLO_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024 * 1024
#: How deep a header may nest.
MAX_DEPTH = 64


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    REQUEST = 2
    REPLY = 3
    ERROR = 4
    EVENT = 5
    CANCEL = 6


@dataclass(frozen=True)
class Head:
    """The fixed part of a frame, already checked against the limits."""

    kind: Kind
    id: int
    header_bytes: int
    body_bytes: int


@dataclass(frozen=True)
class Frame:
    """One frame as read. ``body`` is uint8 ``[n]``, n = 0 where the frame has none."""

    kind: Kind
    id: int
    header: dict[str, Any]
    body: np.ndarray


@dataclass(frozen=True)
class Limits:
    """The largest frame that a side takes, in bytes, and how many requests may be in flight."""

    max_body_bytes: int = MAX_BODY_BYTES
    max_header_bytes: int = MAX_HEADER_BYTES
    max_in_flight: int = 64


def dump_header(header: Mapping[str, Any]) -> bytes:
    """The JSON of a header. NaN, infinities and what JSON has no word for are a :class:`BadRequestError`."""
    try:
        return json.dumps(header, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadRequestError(
            f"the request cannot be written as JSON: {problem}; use finite numbers, strings, lists and dicts"
        ) from problem


def pack_head(kind: Kind, request_id: int, header_bytes: int, body_bytes: int) -> bytes:
    """The 32 bytes before header and body."""
    return HEAD.pack(MAGIC, PROTOCOL, kind, 0, request_id, header_bytes, 0, body_bytes)


def unpack_head(data: bytes, limits: Limits) -> Head:
    """Reads a head and checks every field, before any memory is taken for what follows."""
    magic, version, kind, flags, request_id, header_bytes, reserved, body_bytes = HEAD.unpack(data)
    if magic != MAGIC:
        raise BadFrameError(
            f"the server sent {magic!r} where a frame begins; is it a luna gateway?"
        )
    if version != PROTOCOL:
        raise BadFrameError(
            f"the server sent a frame of version {version}, this client reads {PROTOCOL}"
        )
    if kind not in _KINDS:
        raise BadFrameError(f"the server sent a frame of unknown kind {kind}")
    if flags or reserved:
        raise BadFrameError(
            f"the server sent unknown flags {flags:#x} or a reserved field {reserved:#x}"
        )
    if header_bytes > limits.max_header_bytes:
        raise BadFrameError(
            f"the server announced a header of {header_bytes} bytes, the limit is {limits.max_header_bytes}"
        )
    if body_bytes > limits.max_body_bytes:
        raise BadFrameError(
            f"the server announced a body of {body_bytes} bytes, the limit is {limits.max_body_bytes}"
        )
    return Head(Kind(kind), request_id, header_bytes, body_bytes)


def parse_header(data: bytes) -> dict[str, Any]:
    """A frame's header: a JSON object of at most 64 levels."""
    try:
        header = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise BadFrameError(f"the server sent a header that is not JSON: {problem}") from problem
    if not isinstance(header, dict):
        raise BadFrameError("the server sent a header that is not a JSON object")
    if _deeper_than(header, MAX_DEPTH):
        raise BadFrameError(f"the server sent a header deeper than {MAX_DEPTH} levels")
    return header


def read_frame(read_into: Callable[[memoryview], None], limits: Limits) -> Frame:
    """Reads one whole frame.

    Args:
        read_into: fills the memory it is given or raises; called for head, header and body in turn.
        limits: what this side takes; a frame beyond is a :class:`BadFrameError`.
    """
    head_bytes = bytearray(HEAD.size)
    read_into(memoryview(head_bytes))
    head = unpack_head(bytes(head_bytes), limits)
    header_bytes = bytearray(head.header_bytes)
    read_into(memoryview(header_bytes))
    header = parse_header(bytes(header_bytes))
    body = np.empty(head.body_bytes, np.uint8)
    if head.body_bytes:
        read_into(memoryview(body))
    return Frame(head.kind, head.id, header, body)


def proof(secret: bytes, role: str, first_nonce: str, second_nonce: str) -> str:
    """HMAC-SHA256 of ``luna-<role>:<first>:<second>`` under the shared secret, in hexadecimal.

    The client proves itself with role ``client`` and (server nonce, client nonce), the server with role
    ``server`` and (client nonce, server nonce).
    """
    text = f"luna-{role}:{first_nonce}:{second_nonce}"
    return hmac.new(secret, text.encode("ascii"), hashlib.sha256).hexdigest()


_KINDS = frozenset(int(kind) for kind in Kind)


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and arrays nest deeper than that, found without recursion."""
    level = [value]
    while level:
        if levels == 0:
            return True
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        levels -= 1
    return False
