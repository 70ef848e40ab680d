"""Telling the browser what becomes of pictures that luna took: how far it is, and when they are files, or will not be.

Thread rule: :func:`follow` from ComfyUI's executor thread; the telling is done in the thread of :class:`JobWatch`.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from luna_client import Job, Submission

from .history import History
from .job_watch import JobWatch
from .promises import promises
from .service import Service
from .written import can_be_retried, sentences, written

log = logging.getLogger("luna")

SAVED = "luna.saved"
PROGRESS = "luna.progress"

#: Failed jobs that are remembered, for a retry to tell their node.
MAX_FAILED = 256

_watches: dict[int, JobWatch] = {}
_histories: dict[int, History] = {}
_failed: OrderedDict[str, _Run] = OrderedDict()
_failed_lock = threading.Lock()


def follow(
    luna: Service,
    made: Sequence[Submission],
    node: str | None,
    output: str,
    here: Sequence[dict[str, Any]] = (),
) -> None:
    """Follows the jobs of one run of a node: progress events on the way, one event when all have ended.

    Args:
        output: ComfyUI's output folder.
        here: pictures of the same run that ComfyUI saved itself.
    """
    run = _Run(luna, made, node, output, here)
    watch = _watches.setdefault(id(luna), JobWatch(luna))
    for submission in made:
        watch.follow(submission.job_id, run.ended, run.moved)


def follow_again(luna: Service, job_id: str) -> None:
    """Follows a failed job that was taken up again; its node is told, if it is one of this ComfyUI."""
    with _failed_lock:
        run = _failed.pop(job_id, None)
    if run is not None:
        run.reopen(job_id)
        _watches.setdefault(id(luna), JobWatch(luna)).follow(job_id, run.ended, run.moved)


def forget(job_id: str) -> None:
    """A failed job was given up."""
    with _failed_lock:
        _failed.pop(job_id, None)


class _Run:
    """The jobs of one run, and what was told of them."""

    def __init__(
        self,
        luna: Service,
        made: Sequence[Submission],
        node: str | None,
        output: str,
        here: Sequence[dict[str, Any]],
    ) -> None:
        self._host = luna.host
        self._history = _histories.setdefault(id(luna), History(luna.host, luna.clock))
        self._about = {"node": node, "prompt_id": self._host.running_prompt_id()}
        self._client = self._host.running_client()
        self._output = output
        self._here = list(here)
        self._order = [submission.job_id for submission in made]
        self._weights = {submission.job_id: len(submission.files) for submission in made}
        self._parts = dict.fromkeys(self._order, 0.0)
        self._ends: dict[str, Job] = {}
        self._lock = threading.Lock()

    def moved(self, job: Job) -> None:
        """A job went on."""
        with self._lock:
            self._parts[job.job_id] = job.progress
            done = sum(self._parts[each] * self._weights[each] for each in self._order)
        total = max(1, sum(self._weights.values()))
        told = {**self._about, "state": job.state, "value": round(done / total, 4), "total": total}
        self._host.send(PROGRESS, told, self._client)

    def reopen(self, job_id: str) -> None:
        """A job that had failed goes on."""
        with self._lock:
            self._ends.pop(job_id, None)
            self._parts[job_id] = 0.0

    def ended(self, job: Job) -> None:
        """A job is at its end; the last one tells of all."""
        if job.state != "done":
            log.warning(
                "[luna] the images of job %s are not saved (%s): %s",
                job.job_id,
                job.state,
                job.error,
            )
        if job.state == "failed":
            self._remember(job.job_id)
        promises.release(job.job_id)
        with self._lock:
            self._parts[job.job_id] = 1.0
            self._ends[job.job_id] = job
            if len(self._ends) < len(self._order):
                return
        self._tell([self._ends[each] for each in self._order])

    def _tell(self, jobs: Sequence[Job]) -> None:
        worst = next((each for each in jobs if each.state != "done"), jobs[-1])
        images = written(jobs, self._output)
        told = {
            **self._about,
            "output": {"images": [*images, *self._here]},
            "state": worst.state,
            "error": worst.error,
            "jobs": list(self._order),
            "failed": [each.job_id for each in jobs if can_be_retried(each)],
            "notes": sentences([each for each in jobs if each is not worst or not worst.error]),
        }
        self._host.send(SAVED, told, self._client)
        self._history.show(self._about["prompt_id"], self._about["node"], images)

    def _remember(self, job_id: str) -> None:
        with _failed_lock:
            _failed[job_id] = self
            while len(_failed) > MAX_FAILED:
                _failed.popitem(last=False)
