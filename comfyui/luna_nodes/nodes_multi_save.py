"""Luna Multi Saver: up to five inputs under one name, saved here or by luna, the same files either way."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from luna_client import BadRequestError, Submission
from luna_client.tensors import size_of

from . import announce, local_pictures, local_save, multi_inputs, picture_text, saving, service
from .local_save import Outcome
from .picture_files import Options
from .picture_text import clean
from .prefix import expand_widgets, local_now
from .promises import promises
from .safe_names import joined
from .save_request import PictureInput, SaveRequest
from .saving import Parcel

log = logging.getLogger("luna")

CATEGORY = "luna/image"
_NAME = "[LunaMultiSaver]"


class LunaMultiSaver(io.ComfyNode):
    """See the module. Returns the job's id, empty where ComfyUI saved."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LunaMultiSaver",
            display_name="Luna Multi Image Saver",
            category=CATEGORY,
            description=(
                "Saves up to five images or batches as PNG, WebP or JPEG, with templates for the names and a quality"
                " gate. With daemon_save luna writes them while the graph goes on."
            ),
            inputs=multi_inputs.inputs(),
            outputs=[
                io.String.Output(
                    display_name="job_id",
                    tooltip="For Luna Save Status; empty where ComfyUI saved the images itself.",
                )
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, **given: Any) -> io.NodeOutput:
        luna = service.get()
        values = multi_inputs.values_of(given)
        hidden = {name: getattr(cls.hidden, name, None) for name in ("prompt", "extra_pnginfo")}
        request = request_of(values, luna.host.metadata_disabled(), **hidden)
        _check_names(request)
        output = luna.host.output_folder()
        if not request.inputs:
            return io.NodeOutput("", ui={"text": [f"{_NAME} No images to save"], "images": []})
        if values["daemon_save"]:
            return _handed_over(luna, request, output, getattr(cls.hidden, "unique_id", None))
        pictures = local_pictures.of_request(luna.host, request, request.inputs, output)
        outcome = local_save.save(luna.host, pictures, request.parallel)
        outcome.check()
        text = f"{_NAME} Saved {len(outcome.shown)} images"
        return io.NodeOutput("", ui={"text": [text], "images": list(outcome.shown)})


def request_of(
    values: Mapping[str, Any],
    metadata_disabled: bool,
    prompt: Any = None,
    extra_pnginfo: Mapping[str, Any] | None = None,
) -> SaveRequest:
    """What the node's inputs ask for."""
    metadata = _metadata(values["metadata"])
    workflow = (extra_pnginfo or {}).get("workflow")
    what = None
    if values["embed_workflow"] and not metadata_disabled:
        what = picture_text.embedded(prompt, extra_pnginfo, metadata, values["custom_metadata"])
    named = metadata.get("model_name") or metadata.get("model") or values["model_name"]
    return SaveRequest(
        inputs=_picture_inputs(values),
        save_path=expand_widgets(clean(values["save_path"]), prompt, workflow),
        filename=expand_widgets(clean(values["filename"]), prompt, workflow),
        filename_index=int(values["filename_index"]),
        model_file=clean(named or ""),
        now=local_now(),
        gate=values["quality_gate"],
        threshold=float(values["min_quality_threshold"]),
        options=Options(
            int(values["png_compression"]),
            int(values["lossy_quality"]),
            bool(values["lossless_webp"]),
        ),
        embedded=what,
        parallel=values["save_mode"] == multi_inputs.PARALLEL,
    )


def _metadata(given: Any) -> Mapping[str, Any]:
    if given is None or isinstance(given, Mapping):
        return given or {}
    log.warning("[luna] metadata is left out: it is no dictionary but a %s", type(given).__name__)
    return {}


