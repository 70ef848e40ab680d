"""What a node of the graph says of luna: that ComfyUI did its work itself, what luna warns of, what goes on now.

The browser part shows it on the node, whichever node that is (``web/node_notes.js``): most of luna's work is done for
ComfyUI's own nodes, which have no line for it, and nobody reads a log.

Thread rule: called in ComfyUI's executor thread, but for :func:`clear`, which any thread may call.
"""

from __future__ import annotations

import threading

from .host import Host

EVENT = "luna.note"


def note(host: Host, text: str, node: str | None = None) -> None:
    """A sentence on a node, or on the one that runs now; it stays until the node runs again."""
    _send(host, "note", text, node or host.running_node())


def busy(host: Host, text: str) -> None:
    """What the running node waits for; the empty text ends it."""
    _send(host, "busy", text, host.running_node())


def clear(host: Host, node: str | None) -> None:
    """What was noted on this node does not count any more."""
    if node is not None:
        host.send(EVENT, {"node": node, "kind": "clear", "text": ""}, None)


def _send(host: Host, kind: str, text: str, node: str | None) -> None:
    if node is not None:
        host.send(EVENT, {"node": node, "kind": kind, "text": text}, host.running_client())


class Once:
    """Which sentences were said already, until :meth:`again`. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def first(self, mark: str) -> bool:
        """Whether this is the first time since the last :meth:`again`."""
        with self._lock:
            if mark in self._said:
                return False
            self._said.add(mark)
            return True

    def again(self) -> bool:
        """All may be said once more. -> whether anything was said."""
        with self._lock:
            had = bool(self._said)
            self._said.clear()
            return had
