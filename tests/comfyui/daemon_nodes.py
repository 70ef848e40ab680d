"""luna-node started, asked and stopped from a graph, by the nodes that do that."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

from graphs import Builder, Graph
from pairs import Bench
from report import Result
from scenarios import expect_served

#: How long a stopped luna-node may take to be gone, in seconds.
GONE_SECONDS = 45.0


def start_graph() -> Graph:
    b = Builder()
    said = b.add("LunaDaemonLoader", start_if_absent=True)
    b.add("PreviewAny", source=said[0])
    return b.graph


def command_graph(action: str) -> Graph:
    b = Builder()
    said = b.add("LunaDaemonAPI", action=action, mode="auto")
    b.add("PreviewAny", source=said[0])
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
        state = json.loads(_text(bench, result, command_graph("status")) or "{}")
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


def _text(bench: Bench, result: Result, graph: Graph) -> str:
    """Runs a graph that ends in PreviewAny. -> what it shows, "" where it failed."""
    outcome = bench.comfyui.run(graph)
    if outcome.status != "success":
        result.problems.append(f"{outcome.status} {outcome.message}")
        return ""
    shown = outcome.outputs.get(str(len(graph)), {}).get("text", [""])
    return str(shown[0])


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
