"""A luna gateway in pure Python that does as it is told, for tests of the client.

It speaks frames and hello as docs/protocol.md says. What it answers is a function of the test: it gets each request
with the connection it came on, and replies now, later, wrongly or never. Nothing here sleeps: tests wait for
requests with :meth:`FakeServer.next_request`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import queue
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors.numpy

HELLO, REQUEST, REPLY, ERROR, EVENT, CANCEL = range(1, 7)
HEAD = struct.Struct("<4sBBHQIIQ")
SERVER_NONCE = "0123456789abcdef0123456789abcdef"
#: How long a test waits for what must come, in seconds: only a failing test waits that long.
PATIENCE = 20.0


def frame(
    kind: int,
    request_id: int,
    header: Mapping[str, Any] | bytes,
    body: bytes = b"",
    *,
    magic: bytes = b"LUNA",
    version: int = 1,
    flags: int = 0,
    reserved: int = 0,
) -> bytes:
    """The bytes of a frame; the keyword arguments make wrong ones."""
    blob = header if isinstance(header, bytes) else json.dumps(header).encode()
    head = HEAD.pack(magic, version, kind, flags, request_id, len(blob), reserved, len(body))
    return head + blob + body


@dataclass
class Hello:
    """What the server says when somebody connects."""

    secret: bytes | None = None
    auth: str | None = None  # default: by the secret
    protocol: tuple[int, int] = (1, 1)
    cluster: str = "studio"
    node: str = "alpha"
    limits: dict[str, int] = field(
        default_factory=lambda: {
            "max_body_bytes": 1 << 30,
            "max_header_bytes": 16 << 20,
            "max_in_flight": 64,
        }
    )
    server_proof: str | None = None  # default: the right one
    error: dict[str, Any] | None = None  # instead of the last hello
    raw: bytes | None = None  # instead of everything


class Peer:
    """One connection, from the server's side. Its methods may be called from any thread."""

    def __init__(self, server: FakeServer, sock: socket.socket) -> None:
        self.server = server
        self.client = ""
        self._socket = sock
        self._lock = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._lock:
            self._socket.sendall(data)

    def reply(
        self,
        request_id: int,
        header: Mapping[str, Any],
        tensors: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        # the package writes the memory of a view as it lies, not as it looks
        whole = {name: np.ascontiguousarray(tensor) for name, tensor in (tensors or {}).items()}
        body = safetensors.numpy.save(whole) if whole else b""
        self.send(frame(REPLY, request_id, header, body))

    def fail(self, request_id: int, code: str, message: str = "no", **more: Any) -> None:
        self.send(frame(ERROR, request_id, {"code": code, "message": message, **more}))

    def event(self, request_id: int, header: Mapping[str, Any]) -> None:
        self.send(frame(EVENT, request_id, header))

    def drop(self) -> None:
        """Breaks the connection."""
        with contextlib.suppress(OSError):  # the client may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def receive_frame(self) -> tuple[int, int, dict[str, Any], bytes]:
        magic, version, kind, flags, request_id, header_bytes, reserved, body_bytes = HEAD.unpack(
            self._receive(32)
        )
        assert (magic, version, flags, reserved) == (b"LUNA", 1, 0, 0), (
            "the client sent a wrong head"
        )
        header = json.loads(self._receive(header_bytes))
        return kind, request_id, header, self._receive(body_bytes)

    def greet(self, hello: Hello) -> bool:
        """The three hellos. -> whether requests may come."""
        if hello.raw is not None:
            self.send(hello.raw)
            return False
        auth = hello.auth or ("hmac-sha256" if hello.secret else "none")
        offer = {
            "server": "luna/fake",
            "protocol": list(hello.protocol),
            "auth": auth,
            "nonce": SERVER_NONCE,
        }
        self.send(frame(HELLO, 0, offer))
        kind, _, answer, _ = self.receive_frame()
        assert kind == HELLO, "the first frame of a client is a hello"
        self.client = answer["client"]
        if hello.error is not None:
            self.send(frame(ERROR, 0, hello.error))
            return False
        welcome: dict[str, Any] = {
            "ok": True,
            "node": hello.node,
            "cluster": hello.cluster,
            "limits": hello.limits,
            "commands": ["ping"],
            "capabilities": [],
            "news": "a field of the future",
        }
        if hello.secret is not None:
            wanted = _proof(hello.secret, f"luna-client:{SERVER_NONCE}:{answer['nonce']}")
            if answer.get("proof") != wanted:
                self.send(
                    frame(ERROR, 0, {"code": "unauthenticated", "message": "the proof is wrong"})
                )
                return False
            right = _proof(hello.secret, f"luna-server:{answer['nonce']}:{SERVER_NONCE}")
            welcome["proof"] = right if hello.server_proof is None else hello.server_proof
        self.send(frame(HELLO, 0, welcome))
        return True


@dataclass
class Seen:
    """A request or cancel that arrived."""

    peer: Peer
    id: int
    header: dict[str, Any]
    tensors: dict[str, np.ndarray]
    body: bytes

    @property
    def cmd(self) -> str:
        return self.header["cmd"]

    def reply(
        self,
        header: Mapping[str, Any] | None = None,
        tensors: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.peer.reply(self.id, header or {}, tensors)

    def fail(self, code: str, message: str = "no", **more: Any) -> None:
        self.peer.fail(self.id, code, message, **more)


Handler = Callable[[Seen], None]


class FakeServer:
    """Listens on a free port of loopback. Use as a context manager.

    Requests go to ``on_request`` if there is one, else they wait for :meth:`next_request`.
    """

    def __init__(
        self,
        hello: Hello | None = None,
        on_request: Handler | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self.hello = hello or Hello()
        self.on_request = on_request
        self.connections = 0
        self.cancels: queue.Queue[int] = queue.Queue()
        self._requests: queue.Queue[Seen] = queue.Queue()
        self._listener = listener or socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._peers: list[Peer] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._start(self._accept)

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def next_request(self) -> Seen:
        """The next request nobody has handled."""
        return self._requests.get(timeout=PATIENCE)

    def no_request(self) -> bool:
        """Whether no request waits now."""
        return self._requests.empty()

    def drop_all(self) -> None:
        """Breaks every open connection."""
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            peer.drop()

    def stop_listening(self) -> None:
        """Lets nobody in any more; also wakes the thread that accepts."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stops listening and breaks every connection."""
        self.stop_listening()
        self.drop_all()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(self, sock)
            with self._lock:
                self._peers.append(peer)
                self.connections += 1
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            if not peer.greet(self.hello):
                return
            while True:
                kind, request_id, header, body = peer.receive_frame()
                if kind == CANCEL:
                    self.cancels.put(request_id)
                    continue
                tensors = safetensors.numpy.load(body) if body else {}
                seen = Seen(peer, request_id, header, tensors, body)
                if self.on_request is None:
                    self._requests.put(seen)
                else:
                    self.on_request(seen)
        except (EOFError, OSError):
            return
        finally:
            peer._socket.close()
            with self._lock:
                self._peers.remove(peer)


def _proof(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
