from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from comfyui_process import Installation, _outcome, model_paths
from memory import anonymous_bytes, figures, proportional_bytes, resident_bytes
from processes import Program, ProofError, free_port, is_free


def python(tmp_path: Path, text: str, **env: str) -> Program:
    return Program("it", [sys.executable, "-c", text], tmp_path / "log", cwd=tmp_path, env=env)


def test_a_program_is_waited_for_by_what_it_says_and_ended_by_its_id(tmp_path: Path) -> None:
    program = python(
        tmp_path, "print('up', flush=True); input() if 0 else __import__('signal').pause()"
    )
    try:
        program.wait_until(lambda: "up" in program.said(), 60, "it was up")
        assert program.running
    finally:
        program.stop()
    assert not program.running
    assert program.process.returncode == -15


def test_a_program_that_ends_too_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = python(tmp_path, "print('no such port'); raise SystemExit(3)")
    with pytest.raises(ProofError, match=r"(?s)it ended with 3 before it answered.*no such port"):
        program.wait_until(lambda: False, 60, "it answered")
    program.stop()


def test_a_wait_has_an_end(tmp_path: Path) -> None:
    program = python(tmp_path, "__import__('signal').pause()")
    try:
        with pytest.raises(ProofError, match="took longer than 0 s until it answered"):
            program.wait_until(lambda: False, 0.0, "it answered")
    finally:
        program.kill()
        program.stop()


def test_what_was_said_before_a_mark_is_left_out(tmp_path: Path) -> None:
    program = python(tmp_path, "print('one')")
    program.process.wait()
    mark = program.mark()
    assert program.said(0) == "one\n"
    assert program.said(mark) == ""
    program.stop()


def test_a_port_that_is_listened_on_is_not_free() -> None:
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_address[1]
    assert not is_free(port)
    server.server_close()
    assert is_free(port)
    assert 0 < free_port() < 65536


def test_a_share_of_memory_is_never_more_than_all_of_it() -> None:
    me = os.getpid()
    assert 0 < proportional_bytes(me) <= resident_bytes(me)
    assert 0 < anonymous_bytes(me) <= resident_bytes(me)
    both = figures([me, me])
    assert both["rss_gib"] == pytest.approx(2 * resident_bytes(me) / 1024**3, rel=0.2)


def installation(folder: Path) -> Path:
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "comfyui_version.py").write_text('# generated\n__version__ = "0.33.0"\n')
    return folder


def test_an_installation_is_taken_with_the_venv_beside_it(tmp_path: Path) -> None:
    found = tmp_path / "venv" / "bin" / "python"
    found.parent.mkdir(parents=True)
    found.touch()
    one = Installation.at(installation(tmp_path / "ComfyUI"))
    assert (one.python, one.version) == (found, "0.33.0")


def test_a_folder_that_is_no_comfyui_and_one_without_python_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="is no ComfyUI"):
        Installation.at(tmp_path)
    with pytest.raises(ProofError, match="--python"):
        Installation.at(installation(tmp_path / "ComfyUI"))


def test_a_prompt_ends_in_one_of_three_ways() -> None:
    def entry(*messages: list, status: str = "success") -> dict:
        return {"status": {"status_str": status, "messages": messages}, "outputs": {}}

    assert _outcome(entry(["execution_start", {}]), 1.0).status == "success"
    assert (
        _outcome(entry(["execution_interrupted", {}], status="error"), 1.0).status == "interrupted"
    )
    failed = _outcome(
        entry(
            [
                "execution_error",
                {
                    "node_type": "VAEDecode",
                    "node_id": "4",
                    "exception_type": "LunaError",
                    "exception_message": "there is no such model\n",
                },
            ],
            status="error",
        ),
        1.0,
    )
    assert failed.status == "error"
    assert failed.message == "VAEDecode (4): LunaError: there is no such model"


def test_saved_pictures_are_named_with_their_subfolders() -> None:
    shown = {"images": [{"filename": "a_00001_.png", "subfolder": "luna.x", "type": "output"}]}
    outcome = _outcome({"status": {"status_str": "success"}, "outputs": {"7": shown}}, 1.0)
    assert outcome.images("7") == ["luna.x/a_00001_.png"]
    assert outcome.images("8") == []


def test_the_models_folder_is_told_as_comfyui_reads_it() -> None:
    lines = model_paths(Path("/models")).splitlines()
    assert lines[:3] == ["luna_proof:", "  base_path: /models", "  checkpoints: checkpoints"]


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
