"""Following jobs: by events, and by asking where events were lost."""

from __future__ import annotations

import threading

import pytest
from fake_luna import FakeLuna

from luna_client import Event, Job, UnknownJobError
from luna_nodes import job_watch
from luna_nodes.job_watch import JobWatch
from luna_nodes.service import Service


@pytest.fixture
def watch(service: Service) -> JobWatch:
    return JobWatch(service)


def finished(watch: JobWatch) -> None:
    thread = watch._thread  # it ends by itself when nothing is outstanding
    if thread is not None:
        thread.join(20.0)
    assert watch.outstanding == 0


def test_a_job_that_has_ended_already_is_told(watch: JobWatch, luna: FakeLuna) -> None:
    luna.jobs["j"] = Job("j", state="done")
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert [job.state for job in told] == ["done"]


def test_an_event_tells_the_end(watch: JobWatch, luna: FakeLuna) -> None:
    luna.jobs["j"] = Job("j", state="running")
    for job_id, state in (("other", "done"), ("j", "running"), ("j", "done")):
        luna.events.put(Event("job", {"job_id": job_id, "state": state}))
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert [(job.job_id, job.state) for job in told] == [("j", "done")]


@pytest.mark.parametrize("name", ["lost", "reconnected"])
def test_lost_events_are_made_up_for_by_asking(
    name: str, watch: JobWatch, luna: FakeLuna, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_SECONDS", 60.0)  # longer than the test has patience
    luna.jobs["j"] = Job("j", state="queued")
    asked = luna.job_status

    def then_done(job_id: str, **options: float) -> Job:
        job = asked(job_id)
        luna.jobs["j"] = Job("j", state="done")
        return job

    monkeypatch.setattr(luna, "job_status", then_done)
    luna.events.put(Event(name, {"n": 1}))
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert [job.state for job in told] == ["done"]


def test_a_job_that_ended_before_anybody_followed_it_is_told(
    watch: JobWatch, luna: FakeLuna, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the watching thread waits for another job, so nobody asks for this one's state
    monkeypatch.setattr(job_watch, "LOOK_SECONDS", 60.0)
    luna.jobs = {name: Job(name, state="running") for name in ("slow", "mark")}
    seen = threading.Event()
    watch.follow("slow", lambda job: None)
    watch.follow("mark", lambda job: seen.set())
    luna.events.put(Event("job", {"job_id": "quick", "state": "done"}))
    luna.events.put(Event("job", {"job_id": "mark", "state": "done"}))
    assert seen.wait(20.0)
    told: list[Job] = []
    watch.follow("quick", told.append)
    assert [job.state for job in told] == ["done"]
    luna.events.put(Event("job", {"job_id": "slow", "state": "done"}))
    finished(watch)


def test_a_job_that_the_server_forgot_has_failed(watch: JobWatch, luna: FakeLuna) -> None:
    def unknown(job_id: str, **options: float) -> Job:
        raise UnknownJobError("no such job")

    luna.job_status = unknown  # type: ignore[method-assign]
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert told[0].state == "failed"


def test_a_callback_that_fails_does_not_end_the_others(watch: JobWatch, luna: FakeLuna) -> None:
    luna.jobs = {"a": Job("a", state="running"), "b": Job("b", state="running")}
    told = threading.Event()
    watch.follow("a", lambda job: 1 / 0)
    watch.follow("b", lambda job: told.set())
    for job_id in ("a", "b"):
        luna.events.put(Event("job", {"job_id": job_id, "state": "done"}))
    assert told.wait(20.0)
    finished(watch)
