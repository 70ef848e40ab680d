"""luna-node started, asked and stopped from a graph, by the nodes that do that."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import proof_models as files
from graphs import Builder, Graph
from pairs import Bench
from report import Result
from scenarios import expect_served

#: How long a stopped luna-node may take to be gone, in seconds.
GONE_SECONDS = 45.0


def start_graph() -> Graph:
    b = Builder()
    b.add("LunaDaemonLoader", start_if_absent=True)
    return b.graph


def command_graph(action: str) -> Graph:
    b = Builder()
    b.add("LunaDaemonAPI", action=action, mode="auto")
    return b.graph


def through_graph() -> Graph:
    """The name of a text encoder and its CLIP, both through Luna Daemon."""
    b = Builder()
    name = b.add("PrimitiveString", value=files.CLIP_L)
    first = b.add("LunaDaemonLoader", start_if_absent=True, anything=name[0])
    loaded = b.add("LunaCLIPLoader", clip_name=first[1], type="stable_diffusion", device="default")
    second = b.add("LunaDaemonLoader", start_if_absent=True, anything=loaded[0])
    encoded = b.add("CLIPTextEncode", clip=second[1], text="a fox")
    b.add("PreviewAny", source=encoded[0])
    return b.graph


def started_from_graph(bench: Bench) -> Result:
    """No luna: the node starts one with this ComfyUI's folders; it serves, tells its state, and stops."""
    result = Result("started_from_graph")
    bench.luna.kill()
    began = time.monotonic()
    said = _text(bench, result, start_graph())
    result.figures["start_s"] = round(time.monotonic() - began, 1)
    pid = _pid(bench.state / "luna" / "gateway.json")
    try:
        if said != f"luna was started at {bench.luna.address}" or pid is None:
            result.problems.append(f"Luna Daemon says {said!r}")
            return result
        expect_served(bench, result, 6)
        _lead_through(bench, result)
        state = json.loads(_text(bench, result, command_graph("status"), whole=True) or "{}")
        if state.get("running") is not True:
            result.problems.append(f"Luna Daemon Command says {state}")
        _text(bench, result, command_graph("stop"))
        if not _gone(pid, GONE_SECONDS):
            result.problems.append(f"luna-node still ran {GONE_SECONDS:.0f} s after the stop")
    finally:
        if pid is not None and not _gone(pid, 0.0):
            os.kill(pid, signal.SIGKILL)
            _gone(pid, GONE_SECONDS)
        bench.luna.ensure_running()
    return result


def _lead_through(bench: Bench, result: Result) -> None:
    """What goes through Luna Daemon is encoded by luna, once: the second run has nothing to compute."""
    before = bench.luna.completed()
    first = _text(bench, result, through_graph())
    after = bench.luna.completed_more(before, ("text",))
    second = _text(bench, result, through_graph())
    if not first or first != second:
        result.problems.append("through Luna Daemon, two runs show different conditioning")
    if after.get("text", 0) <= before.get("text", 0):
        result.problems.append("luna encoded nothing of what went through Luna Daemon")
    if bench.luna.completed().get("text", 0) != after.get("text", 0):
        result.problems.append("what went through Luna Daemon was computed again")


def _text(bench: Bench, result: Result, graph: Graph, whole: bool = False) -> str:
    """Runs a graph. -> the line that its last node shows, or all that follows it; "" where it failed."""
    outcome = bench.comfyui.run(graph)
    if outcome.status != "success":
        result.problems.append(f"{outcome.status} {outcome.message}")
        return ""
    shown = outcome.outputs.get(str(len(graph)), {}).get("text", [""])
    return str(shown[-1 if whole else 0])


def _pid(record: Path) -> int | None:
    """The process that the pack's client noted when it started it."""
    try:
        return int(json.loads(record.read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def _gone(pid: int, seconds: float) -> bool:
    """Whether this process is gone, now or within these seconds."""
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() >= deadline:
            return False
        threading.Event().wait(0.05)
    return True


SCENARIOS = {"started_from_graph": started_from_graph}