def _picture_inputs(values: Mapping[str, Any]) -> list[PictureInput]:
    found = []
    for number in range(1, multi_inputs.COUNT + 1):
        images, format_ = values[f"image_{number}"], values[f"format_{number}"]
        if images is None or format_ == multi_inputs.NO_SAVE or 0 in images.shape:
            continue
        # a slash would make a folder of it, and the folder is subdir's matter
        affix = clean(values[f"affix_{number}"]).replace("/", "_").replace("\\", "_")
        batch = images if len(images.shape) == 4 else images[None]
        found.append(
            PictureInput(f"image_{number}", batch, affix, format_, bool(values[f"subdir_{number}"]))
        )
    return found


def _check_names(request: SaveRequest) -> None:
    """Raises a LunaRefusalError before anything is saved, if a name leads out of the output folder."""
    for each in request.inputs:
        for number in range(each.count):
            request.place(each, number)


# -- by luna ---------------------------------------------------------------------------------------


def _handed_over(
    luna: service.Service, request: SaveRequest, output: str, node: str | None
) -> io.NodeOutput:
    total = sum(each.count for each in request.inputs)
    made: list[Submission] = []
    problem = saving.hand_over(
        luna,
        lambda first, limit: _parcel(luna, request, output, first, limit),
        total,
        output,
        made,
    )
    taken = saving.count_of(made)
    promised = _promised(request, made, output)
    outcome, lines = Outcome(), []
    try:
        if problem is not None:
            saving.allow_here(luna, problem)
            left = local_pictures.of_request(luna.host, request, _left(request, taken), output)
            outcome = local_save.save(luna.host, left, request.parallel)
            lines.append(f"{_NAME} {saving.here_line(len(outcome.shown), problem)}")
    finally:
        # whatever becomes of the rest, what luna has taken is told of
        if made:
            announce.follow(luna, made, node, output, outcome.shown)
    outcome.check()
    jobs = ", ".join(submission.job_id for submission in made)
    if made:
        said = f"{_NAME} Submitted {taken} images to daemon (Job ID: {jobs})"
        lines.insert(0, said + saving.warnings_of(made))
    return io.NodeOutput(jobs, ui=saving.ui_of(made, promised, outcome.shown, lines))


def _parcel(
    luna: service.Service, request: SaveRequest, output: str, first: int, limit: int
) -> Parcel:
    """As many of the inputs that are left as fit; a batch stays whole, for its numbers count within it."""
    tensors: dict[str, Any] = {}
    inputs: list[PictureInput] = []
    size = 0
    for each in _left(request, first):
        pixels = luna.host.pixels(each.images)
        size += size_of(pixels)
        if size > limit:
            break
        inputs.append(each)
        tensors[each.name] = pixels
    if not inputs:
        raise BadRequestError(
            f"a batch has {size} bytes, luna at {luna.address} takes {limit} in one request"
        )
    return Parcel(request.task(inputs, output), tensors, sum(each.count for each in inputs))


def _left(request: SaveRequest, taken: int) -> Sequence[PictureInput]:
    """The inputs after the first so many pictures, which are whole inputs."""
    for number, each in enumerate(request.inputs):
        if taken <= 0:
            return request.inputs[number:]
        taken -= each.count
    return []


def _promised(request: SaveRequest, made: Sequence[Submission], output: str) -> list[str]:
    """The names that luna has reserved, below the output folder; nobody else may take them from now on.

    It has judged the pictures already. It counts folders from its allowed one, we from ours.
    """
    places = (request.place(each, n) for each in request.inputs for n in range(each.count))
    promised = []
    for submission in made:
        files = []
        # what luna did not take has a place, but no name; zip asks for a name first, and so skips no place
        for name, place in zip(submission.files, places):
            aside = f"/{name.subfolder}".endswith(f"/{place.subfolder(passed=False)}")
            discarded = aside and request.gate != "disabled"
            files.append(joined(place.subfolder(not discarded), name.filename))
        promises.add(submission.job_id, (os.path.join(output, file) for file in files))
        promised += files
    return promised


NODES = [LunaMultiSaver]
