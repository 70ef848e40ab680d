"""The commands of saving: submit a job, ask for it, wait for it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from .commands import Sender, read_answer
from .errors import BadRequestError
from .request import Cancel, Progress, Resend
from .results import Job, Submission
from .tensors import Tensor

#: The server answers a job_wait this long after its time at the latest, in seconds.
_WAIT_MARGIN = 5.0
#: The longest single job_wait; a longer wait is several, so that a dead server is noticed.
_LONGEST_WAIT = 60.0


class JobCommands(Sender):
    """Save jobs. An accepted job is durable: it survives a crash of the server and of this process."""

    def submit_async(
        self,
        task_data: Mapping[str, Any],
        images: Mapping[str, Tensor] | None = None,
        *,
        task_name: str = "save_images_async",
        key: str | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Submission:
        """Hands images over for saving; returns when the job is durable and its file names are reserved.

        Args:
            task_data: docs/protocol.md, section 6. An entry of ``images`` names its tensor, or holds it itself as
                ``image`` (then it gets a name here).
            images: the tensors by name, [H, W, C] or [B, H, W, C], float in 0..1 or uint8.
            key: submitting the same task under the same key again gives the first job; default: a new UUID.

        Raises:
            SubmitUncertainError: the answer was lost and did not come within 10 s of asking again; the picture may
                be saved, so saving it elsewhere may make two of it.
            LunaError: anything else: the job was not accepted.
        """
        task, tensors = _with_tensors(task_data, images or {})
        name = str(uuid.uuid4()) if key is None else key
        reply = self.request(
            "submit_async",
            {"task_name": task_name, "task_data": task, "key": name},
            tensors,
            resend=Resend.KEYED,
            timeout=timeout,
            cancel=cancel,
            key=name,
        )
        return read_answer("submit_async", lambda: Submission.from_json(reply.header, name))

    def job_status(self, job_id: str, *, timeout: float | None = None) -> Job:
        """The state of a job now."""
        reply = self.request("job_status", {"job_id": job_id}, resend=Resend.READ, timeout=timeout)
        return read_answer("job_status", lambda: Job.from_json(reply.header))

    def job_wait(
        self,
        job_id: str,
        timeout: float = 60.0,
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Job:
        """Waits until a job is at an end, at most so many seconds. -> its state then; see :attr:`Job.ended`."""
        clock = self.clock
        deadline = clock.now() + timeout
        while True:
            left = max(0.0, deadline - clock.now())
            step = min(left, _LONGEST_WAIT)
            reply = self.request(
                "job_wait",
                {"job_id": job_id, "timeout_ms": int(step * 1000)},
                resend=Resend.READ,
                timeout=step + _WAIT_MARGIN,
                progress=progress,
                cancel=cancel,
                counted=False,
                own_deadline=True,
            )
            job = read_answer("job_wait", lambda header=reply.header: Job.from_json(header))
            if job.ended or left <= step:
                return job

    def job_cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Cancels what of a job is not yet written; :attr:`Job.changed` tells whether there was anything to cancel."""
        reply = self.request("job_cancel", {"job_id": job_id}, timeout=timeout)
        return read_answer("job_cancel", lambda: Job.from_json(reply.header))

    def job_retry(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Takes a failed job up again.

        Raises:
            BadRequestError: it was cancelled, or its pictures are gone (:attr:`Job.pictures`).
        """
        reply = self.request("job_retry", {"job_id": job_id}, timeout=timeout)
        return read_answer("job_retry", lambda: Job.from_json(reply.header))

    def job_discard(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Makes the server forget a job that is finished, with the pictures it keeps for a retry. -> its last state.

        Raises:
            BadRequestError: it is queued or running: cancel it.
            UnknownCommandError: the server has no capability ``jobs``.
        """
        reply = self.request("job_discard", {"job_id": job_id}, timeout=timeout)
        return read_answer("job_discard", lambda: Job.from_json(reply.header))

    def job_list(
        self, state: str | None = None, limit: int = 100, *, timeout: float | None = None
    ) -> tuple[Job, ...]:
        """Jobs, the newest first; ``state``: queued, running, done, failed or cancelled."""
        fields = {"state": state, "limit": limit}
        reply = self.request("job_list", fields, resend=Resend.READ, timeout=timeout)
        return read_answer(
            "job_list", lambda: tuple(Job.from_json(job) for job in reply.header["jobs"])
        )


def _with_tensors(
    task_data: Mapping[str, Any], images: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The task with every tensor named, and the tensors."""
    task, tensors = dict(task_data), dict(images)
    entries = task.get("images")
    if entries is None:
        return task, tensors
    if not isinstance(entries, Sequence) or not all(
        isinstance(entry, Mapping) for entry in entries
    ):
        raise BadRequestError(
            "task_data.images must be a list of objects, one for each image to save"
        )
    named = []
    for index, given in enumerate(entries):
        entry = dict(given)
        if "image" in entry:
            entry.setdefault("tensor", f"image_{index}")
            tensors[entry["tensor"]] = entry.pop("image")
        named.append(entry)
    task["images"] = named
    return task, tensors
