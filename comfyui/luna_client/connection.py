"""One connection to one gateway: many requests in flight, a thread that reads and a thread that writes.

The problem: a caller that gives up, is interrupted or has a deadline must never leave half a frame on the wire,
and must not wait for another caller's gigabyte. So callers only queue frames and wait for their own answer; one
thread writes whole frames in order, one thread reads and hands each frame to whom it belongs.

A connection is used once: when it breaks, every request on it fails with :class:`ConnectionLostError` and
:class:`~luna_client.client.Client` makes a new one. All methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from . import frames
from .errors import (
    BadFrameError,
    BadRequestError,
    ConnectionLostError,
    LunaError,
    OverloadedError,
    RequestCancelledError,
    error_from_header,
)
from .frames import Frame, Kind
from .handshake import Welcome, greet, split_address, tune

#: How long a read or a write inside a frame may make no progress, in seconds.
STALL_TIMEOUT = 30.0

Outcome = Union[Frame, LunaError]


@dataclass(eq=False)
class Call:
    """One request on one connection. Made by :meth:`Connection.send`; the fields belong to the connection."""

    id: int
    counted: bool
    #: Whether its first byte may have left: then the server may have done what it asks.
    begun: bool = False
    cancelled: bool = False
    outcome: Outcome | None = None
    events: deque[dict[str, Any]] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def next(self, timeout: float | None) -> dict[str, Any] | Outcome | None:
        """Waits for the next event (a dict) or the outcome; nothing when the seconds have passed."""
        with self.changed:
            while not self.events and self.outcome is None:
                if not self.changed.wait(timeout):
                    return None
            return self.events.popleft() if self.events else self.outcome

    def wait(self, timeout: float | None) -> bool:
        """Waits for the outcome and leaves events where they are; false when the seconds have passed."""
        with self.changed:
            return self.changed.wait_for(lambda: self.outcome is not None, timeout)

    def _finish(self, outcome: Outcome) -> None:
        with self.changed:
            if self.outcome is None:
                self.outcome = outcome
                self.changed.notify_all()

    def _add_event(self, header: dict[str, Any]) -> None:
        with self.changed:
            self.events.append(header)
            self.changed.notify_all()


@dataclass(frozen=True)
class _Outgoing:
    pieces: Sequence[memoryview]
    call: Call | None


class Connection:
    """An open, greeted connection. Use :meth:`open`."""

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        welcome: Welcome,
        on_event: Callable[[dict[str, Any]], None],
        on_close: Callable[[], None],
    ) -> None:
        self.address = address
        self.welcome = welcome
        self._socket = sock
        self._on_event = on_event
        self._on_close = on_close
        self._mid_frame = False
        self._lock = threading.Lock()
        self._slot_free = threading.Condition(self._lock)
        self._to_write = threading.Condition(self._lock)
        self._pending: dict[int, Call] = {}
        self._outgoing: deque[_Outgoing] = deque()
        self._last_id = 0
        self._in_flight = 0
        self._broken: LunaError | None = None
        self._users = 2  # threads that still touch the socket; the last one closes it
        self._threads = [
            threading.Thread(target=self._read_loop, name=f"luna-read {address}", daemon=True),
            threading.Thread(target=self._write_loop, name=f"luna-write {address}", daemon=True),
        ]

    @classmethod
    def open(
        cls,
        address: str,
        *,
        secret: bytes | None = None,
        client: str = "luna-client",
        timeout: float = 5.0,
        stall_timeout: float = STALL_TIMEOUT,
        on_event: Callable[[dict[str, Any]], None] = lambda header: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> Connection:
        """Connects and says hello.

        Args:
            address: ``host:port``, IPv6 as ``[::1]:port``.
            secret: the cluster's shared secret; with one, a server that asks for none is refused.
            client: our name and version, for the server's log.
            timeout: seconds for connecting and for each step of the hello.
            stall_timeout: seconds that a read or write inside a frame may stand still.
            on_event: called in the reading thread with each connection-wide event; must not block.
            on_close: called once, from any thread, when the connection is gone; must not block.

        Raises:
            ConnectionLostError: nobody listens there, or it is no luna gateway.
            UnauthenticatedError, ProtocolMismatchError, OverloadedError: the server refused, or we refused it.
        """
        try:
            sock = socket.create_connection(split_address(address), timeout)
        except OSError as problem:
            raise ConnectionLostError(
                f"cannot reach luna at {address}: {problem}; is luna-node running?"
            ) from problem
        try:
            tune(sock)
            welcome = greet(sock, address, secret, client)
            sock.settimeout(stall_timeout)
        except OSError as problem:
            sock.close()
            raise ConnectionLostError(
                f"luna at {address} went away during the hello: {problem}"
            ) from problem
        except BadFrameError as problem:
            sock.close()
            raise ConnectionLostError(
                f"{address} does not speak luna's protocol: {problem.message}"
            ) from problem
        except BaseException:
            sock.close()
            raise
        connection = cls(sock, address, welcome, on_event, on_close)
        for thread in connection._threads:
            thread.start()
        return connection

    @property
    def alive(self) -> bool:
        """Whether requests can still be sent."""
        return self._broken is None

    def send(
        self,
        header: Mapping[str, Any],
        pieces: Sequence[memoryview] = (),
        *,
        counted: bool = True,
        timeout: float | None = None,
    ) -> Call:
        """Queues a request and returns at once, unless as many are in flight as the server allows.

        Args:
            header: the request's JSON object, with its ``cmd``.
            pieces: the encoded body.
            counted: false for ``job_wait``, which does not count towards the server's bound.
            timeout: seconds to wait for a free slot.

        Raises:
            BadRequestError: header or body are larger than this server takes.
            ConnectionLostError: the connection is gone; nothing was sent.
            OverloadedError: no slot came free in time.
        """
        blob = frames.dump_header(header)
        body_bytes = sum(piece.nbytes for piece in pieces)
        self._check_size(str(header.get("cmd")), len(blob), body_bytes)
        with self._lock:
            limit = self.welcome.limits.max_in_flight

            def ready() -> bool:
                return self._broken is not None or not counted or self._in_flight < limit

            if not self._slot_free.wait_for(ready, timeout):
                raise OverloadedError(
                    f"{limit} requests are in flight on this connection already; try again"
                )
            if self._broken is not None:
                raise lost(self.address, self._broken, begun=False)
            self._last_id += 1
            call = Call(self._last_id, counted)
            head = frames.pack_head(Kind.REQUEST, call.id, len(blob), body_bytes)
            self._pending[call.id] = call
            self._in_flight += counted
            self._outgoing.append(_Outgoing([memoryview(head + blob), *pieces], call))
            self._to_write.notify()
        return call

    def cancel(self, call: Call) -> None:
        """Asks the server to drop a request. It then answers ``cancelled``, or its result if that was faster.

        A request that has not begun to leave is dropped here and now.
        """
        with self._lock:
            if call.id not in self._pending or call.cancelled:
                return
            call.cancelled = True
            if call.begun:
                frame = frames.pack_head(Kind.CANCEL, call.id, 2, 0) + b"{}"
                self._outgoing.append(_Outgoing([memoryview(frame)], None))
                self._to_write.notify()
                return
            self._outgoing = deque(item for item in self._outgoing if item.call is not call)
            self._remove(call.id)
        call._finish(RequestCancelledError("cancelled before it was sent"))

    def close(self, reason: str = "closed by this client") -> None:
        """Closes the connection and fails what is in flight. Safe to call twice."""
        self._fail(ConnectionLostError(reason))
        for thread in self._threads:
            if thread is not threading.current_thread() and thread.is_alive():
                thread.join(timeout=5.0)

    # -- the two threads -------------------------------------------------------------------------

    def _read_loop(self) -> None:
        limits = self.welcome.limits
        try:
            while True:
                self._mid_frame = False
                self._dispatch(frames.read_frame(self._read_into, limits))
        except LunaError as problem:
            self._fail(problem)
        except OSError as problem:
            self._fail(ConnectionLostError(str(problem)))
        except (
            Exception
        ) as problem:  # no memory for a body, a defect of ours: nobody may wait for ever
            self._fail(ConnectionLostError(f"its answer could not be taken: {problem!r}"))
            raise
        finally:
            self._leave()

    def _read_into(self, view: memoryview) -> None:
        while view.nbytes:
            try:
                count = self._socket.recv_into(view)
            except socket.timeout:
                if self._mid_frame:
                    raise ConnectionLostError(
                        "the server stopped in the middle of a frame"
                    ) from None
                continue  # idle between frames is fine
            if count == 0:
                raise ConnectionLostError("the server closed the connection")
            self._mid_frame = True
            view = view[count:]

    def _dispatch(self, frame: Frame) -> None:
        if frame.kind == Kind.EVENT:
            if frame.id == 0:
                self._on_event(frame.header)
                return
            with self._lock:
                call = self._pending.get(frame.id)
            if call is not None:
                call._add_event(frame.header)
            return
        if frame.kind not in (Kind.REPLY, Kind.ERROR):
            raise BadFrameError(
                f"the server sent a frame of kind {frame.kind.name.lower()} after the hello"
            )
        error = error_from_header(frame.header) if frame.kind == Kind.ERROR else None
        with self._lock:
            call = self._remove(frame.id)
        if call is not None:
            call._finish(error if error is not None else frame)
        elif frame.id == 0 and error is not None:
            raise error  # about the connection: the server closes it now

    def _write_loop(self) -> None:
        try:
            while (item := self._next_outgoing()) is not None:
                for piece in item.pieces:
                    while piece.nbytes:
                        piece = piece[self._socket.send(piece) :]
        except socket.timeout:
            self._fail(
                ConnectionLostError("the server stopped taking data in the middle of a frame")
            )
        except OSError as problem:
            self._fail(ConnectionLostError(str(problem)))
        finally:
            self._leave()

    def _next_outgoing(self) -> _Outgoing | None:
        """Waits for the next frame to write; nothing when the connection is gone."""
        with self._lock:
            self._to_write.wait_for(lambda: self._outgoing or self._broken is not None)
            if self._broken is not None:
                return None
            item = self._outgoing.popleft()
            if item.call is not None:
                item.call.begun = True
            return item

    def _leave(self) -> None:
        """Closes the socket when the second thread leaves: before, its number could be given to another socket."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self._socket.close()

    # -- helpers ---------------------------------------------------------------------------------

    def _remove(self, call_id: int) -> Call | None:
        """Takes a request off the table; the lock is held."""
        call = self._pending.pop(call_id, None)
        if call is not None and call.counted:
            self._in_flight -= 1
            self._slot_free.notify()
        return call

    def _check_size(self, cmd: str, header_bytes: int, body_bytes: int) -> None:
        limits = self.welcome.limits
        if header_bytes > limits.max_header_bytes:
            raise BadRequestError(
                f"the header of {cmd} has {header_bytes} bytes, this server takes {limits.max_header_bytes}"
            )
        if body_bytes > limits.max_body_bytes:
            raise BadRequestError(
                f"the tensors of {cmd} have {body_bytes} bytes, this server takes {limits.max_body_bytes} a request;"
                " send fewer images at once"
            )

    def _fail(self, reason: LunaError) -> None:
        with self._lock:
            if self._broken is not None:
                return
            self._broken = reason
            pending, self._pending = list(self._pending.values()), {}
            self._outgoing.clear()
            self._slot_free.notify_all()
            self._to_write.notify_all()
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes both threads
        for call in pending:
            call._finish(lost(self.address, reason, begun=call.begun))
        self._on_close()


def lost(address: str, reason: LunaError, *, begun: bool) -> ConnectionLostError:
    """The error of a request whose connection went away; ``error.begun``: whether the server may have seen it."""
    error = ConnectionLostError(f"the connection to luna at {address} is gone: {reason.message}")
    error.begun = begun
    error.__cause__ = reason
    return error
