"""The EXIF block byte by byte, as Pillow reads it, and as ComfyUI's browser part does."""

from __future__ import annotations

import json
import struct

import pytest
from picture_readers import browser_texts
from PIL import Image

from luna_nodes import exif

COMMENT_IFD, COMMENT_TAG = 0x8769, 0x9286


def read(block: bytes) -> tuple[dict[int, str], bytes]:
    """Pillow's view: the texts of IFD0 by tag, and the comment."""
    found = Image.Exif()
    found.load(block)
    texts = {tag: value for tag, value in found.items() if isinstance(value, str)}
    return texts, found.get_ifd(COMMENT_IFD).get(COMMENT_TAG, b"")


def test_the_bytes_are_these() -> None:
    block = exif.build('{"1": 2}', {"workflow": "{}"}, "é")
    assert block == bytes.fromhex(
        "49492a0008000000"  # II, 42, IFD0 at 8
        "0300"  # three entries, by tag
        "0f01 0200 0c000000 44000000"
        "1001 0200 10000000 50000000"
        "6987 0400 01000000 32000000"
        "00000000"
        "0100"  # the comment's directory
        "8692 0700 0a000000 60000000"
        "00000000"
    ) + (
        b"workflow:{}\0"  # even as it is
        b'prompt:{"1": 2}\0'
        b"UNICODE\0\xe9\0"
    )


def test_every_key_is_read_back_by_pillow_and_by_the_browser() -> None:
    extra = {f"key_{n}": json.dumps({"n": n, "text": "x" * n}) for n in range(8)}
    block = exif.build("{}", extra, "Käse 🧀")
    texts, comment = read(block)
    assert sorted(texts) == [0x010D, 0x010E, 0x010F, 0x0110, *range(0xD000, 0xD005)]
    assert texts[0x010F].startswith("key_0:") and texts[0xD000].startswith("key_3:")
    assert comment == b"UNICODE\0" + "Käse 🧀".encode("utf-16-le")
    assert browser_texts(block) == {"prompt": "{}", **extra}
    tags = [struct.unpack_from("<H", block, 10 + 12 * n)[0] for n in range(10)]
    assert tags == sorted(tags), "readers may rely on it"
    assert len(block) % 2 == 0


def test_a_comment_alone_and_texts_alone_are_enough() -> None:
    assert read(exif.build(None, {}, "hello")) == ({}, b"UNICODE\0" + "hello".encode("utf-16-le"))
    assert read(exif.build("{}", {}, "")) == ({0x0110: "prompt:{}"}, b"")
    assert exif.build(None, {}, "") == b""


def test_texts_that_are_not_ascii_are_utf8() -> None:
    assert browser_texts(exif.build(None, {"note": "Käse"}, "")) == {"note": "Käse"}


# -- what fits into a JPEG -------------------------------------------------------------------------


def test_a_jpeg_takes_what_fits_to_the_last_byte() -> None:
    around = len(exif.JPEG_HEAD + exif.build("", {}, ""))
    block, left_out = exif.build_for_jpeg("x" * (exif.JPEG_ROOM - around - 1), {}, "")
    assert (len(block), left_out) == (exif.JPEG_ROOM - 1, []), "even, so one byte stays free"
    block, left_out = exif.build_for_jpeg("x" * (exif.JPEG_ROOM - around + 1), {}, "")
    assert (block, left_out) == (b"", ["prompt"])


@pytest.mark.parametrize(
    ("prompt", "extra", "comment", "left_out"),
    [
        (10, {"a": 10, "workflow": 70000, "b": 10}, 10, ["workflow"]),
        (10, {"a": 40000, "workflow": 10, "b": 40000}, 10, ["workflow", "b"]),
        (10, {"a": 70000, "b": 10}, 10, ["b", "a"]),
        (70000, {"workflow": 10, "a": 10}, 10, ["workflow", "a", "prompt"]),
        (70000, {"a": 10}, 70000, ["a", "prompt", "comment"]),
    ],
)
def test_what_does_not_fit_goes_in_this_order(
    prompt: int, extra: dict[str, int], comment: int, left_out: list[str]
) -> None:
    texts = {key: "x" * size for key, size in extra.items()}
    block, gone = exif.build_for_jpeg("p" * prompt, texts, "c" * comment)
    assert gone == left_out
    assert len(block) <= exif.JPEG_ROOM
    kept = browser_texts(block) if block else {}
    assert set(kept) == {"prompt", *extra} - set(left_out)
