"""Threads that wait for each other sleep soon: what libgomp is told, before it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_process import NodeProcess
from setting import Start


def settings_of(node: NodeProcess) -> dict[str, str]:
    text = Path(f"/proc/{node.pid}/environ").read_bytes().decode(errors="replace")
    return dict(x.split("=", 1) for x in text.split("\0") if "=" in x)


def test_threads_spin_for_a_moment_only(start_node: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    assert settings_of(start_node())["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "77")]
)
def test_an_operators_own_setting_stands(
    start_node: Start, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    settings = settings_of(start_node())
    assert settings[name] == value
    assert settings.keys().isdisjoint({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} - {name})
