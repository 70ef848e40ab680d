"""``durability: "fast"``: acknowledged before the sync, and all the same not lost by kill -9."""

from __future__ import annotations

import signal
from pathlib import Path

from node_process import PATIENCE
from pictures import number_of, numbered
from setting import Start

JOBS = 8


def test_what_was_acknowledged_early_outlives_kill_9(start_node: Start) -> None:
    node = start_node()
    with node.client() as luna:
        answers = [
            luna.request(
                "submit_async",
                {
                    "key": f"fast-{number}",
                    "task_data": {
                        "filename": f"p{number}",
                        "durability": "fast",
                        "images": [{"tensor": "image_0"}],
                    },
                },
                {"image_0": numbered(number, 200)},
            ).header
            for number in range(JOBS)
        ]
        node.signal(signal.SIGKILL)
    node.wait_end()
    assert [answer["durable"] for answer in answers] == [False] * JOBS
    assert "power cut" in answers[0]["note"]
    with start_node().client() as luna:
        for number, answer in enumerate(answers):
            job = luna.job_wait(answer["job_id"], PATIENCE)
            assert job.state == "done", job
            assert number_of(Path(job.paths[0])) == number


def test_a_full_answer_says_that_it_is_durable(start_node: Start) -> None:
    with start_node().client() as luna:
        task = {"filename": "x", "images": [{"tensor": "image_0"}]}
        fields = {"key": "full", "task_data": task}
        answer = luna.request("submit_async", fields, {"image_0": numbered(1)}).header
    assert answer["durable"] is True
    assert "note" not in answer
