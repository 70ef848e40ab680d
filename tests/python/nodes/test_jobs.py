"""Failed save jobs: listed, taken up again with their node told, given up."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna
from multi_saver_run import ONE, save

from luna_client import Event, Job, JobImage, UnknownJobError
from luna_nodes import announce, jobs
from luna_nodes.nodes_job_control import DISCARD, RETRY_ALL, LunaFailedSave
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service

pytestmark = pytest.mark.usefixtures("fixed_time")

FAILED = Job(
    "j-1", state="failed", error="the disk is full", images=(JobImage(0, filename="a.png"),)
)


def told(host: FakeHost) -> list[dict[str, Any]]:
    return [data for event, data, _client in host.sent if event == "luna.saved"]


def followed(service: Service) -> None:
    watch = announce._watches[id(service)]
    if (thread := watch._thread) is not None:
        thread.join(20.0)


@pytest.fixture
def failed(service: Service, luna: FakeLuna) -> FakeLuna:
    """A luna whose job of this ComfyUI has failed; the node was told."""
    luna.jobs["j-1"] = FAILED
    save(daemon_save=True, image_1=ONE)
    followed(service)
    return luna


def test_a_failed_job_is_told_with_its_id(failed: FakeLuna, host: FakeHost) -> None:
    (data,) = told(host)
    assert (data["state"], data["error"], data["failed"]) == ("failed", "the disk is full", ["j-1"])
    assert data["output"]["images"] == []


def test_failed_jobs_are_listed(service: Service, failed: FakeLuna) -> None:
    assert jobs.failed(service) == {
        "success": True,
        "jobs": [
            {
                "job_id": "j-1",
                "state": "failed",
                "error": "the disk is full",
                "images": ["a.png"],
                "pictures": "",
            }
        ],
    }


def test_a_retry_tells_the_node_once_more(
    service: Service, failed: FakeLuna, host: FakeHost
) -> None:
    written = JobImage(0, "done", f"{host.output_folder()}/a.png")
    failed.after_retry = Job("j-1", state="done", progress=1.0, images=(written,))
    assert jobs.retry(service, "j-1")["success"] is True
    followed(service)
    assert [data["state"] for data in told(host)] == ["failed", "done"]
    assert told(host)[1]["output"]["images"][0]["filename"] == "a.png"
    assert told(host)[1]["node"] == "9"


def test_a_retry_that_fails_again_can_be_retried_again(
    service: Service, failed: FakeLuna, host: FakeHost
) -> None:
    failed.after_retry = FAILED
    for _ in range(2):
        jobs.retry(service, "j-1")
        followed(service)
    assert [data["state"] for data in told(host)] == ["failed"] * 3


def test_a_discarded_job_is_forgotten(service: Service, failed: FakeLuna) -> None:
    answer = jobs.discard(service, "j-1")
    assert answer["success"] is True and "given up" in answer["status"]
    assert announce._failed == {}
    assert [call.args for call in failed.of("job_discard")] == [("j-1",)]


def test_a_job_of_another_comfyui_is_retried_without_a_node_to_tell(
    service: Service, luna: FakeLuna, host: FakeHost
) -> None:
    luna.jobs["j-9"] = Job("j-9", state="failed")
    assert jobs.retry(service, "j-9")["success"] is True
    assert host.sent == []


# -- the node --------------------------------------------------------------------------------------


def test_the_node_retries_and_discards(service: Service, failed: FakeLuna) -> None:
    failed.after_retry = Job("j-1", state="queued")
    failed.events.put(Event("job", {"job_id": "j-1", "state": "done"}))
    assert LunaFailedSave.execute("j-1").args == ("job j-1: queued",)
    followed(service)
    assert "given up" in LunaFailedSave.execute("j-1", DISCARD).ui["text"][0]


def test_all_failed_jobs_that_have_their_pictures_are_retried(
    service: Service, failed: FakeLuna
) -> None:
    failed.after_retry = FAILED
    assert len(LunaFailedSave.execute("", RETRY_ALL).ui["text"]) == 1
    followed(service)
    failed.jobs.clear()
    assert LunaFailedSave.execute("", RETRY_ALL).args == ("no save job has failed",)


def test_what_cannot_be_done_is_an_error(service: Service, luna: FakeLuna) -> None:
    with pytest.raises(LunaRefusalError, match="name a job_id"):
        LunaFailedSave.execute("  ")
    luna.next_problems = [UnknownJobError("there is no job j-7")]
    with pytest.raises(LunaRefusalError, match="there is no job j-7"):
        LunaFailedSave.execute("j-7")
