"""How much longer a node takes until its ready line when pictures wait in its queue.

usage: bench/start_with_queue.py [--gib 1] [--rounds 7] [--node PROGRAM] [--folder DIR]

The pictures (1024x1024, noise) are for a store that is away, so they stay queued. In turns, each from the start of the
process to its ready line: a node with an empty data folder, the one with the queue, and that one after the system has
forgotten its files (from the disk, as after a restart of the machine). Each time every job must wait still. Prints
one JSON object with the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "python" / "system"), str(ROOT / "comfyui")]

from machine import report  # noqa: E402
from node_process import NodeProcess  # noqa: E402
from pictures import numbered  # noqa: E402
from s3_store import S3Store  # noqa: E402
from setting import ClusterFile  # noqa: E402

#: How much longer it may take, in seconds.
BOUND = 0.5
SIDE = 1024


@dataclass(frozen=True)
class Started:
    """What a start has taken until the ready line."""

    seconds: float
    cpu_s: float
    disk_mib: float

    @classmethod
    def now(cls, pid: int, begin: float) -> Started:
        seconds = time.monotonic() - begin
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        reads = Path(f"/proc/{pid}/io").read_text().partition("\nread_bytes: ")[2].split()[0]
        ticks = os.sysconf("SC_CLK_TCK")
        return cls(seconds, sum(map(int, times)) / ticks, int(reads) / (1 << 20))


class Nodes:
    """Starts one of two nodes on one machine: ``full`` has the queue, ``empty`` none."""

    def __init__(self, program: Path, folder: Path) -> None:
        saving = S3Store(folder).configuration()  # the store is never started
        files = ClusterFile(folder, folder)
        self.configs = {
            name: files.write(name, name=f"{name}.conf", pools="pools = []", more=saving)
            for name in ("empty", "full")
        }
        self.data = folder / "full"
        self._program = program
        self._folder = folder

    def start(self, name: str) -> tuple[NodeProcess, Started]:
        """-> the node, when it is ready."""
        begin = time.monotonic()
        line = ["--config", str(self.configs[name]), "--node", name]
        node = NodeProcess(self._program, line, self._folder)
        try:
            node.wait_ready()
        except AssertionError:
            node.dispose()
            raise
        return node, Started.now(node.pid, begin)

    def fill(self, gib: int) -> int:
        """-> how many jobs wait."""
        count = (gib << 30) // (SIDE * SIDE * 3) + 1
        picture = numbered(1, SIDE)
        node, _ = self.start("full")
        try:
            with node.client() as luna:
                for n in range(count):
                    images = [{"image": picture}]
                    luna.submit_async({"filename": f"n{n}", "target": "bucket", "images": images})
            assert node.stop() == 0, node.story("stopped badly")
        finally:
            node.dispose()
        return count

    def measure(self, name: str, jobs: int) -> Started:
        node, started = self.start(name)
        try:
            with node.client() as luna:
                kept = luna.job_list(limit=jobs + 1)
                waiting = sum(job.state in ("queued", "running") for job in kept)
                assert waiting == jobs, f"{waiting} of {jobs} jobs wait"
            assert node.stop() == 0, node.story("stopped badly")
        finally:
            node.dispose()
        return started

    def forget_files(self) -> None:
        os.sync()
        for path in self.data.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)


def medians(starts: list[Started]) -> dict[str, float]:
    columns = [asdict(start) for start in starts]
    return {key: round(statistics.median(row[key] for row in columns), 3) for key in columns[0]}


def measure(nodes: Nodes, gib: int, rounds: int) -> int:
    jobs = nodes.fill(gib)
    starts: dict[str, list[Started]] = {"empty": [], "full": [], "full_from_disk": []}
    for _ in range(rounds):
        starts["empty"].append(nodes.measure("empty", 0))
        starts["full"].append(nodes.measure("full", jobs))
        nodes.forget_files()
        starts["full_from_disk"].append(nodes.measure("full", jobs))
    middle = {name: medians(each) for name, each in starts.items()}
    slower = max(middle["full"]["seconds"], middle["full_from_disk"]["seconds"])
    longer = slower - middle["empty"]["seconds"]
    size = sum(path.stat().st_size for path in nodes.data.rglob("*") if path.is_file())
    return report(
        "start_with_queue",
        {
            "jobs": jobs,
            "data_gib": round(size / (1 << 30), 2),
            "rounds": rounds,
            **middle,
            "longer_s": round(longer, 3),
        },
        f"<= {BOUND:g} s longer",
        longer <= BOUND,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--node", type=Path, default=ROOT / "build" / "dev" / "bin" / "luna-node")
    parser.add_argument("--folder", type=Path, help="on which disk (default: the temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        return measure(Nodes(options.node, Path(name)), options.gib, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
