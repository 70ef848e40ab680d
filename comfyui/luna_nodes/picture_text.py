"""What is written into a picture besides its pixels: names and texts in order, the same in every format.

The problem: the same picture must have the same text whether luna writes it or this ComfyUI. So the texts are made in
one place, from values that mean the same here and on the wire: what JSON cannot say is said in words before
(:func:`plain`), and a lone surrogate, which is no character, becomes a question mark.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Values inside of more lists and objects than this are written as text: a request has a bound of its own.
_DEPTH = 32
_WHOLE = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True)
class Embedded:
    """What a run of the saver embeds into all its pictures; strings go into the file as they are.

    Attributes:
        extra: ComfyUI's extra_pnginfo, usually "workflow", each as JSON text.
        metadata: a graph's generation data, of JSON's types only.
        custom: counts where there is no metadata.
    """

    prompt: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    custom: str = ""


@dataclass(frozen=True)
class PictureFacts:
    """What luna says of one picture; ``number`` is its place in its batch, from 0."""

    affix: str
    model_name: str
    model_path: str
    timestamp: str
    number: int


def dumps(value: Any) -> str:
    """JSON as ComfyUI writes it; something that has no form in JSON, in words."""
    return json.dumps(value, default=clean)


def clean(text: Any) -> str:
    """The text, without what is no character."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def plain(value: Any, depth: int = 0) -> Any:
    """The value with JSON's types only: NaN, infinities, whole numbers beyond 64 bits and objects become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value in _WHOLE else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if depth < _DEPTH and isinstance(value, Mapping):
        return {clean(key): plain(item, depth + 1) for key, item in value.items()}
    if depth < _DEPTH and isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    return clean(value)


def embedded(
    prompt: Any,
    extra_pnginfo: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None = None,
    custom: str = "",
) -> Embedded:
    """What ComfyUI gave a node, as texts."""
    return Embedded(
        None if prompt is None else dumps(prompt),
        {clean(key): dumps(value) for key, value in (extra_pnginfo or {}).items()},
        plain(metadata or {}),
        clean(custom),
    )


def entries(what: Embedded, facts: PictureFacts | None = None) -> list[tuple[str, str]]:
    """The texts of a PNG, in order; without facts those of ComfyUI's SaveImage."""
    out = [] if what.prompt is None else [("prompt", what.prompt)]
    out += what.extra.items()
    if facts is None:
        return out
    if what.metadata:
        out.append(("generation_metadata", json.dumps(what.metadata)))
        out += [(f"gen_{key}", _verbatim(value)) for key, value in what.metadata.items()]
    elif what.custom:
        out.append(("custom_metadata", what.custom))
    return [
        *out,
        ("image_type", facts.affix),
        ("model_name", facts.model_name),
        ("model_path", facts.model_path),
        ("save_timestamp", facts.timestamp),
        ("batch_index", str(facts.number)),
    ]


def comment(what: Embedded, facts: PictureFacts) -> str:
    """The line for the formats with EXIF."""
    line = (
        f"Image Type: {facts.affix}, Model: {facts.model_name}, Model Path: {facts.model_path},"
        f" Timestamp: {facts.timestamp}, Batch: {facts.number}"
    )
    if what.metadata:
        return f"{line}, Generation Metadata: {json.dumps(what.metadata)}"
    return f"{line}, Custom: {what.custom}" if what.custom else line


def is_png_keyword(key: str) -> bool:
    """Whether a PNG text may have this name: 1 to 79 printable Latin-1 characters."""
    return 0 < len(key) < 80 and all(
        " " <= letter < "\x7f" or "\xa1" <= letter <= "\xff" for letter in key
    )


def unfit_keys(texts: Sequence[tuple[str, str]]) -> list[str]:
    """The names that a PNG cannot have."""
    return [key for key, _text in texts if not is_png_keyword(key)]


def _verbatim(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
