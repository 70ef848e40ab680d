"""Two and three nodes with data folders of their own save into one output folder, and two into one bucket, with kill -9
in between: no picture is lost, overwritten or mixed up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shared_folder
from node_process import PATIENCE
from pictures import number_of, numbered
from s3_store import BUCKET, S3Store
from setting import ClusterFile, Start, eventually, free_port
from test_kill_while_saving import Submitters

from luna_client import Client

KILLS = 6


def nodes_with(
    count: int, start_node: Start, tmp_path: Path, output: Path
) -> list[shared_folder.Node]:
    nodes = []
    for index in range(count):
        gateway = f"127.0.0.1:{free_port()}"
        submitters = Submitters(
            gateway, shared_folder.task_of, index * shared_folder.NUMBERS_A_NODE
        )

        def start(gateway: str = gateway, index: int = index) -> Any:
            data = tmp_path / f"data-{index}"
            return start_node("--output", str(output), gateway=gateway, data=data)

        nodes.append(shared_folder.Node(start, submitters))
    return nodes


@pytest.mark.parametrize("count", [2, 3])
def test_nodes_that_share_a_folder_lose_overwrite_and_mix_no_picture(
    count: int, start_node: Start, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    nodes = nodes_with(count, start_node, tmp_path, output)
    chance = random.Random(count)
    with shared_folder.submitting(nodes):
        for _ in range(KILLS):
            shared_folder.kill_one(nodes, chance)
        for node in nodes:
            node.submitters.wait_for(len(node.submitters.acknowledged) + 10)
    findings, others = shared_folder.look_at_folder(nodes, output)
    assert not any(findings.problems.values()), findings
    assert others == [], "markers or temporary files are left"
    print(f"{count} nodes, {KILLS} kills: {findings.acknowledged} pictures")


def test_a_promise_is_seen_by_other_programs_until_its_picture_is_there(
    start_node: Start, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    node = start_node("--output", str(output))
    picture = numbered(5, 2048)  # takes a moment to encode
    task = {"filename": "ComfyUI", "images": [{"image": picture}], "png_compression": 9}
    task["counter"] = {"digits": 5, "suffix": "_"}
    with node.client() as luna:
        jobs = [luna.submit_async(task) for _ in range(4)]
        names = {path.name for path in output.iterdir()}
        # What stands there now is counted by ComfyUI whether it is a picture or a promise.
        assert {name.split("_")[1] for name in names if not name.startswith(".")} == {
            "00001",
            "00002",
            "00003",
            "00004",
        }
        for job in jobs:
            assert luna.job_wait(job.job_id, PATIENCE).state == "done"
    assert sorted(path.name for path in output.iterdir()) == [
        f"ComfyUI_0000{number}_.png" for number in range(1, 5)
    ]


def test_a_name_that_another_program_takes_after_the_acknowledgement_becomes_the_next_one(
    start_node: Start, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    node = start_node("--output", str(output))
    task = {"filename": "cat", "images": [{"image": numbered(number, 1024)} for number in range(6)]}
    with node.client() as luna:
        answer = luna.submit_async(task)
        taken = []
        for name in (file.filename for file in answer.files):
            try:
                (output / name).open("xb").write(b"theirs")
                taken.append(name)
            except FileExistsError:
                pass  # luna was faster with this one
        job = luna.job_wait(answer.job_id, PATIENCE)
        assert job.state == "done", job
        status = luna.request("job_status", {"job_id": answer.job_id}).header
    assert taken, "luna wrote six pictures before anybody could take a name"
    renamed = {image.get("renamed_from") for image in status["images"]} - {None}
    assert renamed == set(taken)
    assert [number_of(Path(path)) for path in job.paths] == list(range(6))
    assert all((output / name).read_bytes() == b"theirs" for name in taken)
    assert not list(output.glob("*.luna"))


# -- one bucket ----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[S3Store]:
    store = S3Store(tmp_path)
    yield store.start()
    store.stop()


def test_nodes_that_share_a_bucket_lose_overwrite_and_mix_no_picture(
    start_node: Start, tmp_path: Path, models: Path, store: S3Store
) -> None:
    nodes = []
    for index in range(2):
        folder = tmp_path / f"node-{index}"
        folder.mkdir()
        gateway = f"127.0.0.1:{free_port()}"
        path = ClusterFile(folder, models).write(
            "a", more=store.configuration(), pools="pools = []", gateways={"a": gateway}
        )
        submitters = Submitters(
            gateway,
            lambda number: shared_folder.task_of(number, target="bucket"),
            index * shared_folder.NUMBERS_A_NODE,
        )
        nodes.append(
            shared_folder.Node(lambda path=path: start_node(config=path, node="a"), submitters)
        )
    chance = random.Random(7)
    with shared_folder.submitting(nodes):
        for _ in range(3):
            shared_folder.kill_one(nodes, chance, most=5)
        for node in nodes:
            node.submitters.wait_for(len(node.submitters.acknowledged) + 5)
    waiting = shared_folder.Findings()
    where = shared_folder.wait_for_jobs(nodes, waiting)
    assert not waiting.unfinished
    numbers, keys = {}, store.keys()
    for key in keys:
        picture, _ = store.fetch(key, tmp_path)
        numbers[f"s3://{BUCKET}/{key}"] = number_of(picture)
    findings = shared_folder.judge(nodes, where, numbers)
    assert not any(findings.problems.values()), findings


def test_a_job_at_an_away_target_is_cancelled_while_its_attempt_runs(
    start_node: Start, tmp_path: Path, models: Path, store: S3Store
) -> None:
    store.stop()
    path = ClusterFile(tmp_path, models).write("a", more=store.configuration(), pools="pools = []")
    node = start_node(config=path, node="a")
    with Client(node.gateway, tensors="numpy") as luna:
        job_id = luna.submit_async(shared_folder.task_of(2, target="bucket")).job_id
        assert luna.job_status(job_id).state in ("queued", "running")
        assert luna.job_cancel(job_id).state == "cancelled"

        def spool() -> int:
            return luna.get_status().save_queue["spool_bytes"]

        assert eventually(spool, lambda held: held == 0) == 0
        store.start()
        done = luna.submit_async(shared_folder.task_of(5, target="bucket")).job_id
        assert luna.job_wait(done, PATIENCE).state == "done"
        assert luna.job_status(job_id).state == "cancelled"
    keys = store.keys()
    assert [key.rsplit("/", 1)[1].split("_")[0].split(".")[0] for key in keys] == ["p5"]
