"""What the pack's tests share: a ComfyUI that is not there, a luna whose state moves by hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import fake_comfy_api
import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna
from multi_saver_run import NOW

fake_comfy_api.install()

from luna_nodes import (  # noqa: E402  (needs the API)
    announce,
    folder_check,
    nodes_multi_save,
    notes,
    promises,
    saving,
)
from luna_nodes import service as services  # noqa: E402
from luna_nodes.service import Service  # noqa: E402
from luna_nodes.settings import SettingsSource  # noqa: E402
from manual_clock import ManualClock  # noqa: E402


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def luna() -> FakeLuna:
    return FakeLuna()


@pytest.fixture
def environment() -> dict[str, str]:
    """What the pack takes for the environment."""
    return {}


@pytest.fixture
def service(
    host: FakeHost, luna: FakeLuna, clock: ManualClock, environment: dict[str, str], tmp_path: Path
) -> Iterator[Service]:
    source = SettingsSource(environment, lambda: None, tmp_path / "luna.json")
    with services.replaced(Service(host, source, make_client=luna.make, clock=clock)) as made:
        yield made


# -- saving ----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No folder is proved yet, no job is followed, and luna's own data folder is empty."""
    monkeypatch.setattr(folder_check.checks, "_known", {})
    monkeypatch.setattr(announce, "_watches", {})
    monkeypatch.setattr(announce, "_histories", {})
    monkeypatch.setattr(announce, "_failed", OrderedDict())
    monkeypatch.setattr(promises.promises, "_jobs", {})
    monkeypatch.setattr(saving, "_said", notes.Once())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_multi_save, "local_now", lambda: NOW)


@pytest.fixture
def output(host: FakeHost) -> Path:
    """ComfyUI's output folder; not there yet."""
    return Path(host.output_folder())


@pytest.fixture
def writing(output: Path, luna: FakeLuna) -> Path:
    """The same; what luna takes is there at once."""

    def write(job_id: str, _files: object) -> None:
        for path in luna.jobs[job_id].paths:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(b"picture")

    luna.on_submit = write
    return output
