"""Where the project lies, the demo models' names, and cluster.conf files for nodes on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from node_process import PATIENCE, NodeProcess

ROOT = Path(__file__).resolve().parents[3]
VAE = "luna_demo_vae.safetensors"
CLIP = "luna_demo_clip_l.safetensors"

T = TypeVar("T")
#: What the fixture ``start_node`` gives.
Start = Callable[..., NodeProcess]


def eventually(ask: Callable[[], T], right: Callable[[T], bool]) -> T:
    """Asks again and again until the answer is right: for facts that nodes tell each other now and then."""
    deadline = time.monotonic() + PATIENCE
    while not right(answer := ask()):
        assert time.monotonic() < deadline, f"it never came true: {answer}"
    return answer


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class ClusterFile:
    """Writes ``cluster.conf`` for nodes on loopback, on ports that are free."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.models = models
        self.ports: dict[str, int] = {}

    def write(
        self,
        *nodes: str,
        name: str = "cluster.conf",
        pools: str = "",
        more: str = "",
        tls: Mapping[str, Path] | None = None,
        gateways: Mapping[str, str] | None = None,
    ) -> Path:
        """@param more: further sections; ``gateways``: default a free port for each node."""
        entries = []
        for node in nodes:
            port = self.ports.setdefault(node, free_port())
            gateway = (gateways or {}).get(node, "127.0.0.1:0")
            entries.append(
                f'{{ name = "{node}", host = "127.0.0.1", port = {port}, gateway = "{gateway}",'
                f' data = "{self.folder / node}" }}'
            )
        keys = "".join(f'{key} = "{path}"\n' for key, path in (tls or {}).items())
        text = (
            f'cluster {{ name = "test"\n heartbeat = 200ms\n suspect-after = 2s\n'
            f" tls {{\n{keys}}}\n}}\n"
            f"nodes = [\n{', '.join(entries)}\n]\n"
            f'models {{ folders = ["{self.models}"] }}\n{pools}\n{more}\n'
        )
        path = self.folder / name
        path.write_text(text)
        return path
