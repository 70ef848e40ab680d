"""What ComfyUI's settings page shows beside luna's settings: whether it is connected, and what goes before them."""

from __future__ import annotations

from typing import Any

from . import control
from .service import Service

#: The places that go before ComfyUI's settings; luna.json and LUNA_ADDRESS come after them.
_BEFORE = ("LUNA_SERVER", "LUNA_SECRET_FILE", "LUNA_LOCAL_WORK")
_NAMES = {
    "server": "the address",
    "secret_file": "the file with the secret",
    "local_work": "whether ComfyUI works itself",
}


def view(service: Service) -> dict[str, Any]:
    """``connected`` and ``line``, a sentence of it; ``overrides``: a sentence for each setting that does not count."""
    state = control.status(service)
    values = {
        "server": service.settings.server,
        "secret_file": service.settings.secret_file,
        "local_work": "yes" if service.settings.local_work else "no",
    }
    overrides = [
        f"{place} says {_NAMES[name]}: {values[name]}. The setting here does not count."
        for name, place in service.origins.items()
        if place in _BEFORE
    ]
    if not state["running"]:
        return {
            "connected": False,
            "line": f"not connected: {state['error']}",
            "overrides": overrides,
        }
    line = f"connected to luna {state['version']} at {state['address']}, node {state['node']}"
    return {"connected": True, "line": line, "overrides": overrides}
