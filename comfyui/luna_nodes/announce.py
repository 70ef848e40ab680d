"""Telling the browser what becomes of pictures that luna took: how far it is, and when they are files, or will not be.

Thread rule: :func:`follow` from ComfyUI's executor thread; the telling is done in the thread of :class:`JobWatch`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from luna_client import Job, Submission

from .job_watch import JobWatch
from .promises import promises
from .service import Service

log = logging.getLogger("luna")

SAVED = "luna.saved"
PROGRESS = "luna.progress"

_watches: dict[int, JobWatch] = {}

#: What a node shows of its pictures, made from the jobs at their end, in the order of their submission.
Shown = Callable[[Sequence[Job]], list[dict[str, Any]]]


def follow(luna: Service, made: Sequence[Submission], node: str | None, shown: Shown) -> None:
    """Follows the jobs of one run of a node: progress events on the way, one event when all have ended."""
    watch = _watches.setdefault(id(luna), JobWatch(luna))
    run = _Run(luna, made, node, shown)
    for submission in made:
        watch.follow(submission.job_id, run.ended, run.moved)


class _Run:
    """The jobs of one run, and what was told of them."""

    def __init__(
        self, luna: Service, made: Sequence[Submission], node: str | None, shown: Shown
    ) -> None:
        self._host = luna.host
        self._about = {"node": node, "prompt_id": self._host.running_prompt_id()}
        self._client = self._host.running_client()
        self._shown = shown
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

    def ended(self, job: Job) -> None:
        """A job is at its end; the last one tells of all."""
        if job.state != "done":
            log.warning(
                "[luna] the images of job %s are not saved (%s): %s",
                job.job_id,
                job.state,
                job.error,
            )
        promises.release(job.job_id)
        with self._lock:
            self._parts[job.job_id] = 1.0
            self._ends[job.job_id] = job
            if len(self._ends) < len(self._order):
                return
        jobs = [self._ends[each] for each in self._order]
        worst = next((each for each in jobs if each.state != "done"), jobs[-1])
        told = {
            **self._about,
            "output": {"images": self._shown(jobs)},
            "state": worst.state,
            "error": worst.error,
        }
        self._host.send(SAVED, told, self._client)
