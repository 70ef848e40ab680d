"""The one connection: settings, the model list, a server that is slow to be unreachable; and watching a request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from fake_host import FakeHost, InterruptedByPerson
from fake_luna import FakeLuna

from luna_client import ConnectionLostError, ModelFile, UnknownModelError
from luna_nodes.service import Service
from luna_nodes.watch import watched

FILE = ModelFile("a.safetensors", "vae", "vae", 10, 1.0)


def test_all_share_one_client_with_a_long_deadline(service: Service, luna: FakeLuna) -> None:
    assert service.client() is service.client()
    ((server, options),) = luna.made
    assert server == "127.0.0.1:19283"
    assert options["timeout"] == 3600.0
    assert options["secret_file"] is None


def test_another_address_makes_another_client(
    service: Service, luna: FakeLuna, environment: dict[str, str]
) -> None:
    luna.models = (FILE,)
    service.refresh()
    service.model_info("a", "vae")
    environment.update(LUNA_SERVER="10.0.0.1:1,10.0.0.2:1", LUNA_SECRET_FILE="/secret")
    service.client()
    assert luna.closed == 1
    assert luna.made[1][0] == "10.0.0.1:1,10.0.0.2:1"
    assert luna.made[1][1]["secret_file"] == "/secret"
    assert service.models is None and service.known_info("a", "vae") is None


def test_the_model_list_is_a_snapshot(service: Service, luna: FakeLuna) -> None:
    assert service.models is None
    assert luna.calls == [], "nobody was asked"
    luna.models = (FILE,)
    service.refresh()
    luna.down()
    service.refresh()
    assert service.models is not None and service.models.models == (FILE,)
    assert service.reachable is False


def test_what_is_known_of_a_model_lasts_until_the_list_changes(
    service: Service, luna: FakeLuna
) -> None:
    luna.models = (FILE,)
    service.refresh()
    service.model_info("a", "vae")
    service.refresh()
    service.model_info("a", "vae")
    assert len(luna.of("model_info")) == 1
    luna.models = (ModelFile("a.safetensors", "vae", "vae", 11, 2.0),)
    service.refresh()
    service.model_info("a", "vae")
    assert len(luna.of("model_info")) == 2


def test_a_refusal_is_no_outage(service: Service, luna: FakeLuna) -> None:
    service.refresh()
    luna.next_problems = [UnknownModelError("no such model")]
    with pytest.raises(UnknownModelError):
        service.call(lambda client, _t, _s: client.model_info("a", "vae"))
    assert service.reachable is True


def test_a_refused_connection_is_tried_at_each_call(service: Service, luna: FakeLuna) -> None:
    luna.down()
    for _ in range(2):
        with pytest.raises(ConnectionLostError):
            service.call(lambda client, _t, _s: client.model_info("a", "vae"))
    assert len(luna.of("model_info")) == 2


def test_the_background_thread_refreshes_and_ends(
    host: FakeHost, luna: FakeLuna, service: Service, background: Callable[..., Future[Any]]
) -> None:
    luna.models = (FILE,)
    service.start()
    service.start()
    background(_until_known, service).result(20)
    service.close()
    assert luna.closed == 1
    assert service._refresher is not None and not service._refresher.is_alive()


def _until_known(service: Service) -> None:
    import threading

    while service.models is None:
        threading.Event().wait(0.001)


# -- watching a request ----------------------------------------------------------------------------


def test_progress_is_drawn_on_the_node(host: FakeHost) -> None:
    def work(tell: Any, _stop: Any) -> str:
        tell(1, 4, "tile")
        tell(4, 4, "tile")
        tell(0, 0, "load")
        return "done"

    assert watched(host, work) == "done"
    (bar,) = host.bars
    assert (bar.total, bar.steps) == (4, [(1, 4), (4, 4)])


def test_each_stage_has_a_bar_of_its_own(host: FakeHost) -> None:
    # ComfyUI's bar does not go back from the bytes of a load to the first of six tiles
    def work(tell: Any, _stop: Any) -> None:
        tell(13824, 351_130_524, "load")
        tell(300_000_000, 351_130_524, "load")
        tell(1, 6, "tile")

    watched(host, work)
    assert [(bar.total, bar.steps) for bar in host.bars] == [
        (351, [(0, 351), (300, 351)]),  # MB
        (6, [(1, 6)]),
    ]


def test_the_works_failure_is_the_waiters(host: FakeHost) -> None:
    def work(_tell: Any, _stop: Any) -> None:
        raise UnknownModelError("no such model")

    with pytest.raises(UnknownModelError):
        watched(host, work)


def test_an_interrupt_leaves_at_once_and_cancels_at_the_server(
    host: FakeHost, luna: FakeLuna, service: Service, background: Callable[..., Future[Any]]
) -> None:
    luna.hangs = True
    waiting = background(
        service.call,
        lambda client, tell, stop: client.vae_decode("x", "vae", progress=tell, cancel=stop),
    )
    assert luna.hanging.wait(20.0)
    host.interrupted = True
    with pytest.raises(InterruptedByPerson):
        waiting.result(20.0)
    assert luna.cancelled.wait(20.0), "the server was told"
    assert service.reachable is not False


def test_an_interrupt_between_two_steps_ends_the_work(host: FakeHost) -> None:
    def work(tell: Any, stop: Any) -> str:
        host.interrupted = True
        tell(1, 2, "tile")
        return "never seen"

    with pytest.raises(InterruptedByPerson):
        watched(host, work)
