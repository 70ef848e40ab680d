"""Following jobs: by events, and by asking where events were lost."""

from __future__ import annotations

import threading

import pytest
from fake_luna import FakeLuna

from luna_client import Event, Job, UnknownJobError
from luna_nodes.job_watch import JobWatch
from luna_nodes.service import Service


@pytest.fixture
def watch(service: Service) -> JobWatch:
    return JobWatch(service)


def finished(watch: JobWatch) -> None:
    thread = watch._thread
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
    luna.events = [
        Event("job", {"job_id": "other", "state": "done"}),
        Event("job", {"job_id": "j", "state": "running"}),
        Event("job", {"job_id": "j", "state": "done"}),
    ]
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert [job.job_id for job in told] == ["j"]


@pytest.mark.parametrize("name", ["lost", "reconnected"])
def test_lost_events_are_made_up_for_by_asking(name: str, watch: JobWatch, luna: FakeLuna) -> None:
    luna.jobs["j"] = Job("j", state="queued")
    asked = luna.job_status

    def then_done(job_id: str, **options: float) -> Job:
        job = asked(job_id)
        luna.jobs["j"] = Job("j", state="done")
        return job

    luna.job_status = then_done  # type: ignore[method-assign]
    luna.events = [Event(name, {"n": 1})]
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert len(told) == 1


def test_a_job_that_the_server_forgot_has_failed(watch: JobWatch, luna: FakeLuna) -> None:
    luna.next_problems = []

    def unknown(job_id: str, **options: float) -> Job:
        raise UnknownJobError("no such job")

    luna.job_status = unknown  # type: ignore[method-assign]
    told: list[Job] = []
    watch.follow("j", told.append)
    finished(watch)
    assert told[0].state == "failed"


def test_a_callback_that_fails_does_not_end_the_others(watch: JobWatch, luna: FakeLuna) -> None:
    luna.jobs = {"a": Job("a", state="done"), "b": Job("b", state="done")}
    told = threading.Event()
    watch.follow("a", lambda job: 1 / 0)
    watch.follow("b", lambda job: told.set())
    assert told.wait(20.0)
    finished(watch)
