"""What the pack says when it does not do something: sentences for the person in front of the graph."""

from __future__ import annotations

from typing import NoReturn


class LunaRefusalError(RuntimeError):
    """Something that a luna object does not do, or that cannot be done now; the message says what to do instead."""


class LunaAttributeError(AttributeError):
    """An attribute that a luna object does not have; ``hasattr`` and ``getattr`` with a default work as usual."""


def ended(reason: str) -> str:
    """The server's reason as a sentence that another one may follow."""
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."


def first_line(problem: Exception) -> str:
    """What another program's failure says, as much of it as goes into a sentence: it may go on for a page."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:297]}..."


def refuse(what: str, stock: str) -> NoReturn:
    """Raises the refusal of an operation that needs the weights in this process."""
    raise LunaRefusalError(
        f"{what} needs the model's weights in this ComfyUI, and luna holds them elsewhere. Use the stock loader"
        f" ({stock}) in front of this node."
    )


def missing(kind: str, name: str, stock: str) -> LunaAttributeError:
    """The error for an attribute of ComfyUI's own object that luna's does not have."""
    return LunaAttributeError(
        f"luna's {kind} has no '{name}': the model's weights are not in this ComfyUI. If a node needs it, use the stock"
        f" loader ({stock}) in front of that node."
    )
