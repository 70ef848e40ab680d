"""kill -9 in the middle of saving, twenty times: nothing acknowledged is lost, doubled or half written.

Ten clients save in every format. What Pillow cannot read, or not exactly, is compared with the same picture saved
again: the encoders always give the same bytes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from node_process import PATIENCE
from pictures import number_of, numbered
from setting import Start, free_port

from luna_client import Client, LunaError, SubmitUncertainError

KILLS = 20
THREADS = 10
SIDE = 96
FORMATS = ("png", "webp", "tiff", "jpeg", "avif", "jxl", "exr")
#: Of these the number can be read out of the pixels.
EXACT = (".png", ".webp", ".tiff")


def task_of(number: int, name: str) -> dict[str, Any]:
    """The number decides the format."""
    image = {"image": numbered(number, SIDE), "format": FORMATS[number % len(FORMATS)]}
    time = "2026-11-22T10:00:00"  # some formats hold one
    return {"filename": name, "timestamp": time, "lossless_webp": True, "images": [image]}


def number_in_name(path: Path) -> int:
    return int(path.stem.removeprefix("p"))


def broken_files(luna: Client, files: Iterable[Path]) -> list[Path]:
    """Those that are not the whole picture which their name tells."""
    again: dict[Path, str] = {}
    broken = []
    for path in files:
        number = number_in_name(path)
        if path.suffix not in EXACT:
            again[path] = luna.submit_async(task_of(number, f"again/{number}")).job_id
        elif saved_number(path) != number:
            broken.append(path)
    for path, job_id in again.items():
        job = luna.job_wait(job_id, PATIENCE)
        assert job.state == "done", job
        if Path(job.paths[0]).read_bytes() != path.read_bytes():
            broken.append(path)
    return broken


def saved_number(path: Path) -> int | None:
    """The number of a saved picture; nothing if it is not whole."""
    try:
        return number_of(path)
    except (AssertionError, OSError, SyntaxError, ValueError):
        return None


class Submitters:
    """Threads that submit numbered pictures without a pause, each picture under its own key.

    The numbers begin with ``first``; ``task`` makes the task of one."""

    def __init__(
        self,
        gateway: str,
        task: Callable[[int], dict[str, Any]] = lambda number: task_of(number, f"p{number}"),
        first: int = 0,
    ) -> None:
        self.gateway = gateway
        self._task = task
        self.acknowledged: dict[int, str] = {}
        self.uncertain: set[int] = set()
        self.refused: set[int] = set()
        self._next = first
        self._stop = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def run(self) -> None:
        with Client(self.gateway, tensors="numpy") as luna:
            while True:
                with self._lock:
                    if self._stop:
                        return
                    number, self._next = self._next, self._next + 1
                self._submit(luna, number)

    def _submit(self, luna: Client, number: int) -> None:
        try:
            job = luna.submit_async(self._task(number), key=f"key-{number}")
        except SubmitUncertainError:
            self._note(self.uncertain.add, number)
        except LunaError:  # nobody listened: certain that it was not accepted
            self._note(self.refused.add, number)
        else:
            self._note(lambda n: self.acknowledged.__setitem__(n, job.job_id), number)

    def _note(self, add: object, number: int) -> None:
        with self._changed:
            add(number)  # type: ignore[operator]
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Waits until so many are acknowledged."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE)
            assert done, f"{len(self.acknowledged)} of {count} were acknowledged"

    def stop(self) -> None:
        with self._lock:
            self._stop = True


def test_no_acknowledged_picture_is_lost_doubled_or_half_written(
    start_node: Start, tmp_path: Path
) -> None:
    chance = random.Random(3)
    gateway = f"127.0.0.1:{free_port()}"
    node = start_node(gateway=gateway)
    submitters = Submitters(gateway)
    with ThreadPoolExecutor(THREADS) as pool:
        threads: list[Future[None]] = [pool.submit(submitters.run) for _ in range(THREADS)]
        try:
            for _ in range(KILLS):
                submitters.wait_for(len(submitters.acknowledged) + chance.randint(1, 12))
                node.kill()
                node = start_node(gateway=gateway)
            submitters.wait_for(len(submitters.acknowledged) + THREADS)
        finally:
            submitters.stop()
        for thread in threads:
            thread.result(PATIENCE)

    with node.client() as luna:
        for number, job_id in submitters.acknowledged.items():
            job = luna.job_wait(job_id, PATIENCE)
            assert job.state == "done", (number, job)
            assert [number_in_name(Path(path)) for path in job.paths] == [number]
        # those nobody can tell the fate of may be there, once
        for job in luna.job_list(limit=10000):
            assert luna.job_wait(job.job_id, PATIENCE).state == "done"
        output = tmp_path / "data" / "output"
        files = [path for path in output.rglob("*") if path.is_file()]
        assert not [path for path in files if path.suffix == ".tmp"]
        assert broken_files(luna, files) == []
    assert node.stop() == 0

    counts = Counter(number_in_name(path) for path in files)
    assert set(counts.values()) == {1}, "a picture was saved twice"
    assert set(submitters.acknowledged) <= set(counts)
    assert set(counts) <= set(submitters.acknowledged) | submitters.uncertain
    assert not set(counts) & submitters.refused
    print(
        f"{KILLS} kills, {len(submitters.acknowledged)} acknowledged, {len(submitters.uncertain)} uncertain"
    )
