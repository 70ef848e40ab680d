"""Starting, stopping and asking the server: answers for nodes and routes, in ComfyUI's event loop never waiting."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_luna import FakeLuna

from luna_client import Daemon, DaemonStartError, Job, NotPermittedError
from luna_client.control_results import Answer
from luna_nodes import control, routes
from luna_nodes.service import Service


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """luna's data folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "luna"


@pytest.fixture
def starts(luna: FakeLuna, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls that would start a program; luna is up after them."""
    made: list[dict[str, Any]] = []

    def start(**options: Any) -> Daemon:
        made.append(options)
        luna.up()
        return Daemon(options["gateway"], started=True, pid=7)

    monkeypatch.setattr(control, "start_daemon", start)
    return made


# -- start and stop --------------------------------------------------------------------------------


def test_a_server_that_runs_is_taken(service: Service, starts: list[Any]) -> None:
    answer = control.start(service)
    assert (answer["success"], answer["started"]) == (True, False)
    assert starts == []


def test_a_server_that_may_not_save_here_says_who_does(service: Service, luna: FakeLuna) -> None:
    luna.allowed = ["/another/output"]
    answer = control.start(service)
    assert answer["success"] is True
    assert f"start it with --output {service.host.output_folder()}" in answer["pictures"]
    assert "ComfyUI saves its pictures itself" in answer["status"]


def test_a_started_server_gets_all_folders_of_this_comfyui(
    service: Service, luna: FakeLuna, starts: list[dict[str, Any]], data: Path
) -> None:
    luna.down()
    answer = control.start(service)
    assert answer == {
        "success": True,
        "started": True,
        "address": "127.0.0.1:19283",
        "pid": 7,
        "status": "luna was started at 127.0.0.1:19283",
    }
    ((options),) = starts
    assert options["gateway"] == "127.0.0.1:19283"
    assert options["output"] == [service.host.output_folder()]
    paths = json.loads(Path(options["extra_model_paths"]).read_text())
    assert paths == {"comfyui": {"vae": "/models/vae\n/more/vae", "text_encoders": "/models/te"}}
    assert service.reachable, "the nodes know it at once"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"LUNA_SERVER": "10.0.0.9:1"}, "start it there"),
        ({"LUNA_SECRET_FILE": "/s"}, "cluster.conf"),
    ],
)
def test_what_cannot_be_started_here_is_said(
    setting: dict[str, str],
    sentence: str,
    service: Service,
    luna: FakeLuna,
    environment: dict[str, str],
    starts: list[Any],
) -> None:
    environment.update(setting)
    luna.down()
    answer = control.start(service)
    assert answer["success"] is False and sentence in answer["error"]
    assert starts == []


def test_a_server_that_does_not_start_is_said_with_its_log(
    service: Service, luna: FakeLuna, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(**_options: Any) -> Daemon:
        raise DaemonStartError("luna-node ended with status 3: no models")

    monkeypatch.setattr(control, "start_daemon", start)
    luna.down()
    answer = control.start(service)
    assert answer["success"] is False
    assert answer["error"] == "luna-node ended with status 3: no models"


def test_a_server_at_another_address_is_no_success(
    service: Service, luna: FakeLuna, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        control, "start_daemon", lambda **_options: Daemon("127.0.0.1:5", started=False)
    )
    luna.down()
    answer = control.start(service)
    assert answer["success"] is False and "127.0.0.1:5" in answer["error"]


def test_stopping_what_does_not_run_is_fine(service: Service, luna: FakeLuna) -> None:
    assert control.stop(service)["status"] == "luna drains and stops"
    luna.down()
    assert control.stop(service) == {"success": True, "status": "no luna runs at 127.0.0.1:19283"}
    assert len(luna.of("shutdown")) == 1


def test_a_stop_that_is_refused_is_no_success(service: Service, luna: FakeLuna) -> None:
    luna.accepts = False
    assert control.stop(service)["success"] is False


# -- steering --------------------------------------------------------------------------------------


def test_a_mode_is_set_or_the_answer_says_who_did_not(service: Service, luna: FakeLuna) -> None:
    assert control.attention(service, "flash") == {"success": True, "mode": "flash"}
    luna.answers = (Answer("beta/vae", False, "timed out"),)
    answer = control.attention(service, "split")
    assert (answer["success"], answer["error"]) == (False, "beta/vae: timed out")
    assert control.attention(service, "fast")["success"] is False
    assert [call.args for call in luna.of("set_attention_mode")] == [("flash",), ("split",)]


def test_unloading_says_what_it_freed_and_what_stays(service: Service) -> None:
    assert control.unload(service) == {
        "success": True,
        "unloaded": ["a.safetensors"],
        "freed_bytes": {"cpu": 10},
        "kept": ["b.safetensors: in use"],
    }


def test_a_reset_cancels_and_connects_anew(service: Service, luna: FakeLuna) -> None:
    answer = control.reset(service)
    assert (answer["success"], answer["cancelled"]) == (True, 2)
    assert luna.closed == 1


@pytest.mark.parametrize(
    "command", [control.unload, control.reset, control.devices, control.reconnect]
)
def test_a_refusal_is_an_answer(command: Any, service: Service, luna: FakeLuna) -> None:
    luna.problem = NotPermittedError("the configuration forbids it")
    answer = command(service)
    assert answer["success"] is False
    assert answer["error"] == "the configuration forbids it"


# -- state -----------------------------------------------------------------------------------------


def test_the_state_has_the_old_panels_names(service: Service, luna: FakeLuna) -> None:
    luna.info = {
        "version": "0.1.0",
        "vram": {
            "cuda:0": {"used_gb": 1.5, "total_gb": 6.0},
            "beta/cuda:0": {"used_gb": 1.5, "total_gb": 6.0},
        },
        "pools": [
            {"name": "vae", "kind": "vae", "device": "cuda:0", "models": ["a.safetensors"]},
            {"name": "text", "kind": "text", "device": "cuda:0", "models": []},
        ],
        "request_count": 3,
        "uptime_sec": 2.5,
    }
    state = control.status(service)
    assert state["running"] is True
    assert (state["vram_used_gb"], state["vram_total_gb"], state["vram_percent"]) == (
        3.0,
        12.0,
        25.0,
    )
    assert (state["models_loaded"], state["vae_loaded"], state["clip_loaded"]) == (
        ["vae: a.safetensors"],
        True,
        False,
    )
    assert (state["request_count"], state["uptime_seconds"], state["device"]) == (3, 2.5, "cuda:0")
    assert state["comfyui_vram"]["total_gb"] == 8.0


def test_the_state_of_a_server_that_is_away_says_so(service: Service, luna: FakeLuna) -> None:
    luna.down("cannot reach luna")
    state = control.status(service)
    assert (state["running"], state["error"]) == (False, "cannot reach luna")
    assert service.reachable is False


# -- routes ----------------------------------------------------------------------------------------


class Table:
    """aiohttp's table of routes, as far as it is used."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        return self._adder("GET " + path)

    def post(self, path: str) -> Any:
        return self._adder("POST " + path)

    def _adder(self, key: str) -> Any:
        def add(handler: Any) -> Any:
            self.handlers[key] = handler
            return handler

        return add

    def ask(self, key: str, body: str = "{}") -> tuple[int, dict[str, Any]]:
        class Request:
            async def json(self) -> Any:
                return json.loads(body)

        answer, status = asyncio.run(self.handlers[key](Request()))
        return status, answer


@pytest.fixture
def table() -> Table:
    made = Table()
    routes.add(made, lambda answer, status: (answer, status))
    return made


def test_the_old_packs_routes_are_there(table: Table) -> None:
    posts = (
        "start",
        "stop",
        "reconnect",
        "unload",
        "set-clip-device",
        "set-vae-device",
        "set-llm-device",
    )
    for name in ("status", "devices"):
        assert f"GET /luna/daemon/{name}" in table.handlers
    for name in posts:
        assert f"POST /luna/daemon/{name}" in table.handlers


def test_failed_saves_have_routes(table: Table, service: Service, luna: FakeLuna) -> None:
    luna.jobs["j-1"] = Job("j-1", state="failed", error="the disk is full")
    assert table.ask("GET /luna/jobs")[1]["jobs"][0]["error"] == "the disk is full"
    assert table.ask("POST /luna/jobs/retry", '{"job_id": "j-1"}')[0] == 200
    assert table.ask("POST /luna/jobs/discard", '{"job_id": "j-1"}')[0] == 200
    assert table.ask("GET /luna/jobs")[1]["jobs"] == []
    assert table.ask("POST /luna/jobs/retry", "{}")[0] == 400
    luna.down()
    assert table.ask("POST /luna/jobs/discard", '{"job_id": "j-1"}')[0] == 409


def test_a_route_answers_with_what_was_done(table: Table, service: Service, luna: FakeLuna) -> None:
    status, answer = table.ask("POST /luna/daemon/unload")
    assert (status, answer["unloaded"]) == (200, ["a.safetensors"])
    luna.down("cannot reach luna")
    assert table.ask("POST /luna/daemon/unload")[0] == 409
    assert table.ask("GET /luna/daemon/status")[0] == 200


def test_a_device_is_not_chosen_here_and_the_answer_says_where(
    table: Table, service: Service
) -> None:
    status, answer = table.ask("POST /luna/daemon/set-vae-device")
    assert status == 409 and "cluster.conf" in answer["error"]


@pytest.mark.parametrize("body", ["", "[]", "{}", "null"])
def test_a_mode_must_be_given(body: str, table: Table, service: Service) -> None:
    assert table.ask("POST /luna/daemon/attention", body)[0] == 400
    assert table.ask("POST /luna/daemon/attention", '{"mode": "split"}') == (
        200,
        {"success": True, "mode": "split"},
    )


def test_a_route_never_waits_in_the_event_loop(
    table: Table, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def slow(_luna: Service) -> dict[str, Any]:
        assert released.wait(20.0), "the loop that lets us go is the one that we keep waiting"
        return {"success": True}

    monkeypatch.setattr(control, "unload", slow)

    async def ask() -> Any:
        waiting = asyncio.create_task(table.handlers["POST /luna/daemon/unload"](None))
        await asyncio.sleep(0)
        released.set()
        return await waiting

    assert asyncio.run(ask()) == ({"success": True}, 200)
