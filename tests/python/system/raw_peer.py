"""A client without manners: writes any bytes to a gateway and reads frames back."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from fake_server import CANCEL, ERROR, HEAD, HELLO, REQUEST, frame
from luna_client.handshake import split_address


class RawPeer:
    """A connection to a gateway; a context manager."""

    def __init__(self, address: str, hello: bool = True) -> None:
        self.socket = socket.create_connection(split_address(address), 60.0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.offer: dict[str, Any] = {}
        self.welcome: dict[str, Any] = {}
        if hello:
            self.say_hello()

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def say_hello(self) -> None:
        self.offer = self.read()[2]
        self.send(frame(HELLO, 0, {"client": "raw/1", "protocol": 1, "nonce": "ab" * 16}))
        kind, _, self.welcome, _ = self.read()
        assert kind == HELLO, self.welcome

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, request_id: int, cmd: str, body: bytes = b"", **fields: Any) -> None:
        self.send(frame(REQUEST, request_id, {"cmd": cmd, **fields}, body))

    def cancel(self, request_id: int) -> None:
        self.send(frame(CANCEL, request_id, {}))

    def read(self) -> tuple[int, int, dict[str, Any], bytes]:
        """The next frame: kind, id, header, body. Raises EOFError when the server has closed."""
        head = self._read(32)
        magic, version, kind, flags, request_id, header_bytes, reserved, body_bytes = HEAD.unpack(
            head
        )
        assert (magic, version, flags, reserved) == (b"LUNA", 1, 0, 0)
        header = json.loads(self._read(header_bytes))
        return kind, request_id, header, self._read(body_bytes)

    def error(self) -> tuple[int, Mapping[str, Any]]:
        """The next frame, which must be an error: its id and header."""
        kind, request_id, header, _ = self.read()
        assert kind == ERROR, header
        return request_id, header

    def closed(self) -> bool:
        """Waits until the server says more or closes. -> whether it has closed."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def hang_up(self) -> None:
        """Closes our side and waits until the server has closed the other: nothing of it is on its way any more."""
        self.socket.shutdown(socket.SHUT_WR)
        while not self.closed():
            pass

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)
