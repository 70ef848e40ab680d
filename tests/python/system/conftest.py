"""Real processes: where the program is, what models it gets, and that nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from node_process import NodeProcess
from setting import ROOT, ClusterFile, Start

sys.path.insert(0, str(ROOT / "tests"))

import make_models  # noqa: E402  (a script of the project, beside this folder)


@pytest.fixture(scope="session")
def luna_node() -> Path:
    """The program: the variable LUNA_NODE, else build/dev."""
    path = Path(os.environ.get("LUNA_NODE") or ROOT / "build" / "dev" / "bin" / "luna-node")
    if not os.access(path, os.X_OK):
        pytest.skip(f"{path} is not built; run scripts/build, or name a luna-node in LUNA_NODE")
    return path.absolute()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ComfyUI models folder with the demo models. Do not change it."""
    folder = tmp_path_factory.mktemp("session") / "models"
    maker = ROOT / "scripts" / "demo" / "make_demo_models.py"
    subprocess.run([sys.executable, maker, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def large_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a CLIP-L of the real size, generated weights, 246 MB."""
    folder = tmp_path_factory.mktemp("large") / "models"
    (folder / "text_encoders").mkdir(parents=True)
    make_models.make(str(folder / "text_encoders" / "full.safetensors"), "clip-l", scale="full")
    return folder


@pytest.fixture
def start_node(luna_node: Path, tmp_path: Path, models: Path) -> Iterator[Start]:
    """Starts nodes and ends each of them, whatever the test does.

    ``start_node("--log-level", "debug")`` starts one on the embedded default, on a free port, with the demo models;
    ``config=`` and ``node=`` start one of a cluster; ``data=``, ``models=`` and ``gateway=`` replace what is given.
    """
    started: list[NodeProcess] = []

    def start(*arguments: str, ready: bool = True, **options: Any) -> NodeProcess:
        if "config" in options:
            line = ["--config", str(options["config"]), "--node", options["node"]]
        else:
            line = ["--gateway", options.get("gateway", "127.0.0.1:0")]
            line += ["--data", str(options.get("data", tmp_path / "data"))]
            line += ["--models", str(options.get("models", models))]
        process = NodeProcess(luna_node, [*line, *arguments], tmp_path)
        started.append(process)
        return process.wait_ready() if ready else process

    yield start
    for process in started:
        process.dispose()


@pytest.fixture
def node(start_node: Start) -> NodeProcess:
    """One node on the embedded default."""
    return start_node()


@pytest.fixture
def background() -> Iterator[Callable[..., Any]]:
    """Runs a call in another thread: ``background(function, *args, **kwargs).result(seconds)``."""
    with ThreadPoolExecutor(256) as pool:
        yield pool.submit


@pytest.fixture
def cluster_file(tmp_path: Path, models: Path) -> ClusterFile:
    return ClusterFile(tmp_path, models)
