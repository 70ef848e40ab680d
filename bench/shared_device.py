"""Clients that share a device: eight at once, and one beside another that has sent a hundred requests.

    PYTHON bench/shared_device.py --folder DIR [--node build/release/bin/luna-node]...

Several ``--node`` are measured in turns, for a before and an after. The full-size models of generated weights are made
in DIR at the first run (2 GB). Prints one JSON object a line, medians of the rounds:

- eight clients ask for a CLIP-L prompt while the device decodes a picture: ``wall_s`` and ``cpu_s`` from the decode's
  end until the last has its answer
- one client sends a hundred CLIP-L prompts, another one prompt right after: ``wall_s`` of that one
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "comfyui"),
    str(ROOT / "tests" / "python" / "system"),
    str(ROOT / "bench"),
]

import numpy as np  # noqa: E402
from busy_machine import VAE, cpu_seconds, report  # noqa: E402
from full_size_models import make_models, started  # noqa: E402
from luna_client import Client  # noqa: E402
from node_process import NodeProcess  # noqa: E402

CLIP = "clip_l.safetensors"
PROMPT = "a photograph of a lighthouse on a cliff at dusk, long exposure"
LATENTS = np.zeros((1, 4, 32, 32), np.float32)


class Setting:
    """A server and nine clients of it."""

    def __init__(self, name: str, node: NodeProcess, stack: ExitStack) -> None:
        self.name = name
        self.node = node
        self.clients = [stack.enter_context(node.client(timeout=600)) for _ in range(9)]
        self.threads = stack.enter_context(ThreadPoolExecutor(128))
        self.clients[0].clip_encode(PROMPT, None, model=CLIP)
        self.clients[0].vae_decode(LATENTS, VAE)

    def wait_queued(self, kind: str, queued: int, running: int) -> None:
        while True:
            pools = [p for p in self.clients[0].get_status().pools if p.kind == kind]
            if all(p.queued >= queued and p.running >= running for p in pools):
                return
            time.sleep(0.002)

    def eight_at_once(self) -> tuple[float, float]:
        """Wall and CPU seconds from the end of the decode until all eight have their answer."""
        decode = self.threads.submit(self.clients[8].vae_decode, LATENTS, VAE)
        self.wait_queued("vae", 0, 1)
        prompts = [
            self.threads.submit(encode, client, i) for i, client in enumerate(self.clients[:8])
        ]
        self.wait_queued("text", 8, 0)
        decode.result()
        wall, cpu = time.perf_counter(), cpu_seconds(self.node.pid)
        for prompt in prompts:
            prompt.result()
        return time.perf_counter() - wall, cpu_seconds(self.node.pid) - cpu

    def one_beside_a_hundred(self) -> tuple[float, float]:
        """Wall seconds of the one, and of all."""
        begin = time.perf_counter()
        many = [self.threads.submit(encode, self.clients[1], i) for i in range(100)]
        self.wait_queued("text", 20, 1)
        asked = time.perf_counter()
        encode(self.clients[2], 100)
        one = time.perf_counter() - asked
        for prompt in many:
            prompt.result()
        return one, time.perf_counter() - begin


def encode(client: Client, number: int) -> None:
    client.clip_encode(f"{PROMPT}, {number}", None, model=CLIP)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--node", type=Path, action="append")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    make_models(options.folder)
    with ExitStack() as stack:
        settings = []
        for path in options.node or [ROOT / "build" / "release" / "bin" / "luna-node"]:
            node = stack.enter_context(started(path, options.folder))
            settings.append(Setting(str(path), node, stack))
        for measurement, run, names in (
            ("eight clients while the device decodes", Setting.eight_at_once, ("wall_s", "cpu_s")),
            (
                "one client beside one with 100 prompts",
                Setting.one_beside_a_hundred,
                ("wall_s", "all_s"),
            ),
        ):
            rounds = [[run(setting) for setting in settings] for _ in range(options.rounds)]
            for setting, results in zip(settings, zip(*rounds, strict=True), strict=True):
                medians = [round(statistics.median(x), 3) for x in zip(*results, strict=True)]
                report(measurement, setting.name, dict(zip(names, medians, strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
