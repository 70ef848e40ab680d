"""Output folders: the proof that a folder is the same, and adding one to a server that was started here."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from fake_server import FakeServer, Seen
from luna_client import Client, NotPermittedError, starter


class Reader:
    """A server that reads proof files in a folder of its own."""

    def __init__(self, server: FakeServer, folder: Path) -> None:
        self.folder = folder
        self.seen: list[Seen] = []
        self.modes: list[int] = []
        server.on_request = self

    def __call__(self, request: Seen) -> None:
        self.seen.append(request)
        path = self.folder / f".luna-probe-{request.header['nonce']}"
        if not path.exists():
            request.reply({"found": False})
            return
        self.modes.append(stat.S_IMODE(path.stat().st_mode))
        request.reply({"found": True, "content": path.read_text()})


def test_a_folder_is_the_same_if_the_server_reads_what_is_written_there(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    reader = Reader(server, tmp_path / "out")
    assert client.same_folder(str(tmp_path / "out"))
    (request,) = reader.seen
    assert request.cmd == "probe_folder" and request.header["output_dir"] == str(tmp_path / "out")
    assert reader.modes == [0o644], "a server of another user can read it"
    assert os.listdir(tmp_path / "out") == [], "nothing stays"


def test_a_folder_of_the_same_name_elsewhere_is_not_the_same(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    Reader(server, tmp_path / "elsewhere")
    assert not client.same_folder(str(tmp_path / "out"))
    server.on_request = lambda request: request.reply({"found": True, "content": "0" * 64})
    assert not client.same_folder(str(tmp_path / "out"))


def test_each_proof_is_another_one(client: Client, server: FakeServer, tmp_path: Path) -> None:
    reader = Reader(server, tmp_path)
    assert client.same_folder(str(tmp_path)) and client.same_folder(str(tmp_path))
    assert len({request.header["nonce"] for request in reader.seen}) == 2


def test_a_refused_proof_leaves_no_file(client: Client, server: FakeServer, tmp_path: Path) -> None:
    server.on_request = lambda request: request.fail("not_permitted", "not allowed")
    with pytest.raises(NotPermittedError, match="not allowed"):
        client.same_folder(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_said(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotPermittedError, match="no file can be written"):
        client.same_folder(str(tmp_path / "file"))


# -- adding a folder -------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, server: FakeServer) -> Path:
    """The data folder of the server, which this process started."""
    folder = tmp_path / "data"
    folder.mkdir()
    starter.make_token(folder)
    starter.write_record(folder, server.address, os.getpid())
    return folder


def test_a_token_is_its_owners_alone_and_stays(data: Path) -> None:
    path = starter.make_token(data)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) == 64
    assert starter.make_token(data).read_text() == path.read_text()


def test_who_started_the_server_adds_a_folder_for_good(
    client: Client, server: FakeServer, data: Path, tmp_path: Path
) -> None:
    asked: list[Seen] = []

    def answer(request: Seen) -> None:
        asked.append(request)
        request.reply({"allowed": True, "added": len(asked) == 1})

    server.on_request = answer
    assert starter.allow_output(client, str(tmp_path), data)
    assert not starter.allow_output(client, str(tmp_path), data)
    assert asked[0].header["path"] == str(tmp_path)
    assert asked[0].header["token"] == (data / "starter.token").read_text().strip()
    assert starter.added_outputs(data) == [str(tmp_path)]


def test_a_folder_that_is_gone_is_not_asked_for_at_the_next_start(data: Path) -> None:
    (data / "added_outputs.json").write_text(json.dumps([str(data), "/is/not/there", 7]))
    assert starter.added_outputs(data) == [str(data)]
    (data / "added_outputs.json").write_text("{")
    assert starter.added_outputs(data) == []


def test_a_refused_folder_is_not_remembered(client: Client, server: FakeServer, data: Path) -> None:
    server.on_request = lambda request: request.fail("not_permitted", "it is a file")
    with pytest.raises(NotPermittedError, match="it is a file"):
        starter.allow_output(client, "/x", data)
    assert starter.added_outputs(data) == []
