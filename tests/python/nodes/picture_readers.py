"""Independent readers of what is in saved pictures: by the rules of ComfyUI's browser part, and the chunks of a PNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def png_chunks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each chunk."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8].decode("ascii"), data[at + 8 : at + 8 + size]
        at += 12 + size


def png_texts(data: bytes) -> list[tuple[str, bytes]]:
    """The text chunks in order, as they are."""
    return [
        (name, content) for name, content in png_chunks(data) if name in ("tEXt", "iTXt", "zTXt")
    ]


def webp_exif(data: bytes) -> bytes | None:
    """The content of the first EXIF chunk. Chunks of an odd size are followed by a byte, but old readers forget it."""
    assert data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    assert len(data) == 8 + struct.unpack_from("<I", data, 4)[0], "the file is whole"
    at, odd = 12, False
    while at < len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"EXIF":
            assert not odd or size % 2 == 0
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return None


def jpeg_exif(data: bytes) -> bytes | None:
    """The content of the first APP1 with EXIF, without "Exif" and its zeros."""
    assert data[:2] == b"\xff\xd8"
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", data, at + 2)
        content = data[at + 4 : at + 2 + size]
        if data[at + 1] == 0xE1 and content[:6] == b"Exif\0\0":
            return content[6:]
        at += 2 + size
    return None


def browser_texts(tiff: bytes) -> dict[str, str]:
    """What the browser part finds in an EXIF block: IFD0's ASCII values, each at its offset, split at the colon."""
    tiff = tiff.removeprefix(b"Exif\0\0")
    order = "<" if tiff[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    found = {}
    for n in range(count):
        _tag, kind, size, offset = struct.unpack_from(order + "HHII", tiff, directory + 2 + 12 * n)
        if kind == 2:
            key, colon, text = tiff[offset : offset + size - 1].decode("utf-8").partition(":")
            assert colon
            found[key] = text
    return found
