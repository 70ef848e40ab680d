"""The pictures that luna says are written, as ComfyUI shows them: nothing else may be previewed.

The problem: a promised name is no picture yet. Until luna says that it is written, a preview of it would show nothing,
or what another program put there.

Thread rule: functions without state, any thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from luna_client import Job, JobImage

from .local_save import shown_as


def written(jobs: Sequence[Job], output: str) -> list[dict[str, Any]]:
    """The files of these jobs, in their order; those elsewhere than below the output folder are left out."""
    found = (_shown(image, output) for job in jobs for image in job.images if image.path)
    return [one for one in found if one is not None]


def _shown(image: JobImage, output: str) -> dict[str, Any] | None:
    folder, name = os.path.split(os.path.relpath(image.path, output))
    subfolder = folder.replace(os.sep, "/")
    if subfolder.split("/")[0] == "..":
        return None
    one = shown_as(name, subfolder, image.discarded, image.score, image.left_out)
    if image.renamed_from:
        one["renamed_from"] = image.renamed_from
    return one


def sentences(jobs: Sequence[Job]) -> list[str]:
    """What a person should know of jobs that are at their end: failures, names that were taken, warnings."""
    said = []
    for job in jobs:
        if job.state != "done":
            said.append(f"job {job.job_id} {job.state}: {job.error or 'luna gives no reason'}")
        said += notes(job)
    return said


def notes(job: Job) -> list[str]:
    """What a person should know of a job beside its state: names that were taken, warnings."""
    said = []
    for image in job.images:
        if image.renamed_from:
            said.append(
                f"{image.renamed_from} was taken by another program: the picture is"
                f" {os.path.basename(image.path) or image.filename}"
            )
    return said + [each.message for each in job.warnings]


def can_be_retried(job: Job) -> bool:
    """Whether a job has failed and luna still has its pictures."""
    return job.state == "failed" and job.pictures != "given_up"
