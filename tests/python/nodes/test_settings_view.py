"""What the settings page shows: whether luna answers, and which variables go before the settings."""

from __future__ import annotations

from fake_luna import FakeLuna

from luna_nodes import settings_view
from luna_nodes.service import Service


def test_a_server_that_answers_is_named(service: Service, luna: FakeLuna) -> None:
    luna.info = {"version": "0.1.0", "node": "local"}
    assert settings_view.view(service) == {
        "connected": True,
        "line": "connected to luna 0.1.0 at 127.0.0.1:19283, node local",
        "overrides": [],
    }


def test_one_that_does_not_is_told_with_its_reason(service: Service, luna: FakeLuna) -> None:
    luna.down("cannot reach luna")
    view = settings_view.view(service)
    assert (view["connected"], view["line"]) == (False, "not connected: cannot reach luna")


def test_variables_that_go_before_the_settings_are_said(
    service: Service, environment: dict[str, str]
) -> None:
    environment.update(LUNA_SERVER="a:1", LUNA_LOCAL_WORK="no", LUNA_ADDRESS="b:1")
    assert settings_view.view(service)["overrides"] == [
        "LUNA_SERVER says the address: a:1. The setting here does not count.",
        "LUNA_LOCAL_WORK says whether ComfyUI works itself: no. The setting here does not count.",
    ]


def test_what_comes_after_the_settings_is_not(
    service: Service, environment: dict[str, str]
) -> None:
    environment["LUNA_ADDRESS"] = "b:1"
    assert settings_view.view(service)["overrides"] == []
