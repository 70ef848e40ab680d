"""What the pack's tests share: a ComfyUI that is not there, a luna whose state moves by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fake_comfy_api
import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna

from luna_nodes import service as services
from luna_nodes.service import Service
from luna_nodes.settings import SettingsSource
from manual_clock import ManualClock

fake_comfy_api.install()


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
