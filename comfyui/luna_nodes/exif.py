"""EXIF as ComfyUI's browser part reads it back, built byte by byte.

The problem: its reader takes texts of the form ``key:text`` from the first directory (IFD0) only, whatever their tags;
three tags, as they are common for this, do not suffice for more keys; and a JPEG has room for 64 KiB.

The form, little-endian: "II", 42, the offset of IFD0; IFD0, sorted by tag; a directory for the comment (tag 0x9286,
UTF-16) where there is one; then the values that do not fit into a directory, in the order of their tags, each padded
to an even length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

#: What a JPEG's APP1 holds, without its own length.
JPEG_ROOM = 65533
JPEG_HEAD = b"Exif\0\0"

#: How a left-out comment is named.
COMMENT = "comment"

_PROMPT_TAG = 0x0110
_FIRST_TAGS = (0x010F, 0x010E, 0x010D)
_LATER_TAGS = 0xD000
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_ASCII, _LONG, _UNDEFINED = 2, 4, 7

#: A value of a directory: tag, type, count, bytes.
_Value = tuple[int, int, int, bytes]


def build(prompt: str | None, extra: Mapping[str, str], comment: str) -> bytes:
    """The TIFF block; empty if there is nothing to say.

    Args:
        extra: more texts by key, in the order of their importance.
        comment: for people and other programs; empty: none.
    """
    texts = [] if prompt is None else [(_PROMPT_TAG, f"prompt:{prompt}")]
    texts += [(tag, f"{key}:{text}") for tag, (key, text) in zip(_tags(), extra.items())]
    if not texts and not comment:
        return b""
    values = [_text(tag, text) for tag, text in texts]
    inner: list[_Value] = []
    if comment:
        data = b"UNICODE\0" + comment.encode("utf-16-le")
        inner.append((_USER_COMMENT, _UNDEFINED, len(data), data))
        after = 8 + _directory_size(len(values) + 1)
        values.append((_EXIF_IFD, _LONG, 1, struct.pack("<I", after)))
    return _laid_out(sorted(values), inner)


def build_for_jpeg(
    prompt: str | None, extra: Mapping[str, str], comment: str
) -> tuple[bytes, list[str]]:
    """APP1's content, at most :data:`JPEG_ROOM` bytes, and the keys that had to be left out.

    The workflow goes first, for it is the largest; then the last of the other keys, the prompt, the comment.
    """
    kept, left_out = dict(extra), []
    order = [key for key in kept if key == "workflow"]
    order += [key for key in reversed(kept) if key != "workflow"]
    while len(data := JPEG_HEAD + build(prompt, kept, comment)) > JPEG_ROOM:
        if order:
            gone = order.pop(0)
            del kept[gone]
        elif prompt is not None:
            gone, prompt = "prompt", None
        else:
            gone, comment = COMMENT, ""
        left_out.append(gone)
    return (b"" if data == JPEG_HEAD else data), left_out


def _tags() -> Iterator[int]:
    yield from _FIRST_TAGS
    yield from range(_LATER_TAGS, 0x10000)


def _text(tag: int, text: str) -> _Value:
    data = text.encode("utf-8") + b"\0"
    return tag, _ASCII, len(data), data


def _directory_size(entries: int) -> int:
    return 2 + 12 * entries + 4


def _laid_out(outer: Sequence[_Value], inner: Sequence[_Value]) -> bytes:
    directories = [outer, inner] if inner else [outer]
    at = 8 + sum(_directory_size(len(directory)) for directory in directories)
    head, tail = struct.pack("<2sHI", b"II", 42, 8), b""
    for directory in directories:
        head += struct.pack("<H", len(directory))
        for tag, kind, count, data in directory:
            head += struct.pack("<HHI", tag, kind, count)
            if len(data) <= 4:
                head += data.ljust(4, b"\0")
            else:
                head += struct.pack("<I", at + len(tail))
                tail += data + b"\0" * (len(data) % 2)
        head += struct.pack("<I", 0)
    return head + tail
