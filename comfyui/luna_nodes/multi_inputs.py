"""The inputs of Luna Multi Saver: in the order of the old node's widgets, for saved workflows hold them by their place.

Affixes are free text and the list of formats has every format that older versions had, so their values stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from . import gates

COUNT = 5
NO_SAVE = "no save"
FORMATS = ("png", "webp", "jpeg", NO_SAVE)
AFFIXES = ("ORIG", "UPSCALED", "DETAILED", "FINAL", "IMAGE5")
PARALLEL, SEQUENTIAL = "parallel", "sequential"


def inputs() -> list[Any]:
    """For the schema."""
    return [*_required(), *_pictures(), *_writing()]


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every input: the given one, else its default (None for what can only be linked)."""
    defaults = {each.id: getattr(each, "default", None) for each in inputs()}
    return {**defaults, **given}


def _required() -> list[Any]:
    return [
        io.String.Input(
            "save_path",
            default="",
            tooltip=(
                "A folder below ComfyUI's output folder; empty: that folder. %model_path%, %model_name%, %model_dir%,"
                " %index%, %time:YYYY-mm-dd% and ComfyUI's own %date:yyyy-MM-dd% and %Node.widget% are filled in."
            ),
        ),
        io.String.Input(
            "filename",
            default="%time:YYYY_mm_dd.HH.MM.SS%_%model_name%",
            tooltip="The name before the affix; filled in as save_path. Empty: time and model.",
        ),
        io.Boolean.Input(
            "daemon_save",
            default=False,
            label_on="Async (Daemon)",
            label_off="Blocking",
            tooltip=(
                "On: luna saves, and the graph goes on. Where it cannot, ComfyUI saves. Off: ComfyUI saves, and the"
                " graph waits."
            ),
        ),
        io.Combo.Input(
            "save_mode",
            options=[PARALLEL, SEQUENTIAL],
            default=PARALLEL,
            tooltip="How ComfyUI saves: several pictures at once, or one after the other.",
        ),
        io.Combo.Input(
            "quality_gate",
            options=list(gates.GATES),
            default="disabled",
            tooltip="Pictures with less to see than the threshold go to the folder _discarded.",
        ),
        io.Float.Input(
            "min_quality_threshold",
            default=0.3,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="What a picture needs to pass the gate; 0 takes all.",
        ),
    ]


def _pictures() -> list[Any]:
    numbers = range(1, COUNT + 1)
    return [
        io.String.Input(
            "model_name",
            optional=True,
            default="",
            tooltip="For the names; the model of the metadata goes before it.",
        ),
        *(
            io.Image.Input(f"image_{n}", optional=True, tooltip="One picture or a batch.")
            for n in numbers
        ),
        *(
            io.String.Input(
                f"affix_{n}",
                optional=True,
                default=AFFIXES[n - 1],
                tooltip=f"Stands at the end of the names of image_{n}.",
            )
            for n in numbers
        ),
        *(
            io.Combo.Input(
                f"format_{n}",
                optional=True,
                options=list(FORMATS),
                default="webp",
                tooltip=f"The format of image_{n}; '{NO_SAVE}' leaves it out.",
            )
            for n in numbers
        ),
        *(
            io.Boolean.Input(
                f"subdir_{n}",
                optional=True,
                default=True,
                label_on="Subdir",
                label_off="Root",
                tooltip=f"image_{n} goes to a folder named as its affix.",
            )
            for n in numbers
        ),
    ]


def _writing() -> list[Any]:
    return [
        io.Int.Input(
            "png_compression",
            optional=True,
            default=4,
            min=0,
            max=9,
            tooltip="0 is fast and large, 9 slow and small; the picture is the same.",
        ),
        io.Int.Input(
            "lossy_quality",
            optional=True,
            default=90,
            min=70,
            max=100,
            tooltip="Of JPEG and lossy WebP; of lossless WebP, the effort.",
        ),
        io.Boolean.Input(
            "lossless_webp",
            optional=True,
            default=False,
            label_on="Lossless",
            label_off="Lossy",
            tooltip="WebP without any loss.",
        ),
        io.Boolean.Input(
            "embed_workflow",
            optional=True,
            default=True,
            label_on="Embed",
            label_off="Skip",
            tooltip="Write prompt, workflow and metadata into the files.",
        ),
        io.Int.Input(
            "filename_index",
            optional=True,
            default=0,
            min=0,
            max=10000,
            tooltip="What %index% stands for.",
        ),
        io.String.Input(
            "custom_metadata",
            optional=True,
            default="",
            tooltip="Text for the files, where there is no metadata.",
        ),
        io.Custom("METADATA").Input(
            "metadata",
            optional=True,
            tooltip="Generation data: each of its keys goes into the files.",
        ),
    ]
