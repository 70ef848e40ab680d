"""Starting and stopping the process: signals, exit statuses, the lock of the data folder, the command line."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered
from setting import CLIP, VAE, ClusterFile, Start
from test_load import LARGE

from luna_client import ConnectionLostError, Daemon, DaemonStartError, ShuttingDownError
from luna_client.daemon import start_daemon

Background = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_with_status_0(node: NodeProcess, number: int) -> None:
    with node.client() as luna:
        luna.clip_encode("a cat", model=CLIP)
    node.signal(number)
    assert node.wait_end() == 0, node.story("stopped badly")
    assert node.said == [f"ready node=local gateway={node.gateway}"], (
        "standard output is for one line"
    )


def test_running_work_is_finished_before_the_end_and_new_work_refused(
    node: NodeProcess, background: Background
) -> None:
    began: list[int] = []
    picture = np.zeros((1, 384, 384, 3), np.uint8)
    with node.client(timeout=300) as luna, node.client() as late:
        late.ping()
        future = background(
            luna.vae_encode,
            picture,
            VAE,
            tiled=True,
            tile_size=128,
            progress=lambda *_: began.append(1),
        )
        while not began:
            late.ping()
        node.signal(signal.SIGTERM)
        with pytest.raises((ShuttingDownError, ConnectionLostError)):
            while True:  # until the signal has arrived
                late.clip_tokenize("a", CLIP)
        assert future.result(PATIENCE).latents.shape == (1, 4, 48, 48)
    assert node.wait_end() == 0


def test_a_second_signal_stops_at_once(node: NodeProcess, background: Background) -> None:
    client = node.client(timeout=3600)
    began: list[int] = []
    future = background(
        client.vae_encode,
        LARGE,
        VAE,
        tiled=True,
        tile_size=256,
        progress=lambda *_: began.append(1),
    )
    with node.client() as luna:
        while not began:
            luna.ping()
        node.signal(signal.SIGTERM)
        node.wait_for_log("drains")
    begin = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.wait_end() != 0
    assert time.monotonic() - begin < 3
    with pytest.raises((ConnectionLostError, ShuttingDownError)):
        future.result(PATIENCE)
    client.close()


def test_work_that_outlasts_the_drain_is_dropped(
    start_node: Start, cluster_file: ClusterFile, background: Background
) -> None:
    config = cluster_file.write("alpha")
    config.write_text(config.read_text().replace("heartbeat", "drain = 500ms\n heartbeat"))
    node = start_node(config=config, node="alpha")
    client = node.client(timeout=3600)
    began: list[int] = []
    future = background(
        client.vae_encode,
        LARGE,
        VAE,
        tiled=True,
        tile_size=256,
        progress=lambda *_: began.append(1),
    )
    with node.client() as luna:
        while not began:
            luna.ping()
    begin = time.monotonic()
    node.signal(signal.SIGTERM)
    node.wait_end()
    assert time.monotonic() - begin < 20
    with pytest.raises((ConnectionLostError, ShuttingDownError)):
        future.result(PATIENCE)
    client.close()


def test_the_shutdown_command_answers_and_then_stops(node: NodeProcess) -> None:
    with node.client() as luna:
        assert luna.shutdown().accepted
    assert node.wait_end() == 0


def test_accepted_saves_survive_a_stop(start_node: Start, tmp_path: Path) -> None:
    node = start_node()
    with node.client() as luna:
        for n in range(30):
            luna.submit_async({"filename": f"n{n}", "images": [{"image": numbered(n, 256)}]})
        node.signal(signal.SIGTERM)
    assert node.wait_end() == 0
    with start_node().client() as luna:
        jobs = luna.job_list()
        assert len(jobs) == 30
        assert {luna.job_wait(job.job_id, PATIENCE).state for job in jobs} == {"done"}
    files = (tmp_path / "data" / "output").iterdir()
    assert sorted(number_of(path) for path in files) == list(range(30))


def test_a_second_process_is_kept_out_of_the_data_folder(start_node: Start, tmp_path: Path) -> None:
    first = start_node()
    second = start_node(ready=False)
    assert second.wait_end() != 0
    assert second.said == []
    told = "\n".join(second.log)
    assert str(tmp_path / "data") in told
    assert str(first.pid) in told
    with first.client() as luna:
        luna.ping()
    first.kill()
    start_node()  # the lock goes with the process


def test_an_address_in_use_is_named(start_node: Start, tmp_path: Path) -> None:
    first = start_node()
    second = start_node(gateway=first.gateway, data=tmp_path / "other", ready=False)
    assert second.wait_end() != 0
    assert any(first.gateway in line for line in second.log), second.log


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)


def test_the_command_line_explains_itself(luna_node: Path) -> None:
    shown = run(luna_node, "--help")
    assert shown.returncode == 0
    for option in (
        "--config",
        "--node",
        "--gateway",
        "--data",
        "--models",
        "--output",
        "--log-level",
        "--version",
    ):
        assert option in shown.stdout
    version = run(luna_node, "--version")
    assert version.returncode == 0
    assert "0.1" in version.stdout
    wrong = run(luna_node, "--gatewy", "x")
    assert wrong.returncode != 0
    assert "--gatewy" in wrong.stderr
    assert wrong.stdout == ""


def test_a_configuration_is_checked_and_printed(luna_node: Path, cluster_file: ClusterFile) -> None:
    config = cluster_file.write("alpha", "beta")
    assert (
        run(luna_node, "--config", str(config), "--node", "alpha", "--check-config").returncode == 0
    )
    printed = run(luna_node, "--config", str(config), "--node", "alpha", "--print-config")
    assert printed.returncode == 0
    again = cluster_file.folder / "printed.conf"
    again.write_text(printed.stdout)
    assert (
        run(luna_node, "--config", str(again), "--node", "beta", "--print-config").stdout
        == printed.stdout
    )


def test_a_mistake_in_the_configuration_is_named_with_its_line(
    luna_node: Path, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", more="limits { conections = 5 }")
    line = next(
        n for n, text in enumerate(config.read_text().splitlines(), 1) if "conections" in text
    )
    for extra in (("--check-config",), ()):
        wrong = run(luna_node, "--config", str(config), "--node", "alpha", *extra)
        assert wrong.returncode != 0
        assert f"{config.name}:{line}" in wrong.stderr
        assert "conections" in wrong.stderr
        assert "'connections'" in wrong.stderr


def test_start_daemon_starts_the_real_one_and_takes_it_again(
    luna_node: Path, tmp_path: Path, models: Path, background: Background
) -> None:
    def start() -> Daemon:
        return start_daemon(
            models, data=tmp_path / "data", gateway="127.0.0.1:0", program=luna_node
        )

    daemons = [future.result(PATIENCE) for future in [background(start) for _ in range(4)]]
    try:
        assert len({daemon.address for daemon in daemons}) == 1
        assert sum(daemon.started for daemon in daemons) == 1
        with daemons[0].client() as luna:
            assert [model.name for model in luna.list_models(["vae"]).models] == [VAE]
    finally:
        with daemons[0].client() as luna:
            assert luna.shutdown().accepted


def test_start_daemon_fails_with_the_nodes_own_reason(
    luna_node: Path, tmp_path: Path, node: NodeProcess
) -> None:
    with pytest.raises(DaemonStartError, match=str(node.pid)):
        # the folder is locked by a node that start_daemon knows nothing of
        start_daemon(data=tmp_path / "data", gateway="127.0.0.1:0", program=luna_node)
