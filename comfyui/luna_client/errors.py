"""What can go wrong, as exceptions: one class for each code of the protocol.

Every exception of this package is a :class:`LunaError`; ``except LunaError`` is enough to fall back to local
work. The sentence is the server's own, meant to be shown to a person as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class LunaError(Exception):
    """A request that failed, with the code of the protocol (docs/protocol.md, section 3).

    Attributes:
        code: the code on the wire, for instance ``"bad_request"``.
        message: one sentence that names the thing and says what to do.
        retryable: whether the same request may succeed later without a change.
        retry_after_ms: when to try again, in milliseconds, where the server knows.
        details: machine-readable facts, often empty.
    """

    code: str = "internal"
    #: Whether errors of this class are worth another try when the server did not say.
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after_ms = retry_after_ms
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class BadFrameError(LunaError):
    """Bytes that are no frame; the connection was closed."""

    code = "bad_frame"


class DuplicateRequestIdError(LunaError):
    """A request id that was still in use; the connection was closed."""

    code = "duplicate_request_id"


class ProtocolMismatchError(LunaError):
    """There is no protocol version that both sides speak."""

    code = "protocol_mismatch"


class UnauthenticatedError(LunaError):
    """No secret, a wrong secret, or a server that could not prove that it knows ours."""

    code = "unauthenticated"


class UnknownCommandError(LunaError):
    """This server has no such command."""

    code = "unknown_command"


class BadRequestError(LunaError):
    """A field or tensor is missing or has a wrong type, shape or range."""

    code = "bad_request"


class UnknownModelError(LunaError):
    """No model file of that name; the message lists the nearest names."""

    code = "unknown_model"


class UnsupportedModelError(LunaError):
    """A model family that the server does not serve."""

    code = "unsupported_model"


class BadModelFileError(LunaError):
    """A broken model file."""

    code = "bad_model_file"


class ModelMismatchError(LunaError):
    """The tokens, latents or LoRA do not fit the named model."""

    code = "model_mismatch"


class UnknownLoraError(LunaError):
    """No LoRA of that name or hash."""

    code = "unknown_lora"


class UnknownJobError(LunaError):
    """No save job of that id."""

    code = "unknown_job"


class OverloadedError(LunaError):
    """A bound of the server is reached; ``retry_after_ms`` says when to come back."""

    code = "overloaded"
    default_retryable = True


class OutOfMemoryError(LunaError):
    """The device cannot hold the work, even after eviction."""

    code = "out_of_memory"


class UnavailableError(LunaError):
    """Nobody serves it now, or whoever did died in the middle."""

    code = "unavailable"
    default_retryable = True


class ConnectionLostError(UnavailableError, ConnectionError):
    """The connection to the server could not be made, or broke before the answer came.

    Attributes:
        begun: whether the request may have reached the server, so that it may have done what it asks.
    """

    begun: bool = False


class DaemonStartError(UnavailableError):
    """A ``luna-node`` that was to be started did not become ready; the message ends with its log's last lines."""

    default_retryable = False


class SubmitUncertainError(UnavailableError):
    """The answer to a submit was lost, and asking again by its key did not get one in time.

    The server may or may not have the job: whoever saves the picture elsewhere now may have it twice.

    Attributes:
        key: submit the same task under this key later, and it takes effect at most once.
    """

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message, details={"key": key})
        self.key = key


class RequestTimeoutError(LunaError, TimeoutError):
    """The deadline of the request passed; the server drops its work."""

    code = "timeout"


class RequestCancelledError(LunaError):
    """The request was cancelled by this client."""

    code = "cancelled"


class ShuttingDownError(LunaError):
    """The server drains and takes no new work."""

    code = "shutting_down"
    default_retryable = True


class NotPermittedError(LunaError):
    """A path outside the allowed folders, or a command that the server's configuration forbids."""

    code = "not_permitted"


class InternalError(LunaError):
    """A defect of the server; it logged the request's id."""


def _classes() -> dict[str, type[LunaError]]:
    """The one class of each code: the most general one that carries it."""
    found: dict[str, type[LunaError]] = {}
    for cls in LunaError.__subclasses__():
        found[cls.code] = cls
    return found


CLASS_OF_CODE: dict[str, type[LunaError]] = _classes()


def error_from_header(header: Mapping[str, Any]) -> LunaError:
    """The exception for the header of an error frame; a code that is new to us stays readable in ``code``."""
    code = str(header.get("code", "internal"))
    cls = CLASS_OF_CODE.get(code, LunaError)
    details = header.get("details")
    retryable = header.get("retryable")
    retry_after = header.get("retry_after_ms")
    error = cls(
        str(header.get("message", "the server gave no reason")),
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after_ms=retry_after if isinstance(retry_after, int) else None,
        details=details if isinstance(details, dict) else None,
    )
    error.code = code
    return error
