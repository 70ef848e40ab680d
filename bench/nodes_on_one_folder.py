"""Nodes that know nothing of each other save into one folder, with kill -9: is a picture lost, overwritten or mixed up?

    .venv/bin/python bench/nodes_on_one_folder.py --rounds 100

What tests/python/system/test_shared_folder.py does six times, with counts instead of assertions: in each round one of
the nodes is killed while three clients of each save, a third of the pictures under ComfyUI's counter, a third under one
name, a third under names of their own. Prints one JSON object with the machine; the status is 1 if a picture was not as
promised.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "comfyui"), str(ROOT / "tests" / "python" / "system")]

from node_process import NodeProcess  # noqa: E402
from setting import free_port  # noqa: E402
from shared_folder import (  # noqa: E402
    NUMBERS_A_NODE,
    Node,
    kill_one,
    look_at_folder,
    submitting,
    task_of,
)
from test_kill_while_saving import Submitters  # noqa: E402


def make_node(program: Path, index: int, folder: Path) -> Node:
    gateway = f"127.0.0.1:{free_port()}"
    line = ["--gateway", gateway, "--data", str(folder / f"data-{index}"), "--log-level", "error"]
    line += ["--output", str(folder / "output"), "--models", str(folder / "models")]
    return Node(
        lambda: NodeProcess(program, line, folder).wait_ready(),
        Submitters(gateway, task_of, index * NUMBERS_A_NODE),
    )


def measure(program: Path, count: int, rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    (folder / "models").mkdir()
    nodes = [make_node(program, index, folder) for index in range(count)]
    chance = random.Random(seed)
    begin = time.monotonic()
    try:
        with submitting(nodes):
            for done in range(1, rounds + 1):
                kill_one(nodes, chance)
                if done % 10 == 0:
                    told = sum(len(node.submitters.acknowledged) for node in nodes)
                    print(f"{count} nodes: {done} kills, {told} acknowledged", file=sys.stderr)
        findings, others = look_at_folder(nodes, folder / "output")
    finally:
        for node in nodes:
            if node.process is not None:
                node.process.dispose()
    problems = {**findings.problems, "other_files": len(others)}
    return {
        "measurement": "nodes_on_one_folder",
        "nodes": count,
        "rounds": rounds,
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
        "acknowledged": sum(len(node.submitters.acknowledged) for node in nodes),
        "uncertain": sum(len(node.submitters.uncertain) for node in nodes),
        **problems,
        "target": "nothing lost, doubled, mixed up or left behind",
        "met": not any(problems.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=3, help="on one folder (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=100, help="kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of when they come, and to whom")
    parser.add_argument(
        "--bin",
        type=Path,
        default=ROOT / "build" / "release" / "bin",
        help="folder of luna-node and luna-bench (default: build/release/bin)",
    )
    options = parser.parse_args()
    programs = options.bin.absolute()
    machine = subprocess.run(
        [programs / "luna-bench", "machine"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory(prefix="luna-bench-") as folder:
        found = measure(
            programs / "luna-node", options.nodes, options.rounds, options.seed, Path(folder)
        )
    print(json.dumps({**found, "machine": json.loads(machine.stdout)}))
    return 0 if found["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
