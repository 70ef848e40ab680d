"""The pictures of both savers, as :mod:`local_save` takes them: how each is encoded, and which name it gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import gates, picture_files
from .gates import Verdict
from .host import Host
from .local_save import shown_as
from .picture_files import EXTENSIONS, Encoded, Options
from .picture_text import Embedded
from .prefix import Names
from .promises import promises
from .save_request import PictureInput, SaveRequest

#: SaveImage's level.
_STOCK = Options(png_compression=4)


def of_request(
    host: Host, request: SaveRequest, inputs: Sequence[PictureInput], output: str
) -> list[RequestedPicture]:
    """All pictures of some inputs of Luna Multi Saver."""
    return [
        RequestedPicture(host, request, each, number, output)
        for each in inputs
        for number in range(each.count)
    ]


@dataclass(frozen=True, eq=False)
class RequestedPicture:
    """A picture of Luna Multi Saver: judged, then encoded; a taken name gets ``_2``, ``_3`` ..."""

    host: Host
    request: SaveRequest
    input: PictureInput
    number: int
    output: str

    def encode(self) -> tuple[Verdict, Encoded]:
        request = self.request
        pixels = np.asarray(self.host.pixels(self.input.images[self.number]))
        verdict = gates.judge(request.gate, request.threshold, pixels)
        facts = request.facts(self.input, self.number)
        kind = self.input.format
        return verdict, picture_files.encode(kind, pixels, request.options, request.embedded, facts)

    def write(self, encoded: tuple[Verdict, Encoded]) -> dict[str, Any]:
        verdict, file = encoded
        place = self.request.place(self.input, self.number)
        subfolder = place.subfolder(verdict.passed)
        name = picture_files.publish(
            os.path.join(self.output, subfolder),
            place.stem,
            EXTENSIONS[self.input.format],
            file.data,
            promises.hold,
        )
        return shown_as(name, subfolder, not verdict.passed, verdict.score, file.left_out)

    def name(self) -> str:
        stem = self.request.place(self.input, self.number).stem
        return f"{stem}.{EXTENSIONS[self.input.format]} ({self.input.name})"


@dataclass(frozen=True, eq=False)
class CountedPicture:
    """A picture of Save Image (luna): a PNG with a number above all that are there or promised.

    ComfyUI's own node would do, but it takes numbers that luna has promised and not yet written.

    Attributes:
        pixels: [H, W, C] uint8.
    """

    pixels: Any
    names: Names
    index: int
    output: str
    what: Embedded | None

    def encode(self) -> Encoded:
        return picture_files.encode("png", np.asarray(self.pixels), _STOCK, self.what)

    def write(self, encoded: Encoded) -> dict[str, Any]:
        folder = os.path.join(self.output, self.names.subfolder)
        stem = self.names.stem_of(self.index)
        name = picture_files.publish_counted(folder, stem, encoded.data, promises.names_in(folder))
        return shown_as(name, self.names.subfolder, left_out=encoded.left_out)

    def name(self) -> str:
        return f"{self.names.stem_of(self.index)} (image {self.index})"
