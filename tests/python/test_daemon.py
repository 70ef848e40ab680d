"""start_daemon: one server whoever starts it, and a reason when it does not start."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import luna_client
from fake_server import PATIENCE, FakeServer, Hello
from luna_client import Daemon, DaemonStartError
from luna_client.daemon import find_luna_node, start_daemon
from manual_clock import ManualClock

FAKE = Path(__file__).with_name("fake_luna_node.py")
Background = Callable[..., "Future[Any]"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that is a luna-node to the eye."""
    path = tmp_path / "luna-node"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Starter:
    """Starts daemons on one data folder and ends them by their ids."""

    def __init__(self, program: Path, data: Path) -> None:
        self.program = program
        self.data = data
        self.started: list[Daemon] = []

    def __call__(self, **options: Any) -> Daemon:
        options.setdefault("gateway", "127.0.0.1:0")
        daemon = start_daemon(data=self.data, program=self.program, **options)
        if daemon.started:
            self.started.append(daemon)
        return daemon

    @property
    def starts(self) -> list[str]:
        """The command lines of the processes that ran."""
        path = self.data / "starts"
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> None:
        for daemon in self.started:
            # a descriptor of the process lets us wait for its end without being its parent
            end = os.pidfd_open(daemon.pid)
            os.kill(daemon.pid, signal.SIGTERM)
            import select

            assert select.select([end], [], [], PATIENCE)[0], "the daemon did not end"
            os.close(end)
        self.started = []


@pytest.fixture
def start(program: Path, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(program, tmp_path / "data")
    yield starter
    starter.stop()


def test_it_returns_when_the_server_is_ready(start: Starter) -> None:
    daemon = start()
    assert daemon.started
    assert daemon.pid > 0
    with daemon.client() as client:
        client.ping()


def test_it_passes_its_arguments_on_as_absolute_paths(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(start.data.parent)
    start(models=["models", "/srv/more"], extra_model_paths="extra.yaml", output="pictures")
    here = start.data.parent
    assert start.starts == [
        f"--gateway 127.0.0.1:0 --data {start.data} --models {here}/models --models /srv/more"
        f" --extra-model-paths {here}/extra.yaml --output {here}/pictures"
        f" --starter-token {start.data}/starter.token"
    ]


def test_it_runs_in_a_session_of_its_own_and_logs_into_its_data(start: Starter) -> None:
    daemon = start()
    assert os.getsid(daemon.pid) == daemon.pid != os.getsid(0)
    assert daemon.log == start.data / "luna-node.log"
    assert "starting" in daemon.log.read_text()


def test_a_server_that_runs_is_taken(start: Starter) -> None:
    first = start()
    second = start()
    assert (second.address, second.started, second.pid) == (first.address, False, first.pid)
    assert len(start.starts) == 1


def test_a_server_at_the_address_is_taken_whatever_its_data(start: Starter) -> None:
    with FakeServer() as other:
        assert start(gateway=other.address) == Daemon(other.address, started=False)
    assert start.starts == []


def test_a_server_that_wants_a_secret_is_there_all_the_same(start: Starter) -> None:
    with FakeServer(Hello(secret=b"0123456789abcdef")) as other:
        assert not start(gateway=other.address).started


def test_several_at_once_end_with_one_server(start: Starter, background: Background) -> None:
    daemons = [f.result(PATIENCE) for f in [background(start) for _ in range(8)]]
    assert len({daemon.address for daemon in daemons}) == 1
    assert sum(daemon.started for daemon in daemons) == 1
    assert len(start.starts) == 1


def test_several_processes_at_once_end_with_one_server(start: Starter) -> None:
    script = (
        "import sys; from luna_client.daemon import start_daemon;"
        "d = start_daemon(data=sys.argv[1], program=sys.argv[2], gateway='127.0.0.1:0');"
        "print(d.address, int(d.started), d.pid)"
    )
    client = Path(luna_client.__file__).parents[1]
    command = [sys.executable, "-c", script, str(start.data), str(start.program)]
    processes = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(client)},
        )
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=PATIENCE)[0].split() for process in processes]
    for address, started, pid in answers:
        if started == "1":
            start.started.append(Daemon(address, True, int(pid)))
    assert len({answer[0] for answer in answers}) == 1
    assert len(start.started) == len(start.starts) == 1
    # it goes on although the process that started it has ended
    with start.started[0].client() as luna:
        luna.ping()


