"""kill -9 while saving, hundreds of times: is any acknowledged picture lost, doubled or half written?

    .venv/bin/python bench/kill_while_saving.py --rounds 300

What tests/python/system/test_kill_while_saving.py does twenty times, with counts instead of
assertions. Prints one JSON object with the machine; the status is 1 if a picture was not as
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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "comfyui"), str(ROOT / "tests" / "python" / "system")]

from luna_client import Client  # noqa: E402
from node_process import PATIENCE, NodeProcess  # noqa: E402
from setting import free_port  # noqa: E402
from test_kill_while_saving import (  # noqa: E402
    THREADS,
    Submitters,
    broken_files,
    number_in_name,
)


class Node:
    """Starts the node again and again, on one address and one data folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.gateway = f"127.0.0.1:{free_port()}"
        (folder / "models").mkdir()
        self._program = program
        self._folder = folder
        self._now: NodeProcess | None = None

    def start(self) -> NodeProcess:
        line = ["--gateway", self.gateway, "--data", str(self._folder / "data")]
        line += ["--models", str(self._folder / "models"), "--log-level", "warn"]
        self._now = NodeProcess(self._program, line, self._folder)
        return self._now.wait_ready()

    def dispose(self) -> None:
        if self._now is not None:
            self._now.dispose()


def kill_again_and_again(node: Node, rounds: int, chance: random.Random) -> Submitters:
    """Threads submit all the while. -> what they were told."""
    running = node.start()
    submitters = Submitters(node.gateway)
    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(submitters.run) for _ in range(THREADS)]
        try:
            for done in range(1, rounds + 1):
                submitters.wait_for(len(submitters.acknowledged) + chance.randint(1, 12))
                time.sleep(chance.uniform(0, 0.05))  # any moment of the saving
                running.kill()
                running = node.start()
                if done % 25 == 0:
                    print(
                        f"{done} kills, {len(submitters.acknowledged)} acknowledged",
                        file=sys.stderr,
                    )
            submitters.wait_for(len(submitters.acknowledged) + THREADS)
        finally:
            submitters.stop()
        for thread in threads:
            thread.result(PATIENCE)
    return submitters


def count_jobs(gateway: str, submitters: Submitters) -> dict[str, int]:
    """Waits until all jobs are at an end. -> those that did not become what was promised."""
    wrong = 0
    with Client(gateway, tensors="numpy") as luna:
        for number, job_id in submitters.acknowledged.items():
            job = luna.job_wait(job_id, PATIENCE)
            numbers = [number_in_name(Path(path)) for path in job.paths]
            wrong += job.state != "done" or numbers != [number]
        for job in luna.job_list(limit=10000):
            luna.job_wait(job.job_id, PATIENCE)
    return {"jobs_not_done": wrong}


def count_files(output: Path, gateway: str, submitters: Submitters) -> dict[str, int]:
    files = [path for path in output.rglob("*") if path.is_file()]
    pictures = [path for path in files if path.suffix != ".tmp"]
    with Client(gateway, tensors="numpy") as luna:
        broken = set(broken_files(luna, pictures))
    whole = Counter(number_in_name(path) for path in pictures if path not in broken)
    return {
        "pictures": len(pictures),
        "lost": len(set(submitters.acknowledged) - set(whole)),
        "doubled": sum(count > 1 for count in whole.values()),
        "half_written": len(broken),
        "other_files": len(files) - len(pictures),
        "refused_but_saved": len(set(whole) & submitters.refused),
    }


def measure(program: Path, rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    node = Node(program, folder)
    begin = time.monotonic()
    try:
        submitters = kill_again_and_again(node, rounds, random.Random(seed))
        problems = count_jobs(node.gateway, submitters)
        problems |= count_files(folder / "data" / "output", node.gateway, submitters)
    finally:
        node.dispose()
    pictures = problems.pop("pictures")
    return {
        "measurement": "kill_while_saving",
        "rounds": rounds,
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
        "acknowledged": len(submitters.acknowledged),
        "uncertain": len(submitters.uncertain),
        "refused": len(submitters.refused),
        "pictures": pictures,
        **problems,
        "target": "nothing lost, doubled or half written",
        "met": not any(problems.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300, help="kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of when they come")
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
        found = measure(programs / "luna-node", options.rounds, options.seed, Path(folder))
    print(json.dumps({**found, "machine": json.loads(machine.stdout)}))
    return 0 if found["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
