"""How soon a node that was restarted is linked with the others again, both ways, from its ready line on.

usage: bench/mesh_after_restart.py [ROUNDS] [--node PROGRAM]

Three nodes with mutual TLS on loopback, certificates made here. alpha, beta and gamma are restarted in turns, ROUNDS
times each, as an operator does it: SIGTERM, and a start when the process is gone. alpha waits to be dialled by the
others, gamma dials them, beta does both. Prints one JSON object for each of them with the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "python" / "system"), str(ROOT / "comfyui")]

from certificates import Authority  # noqa: E402
from machine import report  # noqa: E402
from node_process import NodeProcess  # noqa: E402
from setting import ClusterFile  # noqa: E402
from trio import NAMES, Trio  # noqa: E402

#: The bound, in seconds.
SOON = 1.5


def restart(trio: Trio, name: str) -> float:
    """Restarts a node. -> seconds from its ready line until all have met."""
    others = [trio.nodes[other] for other in NAMES if other != name]
    assert trio.nodes[name].stop() == 0, trio.nodes[name].story("stopped badly")
    trio.nodes[name].dispose()
    heard = [len(other.log) for other in others]
    node = trio.start(name).nodes[name]
    ready = time.monotonic()
    for other in NAMES:
        if other != name:
            node.wait_for_log(f"{name} met node {other}")
    for other, before in zip(others, heard, strict=True):
        other.wait_for_log(f"met node {name}", after=before)
    return time.monotonic() - ready


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=30)
    parser.add_argument("--node", type=Path, default=ROOT / "build" / "dev" / "bin" / "luna-node")
    options = parser.parse_args()
    started: list[NodeProcess] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def start(config: Path, node: str) -> NodeProcess:
            process = NodeProcess(options.node, ["--config", str(config), "--node", node], folder)
            started.append(process)
            return process.wait_ready()

        try:
            trio = Trio(start, ClusterFile(folder, folder), Authority(folder, "studio"))
            trio.start().wait_for_mesh()
            took: dict[str, list[float]] = {name: [] for name in NAMES}
            for _ in range(options.rounds):
                for name in NAMES:
                    took[name].append(restart(trio, name))
            return max([report_restarts(name, seconds) for name, seconds in took.items()])
        finally:
            for process in started:
                process.dispose()


def report_restarts(name: str, took: list[float]) -> int:
    return report(
        "mesh_after_restart",
        {
            "node": name,
            "restarts": len(took),
            "p50_s": round(statistics.median(took), 3),
            "max_s": round(max(took), 3),
        },
        f"<= {SOON:g} s",
        max(took) <= SOON,
    )


if __name__ == "__main__":
    sys.exit(main())
