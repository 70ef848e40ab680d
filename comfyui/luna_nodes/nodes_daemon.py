"""The Daemon nodes: start the server from a graph, and steer it."""

from __future__ import annotations

import json
from typing import Any

from comfy_api.latest import io

from . import control, service
from .watch import watched

CATEGORY = "luna/daemon"
NEVER_CACHED = float("nan")

_ACTIONS = ("status", "start", "stop", "attention", "unload", "reset")


class LunaDaemonLoader(io.ComfyNode):
    """Makes sure that a luna runs before what takes its output."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaDaemonLoader",
            display_name="Luna Daemon",
            category=CATEGORY,
            description="Says whether luna runs, and starts it on this machine if it does not.",
            inputs=[
                io.Boolean.Input(
                    "start_if_absent",
                    default=True,
                    tooltip="Start luna-node with this ComfyUI's model and output folders.",
                )
            ],
            outputs=[io.String.Output(display_name="status")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: Any) -> float:
        return NEVER_CACHED

    @classmethod
    def execute(cls, start_if_absent: bool = True) -> io.NodeOutput:
        luna = service.get()
        if start_if_absent:
            answer = watched(luna.host, lambda _tell, _stop: control.start(luna))
        elif watched(luna.host, lambda _tell, _stop: control.is_running(luna)):
            answer = {"status": f"luna runs at {luna.address}"}
        else:
            answer = {"error": f"no luna answers at {luna.address}"}
        return io.NodeOutput(str(answer.get("error") or answer["status"]))


class LunaDaemonAPI(io.ComfyNode):
    """One command to the server, with its answer as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaDaemonAPI",
            display_name="Luna Daemon Command",
            category=CATEGORY,
            description=(
                "start, stop, status, attention (sets the mode), unload (frees the models' memory) or reset (cancels"
                " this ComfyUI's requests)."
            ),
            inputs=[
                io.Combo.Input("action", options=list(_ACTIONS), default="status"),
                io.Combo.Input(
                    "mode",
                    options=list(control.MODES),
                    default="auto",
                    tooltip="How attention is computed; counts for the action 'attention'.",
                ),
            ],
            outputs=[io.String.Output(display_name="json")],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: Any) -> float:
        return NEVER_CACHED

    @classmethod
    def execute(cls, action: str, mode: str = "auto") -> io.NodeOutput:
        luna = service.get()
        commands = {
            "status": lambda: control.status(luna),
            "start": lambda: control.start(luna),
            "stop": lambda: control.stop(luna),
            "attention": lambda: control.attention(luna, mode),
            "unload": lambda: control.unload(luna),
            "reset": lambda: control.reset(luna),
        }
        answer = watched(luna.host, lambda _tell, _stop: commands[action]())
        text = json.dumps(answer, indent=1)
        return io.NodeOutput(text, ui={"text": [text]})


NODES = [LunaDaemonLoader, LunaDaemonAPI]
