"""Pictures that go to an object store: a real server, which refuses a signature that is not right."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import Authority
from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered
from s3_store import BUCKET, S3Store
from setting import ClusterFile, Start, eventually, free_port

from luna_client import BadRequestError, Client, Job, LunaError

KILLS = 5
PICTURES = 8  # between two kills


@pytest.fixture
def store(tmp_path: Path) -> Iterator[S3Store]:
    """A store that is not started yet."""
    store = S3Store(tmp_path)
    yield store
    store.stop()


@pytest.fixture
def start_saver(cluster_file: ClusterFile, start_node: Start, store: S3Store) -> Any:
    """Starts a node whose configuration has the store as a target; the same one at each call."""

    gateway = f"127.0.0.1:{free_port()}"

    def start(more: str = "") -> NodeProcess:
        path = cluster_file.write(
            "a", more=store.configuration(more), pools="pools = []", gateways={"a": gateway}
        )
        return start_node(config=path, node="a")

    return start


def submit(luna: Client, name: str, picture: np.ndarray, **fields: Any) -> Job:
    task = {"filename": name, "target": "bucket", "images": [{"image": picture}], **fields}
    return luna.job_status(luna.submit_async(task).job_id)


def wait(luna: Client, job: Job) -> Job:
    done = luna.job_wait(job.job_id, PATIENCE)
    assert done.state == "done", done
    return done


def lane(luna: Client, target: str = "bucket") -> dict[str, Any]:
    targets = luna.get_status().save_queue["targets"]
    return next(dict(entry) for entry in targets if entry["target"] == target)


def test_a_picture_comes_to_be_in_the_bucket_whole_and_with_what_it_is(
    store: S3Store, start_saver: Any, tmp_path: Path
) -> None:
    store.start()
    with start_saver().client() as luna:
        job = wait(luna, submit(luna, "cat é+1", numbered(7), save_path="a b/c"))
        assert job.paths == (f"s3://{BUCKET}/luna/a b/c/cat é+1.png",)
        path, metadata = store.fetch("luna/a b/c/cat é+1.png", tmp_path)
        assert number_of(path) == 7
        assert metadata["luna-sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        again = wait(luna, submit(luna, "cat é+1", numbered(8), save_path="a b/c"))
        assert again.images[0].filename == "cat é+1_2.png"
        with pytest.raises(BadRequestError, match="is taken"):
            submit(luna, "cat é+1", numbered(9), save_path="a b/c", collision="fail")
        with pytest.raises(BadRequestError, match="did you mean 'bucket'"):
            submit(luna, "x", numbered(9), target="buckte")
    assert store.keys() == ["luna/a b/c/cat é+1.png", "luna/a b/c/cat é+1_2.png"]


def test_a_large_picture_goes_in_parts(store: S3Store, start_saver: Any, tmp_path: Path) -> None:
    store.start()
    with start_saver(', multipart-above = "5MiB", part-size = "5MiB"').client() as luna:
        wait(luna, submit(luna, "large", numbered(3, 1500)))
    path, _ = store.fetch("luna/large.png", tmp_path)
    assert path.stat().st_size > 5 << 20
    assert number_of(path) == 3
    uploads = store.client().list_multipart_uploads(Bucket=BUCKET)
    assert not uploads.get("Uploads")
    assert "partNumber=2" in (tmp_path / "s3-server.log").read_text()


def test_a_wrong_secret_is_refused_and_the_jobs_wait_until_it_is_right(
    store: S3Store, start_saver: Any, tmp_path: Path
) -> None:
    store.start()
    store.write_wrong_secret()
    node = start_saver()
    with node.client() as luna:
        far = submit(luna, "far", numbered(1))
        eventually(lambda: lane(luna), lambda entry: entry["state"] == "away")
        assert "403" in lane(luna)["error"]
        assert "403" in str(luna.job_status(far.job_id).error)
        near = wait(luna, submit(luna, "near", numbered(2), target="folder"))
        assert number_of(Path(near.paths[0])) == 2
        assert store.keys() == []
        secret = store.credentials_file.read_text().split()[-1]
        store.write_right_credentials()
        done = wait(luna, far)
        assert done.attempts == 1
        assert lane(luna)["state"] == "up"
    (key,) = store.keys()
    assert number_of(store.fetch(key, tmp_path)[0]) == 1
    assert not any(secret in line for line in node.log)


def test_credentials_that_others_may_read_are_not_used(store: S3Store, start_saver: Any) -> None:
    store.start()
    store.credentials_file.chmod(0o644)
    node = start_saver()
    node.wait_for_log("chmod 600")
    with node.client() as luna:
        job = submit(luna, "x", numbered(1))
        eventually(lambda: luna.job_status(job.job_id).error, lambda error: "600" in str(error))
        store.credentials_file.chmod(0o600)
        wait(luna, job)


def test_a_store_that_is_away_holds_its_jobs_and_no_others(
    store: S3Store, start_saver: Any, tmp_path: Path
) -> None:
    with start_saver().client() as luna:
        far = [submit(luna, f"far{n}", numbered(n)) for n in range(6)]
        near = [submit(luna, f"near{n}", numbered(n), target="folder") for n in range(6)]
        for job in near:
            wait(luna, job)
        entry = eventually(lambda: lane(luna), lambda entry: entry["state"] == "away")
        assert entry["queued"] + entry["running"] == len(far)
        assert "no answer" in entry["error"]
        for job in far:
            waiting = luna.job_status(job.job_id)
            assert waiting.state in ("queued", "running")
            assert waiting.attempts == 0
        store.start()
        done = [wait(luna, job) for job in far]
    for number, job in enumerate(done):
        # The store could not be asked for its names: these have the job's id and are nobody else's.
        key = job.paths[0].removeprefix(f"s3://{BUCKET}/")
        assert f"far{number}" in key
        assert number_of(store.fetch(key, tmp_path)[0]) == number
    assert len(store.keys()) == len(far)


def test_https_is_spoken_to_a_store_whose_authority_is_trusted_and_to_no_other(
    cluster_file: ClusterFile, start_node: Start, tmp_path: Path
) -> None:
    store = S3Store(tmp_path, Authority(tmp_path, "stores").issue("store"))
    try:
        store.start()
        path = cluster_file.write("a", more=store.configuration(), pools="pools = []")
        node = start_node(config=path, node="a")
        with node.client() as luna:
            job = submit(luna, "x", numbered(5))
            entry = eventually(lambda: lane(luna), lambda entry: entry["state"] == "away")
            assert "certificate" in entry["error"]
            assert store.keys() == []
        assert node.stop() == 0
        trusted = store.configuration(f', ca-file = "{store.identity.ca}"')
        path = cluster_file.write("a", more=trusted, pools="pools = []")
        with start_node(config=path, node="a").client() as luna:
            assert wait(luna, job).attempts == 1
        (key,) = store.keys()
        assert number_of(store.fetch(key, tmp_path)[0]) == 5
    finally:
        store.stop()


class Sender:
    """Submits numbered pictures without a pause, from node to node, each under its own key."""

    def __init__(self, gateway: str) -> None:
        self.acknowledged: dict[int, str] = {}
        self._gateway = gateway
        self._changed = threading.Condition()
        self._stop = False

    def run(self) -> None:
        with Client(self._gateway, tensors="numpy") as luna:
            for number in itertools.count():
                if self._stop:
                    return
                try:
                    job = submit(luna, f"p{number}", numbered(number, 160))
                except LunaError:
                    continue  # the node is gone: what was not answered is not counted
                with self._changed:
                    self.acknowledged[number] = job.job_id
                    self._changed.notify_all()

    def wait_for_more(self, count: int) -> None:
        with self._changed:
            wanted = len(self.acknowledged) + count
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= wanted, PATIENCE)

    def stop(self) -> None:
        self._stop = True


def test_kill_9_while_sending_loses_nothing_and_repeats_nothing(
    store: S3Store, start_saver: Any, tmp_path: Path
) -> None:
    store.start()
    node = start_saver()
    sender = Sender(node.gateway)
    thread = threading.Thread(target=sender.run)
    thread.start()
    for _ in range(KILLS):
        sender.wait_for_more(PICTURES)
        node.kill()
        node = start_saver()
    sender.wait_for_more(1)
    sender.stop()
    thread.join(PATIENCE)
    with node.client() as luna:
        for number, job_id in sender.acknowledged.items():
            done = luna.job_wait(job_id, PATIENCE)
            assert done.state == "done", done
            key = done.paths[0].removeprefix(f"s3://{BUCKET}/")
            assert number_of(store.fetch(key, tmp_path)[0]) == number
        # Jobs whose answer did not arrive may have come to be, too: once each, like all others.
        eventually(lambda: lane(luna), lambda entry: entry["queued"] + entry["running"] == 0)
    keys = store.keys()
    numbers = [int(re.search(r"/p(\d+)", key)[1]) for key in keys]
    assert len(numbers) == len(set(numbers))
    assert set(sender.acknowledged) <= set(numbers)
    log = (tmp_path / "s3-server.log").read_text()
    written = [line for line in log.splitlines() if '"PUT /renders/' in line and '" 200 ' in line]
    assert len(written) == len(keys)
