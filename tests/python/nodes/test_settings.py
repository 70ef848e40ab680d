"""Where the settings come from: the environment, ComfyUI's settings, the file beside the pack."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from luna_nodes.settings import Settings, SettingsSource


@pytest.fixture
def comfy(tmp_path: Path) -> Path:
    return tmp_path / "comfy.settings.json"


@pytest.fixture
def source(tmp_path: Path, comfy: Path, environment: dict[str, str]) -> SettingsSource:
    return SettingsSource(environment, lambda: comfy, tmp_path / "luna.json")


def test_without_any_the_server_is_on_this_machine(source: SettingsSource) -> None:
    assert source.read() == Settings("127.0.0.1:19283", "", True)


def test_the_environment_goes_before_comfyui_and_that_before_the_file(
    source: SettingsSource, comfy: Path, environment: dict[str, str]
) -> None:
    source.pack_file.write_text(
        json.dumps({"server": "file:1", "secret_file": "/file", "local_work": False})
    )
    assert source.read() == Settings("file:1", "/file", False)
    comfy.write_text(json.dumps({"Luna.Server": "ui:1", "Luna.LocalWork": True, "Other": 1}))
    assert source.read() == Settings("ui:1", "/file", True)
    environment.update(LUNA_SERVER="env:1", LUNA_SECRET_FILE="/env", LUNA_LOCAL_WORK="no")
    assert source.read() == Settings("env:1", "/env", False)


def test_an_empty_setting_says_nothing(
    source: SettingsSource, comfy: Path, environment: dict[str, str]
) -> None:
    environment.update(LUNA_SERVER=" ", LUNA_LOCAL_WORK="", LUNA_ADDRESS="client:1")
    comfy.write_text(json.dumps({"Luna.Server": "", "Luna.SecretFile": ""}))
    assert source.read() == Settings("client:1", "", True)


def test_each_value_says_where_it_comes_from(
    source: SettingsSource, comfy: Path, environment: dict[str, str]
) -> None:
    assert set(source.origins().values()) == {"default"}
    source.pack_file.write_text('{"local_work": false}')
    comfy.write_text('{"Luna.SecretFile": "/ui", "Luna.Server": ""}')
    environment["LUNA_ADDRESS"] = "client:1"
    assert source.origins() == {
        "server": "LUNA_ADDRESS",
        "secret_file": "settings",
        "local_work": "luna.json",
    }
    environment.update(LUNA_SERVER="env:1", LUNA_LOCAL_WORK="1")
    assert source.origins() == {
        "server": "LUNA_SERVER",
        "secret_file": "settings",
        "local_work": "LUNA_LOCAL_WORK",
    }


@pytest.mark.parametrize("word", ["0", "no", "off", "False", "forbid"])
def test_local_work_is_forbidden_in_many_words(
    word: str, source: SettingsSource, environment: dict[str, str]
) -> None:
    environment["LUNA_LOCAL_WORK"] = word
    assert source.read().local_work is False


def test_a_changed_file_is_read_again(source: SettingsSource) -> None:
    source.pack_file.write_text('{"server": "one:1"}')
    assert source.read().server == "one:1"
    source.pack_file.write_text('{"server": "three:1"}')
    assert source.read().server == "three:1"


@pytest.mark.parametrize("text", ["{", "[]", "\x80"])
def test_a_broken_file_is_told_once_and_left_out(
    text: str, source: SettingsSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.pack_file.write_bytes(text.encode("latin-1"))
    with caplog.at_level(logging.WARNING, "luna"):
        assert source.read() == source.read() == Settings()
    (line,) = caplog.messages
    assert "luna.json is not read" in line
