"""What an operator sees: what is checked before a start, starts that fail, signals, files and their permissions."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from certificates import Authority
from node_process import PATIENCE, NodeProcess
from operator_files import make_secret, picture, with_secret
from setting import ClusterFile, Start, eventually
from test_cluster import decode

CANNOT_START = 75
BAD_CONFIGURATION = 78


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def check(program: Path, config: Path, node: str = "alpha") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "--config", config, "--node", node, "--check-config"],
        capture_output=True,
        text=True,
        timeout=60,
    )


# -- what is checked ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "studio")


@pytest.mark.parametrize("at_start", [False, True], ids=["checked", "started"])
def test_what_is_wrong_with_the_tls_files_is_found_by_the_check_as_by_the_start(
    luna_node: Path,
    start_node: Start,
    cluster_file: ClusterFile,
    ours: Authority,
    tmp_path: Path,
    at_start: bool,
) -> None:
    good, other = ours.issue("alpha"), ours.issue("beta")
    readable = tmp_path / "readable.key"
    shutil.copy(good.key, readable)
    readable.chmod(0o644)
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")

    def told(**changed: Path) -> str:
        config = cluster_file.write("alpha", "beta", tls={**good.as_config(), **changed})
        if at_start:
            node = start_node(config=config, node="alpha", ready=False)
            assert node.wait_end() == BAD_CONFIGURATION
            assert not node.said
            return "\n".join(node.log)
        done = check(luna_node, config)
        assert done.returncode == BAD_CONFIGURATION
        assert not done.stdout
        return done.stderr

    assert str(tmp_path / "none.key") in told(key=tmp_path / "none.key")
    assert "does not belong" in told(key=other.key) or "not that of" in told(key=other.key)
    assert str(text) in told(certificate=text)
    assert f"chmod 600 {readable}" in told(key=readable)
    assert (
        check(luna_node, cluster_file.write("alpha", "beta", tls=good.as_config())).returncode == 0
    )


def test_a_secret_that_is_short_or_open_to_all_is_refused(
    luna_node: Path, start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path / "secret")
    config = with_secret(cluster_file.write("alpha"), secret)
    assert check(luna_node, config).returncode == 0
    for text, permissions, expected in (
        ("12345", 0o600, "5 bytes"),
        ("sixteen bytes are the least", 0o644, f"chmod 600 {secret}"),
    ):
        make_secret(secret, text, permissions)
        done = check(luna_node, config)
        assert done.returncode == BAD_CONFIGURATION
        assert expected in done.stderr
        node = start_node(config=config, node="alpha", ready=False)
        assert node.wait_end() == BAD_CONFIGURATION
        assert any(expected in line for line in node.log), node.log


def test_the_check_finds_folders_and_addresses_that_cannot_be_used_and_makes_nothing(
    luna_node: Path, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    config = with_secret(
        cluster_file.write("alpha", gateways={"alpha": "192.0.2.1:0"}),
        make_secret(tmp_path / "secret"),
    )
    config.write_text(config.read_text().replace(f"{tmp_path}/alpha", f"{tmp_path}/file/data"))
    done = check(luna_node, config)
    assert done.returncode == BAD_CONFIGURATION
    assert f"data: {tmp_path}/file is no folder" in done.stderr
    assert "192.0.2.1" in done.stderr
    config = cluster_file.write("alpha")
    assert check(luna_node, config).returncode == 0
    assert not (tmp_path / "alpha").exists()


def test_a_pool_is_not_called_as_a_device_is(luna_node: Path, cluster_file: ClusterFile) -> None:
    config = cluster_file.write("alpha", pools='pools = [\n{ name = "cpu", kind = "vae" }\n]')
    line = next(n for n, text in enumerate(config.read_text().splitlines(), 1) if '"cpu"' in text)
    done = check(luna_node, config)
    assert done.returncode == BAD_CONFIGURATION
    assert f"{config.name}:{line}: pools[0].name" in done.stderr
    assert "'cpu'" in done.stderr


def test_a_pool_may_be_called_as_a_part_of_the_node_is(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", pools='pools = [{ name = "gateway", kind = "vae" }]')
    node = start_node(config=config, node="alpha")
    with node.client() as luna:
        decode(luna)
        luna.unload_models()
    assert node.stop() == 0, node.story("did not stop in order")


def test_a_forbidden_command_that_nothing_has_is_named_by_the_check_and_by_the_start(
    luna_node: Path, start_node: Start, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", more='limits { forbidden-commands = ["ping", "shutdwn"] }')
    checked = check(luna_node, config)
    assert checked.returncode == BAD_CONFIGURATION
    assert "limits.forbidden-commands[1]" in checked.stderr
    assert "did you mean 'shutdown'" in checked.stderr
    started = start_node(config=config, node="alpha", ready=False)
    assert started.wait_end() == BAD_CONFIGURATION
    assert "limits.forbidden-commands[1]" in "\n".join(started.log)


# -- starts that fail --------------------------------------------------------------------------------------------------


def failed_at_once(node: NodeProcess) -> str:
    """Waits for the end of a node that cannot start. -> what it said."""
    assert node.wait_end() == CANNOT_START, node.story("ended with another status")
    told = "\n".join(node.log)
    assert "did not end" not in told
    assert "the gateway listens" not in told
    return told


def test_a_gateway_port_in_use_is_named_with_its_process(start_node: Start, tmp_path: Path) -> None:
    first = start_node()
    told = failed_at_once(start_node(gateway=first.gateway, data=tmp_path / "other", ready=False))
    assert first.gateway in told
    assert f"luna-node (process {first.pid})" in told


def test_a_node_port_in_use_is_named_before_a_client_is_let_in(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    config = cluster_file.write("alpha", "beta")
    port = cluster_file.ports["alpha"]
    with socket.create_server(("127.0.0.1", port)):
        told = failed_at_once(start_node(config=config, node="alpha", ready=False))
    assert f"127.0.0.1:{port}" in told
    assert f"(process {os.getpid()})" in told


def test_an_address_of_another_machine_is_said_to_be_that(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    config = with_secret(
        cluster_file.write("alpha", gateways={"alpha": "192.0.2.1:0"}),
        make_secret(tmp_path / "secret"),
    )
    told = failed_at_once(start_node(config=config, node="alpha", ready=False))
    assert "does not have the address" in told


# -- signals and files -------------------------------------------------------------------------------------------------


def logged(start_node: Start, cluster_file: ClusterFile, log: Path) -> NodeProcess:
    config = cluster_file.write("alpha", more=f'log {{ file = "{log}" }}')
    return start_node(config=config, node="alpha")


def test_hangup_opens_the_log_anew_and_says_that_it_does_nothing_else(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    log = tmp_path / "luna.log"
    node = logged(start_node, cluster_file, log)
    moved = log.rename(tmp_path / "luna.log.1")
    node.signal(signal.SIGHUP)
    eventually(lambda: log.exists() and log.read_text(), bool)
    assert "opened anew" in log.read_text()
    assert "needs a restart" in log.read_text()
    assert mode(log) == "0o600"
    before = moved.read_text()
    assert node.stop() == 0
    assert "has stopped" in log.read_text()
    assert moved.read_text() == before


def test_signals_without_a_meaning_do_not_end_a_node(node: NodeProcess) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        node.signal(number)
    node.wait_for_log("SIGHUP")
    with node.client() as luna:
        luna.ping()
    assert node.stop() == 0


def test_data_and_log_are_their_owners_alone(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    (tmp_path / "alpha").mkdir(mode=0o755)  # made before, by a program with other manners
    log = tmp_path / "luna.log"
    node = logged(start_node, cluster_file, log)
    with node.client() as luna:
        luna.job_wait(luna.submit_async(picture("x")).job_id, PATIENCE)
    assert mode(tmp_path / "alpha") == "0o700"
    assert mode(log) == "0o600"
    ours = [path for path in (tmp_path / "alpha").rglob("*") if "output" not in path.parts]
    assert ours
    for path in ours:
        assert mode(path) == ("0o700" if path.is_dir() else "0o600"), path


@pytest.mark.parametrize(
    ("keys", "file", "folder"),
    [
        ("", "0o640", "0o750"),
        ('file-mode = "0664"\n folder-mode = "2775"', "0o664", "0o2775"),
    ],
    ids=["as the umask has it", "as configured"],
)
def test_pictures_have_the_permissions_that_are_asked_for(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path, keys: str, file: str, folder: str
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    config = cluster_file.write(
        "alpha", more=f'saving {{ output-folders = ["{pictures}"]\n {keys}\n }}'
    )
    before = os.umask(0o027)
    try:
        node = start_node(config=config, node="alpha")
    finally:
        os.umask(before)
    with node.client() as luna:
        job = luna.submit_async(picture("x", save_path="sub"))
        assert luna.job_wait(job.job_id, PATIENCE).state == "done"
    assert mode(pictures / "sub" / "x.png") == file
    assert mode(pictures / "sub") == folder
