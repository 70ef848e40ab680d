"""The Daemon nodes: start the server from a graph, and steer it."""

from __future__ import annotations

import json
from typing import Any

from comfy_api.latest import io

from . import control, service
from .daemon_lines import line_of
from .fingerprints import always_new
from .watch import watched

CATEGORY = "luna/daemon"

_ACTIONS = ("status", "start", "stop", "attention", "unload", "reset")


class _Absences:
    """How often luna was found away. Not in the node's class, of which ComfyUI runs a copy each time."""

    def __init__(self) -> None:
        self._count = 0

    def seen(self, running: bool) -> float:
        self._count += not running
        return float(self._count)


_absences = _Absences()


class LunaDaemonLoader(io.ComfyNode):
    """Makes sure that a luna runs: in each prompt, and before whatever takes ``passed``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaDaemonLoader",
            display_name="Luna Daemon",
            category=CATEGORY,
            description=(
                "Says whether luna runs, and starts it on this machine if it does not. What goes through 'anything'"
                " waits for that."
            ),
            inputs=[
                io.Boolean.Input(
                    "start_if_absent",
                    default=True,
                    tooltip="Start luna-node with this ComfyUI's model and output folders.",
                ),
                io.AnyType.Input(
                    "anything",
                    optional=True,
                    tooltip=(
                        "Comes out of 'passed' as it is. Put the node into a link (a CLIP, a VAE, a file name), and"
                        " what follows runs when luna does."
                    ),
                ),
            ],
            outputs=[
                io.String.Output(display_name="status"),
                io.AnyType.Output(display_name="passed", tooltip="What came in at 'anything'."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **given: Any) -> float:
        """Runs in each prompt; with something passing through, whenever luna was away.

        What follows would be computed again with each run, although nothing has changed for it.
        """
        if "anything" not in given:
            return always_new()
        return _absences.seen(control.is_running(service.get()))

    @classmethod
    def execute(cls, start_if_absent: bool = True, anything: Any = None) -> io.NodeOutput:
        luna = service.get()
        if start_if_absent:
            answer = watched(luna.host, lambda _tell, _stop: control.start(luna))
        elif watched(luna.host, lambda _tell, _stop: control.is_running(luna)):
            answer = {"status": f"luna runs at {luna.address}"}
        else:
            answer = {"error": f"no luna answers at {luna.address}"}
        text = str(answer.get("error") or answer["status"])
        return io.NodeOutput(text, anything, ui={"text": [text]})


class LunaDaemonAPI(io.ComfyNode):
    """One command to the server: its answer as a line and as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaDaemonAPI",
            display_name="Luna Daemon Command",
            category=CATEGORY,
            description="Sends one command to luna, in each run, and shows what it answers.",
            inputs=[
                io.Combo.Input(
                    "action",
                    options=list(_ACTIONS),
                    default="status",
                    tooltip=(
                        "status: how luna is. start, stop: the server. attention: sets the mode below. unload: frees"
                        " the memory of models that nobody uses. reset: cancels this ComfyUI's requests."
                    ),
                ),
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
        return always_new()

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
        return io.NodeOutput(text, ui={"text": [line_of(action, answer), text]})


NODES = [LunaDaemonLoader, LunaDaemonAPI]
