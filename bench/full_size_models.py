"""Full-size models of generated weights, and a server that has them: what the benches of models share.

Expects comfyui/ and tests/python/system/ on the path.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node_process import NodeProcess

ROOT = Path(__file__).resolve().parents[1]
PAIR = {"type": "sdxl", "files": ["clip_l.safetensors", "clip_g.safetensors"]}


def make_models(folder: Path) -> None:
    """The model files that are not there yet, as ComfyUI's folders have them."""
    for family, place in (
        ("clip-l", "text_encoders/clip_l.safetensors"),
        ("clip-g", "text_encoders/clip_g.safetensors"),
        ("vae-sd", "vae/vae_sd.safetensors"),
    ):
        path = folder / place
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        maker = [sys.executable, str(ROOT / "tests" / "make_models.py"), family, "--scale", "full"]
        subprocess.run([*maker, "--out", str(partial)], check=True, stdout=sys.stderr)
        partial.rename(path)


@contextmanager
def started(program: Path, folder: Path) -> Iterator[NodeProcess]:
    """A server on its embedded default with two threads."""
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        line = ["--gateway", "127.0.0.1:0", "--data", str(data / "data"), "--models", str(folder)]
        node = NodeProcess(program, [*line, "--log-level", "warn"], data)
        try:
            yield node.wait_ready()
        finally:
            node.dispose()
