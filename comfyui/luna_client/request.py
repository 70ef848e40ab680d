"""One request from start to answer, across connections that break in between.

The problem: a picture must not be lost when a connection is, and must not be saved twice when a client tries
again. So a request is sent again only where that cannot do harm: reads, submits (the server knows a submit by
its key), and whatever had not begun to leave. All else fails with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from . import tensors
from .connection import Call, Connection
from .connector import Connector
from .errors import (
    BadFrameError,
    BadRequestError,
    ConnectionLostError,
    LunaError,
    NotPermittedError,
    RequestCancelledError,
    RequestTimeoutError,
    ShuttingDownError,
    SubmitUncertainError,
    UnavailableError,
    UnknownCommandError,
)
from .tensors import Tensor

#: The longest deadline that the protocol has.
MAX_DEADLINE_MS = 86_400_000
#: How often one request is sent at most, when connections break under it.
MAX_ATTEMPTS = 3
#: How long a submit whose answer was lost is asked again by its key, in seconds.
ASK_AGAIN_SECONDS = 10.0
#: The pauses between those, in seconds; the last one repeats.
ASK_AGAIN_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)

#: Called with value, maximum and stage ("load", "encode", "decode", "tile") in the thread that waits.
Progress = Callable[[int, int, str], None]


class Resend(Enum):
    """What may happen to a request whose connection broke before the answer came."""

    NEVER = "never"
    READ = "read"
    KEYED = "keyed"


@dataclass(frozen=True)
class Reply:
    """The header of a reply, and its tensors by name."""

    header: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Plan:
    """What to send and how: everything about a request that does not change.

    Attributes:
        header: with ``cmd``; ``deadline_ms`` is put in unless ``own_deadline``.
        pieces: the encoded body.
        timeout: seconds until the server gives up; this side waits ``grace`` seconds more.
        wanted: ``"numpy"`` or ``"torch"``, for the tensors of the reply.
        counted: whether it counts towards the server's bound of requests in flight.
        key: of a submit.
    """

    header: Mapping[str, Any]
    pieces: Sequence[memoryview] = ()
    timeout: float = 120.0
    grace: float = 2.0
    resend: Resend = Resend.READ
    progress: Progress | None = None
    wanted: str = "numpy"
    counted: bool = True
    own_deadline: bool = False
    key: str = ""


@dataclass(eq=False)
class Cancel:
    """Cancels requests from another thread: hand it to a method, call :meth:`cancel` when it is no longer wanted."""

    _requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _set: bool = False

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._set

    def cancel(self) -> None:
        """Cancels what runs with it now, and whatever is started with it later."""
        with self._lock:
            self._set = True
            requests = list(self._requests)
        for request in requests:
            request.cancel()

    def _watch(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            already = self._set
        if already:
            request.cancel()

    def _forget(self, request: Request) -> None:
        with self._lock:
            if request in self._requests:
                self._requests.remove(request)


class Request:
    """A request in flight. One thread waits for it; :meth:`cancel` and :meth:`done` are for any thread."""

    def __init__(self, client: Connector, plan: Plan) -> None:
        """Sends it.

        Raises:
            ConnectionLostError: no address answers; the request was not sent.
            LunaError: it cannot be sent, for instance because it is larger than the server takes.
        """
        self._client = client
        self._plan = plan
        self._clock = client.clock
        self._deadline = self._clock.now() + plan.timeout
        self._grace = plan.grace
        self._attempts = 0
        self._lost_at: float | None = None
        self._pauses = 0
        self._cluster: str | None = None
        self._stop = threading.Event()
        self._outcome: Reply | LunaError | None = None
        self._connection: Connection | None = None
        self._call: Call | None = None
        while True:
            try:
                self._send()
                return
            except ConnectionLostError:
                if self._connection is None or self._attempts >= MAX_ATTEMPTS:
                    raise  # nobody listens; otherwise the connection broke just now: take another

    def done(self) -> bool:
        """Whether the answer of the current attempt is there, so that :meth:`result` is quick."""
        return self._outcome is not None or self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the answer without taking it, at most so many seconds. -> whether it is there."""
        call = self._call
        return True if self._outcome is not None or call is None else call.wait(timeout)

    def cancel(self) -> None:
        """Asks the server to drop it. :meth:`result` then raises :class:`RequestCancelledError`, or returns the
        result if that was faster."""
        self._stop.set()
        connection, call = self._connection, self._call
        if connection is not None and call is not None:
            connection.cancel(call)

    def result(self) -> Reply:
        """Waits for the answer, by the deadline at the latest; calls the progress callback meanwhile.

        An exception of the callback, or Ctrl-C, cancels the request and goes on to the caller.

        Raises:
            LunaError: as the server answered; :class:`RequestTimeoutError` when it did not in time;
                :class:`SubmitUncertainError` for a submit nobody can tell the fate of.
        """
        if isinstance(self._outcome, LunaError):
            raise self._outcome
        if self._outcome is not None:
            return self._outcome
        try:
            self._outcome = self._run()
        except LunaError as error:
            self._outcome = error
            raise
        except BaseException:
            self.cancel()
            raise
        return self._outcome

    # -- attempts --------------------------------------------------------------------------------

    def _run(self) -> Reply:
        while True:
            try:
                if self._call is None:
                    self._send()
                return self._await()
            except LunaError as error:
                self._call = None
                self._decide(error)

    def _send(self) -> None:
        self._connection = None
        left = self._left()
        connection = self._client.connection(left)
        if self._lost_at is not None and connection.welcome.cluster != self._cluster:
            # another cluster does not know the key, and would save the picture a second time
            self._client.avoid(connection)
            raise ConnectionLostError(f"{connection.address} belongs to another cluster")
        header = dict(self._plan.header)
        if not self._plan.own_deadline:
            header["deadline_ms"] = min(max(1, int(left * 1000)), MAX_DEADLINE_MS)
        self._connection = connection
        self._attempts += 1
        self._call = connection.send(
            header, self._plan.pieces, counted=self._plan.counted, timeout=left
        )
        self._cluster = connection.welcome.cluster
        if self._stop.is_set():
            connection.cancel(self._call)

    def _await(self) -> Reply:
        call, connection = self._call, self._connection
        assert call is not None and connection is not None
        while True:
            item = call.next(self._left() + self._grace)
            if item is None:
                connection.cancel(call)
                raise _NoAnswerError(
                    f"luna at {connection.address} did not answer {self._plan.header['cmd']} within"
                    f" {self._plan.timeout:g} s; the request was cancelled"
                )
            if isinstance(item, dict):
                self._tell(item)
            elif isinstance(item, LunaError):
                raise item
            else:
                return Reply(item.header, tensors.decode(item.body, self._plan.wanted))

    def _tell(self, event: Mapping[str, Any]) -> None:
        if self._plan.progress is None or event.get("event") != "progress":
            return
        value, maximum = event.get("value", 0), event.get("max", 0)
        self._plan.progress(int(value), int(maximum), str(event.get("stage", "")))

    def _left(self) -> float:
        return max(0.0, self._deadline - self._clock.now())

    # -- after a failure -------------------------------------------------------------------------

    def _decide(self, error: LunaError) -> None:
        """Returns when the request may be sent again, raises otherwise."""
        resend = self._plan.resend
        if self._stop.is_set():
            if isinstance(error, ConnectionLostError):
                raise RequestCancelledError(f"cancelled; meanwhile {error.message}") from error
            raise error
        if resend is Resend.KEYED and self._is_uncertain(error):
            self._ask_again(error)
            return
        if isinstance(error, _NoAnswerError):
            raise RequestTimeoutError(error.message) from None
        if isinstance(error, ShuttingDownError) and self._go_elsewhere():
            return
        if not isinstance(error, ConnectionLostError) or self._connection is None:
            raise error
        if self._attempts >= MAX_ATTEMPTS:
            raise error
        if resend is Resend.NEVER and error.begun:
            cmd = self._plan.header["cmd"]
            uncertain = ConnectionLostError(f"{error.message}; whether {cmd} was done is unknown")
            uncertain.begun = True
            raise uncertain from error

    def _go_elsewhere(self) -> bool:
        """Leaves a server that drains for another address, if there is one and it is not too often."""
        connection = self._connection
        if connection is None or self._client.address_count < 2 or self._attempts >= MAX_ATTEMPTS:
            return False
        self._client.avoid(connection)
        return True

    def _is_uncertain(self, error: LunaError) -> bool:
        """Whether the server may hold the job although it did not say so."""
        if self._lost_at is not None:
            return not isinstance(error, _DEFINITE)
        if isinstance(error, ConnectionLostError):
            return error.begun
        return isinstance(error, (UnavailableError, RequestTimeoutError))

    def _ask_again(self, error: LunaError) -> None:
        now = self._clock.now()
        if self._lost_at is None:
            self._lost_at = now
            self._deadline = now + ASK_AGAIN_SECONDS
            self._grace = 0.0
        pause = ASK_AGAIN_PAUSES[min(self._pauses, len(ASK_AGAIN_PAUSES) - 1)]
        pause = max(pause, (error.retry_after_ms or 0) / 1000)
        self._pauses += 1
        if isinstance(error, _NoAnswerError) or now + pause >= self._deadline:
            raise SubmitUncertainError(
                f"the answer to a submit was lost and luna did not give it again within {ASK_AGAIN_SECONDS:g} s"
                f" ({error.message}); if the picture is saved elsewhere now, it may exist twice",
                key=self._plan.key,
            ) from error
        if self._clock.pause(self._stop, pause):
            raise RequestCancelledError(
                "cancelled while its answer was lost; the picture may be saved all the same"
            ) from error


#: Answers that end the asking: the server has looked at the task and refuses it.
_DEFINITE = (BadRequestError, NotPermittedError, UnknownCommandError, BadFrameError)


class _NoAnswerError(RequestTimeoutError):
    """The server has not answered in time, not even that the time is over."""
