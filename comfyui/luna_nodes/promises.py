"""Names that luna has promised to pictures which are not files yet.

The problem: when luna's queue is full, ComfyUI saves the next picture itself, while luna still has earlier ones to
write. A folder's listing does not show their names; taking one of them would make luna's job fail.

Thread rule: any thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable


class Promises:
    """The names of the jobs that this ComfyUI has handed over and that have not ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, frozenset[str]] = {}

    def add(self, job_id: str, paths: Iterable[str]) -> None:
        """Notes the files that a job will write."""
        with self._lock:
            self._jobs[job_id] = frozenset(_plain(path) for path in paths)

    def release(self, job_id: str) -> None:
        """The job has ended: its files exist, or never will."""
        with self._lock:
            self._jobs.pop(job_id, None)

    def hold(self, path: str) -> bool:
        """Whether a job will write this file."""
        path = _plain(path)
        with self._lock:
            return any(path in paths for paths in self._jobs.values())

    def names_in(self, folder: str) -> list[str]:
        """The names of the files that jobs will write into a folder."""
        folder = _plain(folder)
        with self._lock:
            paths = [path for paths in self._jobs.values() for path in paths]
        return [os.path.basename(path) for path in paths if os.path.dirname(path) == folder]


def _plain(path: str) -> str:
    """One spelling for one file."""
    return os.path.normcase(os.path.normpath(path))


promises = Promises()
