"""What the groups of commands share: how they send, and how they read what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union

from .errors import InternalError

if TYPE_CHECKING:
    from .clock import Clock
    from .connection import Connection
    from .request import Reply
    from .tensors import Tensor

T = TypeVar("T")

#: How a request names a model: an alias or file name, or ``{"type": "sdxl", "files": [...]}``.
Model = Union[str, Mapping[str, Any]]


class Sender(Protocol):
    """What the groups of commands need of the client."""

    clock: Clock

    def request(
        self,
        cmd: str,
        fields: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        **options: Any,
    ) -> Reply: ...

    def connection(self, timeout: float) -> Connection: ...


def read_answer(cmd: str, parse: Callable[[], T]) -> T:
    """Reads a reply; one that does not fit the protocol is an :class:`InternalError` that names the command."""
    try:
        return parse()
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise InternalError(
            f"the server's answer to {cmd} does not fit the protocol: {problem!r}"
        ) from problem
