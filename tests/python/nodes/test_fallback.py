"""Where the work is done, and what is said about it: luna up, down, refusing, back; local work forbidden."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna

from luna_client import (
    ConnectionLostError,
    LunaError,
    ModelInfo,
    OutOfMemoryError,
    OverloadedError,
    RequestCancelledError,
    ShuttingDownError,
    UnavailableError,
    UnsupportedModelError,
)
from luna_nodes.fallback import Fallback
from luna_nodes.refusal import LunaRefusalError, ended
from luna_nodes.service import Service
from manual_clock import ManualClock


@pytest.fixture
def loads() -> list[int]:
    return []


@pytest.fixture
def work(service: Service, loads: list[int]) -> Fallback:
    def load() -> str:
        loads.append(1)
        return f"local {len(loads)}"

    return Fallback(service, "vae", "vae", "vae.safetensors", load)


@pytest.fixture
def decode(work: Fallback) -> Callable[[], str]:
    def call() -> str:
        return work.do("the decode", lambda luna, _tell, _stop: _ask(luna), lambda local: local)

    return call


def _ask(luna: Any) -> str:
    luna.model_info("vae", "vae")
    return "remote"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_luna_does_the_work_and_nothing_is_loaded(
    decode: Callable[[], str], loads: list[int]
) -> None:
    assert decode() == "remote"
    assert loads == []


@pytest.mark.parametrize(
    "problem",
    [
        ConnectionLostError("the connection broke"),
        UnavailableError("the node died"),
        ShuttingDownError("it drains"),
        OutOfMemoryError("no room"),
        UnsupportedModelError("a family that it does not serve"),
        LunaError("something new"),
    ],
    ids=lambda problem: problem.code,
)
def test_what_luna_does_not_do_comfyui_does(
    problem: LunaError, decode: Callable[[], str], luna: FakeLuna, caplog: pytest.LogCaptureFixture
) -> None:
    luna.next_problems = [problem]
    assert decode() == "local 1"
    (line,) = warnings(caplog)
    assert "the decode of vae.safetensors itself" in line and problem.message in line


def test_an_outage_is_one_line_and_one_object(
    decode: Callable[[], str], luna: FakeLuna, loads: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    luna.down("cannot reach luna")
    assert [decode() for _ in range(3)] == ["local 1"] * 3
    luna.down("another sentence for the same")
    decode()
    assert loads == [1]
    (line,) = warnings(caplog)
    assert "until luna is back: cannot reach luna" in line


def test_when_luna_is_back_it_does_the_work_again_and_the_object_goes(
    decode: Callable[[], str], work: Fallback, luna: FakeLuna, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "luna")
    luna.down()
    decode()
    assert work.has_local
    luna.up()
    assert decode() == "remote"
    assert not work.has_local
    assert "dropped" in caplog.messages[-1]
    luna.down()
    assert decode() == "local 2"
    assert len(warnings(caplog)) == 2, "the next outage is told again"


def test_the_object_goes_without_another_call(
    decode: Callable[[], str], work: Fallback, luna: FakeLuna, service: Service
) -> None:
    luna.down()
    decode()
    luna.up()
    service.refresh()  # the background thread notices
    assert not work.has_local


def test_an_object_in_use_goes_when_its_work_is_done(
    work: Fallback, luna: FakeLuna, service: Service
) -> None:
    luna.down()

    def local(found: Any) -> bool:
        luna.up()
        service.refresh()
        return work.has_local

    assert work.do("the decode", lambda client, _t, _s: _ask(client), local) is True
    assert not work.has_local


def test_a_refusal_keeps_its_object_when_the_server_comes_back(
    decode: Callable[[], str], work: Fallback, luna: FakeLuna, service: Service, loads: list[int]
) -> None:
    luna.next_problems = [UnsupportedModelError("not served")]
    decode()
    luna.down()
    service.refresh()
    luna.up()
    service.refresh()
    assert work.has_local, "it was made because luna refuses this model, which it still does"


def test_what_only_comfyui_can_do_keeps_its_object(
    decode: Callable[[], str], work: Fallback, luna: FakeLuna, service: Service, loads: list[int]
) -> None:
    work.here("the encoding with a LoRA", "a LoRA", lambda local: local)
    assert decode() == "remote"
    luna.down()
    decode()
    luna.up()
    service.refresh()
    work.here("the encoding with a LoRA", "a LoRA", lambda local: local)
    assert loads == [1]


def test_forbidden_local_work_fails_with_lunas_reason(
    decode: Callable[[], str], environment: dict[str, str], luna: FakeLuna, loads: list[int]
) -> None:
    environment["LUNA_LOCAL_WORK"] = "forbid"
    luna.down("cannot reach luna at 10.0.0.1")
    with pytest.raises(LunaRefusalError, match=r"cannot reach luna at 10\.0\.0\.1.*forbidden"):
        decode()
    assert loads == []


def test_a_model_that_nobody_has_fails_with_both_reasons(
    service: Service, luna: FakeLuna, host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> Any:
        raise FileNotFoundError("vae.safetensors is in no folder\n\tand a page of details")

    luna.down("cannot reach luna")
    work = Fallback(service, "vae", "vae", "vae.safetensors", load)
    with pytest.raises(LunaRefusalError, match="cannot reach luna.*is in no folder$") as refused:
        work.do("the decode", lambda client, _t, _s: _ask(client), lambda local: local)
    assert refused.value.__suppress_context__, "one sentence, one traceback"
    assert warnings(caplog) == [], "ComfyUI did not do it"
    assert host.sent == []


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("it is away", "it is away."), ("is it running?", "is it running?"), ("No.", "No.")],
)
def test_a_reason_ends_as_one_sentence_before_the_next(reason: str, sentence: str) -> None:
    assert ended(reason) == sentence


def test_a_cancelled_request_is_not_done_again_here(
    decode: Callable[[], str], luna: FakeLuna, loads: list[int]
) -> None:
    luna.next_problems = [RequestCancelledError("cancelled")]
    with pytest.raises(RequestCancelledError):
        decode()
    assert loads == []


def test_an_overloaded_server_is_asked_again(
    decode: Callable[[], str], luna: FakeLuna, clock: ManualClock, loads: list[int]
) -> None:
    luna.next_problems = [OverloadedError("the queue is full", retry_after_ms=1000)] * 3
    assert decode() == "remote"
    assert clock.time == pytest.approx(1003.0)
    assert loads == []


def test_a_server_that_stays_overloaded_is_left_after_a_minute(
    decode: Callable[[], str], luna: FakeLuna, clock: ManualClock
) -> None:
    luna.next_problems = [OverloadedError("the queue is full", retry_after_ms=9000)] * 20
    assert decode() == "local 1"
    assert 1050.0 < clock.time <= 1060.0


def test_waiting_for_an_overloaded_server_can_be_interrupted(
    decode: Callable[[], str], luna: FakeLuna, host: FakeHost, clock: ManualClock
) -> None:
    from fake_host import InterruptedByPerson

    luna.next_problems = [OverloadedError("the queue is full", retry_after_ms=9000)] * 20
    clock.before_pause = lambda: setattr(host, "interrupted", True)
    with pytest.raises(InterruptedByPerson):
        decode()
    assert clock.time < 1000.2


def test_info_never_loads_anything_here(work: Fallback, luna: FakeLuna, loads: list[int]) -> None:
    luna.down()
    assert isinstance(work.info(), ConnectionLostError)
    luna.up()
    info = work.info()
    assert isinstance(info, ModelInfo) and info.family == "kl"
    assert loads == []


# -- on the graph ----------------------------------------------------------------------------------


def shown(host: FakeHost) -> list[tuple[str, str, str]]:
    """Node, kind and text of what was sent to the browser since the last look."""
    sent, host.sent = host.sent, []
    assert {event for event, _, _ in sent} <= {"luna.note"}
    return [(data["node"], data["kind"], data["text"]) for _, data, _ in sent]


def test_local_work_is_seen_on_the_node_and_on_the_loader(
    decode: Callable[[], str], work: Fallback, luna: FakeLuna, service: Service, host: FakeHost
) -> None:
    host.node = "9"  # the loader was 5
    decode()
    assert shown(host) == []
    luna.down("cannot reach luna")
    decode()
    line = "ComfyUI does the decode itself until luna is back: cannot reach luna"
    held = "held in this ComfyUI's memory until luna is back, for the decode: cannot reach luna"
    assert shown(host) == [("9", "note", line), ("5", "note", held)]
    host.node = "11"
    decode()
    assert shown(host) == [("11", "note", line)], "each node for itself, the loader once"
    luna.up()
    service.refresh()
    assert shown(host) == [("5", "clear", "")]


def test_a_lora_is_seen_on_the_node_that_encodes(work: Fallback, host: FakeHost) -> None:
    host.node = "9"
    for _ in range(2):
        work.here("the encoding with a LoRA", "a LoRA changes it", lambda local: local)
        assert shown(host)[0] == (
            "9",
            "note",
            "ComfyUI does the encoding with a LoRA itself: a LoRA changes it",
        )


def test_the_loaders_note_goes_when_luna_does_the_work_again(
    decode: Callable[[], str], luna: FakeLuna, host: FakeHost
) -> None:
    host.node = "9"
    luna.next_problems = [UnsupportedModelError("not served")]
    decode()
    shown(host)
    decode()
    assert shown(host) == [("5", "clear", "")]
    decode()
    assert shown(host) == []


def test_what_luna_warns_of_is_seen_on_the_node(work: Fallback, host: FakeHost) -> None:
    host.node = "9"

    def decode(found: Any, _tell: Any, _stop: Any) -> str:
        work.warnings = (SimpleNamespace(message="12 values are not finite"),)  # type: ignore
        return _ask(found)

    assert work.do("the decode", decode, lambda local: local) == "remote"
    assert shown(host) == [("9", "note", "luna: 12 values are not finite")]


def test_without_a_running_node_nothing_is_sent(
    decode: Callable[[], str], luna: FakeLuna, host: FakeHost, service: Service
) -> None:
    host.node = None
    work = Fallback(service, "vae", "vae", "vae", lambda: "local")
    luna.down()
    assert work.do("the decode", lambda client, _t, _s: _ask(client), lambda local: local)
    luna.up()
    service.refresh()
    assert shown(host) == []
