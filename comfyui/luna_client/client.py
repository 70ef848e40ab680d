"""The client: addresses, the connection in use, subscriptions, and a method for each command."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import tensors as _tensors
from .clock import Clock
from .connection import STALL_TIMEOUT, Connection
from .control_commands import ControlCommands
from .errors import BadRequestError, ConnectionLostError, LunaError, UnauthenticatedError
from .folder_commands import FolderCommands
from .handshake import MIN_SECRET_BYTES, split_address
from .job_commands import JobCommands
from .model_commands import ModelCommands
from .request import Cancel, Plan, Progress, Reply, Request, Resend
from .subscription import Subscription
from .tensors import Tensor
from .version import __version__

DEFAULT_ADDRESS = "127.0.0.1:19283"


class Client(ModelCommands, JobCommands, FolderCommands, ControlCommands):
    """A client of luna. Thread-safe: share one among all threads; it holds one connection, made when needed.

    It reconnects by itself. A request whose connection broke is sent again if it is a read, or a submit (which the
    server knows by its key), and fails otherwise.

    Args:
        addresses: ``host:port`` or several of them, gateways of one cluster: when one fails the next is tried.
            Default: the variable ``LUNA_ADDRESS`` (several with commas), else ``127.0.0.1:19283``.
        secret: the cluster's shared secret. A client that has one refuses a server that asks for none.
        secret_file: the file that holds it; default: the variable ``LUNA_SECRET_FILE``.
        timeout: seconds that a request may take when it does not say so itself.
        connect_timeout: seconds for connecting to one address.
        grace: seconds that this side waits longer than the server, so that the server's reason arrives.
        tensors: ``"numpy"``, ``"torch"``, or ``"auto"``: as the request's own tensors, and where it has none,
            torch if this process has imported it, else numpy.
        name: ``name/version`` of the program, for the server's log.
    """

    def __init__(
        self,
        addresses: str | Sequence[str] | None = None,
        *,
        secret: str | bytes | None = None,
        secret_file: str | os.PathLike[str] | None = None,
        timeout: float = 120.0,
        connect_timeout: float = 5.0,
        stall_timeout: float = STALL_TIMEOUT,
        grace: float = 2.0,
        tensors: str = "auto",
        name: str = f"luna-client/{__version__}",
        clock: Clock | None = None,
    ) -> None:
        if tensors not in ("auto", "numpy", "torch"):
            raise BadRequestError(f"tensors={tensors!r}: write 'auto', 'numpy' or 'torch'")
        self._addresses = _addresses(addresses)
        self._secret = _secret(secret, secret_file)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._stall_timeout = stall_timeout
        self._grace = grace
        self._tensors = tensors
        self._name = name
        self.clock = clock or Clock()
        self._lock = threading.Lock()  # of the fields below; held briefly
        self._connecting = threading.Lock()  # held while a connection is made
        self._live: Connection | None = None
        self._avoided: list[Connection] = []
        self._preferred = 0
        self._round = 0
        self._last_failure: LunaError | None = None
        self._subscriptions: list[Subscription] = []
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; requests in flight fail. The client cannot be used again."""
        with self._lock:
            self._closed = True
            connections = [c for c in (self._live, *self._avoided) if c is not None]
            self._live, self._avoided = None, []
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close()
        for connection in connections:
            connection.close()

    # -- requests --------------------------------------------------------------------------------

    def start(
        self,
        cmd: str,
        fields: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        *,
        timeout: float | None = None,
        resend: Resend = Resend.NEVER,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        counted: bool = True,
        own_deadline: bool = False,
        key: str = "",
        keep_null: Sequence[str] = (),
    ) -> Request:
        """Sends any command and returns at once; :meth:`Request.result` waits.

        Fields that are None are left out, but those of ``keep_null``. See :class:`Plan` for the other arguments.
        """
        header: dict[str, Any] = {"cmd": cmd}
        header.update({k: v for k, v in (fields or {}).items() if v is not None or k in keep_null})
        if progress is not None:
            header["progress"] = True
        body = tensors or {}
        plan = Plan(
            header,
            _tensors.encode(body),
            timeout=self._timeout if timeout is None else timeout,
            grace=self._grace,
            resend=resend,
            progress=progress,
            wanted=self._wanted(body),
            counted=counted,
            own_deadline=own_deadline,
            key=key,
        )
        request = Request(self, plan)
        if cancel is not None:
            cancel._watch(request)
        return request

    def request(
        self,
        cmd: str,
        fields: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        *,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Reply:
        """Sends any command and waits for its answer: :meth:`start` and :meth:`Request.result` in one."""
        request = self.start(cmd, fields, tensors, cancel=cancel, **options)
        try:
            return request.result()
        finally:
            if cancel is not None:
                cancel._forget(request)

    def subscribe(self, events: Sequence[str]) -> Subscription:
        """Events of the server, from now on: ``job``, ``pool``, ``node``, ``attention``.

        Iterate over the result, or call its :meth:`~Subscription.get`; close it (or use ``with``) when done.
        """
        subscription = Subscription(self, events)
        with self._lock:
            self._subscriptions.append(subscription)
        try:
            self.request("subscribe", {"events": self._subscribed()}, resend=Resend.READ)
        except BaseException:
            subscription.close()
            raise
        subscription.active = True
        return subscription

    # -- connections -----------------------------------------------------------------------------

    @property
    def address_count(self) -> int:
        """How many addresses there are to choose from."""
        return len(self._addresses)

    def connection(self, timeout: float) -> Connection:
        """The open connection; made now if there is none, trying each address once.

        Raises:
            ConnectionLostError: no address answers, or the client is closed.
            LunaError: the only address, or all of them, refused us for the same reason.
        """
        with self._lock:
            self._check_open()
            if self._live is not None and self._live.alive:
                return self._live
            seen = self._round
        if not self._connecting.acquire(timeout=max(0.001, timeout)):
            raise ConnectionLostError("another thread is still connecting; the time is over")
        try:
            with self._lock:
                self._check_open()
                if self._live is not None and self._live.alive:
                    return self._live
                if self._round != seen and self._last_failure is not None:
                    raise _copy(self._last_failure)  # somebody else just tried in vain
            return self._connect(timeout)
        finally:
            self._connecting.release()

    def avoid(self, connection: Connection) -> None:
        """Uses another address from now on; what is in flight on this connection may end there."""
        with self._lock:
            if self._live is connection:
                self._live = None
                self._preferred = (self._preferred + 1) % len(self._addresses)
                self._avoided = [c for c in self._avoided if c.alive] + [connection]

    def _connect(self, timeout: float) -> Connection:
        failures: list[LunaError] = []
        deadline = self.clock.now() + timeout
        for step in range(len(self._addresses)):
            index = (self._preferred + step) % len(self._addresses)
            left = deadline - self.clock.now()
            if left <= 0 and failures:
                break
            try:
                connection = Connection.open(
                    self._addresses[index],
                    secret=self._secret,
                    client=self._name,
                    timeout=max(0.001, min(self._connect_timeout, left)),
                    stall_timeout=self._stall_timeout,
                    on_event=self._on_event,
                    on_close=self._on_close,
                )
            except LunaError as failure:
                failures.append(failure)
                continue
            return self._adopt(connection, index)
        with self._lock:
            self._round += 1
            self._last_failure = _sum_up(failures)
        raise _copy(self._last_failure)

    def _adopt(self, connection: Connection, index: int) -> Connection:
        with self._lock:
            closed = self._closed
            if not closed:
                self._live = connection
                self._preferred = index
                self._round += 1
                self._last_failure = None
            subscriptions = list(self._subscriptions)
        if closed:
            connection.close()
            self._check_open()
        renewed = [s for s in subscriptions if s.active]
        if renewed:
            try:
                connection.send({"cmd": "subscribe", "events": self._subscribed()})
            except ConnectionLostError:
                return connection  # gone again: whoever connects next subscribes
            for subscription in renewed:
                subscription.push("reconnected", {})
        return connection

    def _subscribed(self) -> list[str]:
        with self._lock:
            return sorted({name for s in self._subscriptions for name in s.names})

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forgets a subscription, and tells the server what is still wanted."""
        with self._lock:
            if subscription not in self._subscriptions:
                return
            self._subscriptions.remove(subscription)
            live = self._live
        if live is not None and subscription.active:
            with contextlib.suppress(
                LunaError
            ):  # gone, or too busy: then events come that nobody takes
                live.send({"cmd": "subscribe", "events": self._subscribed()}, timeout=0.0)

    def _on_event(self, header: dict[str, Any]) -> None:
        data = dict(header)
        name = str(data.pop("event", ""))
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            if name == "lost" or name in subscription.names:
                subscription.push(name, data)

    def _on_close(self) -> None:
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.wake()

    @property
    def connected(self) -> bool:
        """Whether there is an open connection now."""
        with self._lock:
            return self._live is not None and self._live.alive

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLostError("this client is closed; make a new one")

    def _wanted(self, body: Mapping[str, Tensor]) -> str:
        if self._tensors != "auto":
            return self._tensors
        if body:
            return "torch" if any(_tensors.is_torch(value) for value in body.values()) else "numpy"
        return "torch" if "torch" in sys.modules else "numpy"


def _addresses(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        given = os.environ.get("LUNA_ADDRESS") or DEFAULT_ADDRESS
    listed = given.split(",") if isinstance(given, str) else list(given)
    addresses = tuple(address.strip() for address in listed if address.strip())
    if not addresses:
        raise BadRequestError("no address given; write host:port")
    for address in addresses:
        split_address(address)
    return addresses


def _secret(secret: str | bytes | None, file: str | os.PathLike[str] | None) -> bytes | None:
    if secret is None:
        path = file or os.environ.get("LUNA_SECRET_FILE")
        if not path:
            return None
        try:
            secret = Path(path).read_bytes()
        except OSError as problem:
            raise UnauthenticatedError(
                f"the secret file {os.fspath(path)} cannot be read: {problem}"
            ) from problem
        if secret.endswith(b"\n"):
            secret = secret[:-2] if secret.endswith(b"\r\n") else secret[:-1]
    data = secret.encode("utf-8") if isinstance(secret, str) else secret
    if len(data) < MIN_SECRET_BYTES:
        raise UnauthenticatedError(
            f"the shared secret has {len(data)} bytes, it must have at least {MIN_SECRET_BYTES}"
        )
    return data


def _sum_up(failures: Sequence[LunaError]) -> LunaError:
    """One error for all addresses: of their common class, if they have one."""
    if len(failures) == 1:
        return failures[0]
    cls = type(failures[0])
    if any(type(failure) is not cls for failure in failures):
        cls = ConnectionLostError
    return cls("no address could be used: " + "; ".join(failure.message for failure in failures))


def _copy(error: LunaError) -> LunaError:
    """A fresh exception: one instance must not be raised in two threads."""
    copy = type(error)(
        error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
    )
    copy.code = error.code
    copy.__cause__ = error.__cause__
    return copy
