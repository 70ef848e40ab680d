"""Save jobs that failed: listing them, taking them up again, giving them up. Plain dicts for JSON, as in `control`.

They wait for the server: call them in a thread, never in ComfyUI's event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from luna_client import Job, LunaError

from . import announce
from .service import Service

#: What a question to a server that is there may take, in seconds.
PATIENCE = 10.0
#: How many failed jobs are listed at most.
MAX_LISTED = 1000


def ids_of(text: str) -> list[str]:
    """The jobs that an input names, with commas between them."""
    return [each.strip() for each in text.split(",") if each.strip()]


def failed(service: Service) -> dict[str, Any]:
    """The failed jobs that luna remembers, the newest first."""
    return _answered(
        lambda: {
            "jobs": [
                as_json(job)
                for job in service.reached().job_list("failed", MAX_LISTED, timeout=PATIENCE)
            ]
        }
    )


def retry(service: Service, job_id: str) -> dict[str, Any]:
    """Takes a failed job up again: luna has kept its pictures."""

    def work() -> dict[str, Any]:
        job = service.reached().job_retry(job_id, timeout=PATIENCE)
        announce.follow_again(service, job_id)
        return _of(job)

    return _answered(work)


def discard(service: Service, job_id: str) -> dict[str, Any]:
    """Gives a failed job up: luna forgets its pictures."""

    def work() -> dict[str, Any]:
        service.reached().job_discard(job_id, timeout=PATIENCE)
        announce.forget(job_id)
        return {"status": f"job {job_id} is given up: its pictures are not saved", "job": None}

    return _answered(work)


def as_json(job: Job) -> dict[str, Any]:
    """A job as routes and nodes tell of it."""
    names = [image.filename or image.path for image in job.images]
    return {
        "job_id": job.job_id,
        "state": job.state,
        "error": str(job.error) if job.error else "",
        "images": names,
        "pictures": job.pictures,
    }


def _of(job: Job) -> dict[str, Any]:
    told = f"job {job.job_id}: {job.state}" + (f", {job.error}" if job.error else "")
    return {"status": told, "job": as_json(job)}


def _answered(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"success": True, **work()}
    except LunaError as problem:
        return {"success": False, "error": problem.message, "code": problem.code}


def lines_of(answers: Sequence[dict[str, Any]]) -> list[str]:
    """What a node says of several answers."""
    return [str(answer.get("error") or answer["status"]) for answer in answers]
