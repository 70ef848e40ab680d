"""Several nodes that know nothing of each other and save into one place, and a look at what they have saved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered
from test_kill_while_saving import Submitters

from luna_client import Client, Job

THREADS_A_NODE = 3
NUMBERS_A_NODE = 1_000_000
SIDE = 48


def task_of(number: int, **fields: Any) -> dict[str, Any]:
    """Every third picture has ComfyUI's counter, every third the same name, the others one of their own."""
    task: dict[str, Any] = {"filename": "ComfyUI", "images": [{"image": numbered(number, SIDE)}]}
    if number % 3 == 0:
        task["counter"] = {"digits": 5, "suffix": "_"}
    elif number % 3 == 1:
        task["filename"] = "same"
    else:
        task["filename"] = f"p{number}"
    return {**task, **fields}


@dataclass
class Node:
    """A node that is started again and again at one address, and those who submit to it."""

    start: Callable[[], NodeProcess]
    submitters: Submitters
    process: NodeProcess | None = None


@contextmanager
def submitting(nodes: list[Node]) -> Iterator[None]:
    """Starts all nodes, and threads that submit to each of them meanwhile."""
    for node in nodes:
        node.process = node.start()
    with ThreadPoolExecutor(THREADS_A_NODE * len(nodes)) as pool:
        threads = [
            pool.submit(node.submitters.run) for node in nodes for _ in range(THREADS_A_NODE)
        ]
        try:
            yield
        finally:
            for node in nodes:
                node.submitters.stop()
        for thread in threads:
            thread.result(PATIENCE)


def kill_one(nodes: list[Node], chance: random.Random, most: int = 12) -> None:
    """Waits until some node has acknowledged up to ``most`` pictures more, kills it and starts it again."""
    node = chance.choice(nodes)
    asked = node.submitters
    asked.wait_for(len(asked.acknowledged) + chance.randint(1, most))
    assert node.process is not None
    node.process.kill()
    node.process = node.start()


@dataclass
class Findings:
    """What has become of the pictures. All but ``acknowledged`` and ``renamed`` should be empty."""

    acknowledged: int = 0
    renamed: int = 0
    unfinished: list[Job] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    doubled: set[int] = field(default_factory=set)
    mixed: set[int] = field(default_factory=set)  #: another picture than the job's under its name
    unexpected: set[int] = field(default_factory=set)

    @property
    def problems(self) -> dict[str, int]:
        """How many there are of what should be none."""
        kinds = ("unfinished", "lost", "doubled", "mixed", "unexpected")
        return {kind: len(getattr(self, kind)) for kind in kinds}


def wait_for_jobs(nodes: list[Node], findings: Findings) -> dict[int, str]:
    """Waits for the end of all jobs. -> where each acknowledged picture is, by its number."""
    where: dict[int, str] = {}
    for node in nodes:
        with Client(node.submitters.gateway, tensors="numpy") as luna:
            for number, job_id in node.submitters.acknowledged.items():
                job = luna.job_wait(job_id, PATIENCE)
                if job.state == "done":
                    where[number] = job.paths[0]
                else:
                    findings.unfinished.append(job)
            for job in luna.job_list(limit=10_000):
                luna.job_wait(job.job_id, PATIENCE)
    return where


def judge(nodes: list[Node], where: dict[int, str], numbers: dict[str, int]) -> Findings:
    """What is wrong. ``numbers``: of every picture that there is, by its path."""
    findings = Findings(acknowledged=len(where))
    counts = Counter(numbers.values())
    told: set[int] = set()
    possible: set[int] = set()
    for node in nodes:
        told |= set(node.submitters.acknowledged)
        possible |= set(node.submitters.acknowledged) | node.submitters.uncertain
    findings.lost = told - set(counts)
    findings.doubled = {number for number, count in counts.items() if count > 1}
    findings.mixed = {number for number, path in where.items() if numbers.get(path) != number}
    findings.unexpected = set(counts) - possible
    return findings


def look_at_folder(nodes: list[Node], output: Path) -> tuple[Findings, list[Path]]:
    """Waits for all jobs and reads every picture. -> what is wrong, and files that are no pictures."""
    waiting = Findings()
    where = wait_for_jobs(nodes, waiting)
    files = [path for path in output.rglob("*") if path.is_file()]
    pictures = [path for path in files if path.suffix == ".png"]
    others = [path for path in files if path.suffix != ".png"]
    findings = judge(nodes, where, {str(path): number_of(path) for path in pictures})
    findings.unfinished = waiting.unfinished
    return findings, others
