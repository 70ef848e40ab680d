"""What a node keeps of each connection and each wait that has ended: it should be nothing.

    .venv/bin/python bench/connection_memory.py --times 100000

Prints a JSON line for each kind of guest with the bytes of the process that no file backs, before and
after; the status is 1 if a kind leaves more than a byte or two.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "comfyui"),
    str(ROOT / "tests" / "python"),
    str(ROOT / "tests" / "python" / "system"),
]

from node_process import NodeProcess  # noqa: E402
from raw_peer import RawPeer  # noqa: E402
from test_gateway_guests import garbage, hello_and_ping, no_hello  # noqa: E402

#: Bytes that one guest may leave, on average: what the allocator and the log do.
BOUND = 16


def pings_of_one_client(node: NodeProcess, times: int) -> None:
    with RawPeer(node.gateway) as peer:
        for n in range(1, times + 1):
            peer.request(n, "ping")
            peer.read()


def each(visit: Callable[[NodeProcess], None]) -> Callable[[NodeProcess, int], None]:
    def run(node: NodeProcess, times: int) -> None:
        for _ in range(times):
            visit(node)

    return run


def measure(
    node: NodeProcess, name: str, run: Callable[[NodeProcess, int], None], times: int
) -> float:
    """Bytes that each of so many guests has left, after a tenth of them has filled what is reused."""
    run(node, times // 10)
    time.sleep(2.5)
    before = node.anonymous_bytes()
    begin = time.monotonic()
    run(node, times)
    seconds = time.monotonic() - begin
    time.sleep(2.5)
    after = node.anonymous_bytes()
    each_left = (after - before) / times
    figures = {"what": name, "times": times, "before": before, "after": after}
    print(
        json.dumps({**figures, "bytes_each": each_left, "seconds": round(seconds, 1)}), flush=True
    )
    return each_left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=100_000)
    parser.add_argument(
        "--program", type=Path, default=ROOT / "build" / "dev" / "bin" / "luna-node"
    )
    options = parser.parse_args()
    kinds: dict[str, Callable[[NodeProcess, int], None]] = {
        "hello, ping, close": each(hello_and_ping),
        "no hello": each(no_hello),
        "garbage": each(garbage),
        "pings of one client": pings_of_one_client,
    }
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").mkdir()
        line = [
            "--gateway",
            "127.0.0.1:0",
            "--data",
            f"{folder}/data",
            "--models",
            f"{folder}/models",
        ]
        node = NodeProcess(
            options.program, [*line, "--log-level", "warn"], Path(folder)
        ).wait_ready()
        try:
            for name, run in kinds.items():
                worst = max(worst, measure(node, name, run, options.times))
        finally:
            node.dispose()
    return 1 if worst > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
