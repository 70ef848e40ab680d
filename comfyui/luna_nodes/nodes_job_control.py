"""Luna Failed Save: takes a save job that failed up again, or gives it up."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import jobs, service
from .fingerprints import always_new
from .refusal import LunaRefusalError
from .watch import watched

RETRY, DISCARD, RETRY_ALL = "retry", "discard", "retry all failed"


class LunaFailedSave(io.ComfyNode):
    """See the module."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaFailedSave",
            display_name="Luna Failed Save",
            category="luna/image",
            description="Takes a save job that failed up again, with the images that luna has kept, or gives it up.",
            inputs=[
                io.String.Input(
                    "job_id",
                    default="",
                    tooltip="The job, as the saver names it; several with commas. Not for 'retry all failed'.",
                ),
                io.Combo.Input(
                    "action",
                    options=[RETRY, DISCARD, RETRY_ALL],
                    default=RETRY,
                    tooltip="retry: write the images now. discard: forget them for good.",
                ),
            ],
            outputs=[io.String.Output(display_name="status")],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: Any) -> float:
        return always_new()

    @classmethod
    def execute(cls, job_id: str = "", action: str = RETRY) -> io.NodeOutput:
        luna = service.get()
        answers = watched(luna.host, lambda _tell, _stop: _done(luna, job_id, action))
        lines = jobs.lines_of(answers)
        if any(not answer["success"] for answer in answers):
            raise LunaRefusalError("; ".join(lines))
        return io.NodeOutput("\n".join(lines), ui={"text": lines})


def _done(luna: service.Service, job_id: str, action: str) -> list[dict[str, Any]]:
    ids = jobs.ids_of(job_id)
    if action == RETRY_ALL:
        listed = jobs.failed(luna)
        if not listed["success"]:
            return [listed]
        ids = [job["job_id"] for job in listed["jobs"] if job["pictures"] != "given_up"]
        if not ids:
            return [{"success": True, "status": "no save job has failed"}]
    if not ids:
        return [{"success": False, "error": "name a job_id: a saver's line on the graph has it"}]
    act = jobs.discard if action == DISCARD else jobs.retry
    return [act(luna, each) for each in ids]


NODES = [LunaFailedSave]
