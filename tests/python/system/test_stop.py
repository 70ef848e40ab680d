"""Starting and stopping the process: signals, exit statuses, the lock of the data folder, the command line."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered
from setting import CLIP, VAE, ClusterFile, Start, eventually
from test_load import LARGE, SMALL, Occupied, vae_pool

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


def with_drain(cluster_file: ClusterFile, drain: str) -> Path:
    config = cluster_file.write("alpha")
    config.write_text(config.read_text().replace("heartbeat", f"drain = {drain}\n heartbeat"))
    return config


def test_running_work_is_finished_before_the_end_and_new_work_refused(
    start_node: Start, cluster_file: ClusterFile, background: Background
) -> None:
    node = start_node(config=with_drain(cluster_file, "1h"), node="alpha")
    with node.client(timeout=600) as luna, node.client() as late:
        with Occupied(
            node, background
        ) as running:  # for minutes: it outlasts whatever is done here
            accepted = background(luna.vae_encode, SMALL, VAE)
            eventually(lambda: vae_pool(late), lambda pool: pool.queued == 1)
            node.signal(signal.SIGTERM)
            with pytest.raises(ShuttingDownError):
                while True:  # until the signal has arrived
                    late.clip_tokenize("a", CLIP)
            assert not running.future.done()
            assert not accepted.done()
        assert accepted.result(PATIENCE).latents.shape == (1, 4, 2, 2)
    assert node.wait_end() == 0, node.story("stopped badly")


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


def test_work_that_outlasts_the_drain_is_answered_and_dropped(
    start_node: Start, cluster_file: ClusterFile, background: Background
) -> None:
    node = start_node(config=with_drain(cluster_file, "500ms"), node="alpha")
    began = threading.Event()
    with node.client(timeout=3600) as luna, node.client(timeout=3600) as waiting:
        running = background(
            luna.vae_encode, LARGE, VAE, tiled=True, tile_size=64, progress=lambda *_: began.set()
        )
        assert began.wait(PATIENCE)
        queued = background(waiting.vae_encode, SMALL, VAE)
        with node.client() as other:
            eventually(lambda: vae_pool(other), lambda pool: pool.queued == 1)
        begin = time.monotonic()
        node.signal(signal.SIGTERM)
        for future in (running, queued):
            with pytest.raises(ShuttingDownError, match="not done in the time") as caught:
                future.result(PATIENCE)
            assert caught.value.retryable
    assert node.wait_end() == 0, node.story("stopped badly")
    # the drain, a second for the answers, three each for the parts and for the process
    assert time.monotonic() - begin < 0.5 + 7 + 10, "and ten for a busy machine"


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
