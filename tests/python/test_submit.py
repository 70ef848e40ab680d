"""A submit whose answer is lost: asked again by its key, never doubled, never silently dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fake_server import FakeServer, Hello, Seen
from luna_client import (
    BadRequestError,
    Cancel,
    Client,
    ConnectionLostError,
    NotPermittedError,
    OverloadedError,
    RequestCancelledError,
    SubmitUncertainError,
)
from manual_clock import ManualClock

PICTURE = np.zeros((8, 8, 3), np.uint8)
TASK = {"images": [{"tensor": "image_0"}]}


def accept(request: Seen) -> None:
    files = [{"index": 0, "subfolder": "a", "filename": "b.png"}]
    request.reply({"success": True, "job_id": "j1", "images": 1, "queued": 4, "files": files})


class Script:
    """Answers the first requests one way each, the rest by the last."""

    def __init__(self, *steps: Callable[[Seen], None]) -> None:
        self.steps = steps
        self.seen: list[Seen] = []

    def __call__(self, request: Seen) -> None:
        step = self.steps[min(len(self.seen), len(self.steps) - 1)]
        self.seen.append(request)
        step(request)

    @property
    def keys(self) -> set[str]:
        return {request.header["key"] for request in self.seen}


def drop(request: Seen) -> None:
    request.peer.drop()


def refuse(code: str, **more: Any) -> Callable[[Seen], None]:
    return lambda request: request.fail(code, f"because of {code}", **more)


def submit(client: Client, **options: Any) -> Any:
    return client.submit_async(TASK, {"image_0": PICTURE}, **options)


def test_an_accepted_job_has_its_names_and_its_key() -> None:
    script = Script(accept)
    with FakeServer(on_request=script) as server, Client(server.address) as client:
        job = submit(client)
    assert (job.job_id, job.images, job.queued) == ("j1", 1, 4)
    assert [(f.index, f.subfolder, f.filename) for f in job.files] == [(0, "a", "b.png")]
    assert UUID(job.key)
    sent = script.seen[0]
    assert sent.header["task_name"] == "save_images_async"
    assert sent.header["task_data"] == TASK
    assert sent.header["key"] == job.key
    np.testing.assert_array_equal(sent.tensors["image_0"], PICTURE)


def test_every_submit_has_a_key_of_its_own_unless_it_is_given_one() -> None:
    script = Script(accept)
    with FakeServer(on_request=script) as server, Client(server.address) as client:
        submit(client)
        submit(client)
        assert submit(client, key="mine").key == "mine"
    assert len(script.keys) == 3
    assert "mine" in script.keys


def test_a_lost_answer_is_asked_for_again_by_its_key(clock: ManualClock) -> None:
    script = Script(drop, drop, drop, drop, accept)
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        assert submit(client).job_id == "j1"
    assert len(script.seen) == 5
    assert len(script.keys) == 1
    for request in script.seen:
        np.testing.assert_array_equal(request.tensors["image_0"], PICTURE)


def test_after_ten_seconds_the_caller_learns_that_the_picture_may_exist_twice(
    clock: ManualClock,
) -> None:
    with (
        FakeServer(on_request=Script(drop)) as server,
        Client(server.address, clock=clock) as client,
    ):
        begin = clock.now()
        with pytest.raises(SubmitUncertainError, match="may exist twice") as caught:
            submit(client, key="k7")
        assert 8.5 <= clock.now() - begin <= 10.0
    assert caught.value.key == "k7"
    assert caught.value.details == {"key": "k7"}


def test_a_server_that_comes_back_in_time_is_asked(clock: ManualClock) -> None:
    """The connection breaks, nobody listens for a while, then the server is there again."""
    script = Script(accept)
    with FakeServer(on_request=drop) as first, FakeServer(on_request=script) as second:
        with Client(first.address, clock=clock) as client:

            def when_it_pauses() -> None:
                first.close()
                if len(clock.pauses) == 5:
                    client._addresses = (second.address,)

            clock.before_pause = when_it_pauses
            assert submit(client).job_id == "j1"
    assert len(script.seen) == 1
    assert len(clock.pauses) >= 6


@pytest.mark.parametrize("code", ["unavailable", "timeout"])
def test_an_answer_that_leaves_it_open_is_asked_about_again(clock: ManualClock, code: str) -> None:
    script = Script(refuse(code), accept)
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        assert submit(client).job_id == "j1"
    assert len(script.seen) == 2


@pytest.mark.parametrize(
    "code", ["unavailable", "overloaded", "shutting_down", "internal", "timeout"]
)
def test_once_lost_only_a_definite_answer_ends_the_asking(clock: ManualClock, code: str) -> None:
    script = Script(drop, refuse(code), accept)
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        assert submit(client).job_id == "j1"
    assert len(script.keys) == 1


def test_a_hint_when_to_come_back_is_respected(clock: ManualClock) -> None:
    script = Script(drop, refuse("overloaded", retryable=True, retry_after_ms=3000), accept)
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        submit(client)
    assert max(clock.pauses) == 3.0


def test_a_definite_refusal_while_asking_again_is_raised(clock: ManualClock) -> None:
    script = Script(drop, refuse("bad_request"))
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        with pytest.raises(BadRequestError):
            submit(client)
    assert len(script.seen) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bad_request", BadRequestError),
        ("not_permitted", NotPermittedError),
        ("overloaded", OverloadedError),
    ],
)
def test_a_refusal_is_raised_at_once(clock: ManualClock, code: str, kind: type[Exception]) -> None:
    script = Script(refuse(code))
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        with pytest.raises(kind):
            submit(client)
    assert len(script.seen) == 1
    assert clock.pauses == []


def test_nobody_listening_from_the_start_is_certain_and_quick(clock: ManualClock) -> None:
    with FakeServer() as server:
        address = server.address
    with Client(address, clock=clock) as client, pytest.raises(ConnectionLostError) as caught:
        submit(client)
    assert not isinstance(caught.value, SubmitUncertainError)
    assert clock.pauses == []


def test_no_answer_at_all_is_uncertain(server: FakeServer) -> None:
    with (
        Client(server.address, grace=0.0) as client,
        pytest.raises(SubmitUncertainError, match="did not answer"),
    ):
        submit(client, timeout=0.05)


def test_a_server_that_hangs_while_asked_again_is_left_after_ten_seconds(
    clock: ManualClock,
) -> None:
    script = Script(drop, lambda request: None)
    with FakeServer(on_request=script) as server, Client(server.address, clock=clock) as client:
        # all but a moment of the ten seconds goes by before the second answer is waited for
        clock.before_pause = lambda: setattr(clock, "time", clock.time + 9.85)
        with pytest.raises(SubmitUncertainError):
            submit(client)
    assert len(script.seen) == 2
    assert script.seen[1].header["deadline_ms"] <= 150


def test_another_gateway_of_the_cluster_is_asked(clock: ManualClock) -> None:
    script = Script(accept)

    def die(request: Seen) -> None:
        request.peer.server.stop_listening()
        request.peer.drop()

    with (
        FakeServer(on_request=die) as alpha,
        FakeServer(Hello(node="beta"), on_request=script) as beta,
    ):
        with Client([alpha.address, beta.address], clock=clock) as client:
            assert submit(client).job_id == "j1"
    assert len(script.seen) == 1


def test_another_cluster_is_never_asked_for_it_would_save_a_second_time(clock: ManualClock) -> None:
    script = Script(accept)

    def die(request: Seen) -> None:
        request.peer.server.stop_listening()
        request.peer.drop()

    with (
        FakeServer(on_request=die) as studio,
        FakeServer(Hello(cluster="other"), on_request=script) as other,
    ):
        with Client([studio.address, other.address], clock=clock) as client:
            with pytest.raises(
                SubmitUncertainError, match="other cluster|another cluster|no address|reach"
            ):
                submit(client)
    assert script.seen == []


def test_cancel_ends_the_asking(clock: ManualClock) -> None:
    cancel = Cancel()
    with (
        FakeServer(on_request=Script(drop)) as server,
        Client(server.address, clock=clock) as client,
    ):
        clock.before_pause = cancel.cancel
        with pytest.raises(RequestCancelledError, match="may be saved all the same"):
            submit(client, cancel=cancel)


def test_pictures_may_stand_in_the_task_itself() -> None:
    script = Script(accept)
    task = {
        "filename": "x",
        "images": [{"image": PICTURE, "affix": "A"}, {"tensor": "b", "image": PICTURE + 1}],
    }
    with FakeServer(on_request=script) as server, Client(server.address) as client:
        client.submit_async(task)
    sent = script.seen[0]
    assert sent.header["task_data"]["images"] == [
        {"tensor": "image_0", "affix": "A"},
        {"tensor": "b"},
    ]
    assert sorted(sent.tensors) == ["b", "image_0"]
    assert "image" in task["images"][0]  # the caller's own dict is as it was


@pytest.mark.parametrize("images", ["image_0", [1], {"a": 1}])
def test_a_task_whose_images_are_no_list_of_objects_is_refused(client: Client, images: Any) -> None:
    with pytest.raises(BadRequestError, match=r"task_data\.images"):
        client.submit_async({"images": images})
