"""When handed-over pictures are there: one thread that follows luna's job events for all save nodes.

It exists as long as jobs are outstanding. Events that were lost (the connection broke, or the server dropped some)
are made up for by asking for the state of each outstanding job.

Thread rule: :meth:`JobWatch.follow` from any thread; the callback is called in the watching thread, or in the one that
follows when the job's end was seen before.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from luna_client import Job, LunaError, Subscription, UnknownJobError

from .service import Service

log = logging.getLogger("luna")

#: How long one look for events waits, in seconds; then the states are asked for.
LOOK_SECONDS = 5.0
#: How long jobs are followed on a server that does not answer, in looks.
PATIENCE = 720
#: Ends that were seen before anybody followed the job: a save may be faster than the answer that names it.
MAX_EARLY = 256

#: Called with a job, in the watching thread.
Told = Callable[[Job], None]


@dataclass(frozen=True)
class _Follower:
    ended: Told
    moved: Told | None


class JobWatch:
    """Calls back once for each job that comes to its end."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._waiting: dict[str, _Follower] = {}
        self._early: OrderedDict[str, Job] = OrderedDict()
        self._thread: threading.Thread | None = None

    def follow(self, job_id: str, ended: Told, moved: Told | None = None) -> None:
        """Calls ``ended`` when the job is at its end; it may be already. ``moved``: now and then on its way."""
        with self._lock:
            seen = self._early.pop(job_id, None)
            if seen is None:
                self._waiting[job_id] = _Follower(ended, moved)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="luna-jobs", daemon=True)
                    self._thread.start()
        if seen is not None:
            ended(seen)

    @property
    def outstanding(self) -> int:
        """Jobs that are still waited for."""
        with self._lock:
            return len(self._waiting)

    def _run(self) -> None:
        failures = 0
        while self._more():
            try:
                with self._service.client().subscribe(["job"]) as events:
                    failures = 0
                    self._ask_all()
                    while self._more():
                        self._look(events)
            except LunaError as problem:
                failures += 1
                if failures > PATIENCE:
                    self._give_up(problem)
                threading.Event().wait(min(LOOK_SECONDS, 0.1 * 2 ** min(failures, 6)))

    def _more(self) -> bool:
        """Whether there is anything to wait for; if not, the thread ends, and the next job starts another."""
        with self._lock:
            if self._waiting:
                return True
            self._thread = None
            return False

    def _look(self, events: Subscription) -> None:
        event = events.get(LOOK_SECONDS)
        if event is None or event.name in ("lost", "reconnected"):
            self._ask_all()
        elif event.name == "job":
            self._tell(event.job)

    def _ask_all(self) -> None:
        with self._lock:
            jobs = list(self._waiting)
        for job_id in jobs:
            try:
                self._tell(self._service.client().job_status(job_id, timeout=10.0))
            except UnknownJobError:
                self._tell(
                    Job(job_id, state="failed", error="the server does not know it any more")
                )

    def _tell(self, job: Job) -> None:
        with self._lock:
            follower = self._waiting.get(job.job_id)
            if job.ended:
                self._waiting.pop(job.job_id, None)
                if follower is None:
                    self._early[job.job_id] = job
                    while len(self._early) > MAX_EARLY:
                        self._early.popitem(last=False)
        call = follower and (follower.ended if job.ended else follower.moved)
        if call is None:
            return
        # a callback that fails must not end the watching of all others
        try:
            call(job)
        except Exception:
            log.exception("[luna] what follows job %s failed", job.job_id)

    def _give_up(self, problem: LunaError) -> None:
        with self._lock:
            jobs, self._waiting = list(self._waiting), {}
        log.warning("[luna] nobody knows what became of %s: %s", ", ".join(jobs), problem.message)
