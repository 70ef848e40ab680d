"""Pictures that this ComfyUI writes: pixels, texts, and names that nobody had."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_readers import browser_texts, jpeg_exif, png_texts, webp_exif
from PIL import Image

from luna_nodes import picture_files
from luna_nodes.picture_files import Encoded, Options, encode, publish, publish_counted
from luna_nodes.picture_text import Embedded, PictureFacts, embedded, entries, plain

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 32, 4), np.uint8)
PROMPT = {"1": {"class_type": "KSampler", "inputs": {"seed": 7, "text": "Käse"}}}
WORKFLOW = {"nodes": [], "name": "Käse"}
METADATA = {"model": "foo", "seed": 2**63, "cfg": 7.0, "loras": [], "note": "schön"}
FACTS = PictureFacts("ORIG", "foo", "sd/foo", "2025_12_02_233642", 3)


def whole(**changed: Any) -> Embedded:
    return embedded(PROMPT, {"workflow": WORKFLOW, **changed}, METADATA)


def opened(encoded: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(encoded.data))
    image.load()
    return image


# -- the texts -------------------------------------------------------------------------------------


def test_the_texts_are_these_in_this_order() -> None:
    dumped = '{"model": "foo", "seed": 9223372036854775808, "cfg": 7.0, "loras": [], "note": "sch\\u00f6n"}'
    assert entries(whole(), FACTS) == [
        ("prompt", json.dumps(PROMPT)),
        ("workflow", json.dumps(WORKFLOW)),
        ("generation_metadata", dumped),
        ("gen_model", "foo"),
        ("gen_seed", "9223372036854775808"),
        ("gen_cfg", "7.0"),
        ("gen_loras", "[]"),
        ("gen_note", "schön"),
        ("image_type", "ORIG"),
        ("model_name", "foo"),
        ("model_path", "sd/foo"),
        ("save_timestamp", "2025_12_02_233642"),
        ("batch_index", "3"),
    ]


def test_custom_text_counts_where_there_is_no_metadata() -> None:
    assert entries(embedded(None, None, {}, "hello"), FACTS)[0] == ("custom_metadata", "hello")
    named = [key for key, _ in entries(embedded(None, None, {"a": 1}, "hello"), FACTS)]
    assert "custom_metadata" not in named and "gen_a" in named


def test_what_json_cannot_say_is_said_in_words() -> None:
    class Thing:
        def __str__(self) -> str:
            return "a thing"

    value = {
        "nan": float("nan"),
        "inf": float("-inf"),
        "large": 1 << 64,
        "small": -(1 << 63) - 1,
        "pair": (1, 2.5),
        3: Thing(),
        "half": "\ud800x",
        "numpy": np.float32(0.5),
        "flag": True,
        "nothing": None,
    }
    assert plain(value) == {
        "nan": "nan",
        "inf": "-inf",
        "large": "18446744073709551616",
        "small": "-9223372036854775809",
        "pair": [1, 2.5],
        "3": "a thing",
        "half": "?x",
        "numpy": "0.5",
        "flag": True,
        "nothing": None,
    }


def test_values_deeper_than_a_request_may_be_become_text() -> None:
    value: Any = "deep"
    for _ in range(100):
        value = [value]
    flat, depth = plain(value), 0
    while isinstance(flat, list):
        flat, depth = flat[0], depth + 1
    assert depth == 32 and isinstance(flat, str) and "deep" in flat


# -- the formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_has_the_pixels_and_the_texts(channels: int) -> None:
    made = encode("png", PIXELS[:, :, :channels], Options(), whole(), FACTS)
    image = opened(made)
    array = np.asarray(image)
    np.testing.assert_array_equal(
        array if channels > 1 else array[:, :, None], PIXELS[:, :, :channels]
    )
    assert list(image.text.items()) == entries(whole(), FACTS)  # type: ignore[attr-defined]
    assert made.left_out == ()


def test_only_ascii_is_text_and_all_else_international_text() -> None:
    texts = dict(png_texts(encode("png", PIXELS, Options(), whole(), FACTS).data)[::-1])
    chunks = png_texts(encode("png", PIXELS, Options(), whole(), FACTS).data)
    assert ("iTXt", b"gen_note\0\0\0\0\0" + "schön".encode()) in chunks
    assert [name for name, _ in chunks].count("iTXt") == 1
    assert set(texts) == {"tEXt", "iTXt"}, "nothing compressed, which the browser does not read"


def test_a_key_that_a_png_cannot_have_is_left_out_and_told() -> None:
    what = embedded(None, {"workflow": {}, "k" * 80: 1, "": 2}, {"x" * 76: 3, "ä": 4})
    made = encode("png", PIXELS, Options(), what, FACTS)
    assert made.left_out == ("k" * 80, "", "gen_" + "x" * 76)
    assert "gen_ä" in opened(made).text  # type: ignore[attr-defined]


def test_compression_makes_png_smaller() -> None:
    flat = np.zeros((64, 64, 3), np.uint8)
    sizes = [len(encode("png", flat, Options(level), None, FACTS).data) for level in (0, 4)]
    assert sizes[0] > 10 * sizes[1]


def test_a_lossless_webp_has_the_pixels_and_the_texts() -> None:
    solid = PIXELS.copy()
    solid[:, :, 3] = 255
    made = encode("webp", solid, Options(lossless_webp=True), whole(), FACTS)
    np.testing.assert_array_equal(np.asarray(opened(made).convert("RGBA")), solid)
    block = webp_exif(made.data)
    assert block is not None and not block.startswith(b"Exif")
    assert browser_texts(block) == {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW)}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_jpeg_drops_alpha_and_has_the_texts(channels: int) -> None:
    made = encode("jpeg", PIXELS[:, :, :channels], Options(), whole(), FACTS)
    assert opened(made).mode == ("L" if channels == 1 else "RGB")
    block = jpeg_exif(made.data)
    assert block is not None
    assert browser_texts(block) == {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW)}
    assert opened(made).getexif()[0x0110] == "prompt:" + json.dumps(PROMPT)


def test_the_comment_says_what_png_says_in_keys() -> None:
    made = encode("jpeg", PIXELS, Options(), embedded(None, None, {"a": 1}), FACTS)
    comment = opened(made).getexif().get_ifd(0x8769)[0x9286]
    assert comment[8:].decode("utf-16-le") == (
        "Image Type: ORIG, Model: foo, Model Path: sd/foo, Timestamp: 2025_12_02_233642, Batch: 3,"
        ' Generation Metadata: {"a": 1}'
    )
    made = encode("jpeg", PIXELS, Options(), embedded(None, None, None, "mine"), FACTS)
    assert opened(made).getexif().get_ifd(0x8769)[0x9286][8:].decode("utf-16-le").endswith(
        "Batch: 3, Custom: mine"
    )  # fmt: skip


def test_a_large_workflow_leaves_a_jpeg_and_stays_in_a_webp() -> None:
    what = whole(workflow={"text": "x" * 5_000_000})
    made = encode("jpeg", PIXELS, Options(), what, FACTS)
    assert made.left_out == ("workflow",)
    assert browser_texts(jpeg_exif(made.data) or b"") == {"prompt": json.dumps(PROMPT)}
    made = encode("webp", PIXELS, Options(), what, FACTS)
    assert len(browser_texts(webp_exif(made.data) or b"")["workflow"]) > 5_000_000
    assert made.left_out == ()


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_without_text_there_is_none(kind: str) -> None:
    made = encode(kind, PIXELS, Options(), None, FACTS)
    assert not opened(made).getexif()
    assert "text" not in opened(made).info and getattr(opened(made), "text", {}) == {}


def test_quality_counts() -> None:
    for kind in ("webp", "jpeg"):
        sizes = [len(encode(kind, PIXELS, Options(4, q), None, FACTS).data) for q in (70, 100)]
        assert sizes[0] < sizes[1]


def test_what_is_no_picture_is_refused_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"\[24, 32, 2\]"):
        encode("png", PIXELS[:, :, :2], Options(), None, FACTS)


# -- the files -------------------------------------------------------------------------------------


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    names = [publish(str(tmp_path / "new"), "a", "png", b"%d" % n) for n in range(20)]
    assert names == ["a.png", *(f"a_{n}.png" for n in range(2, 21))]
    assert [(tmp_path / "new" / name).read_bytes() for name in names] == [
        b"%d" % n for n in range(20)
    ]
    assert len(os.listdir(tmp_path / "new")) == 20, "nothing temporary is left"


def test_a_long_row_of_names_is_passed_at_once(tmp_path: Path) -> None:
    for name in ["a.png", *(f"a_{n}.png" for n in range(2, 18)), "a_500.webp", "a_7000x.png"]:
        (tmp_path / name).touch()
    assert publish(str(tmp_path), "a", "png", b"x") == "a_501.png"


def test_numbers_are_counted_as_saveimage_counts(tmp_path: Path) -> None:
    for name in ["a_00007_.png", "a_12.webp", "A_99_.png", "ab_50_.png", "a_x_3.png", "a_5"]:
        (tmp_path / name).touch()
    assert publish_counted(str(tmp_path), "a", b"x") == "a_00013_.png"
    assert (
        publish_counted(str(tmp_path), "a", b"x", ["a_00020_.png", "b_30_.png"]) == "a_00021_.png"
    )
    assert publish_counted(str(tmp_path / "new"), "a", b"x") == "a_00001_.png"


def test_without_links_names_are_taken_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(picture_files.os, "link", refuse)
    assert [publish(str(tmp_path), "a", "png", b"x") for _ in range(3)] == [
        "a.png",
        "a_2.png",
        "a_3.png",
    ]
    assert sorted(os.listdir(tmp_path)) == ["a.png", "a_2.png", "a_3.png"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_paths: str) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(picture_files.os, "link", full)
    monkeypatch.setattr(picture_files.os, "replace", full)
    with pytest.raises(OSError, match="full"):
        publish(str(tmp_path), "a", "png", b"x")
    assert os.listdir(tmp_path) == []


def test_a_name_without_room_for_a_number_is_refused(tmp_path: Path) -> None:
    assert publish(str(tmp_path), "n" * 240, "png", b"x")
    with pytest.raises(OSError, match="too long"):
        publish(str(tmp_path), "n" * 241, "png", b"x")


def test_names_that_a_luna_has_promised_to_somebody_else_are_left_alone(tmp_path: Path) -> None:
    # the marker is all that shows of a picture that luna has taken and not yet written
    for name in ("a.luna", "b_00007_.luna"):
        (tmp_path / name).touch()
    assert publish(str(tmp_path), "a", "png", b"x") == "a_2.png"
    assert publish(str(tmp_path), "a", "webp", b"x") == "a_2.webp"
    assert publish_counted(str(tmp_path), "b", b"x") == "b_00008_.png"
    for name in ("a.luna", "b_00007_.luna"):
        assert (tmp_path / name).read_bytes() == b""
    (tmp_path / "a.luna").unlink()
    assert publish(str(tmp_path), "a", "png", b"x") == "a.png"
