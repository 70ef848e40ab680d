"""Luna Save Status: what became of the pictures that luna took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from luna_client import Job, LunaError

from . import service, written
from .fingerprints import always_new
from .jobs import ids_of
from .refusal import LunaRefusalError
from .service import Service

#: From the worst to the best: several jobs are as far as the first of these that one of them has.
_STATES = ("failed", "cancelled", "queued", "running", "done")


class LunaSaveStatus(io.ComfyNode):
    """Asks luna for jobs, in each run anew; waits for their end if that is wanted."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaSaveStatus",
            display_name="Luna Save Status",
            category="luna/image",
            description="Says how far luna is with the images of a saver, and where their files are.",
            inputs=[
                io.String.Input(
                    "job_id",
                    default="",
                    tooltip="From Luna Multi Image Saver; several with commas.",
                ),
                io.Int.Input(
                    "wait",
                    default=0,
                    min=0,
                    max=3600,
                    tooltip="Seconds to wait for the end at most; 0 asks once.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="state"),
                io.String.Output(display_name="paths", tooltip="The files that exist, one a line."),
                io.Float.Output(display_name="progress", tooltip="0 to 1."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: Any) -> float:
        return always_new()

    @classmethod
    def execute(cls, job_id: str = "", wait: int = 0) -> io.NodeOutput:
        ids = ids_of(job_id)
        if not ids:
            text = "no job: luna took no images"
            return io.NodeOutput("none", "", 0.0, ui={"text": [text]})
        jobs = _ask(service.get(), ids, wait)
        states = {job.state for job in jobs}
        state = next((each for each in _STATES if each in states), jobs[0].state)
        paths = [path for job in jobs for path in job.paths]
        notes = [note for job in jobs for note in written.notes(job)]
        progress = sum(job.progress for job in jobs) / len(jobs)
        return io.NodeOutput(
            state,
            "\n".join(paths),
            progress,
            ui={"text": [_told(jobs, state, progress), *notes, *paths]},
        )


def _ask(luna: Service, ids: Sequence[str], wait: int) -> list[Job]:
    """The jobs as they are, or as they are at their end within the time."""

    def work(client: Any, tell: Any, stop: Any) -> list[Job]:
        until = client.clock.now() + wait
        jobs = []
        for each in ids:
            left = max(0.0, until - client.clock.now())
            jobs.append(client.job_wait(each, left, progress=tell, cancel=stop))
        return jobs

    try:
        return luna.call(work)
    except LunaError as problem:
        raise LunaRefusalError(
            f"luna does not say what became of {', '.join(ids)}: {problem.message}"
        ) from None


def _told(jobs: Sequence[Job], state: str, progress: float) -> str:
    images = [image for job in jobs for image in job.images]
    written = sum(bool(image.path) for image in images)
    discarded = sum(image.discarded for image in images)
    text = f"{state}, {progress:.0%}: {written} of {len(images)} images written"
    text += f", {discarded} of them discarded" if discarded else ""
    reasons = [str(job.error) for job in jobs if job.error]
    return f"{text}. {' '.join(reasons)}" if reasons else text


NODES = [LunaSaveStatus]
