"""Luna Multi Saver with luna: the task, what is told, and what happens when luna does not take the pictures."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna
from multi_saver_run import BATCH, EXTRA, ONE, PROMPT, files, save

from luna_client import (
    ConnectionLostError,
    Event,
    Job,
    JobImage,
    NotPermittedError,
    OverloadedError,
    SubmitUncertainError,
)
from luna_client.results import SavedName
from luna_nodes import announce, local_pictures
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service
from manual_clock import ManualClock

pytestmark = pytest.mark.usefixtures("fixed_time")


def test_the_task_is_what_would_be_saved_here(
    service: Service, luna: FakeLuna, writing: Path
) -> None:
    save(
        daemon_save=True,
        save_path="%model_name%",
        filename="%time:YYYY%_%KSampler.seed%_%width%",
        filename_index=3,
        image_1=BATCH,
        format_1="png",
        image_2=ONE,
        affix_2="a/b",
        subdir_2=False,
        image_3=ONE,
        format_3="no save",
        quality_gate="variance",
        min_quality_threshold=0.25,
        png_compression=6,
        lossy_quality=80,
        lossless_webp=True,
        metadata={"model": "foo", "cfg": float("nan")},
        custom_metadata="mine",
    )
    (call,) = luna.of("submit_async")
    task, tensors = call.args
    assert task == {
        "output_dir": str(writing),
        "save_path": "%model_name%",
        "filename": "%time:YYYY%_7_%width%",
        "filename_index": 3,
        "model_name": "foo",
        "timestamp": "2025_12_02_233642",
        "png_compression": 6,
        "embed_workflow": True,
        "images": [
            {"tensor": "image_1", "affix": "ORIG", "format": "png", "subdir": True},
            {"tensor": "image_2", "affix": "a_b", "format": "webp", "subdir": False},
        ],
        "quality_gate": "variance",
        "min_quality_threshold": 0.25,
        "lossy_quality": 80,
        "lossless_webp": True,
        "luna_metadata": True,
        "prompt": json.dumps(PROMPT),
        "extra_pnginfo": {"workflow": json.dumps(EXTRA["workflow"])},
        "metadata": {"model": "foo", "cfg": "nan"},
        "custom_metadata": "mine",
    }
    assert tensors["image_1"].dtype == np.uint8 and tensors["image_1"].shape == (3, 8, 8, 3)
    assert set(tensors) == {"image_1", "image_2"}


def test_fields_that_do_not_count_are_left_out(
    service: Service, luna: FakeLuna, writing: Path
) -> None:
    save(daemon_save=True, image_1=ONE, format_1="png")
    task = luna.of("submit_async")[0].args[0]
    unused = {"quality_gate", "min_quality_threshold", "lossy_quality", "lossless_webp", "metadata"}
    assert not unused & set(task)


def test_the_node_returns_the_job_and_the_promised_names(
    service: Service, luna: FakeLuna, writing: Path
) -> None:
    luna.above = "comfyui/output/"
    answer = save(daemon_save=True, image_1=BATCH, subdir_1=False, image_2=ONE)
    assert answer.args == ("j-1",)
    assert answer.ui["text"] == ["[LunaMultiSaver] Submitted 4 images to daemon (Job ID: j-1)"]
    assert answer.ui["images"] == [], "none is a file yet"
    assert answer.ui["luna_promised"] == [
        "ORIG_0.webp",
        "ORIG_1.webp",
        "ORIG_2.webp",
        "UPSCALED/UPSCALED_0.webp",
    ]


def test_what_luna_puts_aside_is_named_where_it_lies(
    service: Service, luna: FakeLuna, writing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(_task: Any, _tensors: Any, _start: int) -> Any:
        return (SavedName(0, "x/p/ORIG", "a.webp"), SavedName(1, "x/p/_discarded/ORIG", "b.webp"))

    monkeypatch.setattr(luna, "named", judged)
    answer = save(daemon_save=True, save_path="p", image_1=BATCH[:2], quality_gate="both")
    assert answer.ui["luna_promised"] == ["p/ORIG/a.webp", "p/_discarded/ORIG/b.webp"]


def test_the_browser_is_told_of_progress_and_of_the_files(
    service: Service, luna: FakeLuna, host: FakeHost, writing: Path
) -> None:
    written = (
        JobImage(0, "done", f"{writing}/p/a.webp", score=0.9, left_out=("workflow",)),
        JobImage(1, "discarded", f"{writing}/p/_discarded/b.webp", discarded=True, score=0.1),
        JobImage(2, "failed", error="the disk is full"),
    )
    states = iter(
        [
            Job("j-1", state="running", progress=0.25),
            Job("j-1", state="failed", error="the disk is full", images=written),
        ]
    )
    asked = luna.job_status
    luna.job_status = lambda job_id, **options: (asked(job_id), next(states))[1]  # type: ignore[method-assign]
    luna.jobs["j-1"] = Job("j-1", state="running")
    luna.events.put(Event("lost", {"n": 1}))  # so that it is asked once more
    save(daemon_save=True, image_1=BATCH)
    _join_watch(service)
    (progress, about, client), (saved, end, _) = host.sent
    assert (progress, saved, client) == ("luna.progress", "luna.saved", "browser-1")
    assert about == {
        "node": "9",
        "prompt_id": "prompt-1",
        "state": "running",
        "value": 0.25,
        "total": 3,
    }
    assert (end["state"], end["error"]) == ("failed", "the disk is full")
    assert end["output"]["images"] == [
        {
            "filename": "a.webp",
            "subfolder": "p",
            "type": "output",
            "score": 0.9,
            "left_out": ["workflow"],
        },
        {
            "filename": "b.webp",
            "subfolder": "p/_discarded",
            "type": "output",
            "discarded": True,
            "score": 0.1,
        },
    ]


def test_a_run_larger_than_a_request_goes_in_several_jobs(
    service: Service, luna: FakeLuna, host: FakeHost, writing: Path
) -> None:
    luna.max_body_bytes = 65536 + 4 * 6 * 3 * 2
    answer = save(daemon_save=True, **{f"image_{n}": ONE for n in range(1, 6)})
    tensors = [list(call.args[1]) for call in luna.of("submit_async")]
    assert tensors == [["image_1", "image_2"], ["image_3", "image_4"], ["image_5"]]
    assert answer.args == ("j-1, j-2, j-3",)
    assert "Submitted 5 images to daemon (Job ID: j-1, j-2, j-3)" in answer.ui["text"][0]
    _join_watch(service)
    ((_, data, _),) = [told for told in host.sent if told[0] == "luna.saved"]
    assert len(data["output"]["images"]) == 5


def test_a_batch_larger_than_a_request_is_saved_here(
    service: Service, luna: FakeLuna, writing: Path
) -> None:
    luna.max_body_bytes = 65536 + 4 * 6 * 3
    answer = save(daemon_save=True, image_1=ONE, image_2=BATCH)
    assert files(writing) == ["ORIG_0.webp", *(f"UPSCALED/pic_UPSCALED_{n}.webp" for n in range(3))]
    assert answer.args == ("j-1",)
    assert [text.split(":")[0] for text in answer.ui["text"]] == [
        "[LunaMultiSaver] Submitted 1 images to daemon (Job ID",
        "[LunaMultiSaver] ComfyUI saved 3 images itself",
    ]


@pytest.mark.parametrize(
    "problem",
    [
        ConnectionLostError("cannot reach luna"),
        NotPermittedError("the folder is not allowed"),
        OverloadedError("the save queue is full", retry_after_ms=60000),
        SubmitUncertainError("the answer was lost", key="k"),
    ],
    ids=lambda problem: problem.code,
)
def test_what_luna_does_not_take_is_saved_here_with_one_line(
    problem: Any, service: Service, luna: FakeLuna, writing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    luna.next_problems = [problem]
    with caplog.at_level(logging.WARNING, "luna"):
        answer = save(daemon_save=True, image_1=BATCH, format_1="png")
    assert files(writing) == [f"ORIG/pic_ORIG_{n}.png" for n in range(3)]
    assert answer.args == ("",) and len(answer.ui["images"]) == 3
    (line,) = caplog.messages
    assert line.startswith("[luna] ComfyUI saves the images itself") and problem.message in line
    uncertain = isinstance(problem, SubmitUncertainError)
    assert ("luna may have them too" in line) == uncertain
    assert ("luna may have them too" in answer.ui["text"][0]) == uncertain


def test_an_answer_that_names_too_few_files_is_not_believed(
    service: Service, luna: FakeLuna, writing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # once, this was asked again for ever
    luna.named = lambda *_: (SavedName(0, "", "a.webp"),)  # type: ignore[method-assign]
    save(daemon_save=True, image_1=BATCH)
    assert len(luna.of("submit_async")) == 1
    assert [f"ORIG/pic_ORIG_{n}.webp" for n in range(3)] == files(writing)[:3]
    assert "(luna may have them too): luna named 1 files for the 3 images" in caplog.text


def test_a_full_queue_is_not_waited_for_long(
    service: Service, luna: FakeLuna, writing: Path, clock: ManualClock
) -> None:
    luna.next_problems = [OverloadedError("full", retry_after_ms=500)] * 20
    save(daemon_save=True, image_1=ONE)
    assert files(writing) == ["ORIG/pic_ORIG.webp"]
    assert clock.time <= 1002.0


def test_a_name_that_luna_has_promised_is_not_taken_here(
    service: Service, luna: FakeLuna, output: Path
) -> None:
    # luna has the first picture, but has not written it when its queue is full
    luna.named = lambda *_: (SavedName(0, "", "pic_ORIG.webp"),)  # type: ignore[method-assign]
    luna.jobs["j-1"] = Job("j-1", state="queued")
    given = {"image_1": ONE, "subdir_1": False}
    save(daemon_save=True, **given)
    luna.next_problems = [OverloadedError("full", retry_after_ms=60000)]
    answer = save(daemon_save=True, **given)
    assert files(output) == ["pic_ORIG_2.webp"]
    assert answer.ui["images"][0]["filename"] == "pic_ORIG_2.webp"
    luna.jobs["j-1"] = Job("j-1", state="failed", error="the disk is full")
    luna.events.put(Event("lost", {"n": 1}))
    _join_watch(service)
    save(**given)
    assert files(output) == ["pic_ORIG.webp", "pic_ORIG_2.webp"], "it never will be written"


def test_the_same_run_is_named_the_same_here_as_by_luna(
    service: Service, luna: FakeLuna, output: Path
) -> None:
    # what was handed over before luna went away, and what was not, are one row of names
    given = {"filename": "%batch_num%_%width%", "image_1": BATCH, "format_1": "png"}
    luna.down()
    save(daemon_save=True, **given)
    save(**given)
    assert files(output) == sorted(
        f"ORIG/{n}_8_ORIG_{n}{again}.png" for n in range(3) for again in ("", "_2")
    )


def test_forbidden_local_work_saves_nothing_and_says_so(
    service: Service, luna: FakeLuna, output: Path, environment: dict[str, str]
) -> None:
    environment["LUNA_LOCAL_WORK"] = "0"
    luna.down()
    with pytest.raises(LunaRefusalError, match="does not save the images: cannot reach luna"):
        save(daemon_save=True, image_1=ONE)
    assert not output.exists()
    save(image_1=ONE)
    assert files(output) == ["ORIG/pic_ORIG.webp"], "without daemon_save it was asked to"


def test_a_failure_of_the_rest_does_not_forget_what_luna_took(
    service: Service, luna: FakeLuna, host: FakeHost, writing: Path, monkeypatch: Any
) -> None:
    def broken(*_arguments: Any) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr(local_pictures.picture_files, "publish", broken)
    luna.max_body_bytes = 65536 + 4 * 6 * 3
    with pytest.raises(LunaRefusalError, match=r"3 images .* the disk is full\. 0 others are"):
        save(daemon_save=True, image_1=ONE, image_2=BATCH)
    _join_watch(service)
    assert [data["state"] for event, data, _ in host.sent if event == "luna.saved"] == ["done"]


def test_a_server_that_writes_elsewhere_is_found_out(
    service: Service, luna: FakeLuna, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    luna.same = False
    for _ in range(2):
        save(daemon_save=True, image_1=ONE)
    assert files(output) == ["ORIG/pic_ORIG.webp", "ORIG/pic_ORIG_2.webp"]
    assert "different machines" in caplog.messages[0]
    assert luna.of("submit_async") == []


def _join_watch(service: Service) -> None:
    watch = announce._watches[id(service)]
    thread = watch._thread
    if thread is not None:
        thread.join(20.0)
    assert watch.outstanding == 0


def test_what_luna_took_is_lunas_though_it_went_away_before_it_was_seen_on_disk(
    service: Service, luna: FakeLuna, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    luna.on_submit = lambda _job, _files: luna.down("luna ended")
    with caplog.at_level(logging.INFO, "luna"):
        node = save(daemon_save=True, image_1=ONE, format_1="png")
    assert len(luna.of("submit_async")) == 1
    assert files(output) == [], "it would be there twice"
    assert not [line for line in caplog.messages if "itself" in line]
    assert "j-1" in str(vars(node))
