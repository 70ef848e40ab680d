"""LunaSaveImage: the task that goes over, the names that come back, and when ComfyUI saves itself."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna
from PIL import Image

from luna_client import (
    ConnectionLostError,
    Event,
    Job,
    NotPermittedError,
    OverloadedError,
    ServerWarning,
    Submission,
    SubmitUncertainError,
)
from luna_nodes import announce, local_pictures
from luna_nodes.nodes_save import LunaSaveImage, parcel_of
from luna_nodes.prefix import Names
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.saving import submit
from luna_nodes.service import Service
from manual_clock import ManualClock

IMAGES = np.stack([np.full((4, 6, 3), value, np.float32) for value in (0.0, 0.5, 1.2)])
PROMPT = {"1": {"class_type": "KSampler", "inputs": {"seed": 7}}}
EXTRA = {"workflow": {"nodes": [], "name": "Käse"}}


@pytest.fixture
def output(host: FakeHost, luna: FakeLuna) -> Path:
    """The output folder; what luna takes is there at once."""
    folder = Path(host.output_folder())

    def write(_job: str, files: Any) -> None:
        for name in files:
            path = folder / name.subfolder.removeprefix(luna.above) / name.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"png")

    luna.on_submit = write
    return folder


def save(
    prefix: str = "pic", images: Any = IMAGES, prompt: Any = PROMPT, extra: Any = EXTRA
) -> Any:
    class Running(LunaSaveImage):
        hidden = SimpleNamespace(prompt=prompt, extra_pnginfo=extra, unique_id="9")

    return Running.execute(images, prefix)


def test_the_names_are_the_reserved_ones(service: Service, output: Path) -> None:
    answer = save("sub/%KSampler.seed%")
    assert answer.ui == {
        "images": [],
        "text": ["luna saves 3 images (job j-1)"],
        "luna_jobs": ["j-1"],
        "luna_promised": [f"sub/7_0000{n}_.png" for n in (1, 2, 3)],
    }
    assert answer.args[0] is IMAGES, "the images pass through"


def test_an_allowed_folder_above_the_output_folder_changes_no_name(
    service: Service, output: Path, luna: FakeLuna, host: FakeHost
) -> None:
    luna.above = "comfyui/output/"
    answer = save("sub/pic")
    assert answer.ui["luna_promised"][0] == "sub/pic_00001_.png"
    assert len(luna.of("submit_async")) == 1


def test_where_the_stock_node_passes_nothing_neither_does_this(
    service: Service, output: Path, host: FakeHost
) -> None:
    host.passes_images = False
    assert save().args == ()
    assert LunaSaveImage.define_schema().outputs == []


def test_the_task_is_what_saveimage_would_write(
    service: Service, output: Path, luna: FakeLuna
) -> None:
    save("sub/pic")
    (call,) = luna.of("submit_async")
    task, tensors = call.args
    assert task == {
        "output_dir": str(output),
        "save_path": "sub",
        "filename": "pic",
        "templates": False,
        "counter": {"digits": 5, "suffix": "_"},
        "png_compression": 4,
        "embed_workflow": True,
        "prompt": json.dumps(PROMPT),
        "extra_pnginfo": {"workflow": json.dumps(EXTRA["workflow"])},
        "images": [{"tensor": "image_0"}, {"tensor": "image_1"}, {"tensor": "image_2"}],
    }
    assert [int(tensors[f"image_{n}"].max()) for n in range(3)] == [0, 127, 255], (
        "cut off, not rounded"
    )
    assert tensors["image_0"].dtype == np.uint8


def test_disabled_metadata_writes_no_chunks(
    service: Service, output: Path, luna: FakeLuna, host: FakeHost
) -> None:
    host.no_metadata = True
    save()
    task = luna.of("submit_async")[0].args[0]
    assert task["embed_workflow"] is False
    assert "prompt" not in task and "extra_pnginfo" not in task


def test_the_number_in_the_batch_goes_into_each_name(
    service: Service, output: Path, luna: FakeLuna
) -> None:
    save("pic_%batch_num%")
    images = luna.of("submit_async")[0].args[0]["images"]
    assert [image["filename"] for image in images] == ["pic_0", "pic_1", "pic_2"]


def test_a_batch_larger_than_a_request_goes_in_parts(luna: FakeLuna) -> None:
    pictures = [np.zeros((10, 10, 3), np.uint8)] * 5
    luna.max_body_bytes = 65536 + 2 * 300
    told: list[int] = []
    names = Names("", "p_%batch_num%")
    made: list[Submission] = []
    submit(
        luna,
        lambda first, limit: parcel_of(pictures, first, limit, names, "/out", None),
        len(pictures),
        made,
        lambda value, *_: told.append(value),
        None,
    )
    assert [submission.images for submission in made] == [2, 2, 1]
    assert told == [2, 4, 5]
    last = luna.of("submit_async")[2].args
    assert last[0]["images"] == [{"tensor": "image_0", "filename": "p_4"}]
    assert list(last[1]) == ["image_0"]


# -- the browser -----------------------------------------------------------------------------------


def test_the_browser_is_told_when_the_files_are_there(
    service: Service, output: Path, host: FakeHost
) -> None:
    save()
    _join_watch(service)
    ((event, data, client),) = ends(host)
    assert (event, client) == ("luna.saved", "browser-1")
    assert data["node"] == "9" and data["prompt_id"] == "prompt-1" and data["state"] == "done"
    images = pictures("pic_00001_.png", "pic_00002_.png", "pic_00003_.png")
    assert data["output"] == {"images": images}
    assert host.kept == [("prompt-1", "9", images)], "a reloaded page shows them as well"


def test_a_batch_in_parts_is_told_when_all_its_files_are_there(
    service: Service, output: Path, luna: FakeLuna, host: FakeHost
) -> None:
    luna.max_body_bytes = 65536 + 72
    answer = save()
    _join_watch(service)
    assert len(luna.of("submit_async")) == 3
    ((_event, data, _client),) = ends(host)
    assert len(data["output"]["images"]) == len(answer.ui["luna_promised"]) == 3


def test_a_job_that_failed_is_told_with_its_reason(
    service: Service, output: Path, luna: FakeLuna, host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    luna.jobs["j-1"] = Job("j-1", state="failed", error="the disk is full")
    save()
    _join_watch(service)
    assert ends(host)[0][1]["state"] == "failed"
    assert ends(host)[0][1]["error"] == "the disk is full"
    assert any("the disk is full" in line for line in caplog.messages)


def ends(host: FakeHost) -> list[Any]:
    """What was told of pictures at their end."""
    return [told for told in host.sent if told[0] == "luna.saved"]


def pictures(*names: str, subfolder: str = "") -> list[dict[str, Any]]:
    """Files of the output folder, as ComfyUI shows them."""
    return [{"filename": name, "subfolder": subfolder, "type": "output"} for name in names]


def saved(host: FakeHost) -> list[str]:
    """The files that ComfyUI has saved itself."""
    return sorted(path.name for path in Path(host.output_folder()).rglob("*.png"))


def _join_watch(service: Service) -> None:
    thread = announce._watches[id(service)]._thread
    if thread is not None:
        thread.join(20.0)
    assert announce._watches[id(service)].outstanding == 0


# -- when ComfyUI saves itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem",
    [
        NotPermittedError("the folder is not allowed"),
        SubmitUncertainError("the answer was lost", key="k"),
    ],
    ids=["not permitted", "uncertain"],
)
def test_what_luna_does_not_save_comfyui_saves(
    problem: Any,
    service: Service,
    luna: FakeLuna,
    host: FakeHost,
    output: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    luna.next_problems = [problem]
    with caplog.at_level(logging.WARNING, "luna"):
        answer = save("sub/%width%_%KSampler.seed%")
    names = [f"6_7_0000{n}_.png" for n in (1, 2, 3)]
    assert answer.ui["images"] == pictures(*names, subfolder="sub")
    assert answer.ui["luna_promised"] == answer.ui["luna_jobs"] == []
    (said,) = answer.ui["text"]
    assert said.startswith("ComfyUI saved 3 images itself") and problem.message in said
    for name, value in zip(names, (0, 127, 255), strict=True):
        with Image.open(output / "sub" / name) as image:
            assert (image.size, image.getpixel((5, 3))) == ((6, 4), (value, value, value))
            assert list(image.text.items()) == [  # type: ignore[attr-defined]
                ("prompt", json.dumps(PROMPT)),
                ("workflow", json.dumps(EXTRA["workflow"])),
            ]
    assert answer.args[0] is IMAGES
    (line,) = caplog.messages
    assert problem.message in line
    assert ("luna may have them too" in line) == isinstance(problem, SubmitUncertainError)


def test_what_luna_took_before_it_went_away_is_not_saved_twice(
    service: Service, luna: FakeLuna, host: FakeHost, output: Path
) -> None:
    luna.max_body_bytes = 65536 + 72
    taken = luna.on_submit

    def then_gone(job_id: str, files: Any) -> None:
        taken(job_id, files)
        if job_id == "j-2":
            luna.next_problems = [ConnectionLostError("the connection broke")]

    luna.on_submit = then_gone
    answer = save()
    assert answer.ui["images"] == pictures("pic_00003_.png")
    assert answer.ui["luna_promised"] == ["pic_00001_.png", "pic_00002_.png"]
    assert (output / "pic_00003_.png").read_bytes() != b"png", "by ComfyUI, and it alone"
    assert (output / "pic_00002_.png").read_bytes() == b"png"
    _join_watch(service)
    assert ends(host)[0][1]["output"] == {
        "images": pictures("pic_00001_.png", "pic_00002_.png", "pic_00003_.png")
    }


def test_an_overload_in_the_middle_saves_nothing_twice(
    service: Service, luna: FakeLuna, host: FakeHost, output: Path
) -> None:
    luna.max_body_bytes = 65536 + 72
    taken = luna.on_submit

    def then_full(job_id: str, files: Any) -> None:
        taken(job_id, files)
        if job_id == "j-1":
            luna.next_problems = [OverloadedError("the save queue is full", retry_after_ms=100)]

    luna.on_submit = then_full
    answer = save()
    assert len(answer.ui["luna_promised"]) == 3
    assert {path.read_bytes() for path in output.iterdir()} == {b"png"}, "ComfyUI saved none"
    sent = [int(call.args[1]["image_0"].max()) for call in luna.of("submit_async")]
    assert sent == [0, 127, 127, 255], "the second was refused once"


def test_a_number_that_luna_has_promised_is_not_taken(
    service: Service, luna: FakeLuna, host: FakeHost
) -> None:
    # luna has the first batch, but has not written it when its queue is full
    luna.jobs["j-1"] = Job("j-1", state="queued")
    save()
    luna.next_problems = [OverloadedError("the save queue is full", retry_after_ms=60000)]
    answer = save()
    assert saved(host) == [f"pic_0000{n}_.png" for n in (4, 5, 6)]
    assert [image["filename"] for image in answer.ui["images"]] == saved(host)
    luna.jobs["j-1"] = Job("j-1", state="failed", error="the disk is full")
    luna.events.put(Event("lost", {"n": 1}))
    _join_watch(service)


def test_disabled_metadata_is_disabled_here_as_well(
    service: Service, luna: FakeLuna, host: FakeHost, output: Path
) -> None:
    host.no_metadata = True
    luna.down()
    save()
    with Image.open(output / "pic_00001_.png") as image:
        assert image.text == {}  # type: ignore[attr-defined]


def test_a_picture_that_cannot_be_saved_keeps_no_other_from_it(
    service: Service, luna: FakeLuna, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = local_pictures.picture_files.publish_counted
    answers = iter([OSError("the disk is full"), None, None])

    def once_full(*arguments: Any) -> str:
        problem = next(answers)
        if problem is not None:
            raise problem
        return publish(*arguments)

    monkeypatch.setattr(local_pictures.picture_files, "publish_counted", once_full)
    luna.down()
    with pytest.raises(
        LunaRefusalError, match=r"1 images .* pic \(image 0\): the disk is full\. 2 oth"
    ):
        save()
    assert len(saved(host)) == 2


def test_a_part_that_failed_is_told_whatever_the_others_did(
    service: Service, luna: FakeLuna, host: FakeHost, output: Path
) -> None:
    luna.max_body_bytes = 65536 + 72
    luna.jobs["j-1"] = Job("j-1", state="failed", error="the disk is full")
    save()
    _join_watch(service)
    assert (ends(host)[0][1]["state"], ends(host)[0][1]["error"]) == ("failed", "the disk is full")


def test_a_full_save_queue_is_not_waited_for_long(
    service: Service, luna: FakeLuna, host: FakeHost, clock: ManualClock
) -> None:
    luna.next_problems = [OverloadedError("the save queue is full", retry_after_ms=500)] * 20
    save()
    assert len(saved(host)) == 3
    assert clock.time <= 1002.0


def test_without_luna_comfyui_saves(service: Service, luna: FakeLuna, host: FakeHost) -> None:
    luna.down()
    save()
    assert len(saved(host)) == 3
    assert host.sent == []


def test_why_comfyui_saves_is_logged_once_until_luna_takes_pictures_again(
    service: Service, luna: FakeLuna, writing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def logged() -> list[str]:
        lines = [line for line in caplog.messages if "saves the images itself" in line]
        caplog.clear()
        return lines

    luna.down("cannot reach luna")
    assert "cannot reach luna" in save().ui["text"][0]
    luna.down("another sentence for the same")
    assert "another sentence" in save().ui["text"][0], "the node says it each time"
    assert len(logged()) == 1
    luna.up()
    luna.next_problems = [NotPermittedError("the folder is not allowed")]
    save()
    assert len(logged()) == 1, "another reason"
    save()
    luna.down("cannot reach luna")
    save()
    assert len(logged()) == 1, "the next outage"


def test_forbidden_local_work_saves_nothing_and_says_so(
    service: Service, luna: FakeLuna, host: FakeHost, environment: dict[str, str]
) -> None:
    environment["LUNA_LOCAL_WORK"] = "0"
    luna.down("cannot reach luna")
    with pytest.raises(LunaRefusalError, match="does not save the images: cannot reach luna"):
        save()
    assert saved(host) == []


def test_nothing_goes_to_a_server_whose_folder_is_another_one(
    service: Service, luna: FakeLuna, host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    # luna is on another machine, whose folder has the same name and old pictures of the same names
    luna.same = False
    answer = save()
    assert luna.of("submit_async") == [], "no copy comes to be over there"
    assert len(saved(host)) == len(answer.ui["images"]) == 3
    assert "different machines" in caplog.messages[0]


def test_what_luna_warns_of_stands_on_the_node(
    service: Service, luna: FakeLuna, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_async = luna.submit_async

    def warned(*arguments: Any, **options: Any) -> Submission:
        found = ServerWarning("12 values are not finite", "non_finite", 12)
        return dataclasses.replace(submit_async(*arguments, **options), warnings=(found,))

    monkeypatch.setattr(luna, "submit_async", warned)
    assert save().ui["text"] == ["luna saves 3 images (job j-1); 12 values are not finite"]


def test_no_batch_is_waited_for(service: Service, luna: FakeLuna, output: Path) -> None:
    save()
    save()
    assert luna.of("job_wait") == []


def test_what_another_luna_took_after_a_reconnect_is_taken_back(
    service: Service, luna: FakeLuna, host: FakeHost
) -> None:
    def answered_by_another(_job: str, _files: Any) -> None:
        luna.reconnect()
        luna.same = False

    luna.on_submit = answered_by_another
    save()
    assert [call.args for call in luna.of("job_cancel")] == [("j-1",)]
    assert len(saved(host)) == 3
