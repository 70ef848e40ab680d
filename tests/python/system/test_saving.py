"""Saving through a real node: names, text chunks, keys, confinement, the life of a job."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered, read, texts
from setting import Start

from luna_client import BadRequestError, Client, Job, NotPermittedError, UnknownJobError


def save(luna: Client, task: dict[str, Any], *pictures: np.ndarray, **options: Any) -> Job:
    """Submits and waits until the job is done."""
    named = {f"image_{i}": picture for i, picture in enumerate(pictures)}
    task = {"images": [{"tensor": name} for name in named], **task}
    job = luna.job_wait(luna.submit_async(task, named, **options).job_id, PATIENCE)
    assert job.state == "done", job
    return job


def test_pixels_names_and_texts_are_as_they_were_sent(node: NodeProcess, tmp_path: Path) -> None:
    prompt, workflow = '{"1": "caf\\u00e9"}', json.dumps({"nodes": [1, 2], "name": "a\nb"})
    task = {
        "filename": "cat",
        "save_path": "a/b",
        "prompt": prompt,
        "extra_pnginfo": {"workflow": workflow},
    }
    with node.client() as luna:
        job = save(luna, task, numbered(7))
    path = Path(job.paths[0])
    assert path == tmp_path / "data" / "output" / "a" / "b" / "cat.png"
    assert (job.images[0].subfolder, job.images[0].filename) == ("a/b", "cat.png")
    assert number_of(path) == 7
    assert texts(path) == {"prompt": prompt, "workflow": workflow}


def test_floats_are_cut_as_comfyui_cuts_them(node: NodeProcess) -> None:
    picture = np.array([[[0.0, 0.5, 1.0], [-1.0, 2.0, 0.999]]], np.float32)
    with node.client() as luna:
        path = Path(save(luna, {"filename": "x"}, picture).paths[0])
    assert read(path).tolist() == [[[0, 127, 255], [0, 255, 254]]]


def test_names_are_known_with_the_acknowledgement_and_never_taken_twice(node: NodeProcess) -> None:
    with node.client() as luna:
        jobs = [
            luna.submit_async({"filename": "same", "images": [{"image": numbered(n)}]})
            for n in range(5)
        ]
        names = [job.files[0].filename for job in jobs]
        assert names == ["same.png", "same_2.png", "same_3.png", "same_4.png", "same_5.png"]
        for number, job in enumerate(jobs):
            done = luna.job_wait(job.job_id, PATIENCE)
            assert Path(done.paths[0]).name == names[number]
            assert number_of(Path(done.paths[0])) == number


def test_templates_affixes_and_batches(node: NodeProcess) -> None:
    task = {
        "filename": "%model_name%_%index%",
        "save_path": "%model_dir%/%time:YYYY%",
        "model_name": "sub/sd15.safetensors",
        "filename_index": 4,
        "timestamp": "2026-11-22T10:00:00",
        "images": [{"tensor": "image_0", "affix": "RAW", "subdir": True}],
    }
    with node.client() as luna:
        job = save(luna, task, np.stack([numbered(1), numbered(2)]))
    assert [image.subfolder for image in job.images] == ["sub/2026/RAW"] * 2
    assert [image.filename for image in job.images] == ["sd15_4_RAW_0.png", "sd15_4_RAW_1.png"]
    assert [number_of(Path(path)) for path in job.paths] == [1, 2]


def test_the_counter_goes_on_above_what_lies_there(node: NodeProcess, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "output"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ComfyUI_00041_.png").write_bytes(b"")
    with node.client() as luna:
        job = save(luna, {"filename": "ComfyUI", "counter": {}}, numbered(1), numbered(2))
    assert [image.filename for image in job.images] == ["ComfyUI_00042_.png", "ComfyUI_00043_.png"]


@pytest.mark.parametrize(
    "task",
    [
        {"output_dir": "/etc"},
        {"output_dir": "../elsewhere"},
        {"save_path": "../../elsewhere"},
        {"save_path": "/etc"},
        {"images": [{"tensor": "image_0", "save_dir": "/etc", "filename": "x"}]},
    ],
    ids=str,
)
def test_nothing_is_written_outside_the_allowed_folders(
    node: NodeProcess, tmp_path: Path, task: dict
) -> None:
    before = sorted(tmp_path.iterdir())
    with node.client() as luna:
        try:
            job = save(luna, {"filename": "x", **task}, numbered(1))
        except (NotPermittedError, BadRequestError):
            pass
        else:  # made harmless: it lies inside all the same
            output = (tmp_path / "data" / "output").resolve()
            assert Path(job.paths[0]).resolve().is_relative_to(output)
    assert sorted(tmp_path.iterdir()) == before


def test_a_link_out_of_the_folder_is_not_followed(node: NodeProcess, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    output = tmp_path / "data" / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "link").symlink_to(elsewhere)
    with node.client() as luna:
        try:
            job = luna.submit_async({"save_path": "link", "images": [{"image": numbered(1)}]})
        except (NotPermittedError, BadRequestError):
            pass
        else:
            assert luna.job_wait(job.job_id, PATIENCE).ended
    assert list(elsewhere.iterdir()) == []


def test_the_same_key_is_the_same_job_also_after_a_restart(start_node: Start) -> None:
    first = start_node()
    task = {"filename": "once", "images": [{"image": numbered(1)}]}
    with first.client() as luna:
        job = luna.submit_async(task, key="k")
        assert luna.submit_async(task, key="k").job_id == job.job_id
        luna.job_wait(job.job_id, PATIENCE)
        assert luna.submit_async(task, key="k").job_id == job.job_id
        with pytest.raises(BadRequestError, match="key"):
            luna.submit_async({"filename": "other", "images": [{"image": numbered(1)}]}, key="k")
    assert first.stop() == 0
    with start_node().client() as luna:
        again = luna.submit_async(task, key="k")
        assert again.job_id == job.job_id
        assert [f.filename for f in again.files] == ["once.png"]
        assert len(luna.job_list()) == 1
        assert luna.job_status(job.job_id).state == "done"


def test_jobs_are_listed_newest_first_and_by_state(node: NodeProcess) -> None:
    with node.client() as luna:
        ids = [save(luna, {"filename": f"n{n}"}, numbered(n)).job_id for n in range(3)]
        assert [job.job_id for job in luna.job_list()] == ids[::-1]
        assert [job.job_id for job in luna.job_list("done", limit=2)] == ids[:0:-1]
        assert luna.job_list("failed") == ()
        with pytest.raises(UnknownJobError):
            luna.job_status("no-such-job")
        with pytest.raises(BadRequestError):
            luna.job_list("eaten")


def test_a_name_that_must_not_be_replaced_fails_the_job_and_keeps_its_pixels(
    node: NodeProcess, tmp_path: Path
) -> None:
    output = tmp_path / "data" / "output"
    output.mkdir(parents=True, exist_ok=True)
    task = {"filename": "taken", "collision": "fail", "images": [{"image": numbered(3)}]}
    (output / "taken.png").write_bytes(b"mine")
    with node.client() as luna:
        try:
            job = luna.job_wait(luna.submit_async(task).job_id, PATIENCE)
        except BadRequestError:  # refused while the client still holds the picture: as good
            assert (output / "taken.png").read_bytes() == b"mine"
            return
        assert job.state == "failed"
        assert "taken" in str(job.error) + str(job.images[0].error)
        assert (output / "taken.png").read_bytes() == b"mine"
        (output / "taken.png").unlink()
        luna.job_retry(job.job_id)
        assert luna.job_wait(job.job_id, PATIENCE).state == "done"
    assert number_of(output / "taken.png") == 3


def test_job_events_tell_each_job_to_its_end(node: NodeProcess) -> None:
    with node.client() as luna, luna.subscribe(["job"]) as events:
        job = luna.submit_async({"images": [{"image": numbered(1)}]})
        states = []
        while not states or states[-1] != "done":
            event = events.get(PATIENCE)
            assert event is not None, states
            if event.name == "job" and event.job.job_id == job.job_id:
                states.append(event.job.state)
        assert set(states) <= {"queued", "running", "done"}


@pytest.mark.parametrize(
    "task",
    [
        {"quality_gate": "beauty"},
        {"thumbnail": {"size": 5}},
        {"archive": ""},
        {"target": "bucket"},
        {"images": [{"tensor": "image_0", "format": "gif"}]},
        {"images": [{"tensor": "elsewhere"}]},
        {"images": []},
        {"filename": 7},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_while_the_client_holds_the_picture(
    node: NodeProcess, task: dict
) -> None:
    with node.client() as luna:
        with pytest.raises(BadRequestError):
            save(luna, task, numbered(1))
        assert luna.job_list() == ()


def test_defaults_may_be_said_aloud(node: NodeProcess) -> None:
    task = {
        "target": "folder",
        "quality_gate": "disabled",
        "min_quality_threshold": 0.3,
        "luna_metadata": False,
        "lossy_quality": 90,
        "lossless_webp": False,
        "png_compression": 4,
        "bit_depth": 8,
        "durability": "full",
        "priority": 0,
        "templates": True,
        "collision": "rename",
    }
    with node.client() as luna:
        save(luna, task, numbered(1))


def test_many_threads_save_through_one_connection(node: NodeProcess) -> None:
    with node.client() as luna, ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda n: save(luna, {"filename": "n"}, numbered(n)), range(64)))
    assert sorted(number_of(Path(job.paths[0])) for job in jobs) == list(range(64))
