"""Stops a node that has dialled two others, again and again: each time with status 0, at once.

usage: bench/stop_many_times.py [ROUNDS] [--node PROGRAM]

Three nodes with mutual TLS on loopback, certificates made here. alpha and beta stay; gamma, which connects to both, is
started, waited for until it has met them, and stopped with SIGTERM. Prints one JSON object with the machine; ends with
status 1 at the first stop that ends otherwise than with 0, and shows what that node said.
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
from trio import Trio  # noqa: E402

#: What counts as at once, in seconds: a third of what a stop has before it is cut off.
AT_ONCE = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=500)
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
            return stop_often(
                Trio(start, ClusterFile(folder, folder), Authority(folder, "studio")),
                options.rounds,
            )
        finally:
            for process in started:
                process.dispose()


def stop_often(trio: Trio, rounds: int) -> int:
    trio.start("alpha", "beta")
    took: list[float] = []
    for number in range(1, rounds + 1):
        gamma = trio.start("gamma").nodes["gamma"]
        for other in ("alpha", "beta"):
            gamma.wait_for_log(f"gamma met node {other}")
        begin = time.monotonic()
        status = gamma.stop()
        took.append(time.monotonic() - begin)
        gamma.dispose()
        if status != 0:
            story = f"stopped with {status} in round {number}, after {took[-1]:.2f} s"
            print(gamma.story(story), file=sys.stderr)
            return report_stops(took, number - 1)
        if took[-1] > AT_ONCE:  # its log has the time of each step
            print(gamma.story(f"took {took[-1]:.2f} s"), file=sys.stderr, flush=True)
        if number % 50 == 0:
            print(f"{number} stops with status 0", file=sys.stderr, flush=True)
    return report_stops(took, rounds)


def report_stops(took: list[float], in_order: int) -> int:
    middle = statistics.median(took)
    return report(
        "stop_many_times",
        {
            "stops": len(took),
            "with_status_0": in_order,
            "p50_s": round(middle, 3),
            "max_s": round(max(took), 3),
        },
        f"status 0 each time, at the median within {AT_ONCE:g} s",
        in_order == len(took) and middle <= AT_ONCE,
    )


if __name__ == "__main__":
    sys.exit(main())
