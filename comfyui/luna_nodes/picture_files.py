"""Writing pictures in this ComfyUI: PNG, WebP and JPEG by Pillow, and files that are whole from their first moment.

Thread rule: functions without state, any thread.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import exif, picture_text
from .picture_text import Embedded, PictureFacts
from .safe_names import LONGEST_NAME

EXTENSIONS = {"png": "png", "webp": "webp", "jpeg": "jpg"}

#: Whether a path is promised to somebody else.
Reserved = Callable[[str], bool]

#: In the place of a promised picture's extension: a small file that holds the name for it.
MARKER = ".luna"

#: How many names are tried one by one before the folder is listed.
_TRIED = 16
#: Room in a name for what a collision adds.
_ROOM_FOR_NUMBER = 11


@dataclass(frozen=True)
class Options:
    """``png_compression`` 0..9, ``lossy_quality`` 1..100 of WebP and JPEG."""

    png_compression: int = 4
    lossy_quality: int = 90
    lossless_webp: bool = False


@dataclass(frozen=True)
class Encoded:
    """A whole file, and the keys of texts that it has no room for."""

    data: bytes
    left_out: tuple[str, ...] = ()


def encode(
    kind: str,
    pixels: Any,
    options: Options,
    what: Embedded | None,
    facts: PictureFacts | None = None,
) -> Encoded:
    """The bytes of a picture.

    Args:
        kind: "png", "webp" or "jpeg" (which has no alpha: it is dropped).
        pixels: [H, W, C] uint8, C 1, 3 or 4.
        what: None: no text at all.
        facts: what luna adds; None, of a PNG only: nothing.

    Raises:
        ValueError, OSError: these pixels cannot be such a file; with the reason.
    """
    out = io.BytesIO()
    if kind == "png":
        texts = [] if what is None else picture_text.entries(what, facts)
        info = _png_texts(texts)
        _image(pixels).save(out, "PNG", pnginfo=info, compress_level=options.png_compression)
        return Encoded(out.getvalue(), tuple(picture_text.unfit_keys(texts)))
    said = "" if what is None or facts is None else picture_text.comment(what, facts)
    if kind == "webp":
        block = b"" if what is None else exif.build(what.prompt, what.extra, said)
        _image(pixels).save(
            out,
            "WEBP",
            lossless=options.lossless_webp,
            quality=options.lossy_quality,
            exif=block,
        )
        return Encoded(out.getvalue())
    block, left_out = (
        (b"", []) if what is None else exif.build_for_jpeg(what.prompt, what.extra, said)
    )
    opaque = pixels[:, :, :3] if pixels.shape[2] == 4 else pixels
    _image(opaque).save(out, "JPEG", quality=options.lossy_quality, exif=block)
    return Encoded(out.getvalue(), tuple(left_out))


def publish(
    folder: str, stem: str, extension: str, data: bytes, reserved: Reserved = lambda _path: False
) -> str:
    """Writes a file under a name that nobody has: ``stem.ext``, else ``stem_2.ext``, ``stem_3.ext`` ... -> the name.

    The file is there as a whole or not at all, and writes over nothing.

    Args:
        reserved: says of a path whether it is promised to somebody else.

    Raises:
        OSError: it cannot be written, or its name would be too long.
    """
    longest = len(f"{stem}.{extension}".encode()) + _ROOM_FOR_NUMBER
    if longest > LONGEST_NAME:
        raise OSError(
            f"the name '{stem}' is too long: shorten filename, affix or the model's name"
            f" ({longest} bytes with number and extension, file systems take {LONGEST_NAME})"
        )

    def named(temporary: str) -> str:
        number = 1
        while True:
            name = f"{stem}.{extension}" if number == 1 else f"{stem}_{number}.{extension}"
            path = os.path.join(folder, name)
            if not reserved(path) and not is_promised(path) and _take(temporary, path):
                return name
            highest = _highest(os.listdir(folder), stem) if number >= _TRIED else 0
            number = 1 + max(number, highest)

    return _placed(folder, data, named)


def is_promised(path: str) -> bool:
    """Whether a luna has promised this name, to whomever: then its marker ``X.luna`` stands where ``X.png`` will."""
    return os.path.lexists(os.path.splitext(path)[0] + MARKER)


def publish_counted(folder: str, stem: str, data: bytes, promised: Iterable[str] = ()) -> str:
    """Writes a file as ComfyUI's SaveImage names it: ``stem_00001_.png``, above the highest number there. -> the name.

    Args:
        promised: names in this folder that somebody else will write; those with a marker count by themselves.

    Raises:
        OSError: it cannot be written.
    """
    promised = list(promised)

    def named(temporary: str) -> str:
        number = 0
        while True:
            number = 1 + max(number, _highest([*os.listdir(folder), *promised], stem))
            name = f"{stem}_{number:05}_.png"
            path = os.path.join(folder, name)
            if not is_promised(path) and _take(temporary, path):
                return name

    return _placed(folder, data, named)


def _image(pixels: Any) -> Image.Image:
    array = np.ascontiguousarray(pixels)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"its shape is {list(array.shape)}, pictures are [H, W, C] with 1, 3 or 4 channels"
        )
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def _png_texts(texts: list[tuple[str, str]]) -> PngInfo | None:
    info = PngInfo()
    for key, text in texts:
        if not picture_text.is_png_keyword(key):
            continue
        # the browser part reads both as UTF-8, so what is not ASCII must not be Latin-1
        if text.isascii():
            info.add_text(key, text)
        else:
            info.add_itxt(key, text)
    return info if texts else None


def _placed(folder: str, data: bytes, named: Callable[[str], str]) -> str:
    """Writes a temporary file in the folder, which ``named`` gives its name."""
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".luna-{uuid.uuid4().hex}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        return named(temporary)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _take(temporary: str, path: str) -> bool:
    """Gives the file its name, if that is free."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError:
        pass  # a file system without links: the name is taken first, and then what it names
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(path)
        raise
    return True


def _highest(names: Iterable[str], stem: str) -> int:
    """The highest number that a name with this stem has; 0 if none has one. As ComfyUI counts, case does not."""
    numbered = re.compile(re.escape(os.path.normcase(stem)) + r"_(\d{1,18})[_.]")
    found = (numbered.match(os.path.normcase(name)) for name in names)
    return max((int(match[1]) for match in found if match), default=0)
