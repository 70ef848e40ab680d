"""Whether luna's folder is ComfyUI's: when that is proved, when again, and a folder that is asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_luna import FakeLuna

from luna_client import ConnectionLostError, NotPermittedError
from luna_client.daemon import default_data_folder
from luna_nodes.folder_check import BAD_FOR, GOOD_FOR, FolderChecks
from manual_clock import ManualClock

SERVER = "127.0.0.1:19283"
OUT = "/comfyui/output"


@pytest.fixture
def checks() -> FolderChecks:
    return FolderChecks()


@pytest.fixture
def asked(luna: FakeLuna, clock: ManualClock) -> FakeLuna:
    """A luna whose clock is moved by hand."""
    luna.clock = clock
    return luna


def proofs(luna: FakeLuna) -> int:
    return len(luna.of("same_folder"))


def refusal(checks: FolderChecks, luna: FakeLuna) -> str:
    with pytest.raises(NotPermittedError) as refused:
        checks.check(luna, SERVER, OUT)  # type: ignore[arg-type]
    return refused.value.message


def test_a_proof_is_good_for_an_hour(
    checks: FolderChecks, asked: FakeLuna, clock: ManualClock
) -> None:
    for _ in range(3):
        checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]
    assert proofs(asked) == 1
    clock.time += GOOD_FOR
    asked.same = False
    assert "different machines" in refusal(checks, asked)


def test_a_new_connection_is_proved_anew(checks: FolderChecks, asked: FakeLuna) -> None:
    checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]
    asked.reconnect()
    asked.same = False
    assert "different machines" in refusal(checks, asked)
    asked.reconnect()
    asked.same = True
    checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]


def test_a_folder_that_was_another_one_is_looked_at_again(
    checks: FolderChecks, asked: FakeLuna, clock: ManualClock
) -> None:
    asked.same = False
    assert refusal(checks, asked) == refusal(checks, asked)
    assert proofs(asked) == 1
    clock.time += BAD_FOR
    asked.same = True
    checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]


def test_each_folder_and_each_server_has_a_proof_of_its_own(
    checks: FolderChecks, asked: FakeLuna
) -> None:
    checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]
    checks.check(asked, SERVER, "/other")  # type: ignore[arg-type]
    checks.check(asked, "10.0.0.1:1", OUT)  # type: ignore[arg-type]
    assert proofs(asked) == 3


def test_a_server_that_does_not_answer_proves_nothing(
    checks: FolderChecks, asked: FakeLuna
) -> None:
    asked.proof_problems = [ConnectionLostError("gone")]
    with pytest.raises(ConnectionLostError):
        checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]
    checks.check(asked, SERVER, OUT)  # type: ignore[arg-type]


def test_a_server_that_cannot_prove_it_is_not_trusted(
    checks: FolderChecks, asked: FakeLuna
) -> None:
    asked.link.welcome.commands = ()
    assert "cannot prove" in refusal(checks, asked)
    assert proofs(asked) == 0


# -- a folder that is not allowed ------------------------------------------------------------------


def started_here(luna: FakeLuna, token: str = "secret") -> Path:
    """luna was started by this user on its usual data folder, with another ComfyUI's output folder."""
    data = default_data_folder()
    data.mkdir(parents=True)
    (data / "gateway.json").write_text(json.dumps({"gateway": SERVER, "pid": os.getpid()}))
    (data / "starter.token").write_text(token + "\n")
    luna.allowed, luna.token = ["/first/output"], "secret"
    return data


def test_a_luna_that_was_started_here_takes_a_second_folder(
    checks: FolderChecks, asked: FakeLuna, tmp_path: Path
) -> None:
    data = started_here(asked)
    folder = tmp_path / "second"
    folder.mkdir()
    checks.check(asked, SERVER, str(folder))  # type: ignore[arg-type]
    assert asked.allowed == ["/first/output", str(folder)]
    assert json.loads((data / "added_outputs.json").read_text()) == [str(folder)]


@pytest.mark.parametrize("wrong", ["nobody started it", "token", "address", "dead"])
def test_another_luna_is_not_asked_to_and_what_to_do_is_said(
    wrong: str, checks: FolderChecks, asked: FakeLuna
) -> None:
    if wrong == "nobody started it":
        asked.allowed = []
    else:
        data = started_here(asked, token="other" if wrong == "token" else "secret")
        if wrong == "address":
            asked.link.address = "10.0.0.9:19283"
        if wrong == "dead":
            (data / "gateway.json").write_text(json.dumps({"gateway": SERVER, "pid": 2**22 + 1}))
    sentence = refusal(checks, asked)
    assert f"start it with --output {OUT}, or name the folder in its cluster.conf" in sentence
    sent = [call.args[1] for call in asked.of("allow_output")]
    assert sent == (["other"] if wrong == "token" else []), "the token goes nowhere else"
