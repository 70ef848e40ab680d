"""Luna Save Status: what it says of jobs, and that it asks in every run."""

from __future__ import annotations

import math

import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna

from luna_client import Job, JobImage, ServerWarning, UnknownJobError
from luna_nodes.nodes_save_status import LunaSaveStatus
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service

DONE = Job(
    "j-1",
    state="done",
    progress=1.0,
    images=(
        JobImage(0, "done", "/out/a.webp"),
        JobImage(1, "discarded", "/out/_discarded/b.webp", discarded=True),
    ),
)


def test_a_job_tells_its_state_its_files_and_its_progress(service: Service, luna: FakeLuna) -> None:
    luna.jobs["j-1"] = DONE
    answer = LunaSaveStatus.execute("j-1")
    assert answer.args == ("done", "/out/a.webp\n/out/_discarded/b.webp", 1.0)
    assert answer.ui["text"] == [
        "done, 100%: 2 of 2 images written, 1 of them discarded",
        "/out/a.webp",
        "/out/_discarded/b.webp",
    ]


def test_a_name_that_was_taken_and_a_warning_are_told(service: Service, luna: FakeLuna) -> None:
    moved = JobImage(0, "done", "/out/a_2.png", renamed_from="a.png")
    warned = (ServerWarning("no room", "metadata"),)
    luna.jobs["j-1"] = Job("j-1", state="done", progress=1.0, images=(moved,), warnings=warned)
    assert LunaSaveStatus.execute("j-1").ui["text"][1:] == [
        "a.png was taken by another program: the picture is a_2.png",
        "no room",
        "/out/a_2.png",
    ]


def test_several_jobs_are_as_far_as_the_worst(service: Service, luna: FakeLuna) -> None:
    luna.jobs["j-1"] = DONE
    luna.jobs["j-2"] = Job("j-2", state="running", progress=0.5, images=(JobImage(0, "running"),))
    state, paths, progress = LunaSaveStatus.execute("j-1, j-2").args
    assert (state, progress) == ("running", 0.75)
    assert paths.count("\n") == 1
    luna.jobs["j-2"] = Job("j-2", state="failed", error="the disk is full")
    answer = LunaSaveStatus.execute(" j-1 ,j-2,")
    assert answer.args[0] == "failed"
    assert answer.ui["text"][0].endswith("the disk is full")


def test_without_a_job_there_is_nothing_to_ask(service: Service, luna: FakeLuna) -> None:
    assert LunaSaveStatus.execute("").args == ("none", "", 0.0)
    assert luna.calls == []


def test_the_end_is_waited_for_where_that_is_wanted(service: Service, luna: FakeLuna) -> None:
    luna.jobs["j-1"] = DONE
    waited: list[float] = []
    wait = luna.job_wait
    luna.job_wait = lambda job_id, timeout, **options: (waited.append(timeout), wait(job_id))[1]  # type: ignore[method-assign]
    LunaSaveStatus.execute("j-1", 30)
    LunaSaveStatus.execute("j-1")
    assert 29 < waited[0] <= 30 and waited[1] == 0


def test_a_job_that_nobody_knows_and_a_luna_that_is_away_are_errors(
    service: Service, luna: FakeLuna, host: FakeHost
) -> None:
    luna.next_problems = [UnknownJobError("there is no job j-9")]
    with pytest.raises(LunaRefusalError, match="what became of j-9: there is no job j-9"):
        LunaSaveStatus.execute("j-9")
    luna.down()
    with pytest.raises(LunaRefusalError, match="cannot reach luna"):
        LunaSaveStatus.execute("j-1")


def test_it_runs_in_each_prompt(service: Service) -> None:
    assert math.isnan(LunaSaveStatus.fingerprint_inputs(job_id="j-1"))
    assert LunaSaveStatus.define_schema().is_output_node
