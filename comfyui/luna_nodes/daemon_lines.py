"""What the server answered to a command, in one line for the node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line_of(action: str, answer: Mapping[str, Any]) -> str:
    """The answer of :mod:`luna_nodes.control` to an action as a sentence; what went wrong comes first."""
    if answer.get("error"):
        return str(answer["error"])
    if action == "status":
        return _state(answer)
    if action == "attention":
        return f"the attention mode is {answer.get('mode')}"
    if action == "unload":
        return _unloaded(answer)
    cancelled = answer.get("cancelled")
    done = f"; {_counted(cancelled, 'request')} cancelled" if isinstance(cancelled, int) else ""
    return f"{answer.get('status', 'done')}{done}"


def _state(answer: Mapping[str, Any]) -> str:
    parts = [f"luna {answer.get('version') or ''} runs at {answer.get('address')}"]
    if answer.get("status") not in (None, "up", "running", "ok"):
        parts.append(f"state: {answer['status']}")
    parts.append(_uptime(float(answer.get("uptime_seconds") or 0)))
    parts.append(f"{_counted(len(answer.get('models_loaded') or ()), 'model')} loaded")
    parts.append(_counted(int(answer.get("request_count") or 0), "request"))
    if answer.get("vram_total_gb"):
        parts.append(f"{answer['vram_used_gb']} of {answer['vram_total_gb']} GB of GPU memory used")
    return ", ".join(parts)


def _unloaded(answer: Mapping[str, Any]) -> str:
    freed = sum(answer.get("freed_bytes", {}).values())
    line = f"{_counted(len(answer.get('unloaded') or ()), 'model')} unloaded, {freed / 1e6:.0f} MB freed"
    kept = answer.get("kept") or ()
    return f"{line}; {_counted(len(kept), 'model')} kept, in use" if kept else line


def _uptime(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"up {seconds / size:.0f} {name}"
    return f"up {seconds:.0f} s"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
