"""CPU seconds and memory of luna's models, on a machine of their own and beside programs that keep every core busy.

    PYTHON bench/busy_machine.py --folder DIR [--node build/release/bin/luna-node]... [--realtime]

Several ``--node`` are measured in turns, for a before and an after; with a PYTHON that has torch, the same models in
PyTorch too. The full-size models of generated weights are made in DIR at the first run (2 GB). ``--realtime`` runs the
quiet rounds at a real-time priority (needs the right to): what a quiet machine would measure, on one that is not.
Prints one JSON object a line: medians of user + system seconds of all threads, and of the wall clock; of memory, what
is anonymous and resident after a load, and its peak.
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
from dataclasses import dataclass
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
from machine import describe_machine  # noqa: E402
from node_process import NodeProcess  # noqa: E402

PROMPT = "a photograph of a lighthouse on a cliff at dusk, long exposure, waves, gulls"
VAE = "vae_sd.safetensors"
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Contender:
    """A process that does the works that it is measured at."""

    name: str
    pid: int
    works: dict[str, Callable[[], Any]]


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


# -- who is measured


def luna(name: str, node: NodeProcess, client: Client, latents: np.ndarray) -> Contender:
    return Contender(
        name,
        node.pid,
        {
            "sdxl_encode": lambda: client.clip_encode(PROMPT, None, model=PAIR),
            "vae_decode": lambda: client.vae_decode(latents, VAE, tiled=False, timeout=600),
        },
    )


def pytorch(folder: Path, tokens: dict[str, Any], latents: np.ndarray) -> Contender | None:
    """This process with the same models, if it has torch."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    from pytorch_models import ClipTower, Decoder

    texts = folder / "text_encoders"
    towers = {
        "l": ClipTower(texts / "clip_l.safetensors", quick_gelu=True),
        "g": ClipTower(texts / "clip_g.safetensors", quick_gelu=False),
    }
    ids = {key: torch.tensor([[x[0] for x in row] for row in tokens[key]]) for key in towers}
    decoder = Decoder(folder / "vae" / VAE)
    works = {
        "sdxl_encode": lambda: [towers[key](x) for key, x in ids.items()],
        "vae_decode": lambda: decoder(torch.from_numpy(latents)),
    }
    quiet = torch.inference_mode()
    return Contender("pytorch", os.getpid(), {key: quiet(work) for key, work in works.items()})


# -- measuring


def measure(who: Contender, work: str) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    cpu, wall = cpu_seconds(who.pid), time.perf_counter()
    who.works[work]()
    return cpu_seconds(who.pid) - cpu, time.perf_counter() - wall


def in_turns(
    contenders: list[Contender], work: str, rounds: int, realtime: bool
) -> dict[str, list[tuple[float, float]]]:
    times: dict[str, list[tuple[float, float]]] = {who.name: [] for who in contenders}
    for who in contenders:
        measure(who, work)
    for _ in range(rounds):
        for who in contenders:
            if realtime:
                set_priority(who.pid, True)
            try:
                times[who.name].append(measure(who, work))
            finally:
                if realtime:
                    set_priority(who.pid, False)
    return times


def report(measurement: str, who: str, values: dict[str, Any]) -> None:
    line = {"measurement": measurement, "who": who, **values, "machine": describe_machine()}
    print(json.dumps(line), flush=True)


def report_times(measurement: str, place: str, times: dict[str, list[tuple[float, float]]]) -> None:
    for name, pairs in times.items():
        cpu, wall = ([round(x, 3) for x in column] for column in zip(*pairs, strict=True))
        values = {"cpu_s": statistics.median(cpu), "cpu_s_min": min(cpu)}
        values |= {"wall_s": statistics.median(wall), "rounds": len(pairs)}
        report(f"{measurement}, {place}", name, values)


def measure_memory(who: Contender) -> None:
    before = memory_mib(who.pid, "RssAnon")
    who.works["sdxl_encode"]()
    values = {"idle_mib": before, "anonymous_mib": memory_mib(who.pid, "RssAnon")}
    report(
        "memory of SDXL's text encoders",
        who.name,
        values | {"peak_mib": memory_mib(who.pid, "VmHWM")},
    )


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
    rounds = {"sdxl_encode": options.rounds, "vae_decode": max(1, options.rounds // 3)}
    contenders: list[Contender] = []
    with ExitStack() as stack:
        for path in options.node or [ROOT / "build" / "release" / "bin" / "luna-node"]:
            node = stack.enter_context(started(path, options.folder))
            client = stack.enter_context(node.client(timeout=600))
            contenders.append(luna(str(path), node, client, latents))
            measure_memory(contenders[-1])
        other = pytorch(options.folder, client.clip_tokenize(PROMPT, PAIR), latents)
        contenders += [other] if other else []
        for work, count in rounds.items():
            report_times(work, "quiet", in_turns(contenders, work, count, options.realtime))
            with every_core_busy():
                report_times(work, "busy", in_turns(contenders, work, count, False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
