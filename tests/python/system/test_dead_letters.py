"""Failed jobs of a real node: they do not refuse what comes after them, and they can be got rid of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from pictures import numbered
from setting import ClusterFile, Start

from luna_client import BadRequestError, Client, Job, OverloadedError, UnknownJobError

#: One worker, one attempt, the smallest spool: 64 MiB, of which failed jobs may hold half.
SAVING = 'saving { spool = "64MiB", attempts = 1, min-workers = 1, max-workers = 1 }'
MIB = 1 << 20


def batch(mebibytes: int) -> np.ndarray:
    """Pictures [n, 512, 683, 3] of so many MiB that compress at once."""
    return np.zeros((mebibytes, 512, 683, 3), np.uint8)


def submit(luna: Client, folder: str, mebibytes: int) -> str:
    task = {"save_path": folder, "images": [{"image": batch(mebibytes)}]}
    return luna.submit_async(task).job_id


def make_jobs_fail(luna: Client, output: Path, sizes: list[int]) -> list[Job]:
    """Jobs whose folder becomes a file after they were accepted: a slow one keeps the only worker busy meanwhile."""
    slow = {"png_compression": 9, "images": [{"image": numbered(1, 1500)}]}
    first = luna.submit_async(slow).job_id
    (output / "bad").mkdir()
    ids = []
    for size in sizes:
        ids.append(submit(luna, "bad", size))
    shutil.rmtree(output / "bad")
    (output / "bad").write_text("in the way")
    assert luna.job_status(first).state == "running", "the worker was free too early for this test"
    return [luna.job_wait(job, PATIENCE) for job in ids]


@pytest.fixture
def node(cluster_file: ClusterFile, start_node: Start) -> NodeProcess:
    return start_node(config=cluster_file.write("a", more=SAVING), node="a")


def saves(luna: Client) -> Any:
    return luna.get_status().save_queue


def test_failed_jobs_give_up_their_pictures_so_that_others_are_saved(
    node: NodeProcess, tmp_path: Path, cluster_file: ClusterFile, start_node: Start
) -> None:
    with node.client() as luna:
        old, new = make_jobs_fail(luna, tmp_path / "a" / "output", [20, 20])
        assert (old.state, new.state) == ("failed", "failed")
        assert "bad" in str(old.error)
        assert luna.job_status(old.job_id).pictures == "given_up"
        assert luna.job_status(new.job_id).pictures == "kept"
        status = saves(luna)
        assert (status["failed"], status["given_up"], status["failed_limit"]) == (2, 1, 32 * MIB)
        assert 20 * MIB < status["failed_bytes"] <= 32 * MIB
        assert old.job_id in node.wait_for_log(r"has given up its pictures")
        with pytest.raises(BadRequestError, match="given up"):
            luna.job_retry(old.job_id)
        assert luna.job_cancel(new.job_id).changed is False
        with pytest.raises(OverloadedError, match=r"held by 1 failed jobs.*job_discard"):
            for _ in range(4):
                submit(luna, "good", 30)
        gone = luna.job_discard(new.job_id)
        assert (gone.state, gone.pictures, gone.changed) == ("failed", "given_up", True)
        with pytest.raises(UnknownJobError):
            luna.job_status(new.job_id)
    node.kill()
    again = start_node(config=cluster_file.folder / "cluster.conf", node="a")
    with again.client() as luna:
        with pytest.raises(UnknownJobError):
            luna.job_status(new.job_id)
        assert luna.job_status(old.job_id).pictures == "given_up"
        done = luna.job_wait(submit(luna, "good", 30), PATIENCE)
        assert done.state == "done"


def test_a_kept_job_is_saved_once_the_way_is_free(node: NodeProcess, tmp_path: Path) -> None:
    output = tmp_path / "a" / "output"
    with node.client() as luna:
        (job,) = make_jobs_fail(luna, output, [2])
        (output / "bad").unlink()
        assert luna.job_retry(job.job_id).changed
        assert luna.job_wait(job.job_id, PATIENCE).state == "done"
        assert luna.job_retry(job.job_id).changed is False
        assert len(list((output / "bad").iterdir())) == 2


def test_what_can_be_known_is_refused_while_the_client_holds_the_picture(
    node: NodeProcess, tmp_path: Path
) -> None:
    output = tmp_path / "a" / "output"
    (output / "file").write_text("in the way")
    (output / "name.png").mkdir()
    sides = {"webp": 16384, "jpeg": 65501, "avif": 65537}
    tasks: list[tuple[dict[str, Any], str]] = [
        (
            {"images": [{"image": np.zeros((1, side, 3), np.uint8), "format": format}]},
            f"{side} x 1 pixels is too large",
        )
        for format, side in sides.items()
    ]
    one = [{"image": numbered(1)}]
    tasks += [
        ({"save_path": "file", "images": one}, "is a file"),
        ({"filename": "name", "collision": "overwrite", "images": one}, "is a folder"),
        ({"target": "nowhere", "images": one}, "no target"),
        ({"filename": "x" * 300, "images": one}, "255"),
    ]
    with node.client() as luna:
        for task, reason in tasks:
            with pytest.raises(BadRequestError, match=reason):
                luna.submit_async(task)
        assert luna.job_list() == ()
        assert "problem" not in saves(luna)


def test_a_picture_with_nan_is_saved_and_told(node: NodeProcess) -> None:
    picture = np.full((8, 8, 3), np.nan, np.float32)
    picture[0, 0] = np.inf
    task = {"metadata": {"ключ": "значение", "": "x"}, "images": [{"image": picture}]}
    with node.client() as luna:
        submission = luna.submit_async(task)
        job = luna.job_wait(submission.job_id, PATIENCE)
    assert job.state == "done"
    assert job.warnings == submission.warnings
    counts = {warning.code: warning.count for warning in job.warnings}
    assert counts == {"non_finite": 192, "metadata": 1}
    data = Path(job.paths[0]).read_bytes()
    assert "ключ\0значение".encode() in data
