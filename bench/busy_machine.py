"""CPU seconds and memory of luna's models, on a machine of their own and beside programs that keep every core busy.

    .venv/bin/python bench/busy_machine.py --folder DIR [--node build/release/bin/luna-node]... [--realtime]

Several ``--node`` are measured in turns, for a before and an after. The full-size models of generated weights are made
in DIR at the first run (2 GB). ``--realtime`` runs the quiet rounds at a real-time priority (needs the right to): what
a quiet machine would measure, on one that is not. Prints one JSON object a line: medians of user + system seconds of
all threads of the server, and of the wall clock; of memory, what is anonymous and resident after a load, and its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "comfyui"),
    str(ROOT / "tests" / "python" / "system"),
    str(ROOT / "bench"),
]

import numpy as np  # noqa: E402
from full_size_models import PAIR, make_models, started  # noqa: E402
from luna_client import Client  # noqa: E402
from node_process import NodeProcess  # noqa: E402

PROMPT = "a photograph of a lighthouse on a cliff at dusk, long exposure, waves, gulls"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) // 1024
    return 0


def set_priority(pid: int, realtime: bool) -> None:
    """Of all threads of a process."""
    policy, priority = (os.SCHED_FIFO, 1) if realtime else (os.SCHED_OTHER, 0)
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setscheduler(int(thread), policy, os.sched_param(priority))


@contextmanager
def every_core_busy() -> Iterator[None]:
    """Programs that do nothing but compute, one a core."""
    line = [sys.executable, "-c", "while True: pass"]
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            process = subprocess.Popen(line)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def measure(node: NodeProcess, work: Callable[[Client], Any]) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    with node.client(timeout=600) as luna:
        cpu, wall = cpu_seconds(node.pid), time.perf_counter()
        work(luna)
        return cpu_seconds(node.pid) - cpu, time.perf_counter() - wall


def in_turns(
    nodes: dict[str, NodeProcess], work: Callable[[Client], Any], rounds: int, realtime: bool
) -> dict[str, list[tuple[float, float]]]:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in nodes}
    for node in nodes.values():
        measure(node, work)
    for _ in range(rounds):
        for name, node in nodes.items():
            if realtime:
                set_priority(node.pid, True)
            try:
                times[name].append(measure(node, work))
            finally:
                if realtime:
                    set_priority(node.pid, False)
    return times


def report(measurement: str, node: str, values: dict[str, Any]) -> None:
    machine = {"cores": os.cpu_count(), "load": [round(x, 2) for x in os.getloadavg()]}
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"measurement": measurement, "node": node, **values, "machine": machine, "date": date}
    print(json.dumps(line), flush=True)


def report_times(measurement: str, place: str, times: dict[str, list[tuple[float, float]]]) -> None:
    for name, pairs in times.items():
        cpu, wall = ([round(x, 3) for x in column] for column in zip(*pairs, strict=True))
        values = {"cpu_s": statistics.median(cpu), "cpu_s_min": min(cpu)}
        values |= {"wall_s": statistics.median(wall), "rounds": len(pairs)}
        report(f"{measurement}, {place}", name, values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--node", type=Path, action="append")
    parser.add_argument(
        "--rounds", type=int, default=9, help="of the encoder; a third for the decoder"
    )
    parser.add_argument("--side", type=int, default=512, help="of the picture that is decoded")
    parser.add_argument("--realtime", action="store_true")
    options = parser.parse_args()
    make_models(options.folder)
    side = options.side // 8
    latents = np.random.default_rng(1).standard_normal((1, 4, side, side)).astype(np.float32)
    works: dict[str, tuple[Callable[[Client], Any], int]] = {
        "sdxl_encode": (lambda x: x.clip_encode(PROMPT, None, model=PAIR), options.rounds),
        "vae_decode": (
            lambda x: x.vae_decode(latents, "vae_sd.safetensors", tiled=False, timeout=600),
            max(1, options.rounds // 3),
        ),
    }
    with ExitStack() as stack:
        nodes = {
            str(path): stack.enter_context(started(path, options.folder))
            for path in options.node or [ROOT / "build" / "release" / "bin" / "luna-node"]
        }
        for name, node in nodes.items():
            before = memory_mib(node.pid, "RssAnon")
            measure(node, works["sdxl_encode"][0])
            values = {"idle_mib": before, "anonymous_mib": memory_mib(node.pid, "RssAnon")}
            values |= {"peak_mib": memory_mib(node.pid, "VmHWM")}
            report("memory of SDXL's text encoders", name, values)
        for measurement, (work, rounds) in works.items():
            report_times(measurement, "quiet", in_turns(nodes, work, rounds, options.realtime))
            with every_core_busy():
                report_times(measurement, "busy", in_turns(nodes, work, rounds, False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