def test_a_record_of_a_server_that_is_gone_is_not_believed(start: Starter) -> None:
    first = start()
    start.stop()
    second = start()
    assert second.started
    assert second.pid != first.pid
    assert json.loads((start.data / "gateway.json").read_text())["pid"] == second.pid


@pytest.mark.parametrize(
    "record", ["", "{", '{"gateway": 1}', '{"gateway": "x", "pid": "y"}', "[]"]
)
def test_a_broken_record_is_not_believed(start: Starter, record: str) -> None:
    start.data.mkdir()
    (start.data / "gateway.json").write_text(record)
    assert start().started


def test_a_failure_ends_with_the_last_lines_of_this_starts_log(start: Starter) -> None:
    with pytest.raises(DaemonStartError, match="ended with status 3"):
        start(arguments=["--fail", "an old reason"])
    with pytest.raises(DaemonStartError) as caught:
        start(arguments=["--fail", "cluster.conf:12: unknown key"])
    assert caught.value.message.endswith("starting\ncluster.conf:12: unknown key")
    assert "an old reason" not in caught.value.message


def test_one_that_never_gets_ready_is_stopped(start: Starter) -> None:
    with pytest.raises(DaemonStartError, match=r"not ready within 0\.5 s"):
        start(arguments=["--hang"], timeout=0.5)


def test_one_that_reads_its_job_log_first_is_waited_for(start: Starter) -> None:
    assert start(arguments=["--recover"]).started


def test_one_that_says_that_it_recovers_gets_its_time_again() -> None:
    clock = ManualClock()
    granted: list[float] = []
    said = [*[b"recovering node=a done=%d of=9\n" % n for n in range(9)], b"ready node=a\n"]

    def read(seconds: float) -> bytes:
        granted.append(seconds)
        clock.time += 40.0
        return said.pop(0)

    assert luna_client.daemon._first_line(read, 60.0, clock.now) == "ready node=a"
    assert granted == [60.0] * 10
    # in pieces, and one that stops saying it
    said = [b"recover", b"ing node=a\nrecov"]
    granted.clear()
    line = luna_client.daemon._first_line(lambda s: read(s) if said else None, 60.0, clock.now)
    assert line is None
    assert granted == [60.0, 20.0]


def test_one_without_a_gateway_is_of_no_use(start: Starter) -> None:
    with pytest.raises(DaemonStartError, match="names no gateway"):
        start(arguments=["--no-gateway"])


def test_a_data_folder_that_cannot_be_made_is_named(program: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonStartError, match="file/data"):
        start_daemon(data=tmp_path / "file" / "data", program=program, gateway="127.0.0.1:0")


def test_the_program_is_found_by_variable_then_path_then_build(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUNA_NODE", raising=False)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_luna_node() == program
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("LUNA_NODE", str(other))
    assert find_luna_node() == other
    monkeypatch.setenv("LUNA_NODE", str(tmp_path / "nothing"))
    with pytest.raises(DaemonStartError, match="LUNA_NODE names"):
        find_luna_node()


def test_a_build_of_the_repository_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUNA_NODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        luna_client.daemon, "__file__", str(tmp_path / "comfyui" / "luna_client" / "daemon.py")
    )
    with pytest.raises(DaemonStartError, match="neither in PATH nor built"):
        find_luna_node()
    for preset in ("dev", "release", "asan"):
        path = tmp_path / "build" / preset / "bin" / "luna-node"
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    assert find_luna_node() == tmp_path / "build" / "release" / "bin" / "luna-node"


def test_the_node_of_an_installed_tree_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUNA_NODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    client = tmp_path / "share" / "luna" / "python" / "luna_client" / "daemon.py"
    monkeypatch.setattr(luna_client.daemon, "__file__", str(client))
    installed = tmp_path / "bin" / "luna-node"
    installed.parent.mkdir()
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    assert find_luna_node() == installed


def test_folders_that_were_added_are_passed_on_at_the_next_start(
    start: Starter, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    for folder in (second, start.data):
        folder.mkdir()
    (start.data / "added_outputs.json").write_text(json.dumps([str(second)]))
    start(output="/first")
    start.stop()
    start()
    assert [line.partition("--output ")[2] for line in start.starts] == [
        f"/first --output {second} --starter-token {start.data}/starter.token",
        f"{start.data}/output --output {second} --starter-token {start.data}/starter.token",
    ], "the default folder stays"
