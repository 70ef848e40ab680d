"""Whose folder luna writes to: proved to be ComfyUI's, or another one of the same path; and folders that are added."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_process import NodeProcess
from pictures import number_of, numbered
from setting import ROOT, ClusterFile, Start, eventually, free_port

from luna_client import Client, LunaError, NotPermittedError, starter
from luna_client.daemon import default_data_folder

sys.path.insert(0, str(ROOT / "tests" / "python" / "nodes"))

import fake_comfy_api  # noqa: E402  (beside the pack's own tests)
from fake_host import FakeHost  # noqa: E402

fake_comfy_api.install()

from luna_nodes import announce, control, folder_check, nodes_save  # noqa: E402  (needs the API)
from luna_nodes import service as services  # noqa: E402
from luna_nodes.service import Service  # noqa: E402
from luna_nodes.settings import SettingsSource  # noqa: E402

TOKEN = "ab" * 32


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(LunaError) as refused:
        call(*arguments)
    return f"{refused.value.code}: {refused.value.message}"


# -- the proof -------------------------------------------------------------------------------------


def test_a_folder_is_proved_by_what_is_written_there(start_node: Start, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with start_node("--output", str(output)).client() as luna:
        assert luna.same_folder(str(output))
        assert luna.same_folder(str(output / "today" / "cats"))
        assert luna.probe_folder(str(output), "0" * 32) is None
        assert "not_permitted" in refusal(luna.same_folder, str(tmp_path))
        assert "bad_request" in refusal(luna.probe_folder, str(output), "../../../etc/passwd")
    left = [path for path in output.rglob("*") if path.is_file()]
    assert left == [], "nothing stays"


def test_a_proof_file_that_is_a_link_is_not_read(start_node: Start, tmp_path: Path) -> None:
    output = tmp_path / "output"
    secret = tmp_path / "secret"
    secret.write_text("ab" * 32)
    with start_node("--output", str(output)).client() as luna:
        (output / f".luna-probe-{'0' * 32}").symlink_to(secret)
        assert "not_permitted" in refusal(luna.probe_folder, str(output), "0" * 32)


@pytest.fixture
def contained(luna_node: Path, models: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A luna in a mount namespace of its own, where another folder stands at the path of ComfyUI's output folder.

    -> its address, and what it has there.
    """
    output, inner = tmp_path / "output", tmp_path / "inner"
    for folder in (output, inner):
        folder.mkdir()
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "--map-root-user", "--mount", "mount", "--bind", inner, output],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("this machine gives no mount namespaces to its users")
    program = tmp_path / "contained"
    script = f'mount --bind "{inner}" "{output}" && exec "{luna_node}" "$@"'
    program.write_text(
        f"#!/bin/sh\nexec unshare --map-root-user --mount sh -c '{script}' luna-node \"$@\"\n"
    )
    program.chmod(0o755)
    address = f"127.0.0.1:{free_port()}"
    arguments = ["--gateway", address, "--data", str(tmp_path / "data"), "--models", str(models)]
    process = NodeProcess(program, [*arguments, "--output", str(output)], tmp_path)
    try:
        yield process.wait_ready() and address, inner
    finally:
        process.dispose()


@pytest.fixture
def saver(monkeypatch: pytest.MonkeyPatch) -> type[nodes_save.LunaSaveImage]:
    monkeypatch.setattr(folder_check.checks, "_known", {})
    monkeypatch.setattr(announce, "_watches", {})
    monkeypatch.setattr(announce, "_histories", {})

    class Running(nodes_save.LunaSaveImage):
        hidden = SimpleNamespace(prompt={}, extra_pnginfo=None, unique_id="9")

    return Running


def service_of(host: FakeHost, address: str, folder: Path) -> Service:
    return Service(
        host, SettingsSource({"LUNA_SERVER": address}, lambda: None, folder / "luna.json")
    )


def picture(number: int) -> Any:
    return numbered(number)[None] / np.float32(255)


def test_a_luna_with_another_folder_of_the_same_path_gets_no_picture(
    contained: tuple[str, Path], tmp_path: Path, saver: Any
) -> None:
    # once its pictures were "done", and the page showed old ones of the same names, or nothing
    address, inner = contained
    host = FakeHost(tmp_path)
    old = Path(host.output_folder()) / "x_00001_.png"
    shutil.copyfile(ROOT / "comfyui" / "icon.png", old)
    with services.replaced(service_of(host, address, tmp_path)) as service:
        answer = saver.execute(picture(7), "x")
        service.close()
    assert [image["filename"] for image in answer.ui["images"]] == ["x_00002_.png"]
    assert number_of(Path(host.output_folder()) / "x_00002_.png") == 7
    assert answer.ui["luna_jobs"] == [] and list(inner.iterdir()) == []
    assert "has another" in answer.ui["text"][0]


# -- adding a folder -------------------------------------------------------------------------------


