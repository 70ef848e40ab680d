"""The saver: as SaveImage, but the encoding and the disk are luna's, and the node does not wait for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from luna_client import Submission
from luna_client.tensors import size_of

from . import announce, local_save, picture_text, saving, service
from .local_pictures import CountedPicture
from .local_save import Outcome
from .picture_text import Embedded
from .prefix import Names, local_now, resolve
from .promises import promises
from .safe_names import joined
from .saving import Parcel


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
        prompt = getattr(cls.hidden, "prompt", None)
        extra = getattr(cls.hidden, "extra_pnginfo", None)
        output = luna.host.output_folder()
        _, names = resolve(
            filename_prefix,
            width=int(images[0].shape[1]),
            height=int(images[0].shape[0]),
            output=output,
            prompt=prompt,
            workflow=(extra or {}).get("workflow"),
            now=local_now(),
        )
        what = None
        if not luna.host.metadata_disabled():
            what = picture_text.embedded(prompt, extra)
        pictures = [luna.host.pixels(image) for image in images]
        made: list[Submission] = []
        problem = saving.hand_over(
            luna,
            lambda first, limit: parcel_of(pictures, first, limit, names, output, what),
            len(pictures),
            output,
            made,
        )
        promised = _promised(made, names, output)
        outcome, lines = Outcome(), saving.taken_lines(made)
        try:
            if problem is not None:
                saving.allow_here(luna, problem)
                left = [
                    CountedPicture(pictures[index], names, index, output, what)
                    for index in range(len(promised), len(pictures))
                ]
                outcome = local_save.save(luna.host, left)
                lines.append(saving.here_line(len(outcome.shown), problem))
        finally:
            # whatever becomes of the rest, what luna has taken is told of
            if made:
                node = getattr(cls.hidden, "unique_id", None)
                announce.follow(luna, made, node, output, outcome.shown)
        outcome.check()
        return io.NodeOutput(*passed, ui=saving.ui_of(made, promised, outcome.shown, lines))


def _promised(made: Sequence[Submission], names: Names, output: str) -> list[str]:
    """The names that luna has reserved, below the output folder; nobody else may take them from now on.

    It counts subfolders from its allowed folder, which may lie above our output folder: we know ours.
    """
    promised = []
    for submission in made:
        files = [joined(names.subfolder, name.filename) for name in submission.files]
        promises.add(submission.job_id, (os.path.join(output, file) for file in files))
        promised += files
    return promised


def parcel_of(
    pictures: Sequence[Any],
    first: int,
    limit: int,
    names: Names,
    output: str,
    what: Embedded | None,
) -> Parcel:
    """The pictures of a batch from ``first`` on, as many as fit; their tensors are ``image_0`` and so on.

    Args:
        pictures: [H, W, C] each, uint8.
        what: None: no text in the files.
    """
    part = _fitting(pictures[first:], limit)
    images = []
    for index in range(first, first + len(part)):
        entry: dict[str, Any] = {"tensor": f"image_{index - first}"}
        if "%batch_num%" in names.stem:
            entry["filename"] = names.stem_of(index)
        images.append(entry)
    task: dict[str, Any] = {
        "output_dir": output,
        "save_path": names.subfolder,
        "filename": names.stem,
        "templates": False,
        "counter": {"digits": 5, "suffix": "_"},
        "png_compression": 4,
        "embed_workflow": what is not None,
        "images": images,
    }
    if what is not None and what.prompt is not None:
        task["prompt"] = what.prompt
    if what is not None and what.extra:
        task["extra_pnginfo"] = dict(what.extra)
    return Parcel(task, {f"image_{n}": picture for n, picture in enumerate(part)}, len(part))


def _fitting(pictures: Sequence[Any], limit: int) -> Sequence[Any]:
    total = 0
    for number, picture in enumerate(pictures):
        total += size_of(picture)
        if total > limit and number:
            return pictures[:number]
    return pictures


NODES = [LunaSaveImage]
