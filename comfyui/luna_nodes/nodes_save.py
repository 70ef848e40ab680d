"""The saver: as SaveImage, but the encoding and the disk are luna's, and the node does not wait for them."""

from __future__ import annotations

import logging
from typing import Any

from comfy_api.latest import io

from luna_client import (
    Cancel,
    Client,
    Job,
    LunaError,
    NotPermittedError,
    RequestCancelledError,
    Submission,
    SubmitUncertainError,
)
from luna_client.request import Progress

from . import service
from .job_watch import JobWatch
from .prefix import Names, local_now, resolve
from .refusal import LunaRefusalError, ended
from .saving import Metadata, Trust, count_of, metadata_of, submit

log = logging.getLogger("luna")

#: How long a full save queue is asked again, in seconds: then ComfyUI saves, which takes less than waiting.
PATIENCE = 2.0

_trust = Trust()
_watches: dict[int, JobWatch] = {}


class LunaSaveImage(io.ComfyNode):
    """As SaveImage; returns when the pictures are safe on luna, before they are files."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaSaveImage",
            display_name="Save Image (luna)",
            category="luna/image",
            description=(
                "Saves the images to your ComfyUI output directory. luna writes them while the graph goes on; what it"
                " has taken survives a crash."
            ),
            inputs=[
                io.Image.Input("images", tooltip="The images to save."),
                io.String.Input(
                    "filename_prefix",
                    default="ComfyUI",
                    tooltip=(
                        "The prefix of the files, as in Save Image: %date:yyyy-MM-dd%, %Node.widget%, %width%,"
                        " %batch_num% and so on are filled in."
                    ),
                ),
            ],
            outputs=[io.Image.Output("images")] if service.get().host.save_image_passes() else [],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any, filename_prefix: str = "ComfyUI") -> io.NodeOutput:
        luna = service.get()
        passed = (images,) if luna.host.save_image_passes() else ()
        hidden = cls.hidden
        prompt = getattr(hidden, "prompt", None)
        extra = getattr(hidden, "extra_pnginfo", None)
        output = luna.host.output_folder()
        expanded, names = resolve(
            filename_prefix,
            width=int(images[0].shape[1]),
            height=int(images[0].shape[0]),
            output=output,
            prompt=prompt,
            workflow=(extra or {}).get("workflow"),
            now=local_now(),
        )
        made: list[Submission] = []
        shown: list[dict[str, str]] = []
        try:
            _hand_over(
                luna,
                images,
                names,
                output,
                metadata_of(prompt, extra, luna.host.metadata_disabled()),
                made,
            )
        except RequestCancelledError:
            raise
        except LunaError as problem:
            shown = _save_here(luna, problem, images[count_of(made) :], expanded, prompt, extra)
        # the server counts subfolders from its allowed folder, which may lie above our output folder: we know ours
        reserved = [
            {"filename": name.filename, "subfolder": names.subfolder, "type": "output"}
            for submission in made
            for name in submission.files
        ]
        if made:
            _follow(luna, made, reserved + shown, getattr(hidden, "unique_id", None))
        return io.NodeOutput(*passed, ui={"images": reserved + shown})


def _hand_over(
    luna: service.Service,
    images: Any,
    names: Names,
    output: str,
    metadata: Metadata,
    made: list[Submission],
) -> None:
    """Submits the batch; the first one for a folder is waited for (:class:`Trust`)."""
    server = luna.address
    known = _trust.of(server, output)
    if known is False:
        raise NotPermittedError(f"luna at {server} writes to another machine's {output}")
    pictures = [luna.host.pixels(image) for image in images]

    def work(client: Client, tell: Progress, stop: Cancel) -> None:
        submit(client, pictures, names, output, metadata, made, tell, stop)
        if known is None and not _trust.look(client, server, output, names.subfolder, made):
            made.clear()
            raise NotPermittedError(
                f"luna at {server} wrote to another {output} than this ComfyUI's: they are on different machines"
            )

    luna.call(work, patience=PATIENCE)


def _save_here(
    luna: service.Service, problem: LunaError, images: Any, prefix: str, prompt: Any, extra: Any
) -> list[dict[str, str]]:
    """Saves what luna did not take with the stock node. -> what is shown of it."""
    if not luna.settings.local_work:
        raise LunaRefusalError(
            f"luna does not save the images: {ended(problem.message)} Local work is forbidden here (Luna.LocalWork,"
            " LUNA_LOCAL_WORK or luna.json), so nobody does."
        ) from problem
    log.warning("[luna] ComfyUI saves the images itself%s: %s", _twice(problem), problem.message)
    return list(luna.host.save_images(images, prefix, prompt, extra)["images"])


def _follow(
    luna: service.Service, made: list[Submission], shown: list[dict[str, str]], node: str | None
) -> None:
    """Tells the browser when the files are there, or the person that they will not be."""
    host = luna.host
    prompt_id, client = host.running_prompt_id(), host.running_client()
    watch = _watches.setdefault(id(luna), JobWatch(luna))
    left = {submission.job_id for submission in made}
    failed: list[Job] = []

    def job_ended(job: Job) -> None:
        left.discard(job.job_id)
        if job.state != "done":
            failed.append(job)
            log.warning(
                "[luna] the images of job %s are not saved (%s): %s",
                job.job_id,
                job.state,
                job.error,
            )
        if left:
            return
        worst = failed[0] if failed else job
        told = {
            "node": node,
            "prompt_id": prompt_id,
            "output": {"images": shown},
            "state": worst.state,
            "error": worst.error,
        }
        host.send("luna.saved", told, client)

    for submission in made:
        watch.follow(submission.job_id, job_ended)


def _twice(problem: LunaError) -> str:
    return " (luna may have them too)" if isinstance(problem, SubmitUncertainError) else ""


NODES = [LunaSaveImage]