def test_a_folder_is_added_by_the_token_and_takes_pictures(
    start_node: Start, token: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with start_node("--starter-token", str(token)).client() as luna:
        task = {"output_dir": str(second), "filename": "a", "images": [{"image": numbered(5)}]}
        assert "not_permitted" in refusal(luna.submit_async, task)
        assert luna.allow_output(str(second), TOKEN) is True
        assert luna.allow_output(str(second), TOKEN) is False
        assert luna.same_folder(str(second))
        job = luna.job_wait(luna.submit_async(task).job_id)
        assert job.state == "done" and number_of(second / "a.png") == 5


def test_what_may_not_be_added_is_refused_with_what_to_do(
    start_node: Start, token: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    with start_node("--starter-token", str(token)).client() as luna:
        assert "token" in refusal(luna.allow_output, str(target), "cd" * 32)
        assert "token" in refusal(luna.allow_output, str(target), "")
        assert "make it first" in refusal(luna.allow_output, str(tmp_path / "absent"), TOKEN)
        assert "it is a file" in refusal(luna.allow_output, str(tmp_path / "file"), TOKEN)
        assert f"ask for {target}" in refusal(luna.allow_output, str(tmp_path / "link"), TOKEN)
        assert "absolute" in refusal(luna.allow_output, "target", TOKEN)
        assert "not_permitted" in refusal(luna.allow_output, "/", TOKEN)
        assert "not_permitted" in refusal(luna.same_folder, str(target))


def test_a_luna_that_a_person_started_takes_no_folder(start_node: Start, tmp_path: Path) -> None:
    with start_node().client() as luna:
        for given in ("", TOKEN):
            assert "saving.output-folders" in refusal(luna.allow_output, str(tmp_path), given)


def test_a_token_that_others_can_read_is_refused_at_the_start(
    start_node: Start, token: Path
) -> None:
    token.chmod(0o644)
    node = start_node("--starter-token", str(token), ready=False)
    assert node.wait_end() == 78
    assert any("chmod 600" in line for line in node.log)


def own_address() -> str:
    """An address of this machine that others reach it by; "" if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def test_no_folder_is_added_through_the_network(
    start_node: Start, cluster_file: ClusterFile, token: Path, tmp_path: Path
) -> None:
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has no address beside loopback")
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    config = cluster_file.write("alpha", gateways={"alpha": f"{address}:0"})
    text = config.read_text().replace("cluster {", f'cluster {{ secret-file = "{secret}"\n', 1)
    config.write_text(text)
    node = start_node("--starter-token", str(token), config=config, node="alpha")
    with Client(node.gateway, secret_file=secret) as luna:
        assert "own machine" in refusal(luna.allow_output, str(tmp_path), TOKEN)


# -- two ComfyUIs ----------------------------------------------------------------------------------


@pytest.fixture
def comfies(
    luna_node: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Service]]:
    """Two ComfyUIs of one user, each with an output folder of its own, and the luna that they share."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LUNA_NODE", str(luna_node))
    address = f"127.0.0.1:{free_port()}"
    made = []
    for name in ("one", "two"):
        host = FakeHost(tmp_path / name)
        host.model_folders = lambda: {"vae": [str(models / "vae")]}  # type: ignore[method-assign]
        Path(host.output_folder()).mkdir(parents=True)
        made.append(service_of(host, address, tmp_path))
    yield made
    control.stop(made[0])
    eventually(lambda: control.is_running(made[0]), lambda running: not running)
    for each in made:
        each.close()


def save_with(service: Service, saver: Any, number: int) -> dict[str, Any]:
    with services.replaced(service):
        return saver.execute(picture(number), "x").ui


def test_a_second_comfyui_has_its_folder_added_and_keeps_it(
    comfies: list[Service], saver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = comfies
    assert control.start(one)["started"] is True
    ui = save_with(two, saver, 1)
    assert len(ui["luna_jobs"]) == 1, (
        "luna took it, though it was started for the other one's folder"
    )
    folder = Path(two.host.output_folder())
    eventually(lambda: list(folder.glob("*.png")), lambda found: len(found) == 1)
    assert "ComfyUI saves" not in control.start(two)["status"]
    # the first one starts luna anew: the second one's folder comes with it
    control.stop(one)
    eventually(lambda: control.is_running(one), lambda running: not running)
    assert control.start(one)["started"] is True
    monkeypatch.setattr(folder_check, "allow", lambda *_: pytest.fail("it need not be asked"))
    assert len(save_with(two, saver, 2)["luna_jobs"]) == 1


def test_a_second_comfyui_without_the_token_is_told_what_to_do(
    comfies: list[Service], saver: Any
) -> None:
    one, two = comfies
    assert control.start(one)["started"] is True
    os.unlink(default_data_folder() / starter.TOKEN)  # as if another user had started it
    folder = two.host.output_folder()
    assert f"start it with --output {folder}" in control.start(two)["status"]
    ui = save_with(two, saver, 1)
    assert ui["luna_jobs"] == [] and len(ui["images"]) == 1


def test_a_token_is_not_sent_to_another_luna(
    comfies: list[Service], start_node: Start, tmp_path: Path
) -> None:
    one, _two = comfies
    assert control.start(one)["started"] is True
    with start_node().client() as other, pytest.raises(NotPermittedError, match="not started by"):
        starter.allow_output(other, str(tmp_path), default_data_folder())
