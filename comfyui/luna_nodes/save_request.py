"""What one run of Luna Multi Saver has to save: the pictures, their names, their texts; for luna and for ComfyUI alike.

The problem: the same run may be saved by the server, by this ComfyUI, or in part by both, and nobody may see which. So
both are asked with one :class:`SaveRequest`; the task for the server and the names here come from the same fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .picture_files import Options
from .picture_text import Embedded, PictureFacts
from .safe_names import joined, safe_name, safe_path
from .templates import ModelName, Values, expand, stamp

#: Where pictures go that do not pass the gate, below the save path.
DISCARDED = "_discarded"


@dataclass(frozen=True, eq=False)
class PictureInput:
    """One image input of the node: ``images`` [B, H, W, C] in 0..1, ``format`` "png", "webp" or "jpeg"."""

    name: str
    images: Any
    affix: str
    format: str
    subdir: bool

    @property
    def count(self) -> int:
        return int(self.images.shape[0])


@dataclass(frozen=True)
class Place:
    """A picture's file but for its extension, relative to the output folder, every part made safe."""

    save_path: str
    rest: str
    stem: str

    def subfolder(self, passed: bool = True) -> str:
        """Where it lies, by whether it passed the gate."""
        return joined(self.save_path, "" if passed else DISCARDED, self.rest)


@dataclass(frozen=True, eq=False)
class SaveRequest:
    """See the module. ``save_path`` and ``filename`` are templates; ``embedded`` None: no text in any file.

    ``%Node.widget%`` is filled in already: only a node knows the prompt.
    """

    inputs: Sequence[PictureInput]
    save_path: str
    filename: str
    filename_index: int
    model_file: str
    now: datetime
    gate: str
    threshold: float
    options: Options
    embedded: Embedded | None
    parallel: bool = True

    @property
    def model(self) -> ModelName:
        return ModelName.of(self.model_file)

    def place(self, each: PictureInput, number: int) -> Place:
        """Where picture ``number`` of an input goes.

        Raises:
            LunaRefusalError: a name leads out of the output folder, or is too long.
        """
        height, width = (int(side) for side in each.images.shape[1:3])
        values = Values(self.model, self.filename_index, self.now, width, height, number)

        def filled(pattern: str, what: str) -> str:
            return safe_path(expand(pattern, values), what)

        name = filled(self.filename, "filename")
        name = name or safe_path(f"{stamp(self.now)}_{values.model.name}", "filename")
        folder, _, stem = name.rpartition("/")
        if each.affix:
            stem = safe_name(f"{stem}_{each.affix}")
        if each.count > 1:
            stem = f"{stem}_{number}"
        rest = joined(folder, safe_name(each.affix) if each.subdir else "")
        return Place(filled(self.save_path, "save_path"), rest, stem)

    def facts(self, each: PictureInput, number: int) -> PictureFacts:
        """What the text of picture ``number`` of an input says of it."""
        model = self.model
        return PictureFacts(each.affix, model.name, model.path, stamp(self.now), number)

    def task(self, inputs: Sequence[PictureInput], output: str) -> dict[str, Any]:
        """The server's task (docs/protocol.md, section 6) for some of the inputs; their tensors have their names.

        Fields that do not count for these pictures are left out: a server that does not have their part takes it.
        """
        task: dict[str, Any] = {
            "output_dir": output,
            "save_path": self.save_path,
            "filename": self.filename,
            "filename_index": self.filename_index,
            "model_name": self.model_file,
            "timestamp": stamp(self.now),
            "png_compression": self.options.png_compression,
            "embed_workflow": self.embedded is not None,
            "images": [
                {
                    "tensor": each.name,
                    "affix": each.affix,
                    "format": each.format,
                    "subdir": each.subdir,
                }
                for each in inputs
            ],
        }
        formats = {each.format for each in inputs}
        if self.gate != "disabled":
            task["quality_gate"], task["min_quality_threshold"] = self.gate, self.threshold
        if formats & {"webp", "jpeg"}:
            task["lossy_quality"] = self.options.lossy_quality
        if "webp" in formats:
            task["lossless_webp"] = self.options.lossless_webp
        if self.embedded is not None:
            task.update(_texts(self.embedded))
        return task


def _texts(what: Embedded) -> dict[str, Any]:
    texts: dict[str, Any] = {"luna_metadata": True}
    if what.prompt is not None:
        texts["prompt"] = what.prompt
    if what.extra:
        texts["extra_pnginfo"] = dict(what.extra)
    if what.metadata:
        texts["metadata"] = dict(what.metadata)
    if what.custom:
        texts["custom_metadata"] = what.custom
    return texts
