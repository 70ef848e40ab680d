"""What ComfyUI shows of luna's pictures: only files that luna says are written, and what a person should know."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fake_host import FakeHost

from luna_client import Job, JobImage
from luna_nodes.history import History
from luna_nodes.host import Host
from luna_nodes.written import can_be_retried, notes, sentences, written
from manual_clock import ManualClock

SHOWN = [{"filename": "a.png", "subfolder": "", "type": "output"}]


def image(index: int, path: str = "", **more: Any) -> JobImage:
    return JobImage(index, "done" if path else "queued", path, **more)


def test_only_what_is_written_is_shown() -> None:
    job = Job(
        "j", images=(image(0, "/out/sub/a.png"), image(1, filename="b.png"), image(2, "/x.png"))
    )
    assert written([job], "/out") == [{"filename": "a.png", "subfolder": "sub", "type": "output"}]


def test_a_name_that_another_program_took_is_told() -> None:
    moved = image(0, "/out/ComfyUI_00002_.png", renamed_from="ComfyUI_00001_.png")
    job = Job("j", state="done", images=(moved,))
    assert written([job], "/out")[0]["renamed_from"] == "ComfyUI_00001_.png"
    assert sentences([job]) == [
        "ComfyUI_00001_.png was taken by another program: the picture is ComfyUI_00002_.png"
    ]


def test_failures_are_told_with_their_reason() -> None:
    jobs = [
        Job("a", state="done"),
        Job("b", state="failed", error="full"),
        Job("c", state="cancelled"),
    ]
    assert sentences(jobs) == ["job b failed: full", "job c cancelled: luna gives no reason"]


def test_a_failed_job_is_retried_while_its_pictures_are_kept() -> None:
    given_up = Job("j", state="failed", pictures="given_up")
    assert can_be_retried(Job("j", state="failed"))
    assert not can_be_retried(given_up)
    assert not can_be_retried(Job("j", state="done"))


def test_a_warning_is_its_sentence() -> None:
    warned = {"job_id": "j", "warnings": [{"code": "metadata", "message": "no room"}, "old"]}
    assert notes(Job.from_json(warned)) == ["no room", "old"]


# -- what ComfyUI keeps ----------------------------------------------------------------------------


def test_pictures_wait_for_the_end_of_their_prompt(host: FakeHost, clock: ManualClock) -> None:
    history = History(host, clock)
    host.prompt_runs = True
    looked = threading.Semaphore(0)

    def look() -> None:
        looked.release()
        host.prompt_runs = len(clock.pauses) < 2

    clock.before_pause = look
    history.show("p", "9", SHOWN)
    thread = history._thread
    if thread is not None:
        thread.join(20.0)
    assert host.kept == [("p", "9", SHOWN)]


def test_a_comfyui_that_keeps_its_history_otherwise_costs_a_line(
    host: FakeHost, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def otherwise(*_arguments: Any) -> bool:
        raise AttributeError("no such queue")

    monkeypatch.setattr(host, "keep_images", otherwise)
    History(host, clock).show("p", "9", SHOWN)
    assert "the pictures of node 9 are not in ComfyUI's history" in caplog.text


def test_nothing_is_kept_for_nobody(host: FakeHost, clock: ManualClock) -> None:
    history = History(host, clock)
    history.show(None, "9", SHOWN)
    history.show("p", None, SHOWN)
    history.show("p", "9", [])
    assert host.kept == []


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """ComfyUI's queue of prompts, as far as the host looks at it."""
    made = SimpleNamespace(mutex=threading.RLock(), history={}, currently_running={})
    server = SimpleNamespace(
        PromptServer=SimpleNamespace(instance=SimpleNamespace(prompt_queue=made))
    )
    monkeypatch.setitem(__import__("sys").modules, "server", server)
    yield made


def test_the_history_and_the_cache_get_the_pictures(queue: SimpleNamespace) -> None:
    cached: dict[str, Any] = {"images": [], "text": ["luna saves 1 image"]}
    queue.currently_running[3] = (0, "p", {})
    assert not Host().keep_images("p", "9", SHOWN), "the prompt still runs"
    del queue.currently_running[3]
    queue.history["p"] = {"outputs": {"9": cached}}
    for _ in range(2):
        assert Host().keep_images("p", "9", SHOWN)
    assert cached["images"] == SHOWN, "once, and in the object that the cache has too"


def test_a_history_that_was_wiped_is_no_reason_to_wait(queue: SimpleNamespace) -> None:
    assert Host().keep_images("p", "9", SHOWN)
    queue.history["p"] = {"outputs": {}}
    assert Host().keep_images("p", "9", SHOWN)
