"""Saving many pictures: luna's service beside ComfyUI's SaveImage, and the memory of a long queue.

    .venv/bin/python bench/pictures.py DIR
    .venv/bin/python bench/save_throughput.py --pictures DIR

Throughput: the pictures of 1024 x 1024 pixels, in turns by what SaveImage does (one thread, Pillow at level 4, with
prompt and workflow) and by one client of a luna-node with its default of up to four workers, until every file is there.
Memory: a thousand such pictures that wait for a target which is away. Prints JSON, one object a line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "comfyui"), str(ROOT / "tests" / "python" / "system")]

from luna_client import Client  # noqa: E402
from node_process import NodeProcess  # noqa: E402
from setting import free_port  # noqa: E402

PROMPT = json.dumps({"prompt": "x" * 5000})
WORKFLOW = json.dumps({"workflow": "y" * 20000})
ROUNDS = 5
COPIES = 4
QUEUED = 1000


def pictures_of(folder: Path) -> list[np.ndarray]:
    """All pictures of 1024 x 1024 pixels, as ComfyUI has them: float32 [H, W, 3] in 0..1."""
    found = []
    for path in sorted(folder.glob("generated_*.png")):
        with Image.open(path) as image:
            if image.size == (1024, 1024):
                found.append(np.asarray(image.convert("RGB"), np.float32) / 255)
    if not found:
        raise SystemExit(f"no pictures in {folder}: make them with bench/pictures.py {folder}")
    return found * COPIES


def by_saveimage(pictures: list[np.ndarray], folder: Path) -> None:
    """As ComfyUI's SaveImage."""
    for number, picture in enumerate(pictures):
        image = Image.fromarray(np.clip(255.0 * picture, 0, 255).astype(np.uint8))
        texts = PngInfo()
        texts.add_text("prompt", PROMPT)
        texts.add_text("workflow", WORKFLOW)
        image.save(folder / f"{number}.png", pnginfo=texts, compress_level=4)


def by_luna(pictures: list[np.ndarray], luna: Client) -> None:
    """As LunaSaveImage: one job a picture, then until the last file is there."""
    texts = {"prompt": PROMPT, "extra_pnginfo": {"workflow": WORKFLOW}}
    jobs = []
    for number, picture in enumerate(pictures):
        small = np.clip(255.0 * picture, 0, 255).astype(np.uint8)
        task = {"filename": f"p{number}", "images": [{"tensor": "a"}], **texts}
        jobs.append(luna.submit_async(task, {"a": small}).job_id)
    for job in jobs:
        done = luna.job_wait(job, 120)
        if done.state != "done":
            raise SystemExit(f"a picture was not saved: {done}")


def timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def throughput(node: NodeProcess, pictures: list[np.ndarray], folder: Path) -> dict[str, Any]:
    ours, theirs = [], []
    with node.client() as luna:
        by_luna(pictures[:4], luna)  # the connection, the first worker
        for _ in range(ROUNDS):
            theirs.append(timed(lambda: by_saveimage(pictures, folder)))
            ours.append(timed(lambda: by_luna(pictures, luna)))
    ratio = statistics.median(theirs) / statistics.median(ours)
    return {
        "measurement": "save_throughput",
        "figure": "pictures per second, times SaveImage's",
        "value": round(ratio, 2),
        "unit": "x",
        "target": ">= 8 x",
        "met": ratio >= 8,
        "luna_per_s": round(len(pictures) / statistics.median(ours), 1),
        "saveimage_per_s": round(len(pictures) / statistics.median(theirs), 1),
        "pictures": len(pictures),
        "rounds": ROUNDS,
    }


def queue_memory(node: NodeProcess, picture: np.ndarray) -> dict[str, Any]:
    small = np.clip(255.0 * picture, 0, 255).astype(np.uint8)
    with node.client() as luna:
        task = {"target": "away", "images": [{"tensor": "a"}]}
        luna.submit_async(task, {"a": small})
        idle = node.anonymous_bytes()
        most = idle
        for _ in range(QUEUED):
            luna.submit_async(task, {"a": small})
            most = max(most, node.anonymous_bytes())
        queued = luna.get_status().save_queue["queued"]
    grown = (most - idle) / 1e6
    return {
        "measurement": "queue_memory",
        "figure": f"anonymous memory above idle with {QUEUED} queued pictures of 1024x1024",
        "value": round(grown, 1),
        "unit": "MB",
        "target": "<= 250 MB",
        "met": grown <= 250,
        "idle_mb": round(idle / 1e6, 1),
        "queued": queued,
    }


def start(program: Path, folder: Path) -> NodeProcess:
    """A node with one target that nobody answers for."""
    (folder / "models").mkdir(parents=True)
    (folder / "keys").write_text("aws_access_key_id = a\naws_secret_access_key = b\n")
    (folder / "keys").chmod(0o600)
    config = folder / "cluster.conf"
    config.write_text(
        f"""
nodes = [ {{ name = "one", port = 0, gateway = "127.0.0.1:0", data = "{folder}/data" }} ]
models {{ folders = ["{folder}/models"] }}
saving {{ targets = [ {{ name = "away", endpoint = "http://127.0.0.1:{free_port()}", bucket = "pictures",
  credentials-file = "{folder}/keys" }} ] }}
"""
    )
    return NodeProcess(program, ["--config", str(config), "--node", "one"], folder).wait_ready()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", type=Path, default=ROOT / "build/release/bin/luna-node")
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    pictures = pictures_of(options.pictures)
    bench = options.node.parent / "luna-bench"
    machine = json.loads(subprocess.run([bench, "machine"], check=True, capture_output=True).stdout)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "saveimage").mkdir()
        node = start(options.node, folder)
        try:
            for figure in (
                throughput(node, pictures, folder / "saveimage"),
                queue_memory(node, pictures[0]),
            ):
                print(json.dumps(figure | {"machine": machine}), flush=True)
        finally:
            node.dispose()


if __name__ == "__main__":
    main()
