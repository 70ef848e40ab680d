"""Every format, gate, thumbnail and archive through a real node, read back by other libraries than luna's."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from pictures import astronaut, numbered, read
from PIL import Image
from setting import Start

from luna_client import BadRequestError, Client, Job

PROMPT = json.dumps({"1": {"inputs": {"text": "café"}}})
WORKFLOW = json.dumps({"nodes": list(range(50))})
TEXTS = {"prompt": PROMPT, "extra_pnginfo": {"workflow": WORKFLOW}}

#: Tags of EXIF that ComfyUI's own files have.
MODEL, MAKE, EXIF_IFD, USER_COMMENT = 0x0110, 0x010F, 0x8769, 0x9286


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return (astronaut()[:200, :264] * 255).astype(np.uint8)


def save(luna: Client, task: dict[str, Any], *pictures: np.ndarray) -> Job:
    named = {f"image_{i}": picture for i, picture in enumerate(pictures)}
    entries = [{"tensor": name, **task.pop("each", {})} for name in named]
    submitted = luna.submit_async({"filename": "x", "images": entries, **task}, named)
    job = luna.job_wait(submitted.job_id, PATIENCE)
    assert job.state == "done", job
    return job


def path_of(job: Job) -> Path:
    return Path(job.paths[0])


@pytest.mark.parametrize("form", ["webp", "jpeg", "avif"])
def test_exif_holds_what_comfyuis_frontend_reads(
    node: NodeProcess, picture: np.ndarray, form: str
) -> None:
    with node.client() as luna:
        path = path_of(save(luna, {**TEXTS, "each": {"format": form}}, picture))
    assert path.suffix == {"jpeg": ".jpg"}.get(form, f".{form}")
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[MODEL] == f"prompt:{PROMPT}"
        assert exif[MAKE] == f"workflow:{WORKFLOW}"
        assert image.size == (264, 200)


@pytest.mark.parametrize("form", ["webp", "jpeg", "avif", "jxl", "tiff"])
def test_exiftool_finds_the_workflow_without_a_warning(
    node: NodeProcess, picture: np.ndarray, form: str
) -> None:
    with node.client() as luna:
        path = path_of(save(luna, {**TEXTS, "each": {"format": form}}, picture))
    told = json.loads(
        subprocess.run(["exiftool", "-json", path], check=True, capture_output=True).stdout
    )
    assert told[0]["Make"] == f"workflow:{WORKFLOW}"
    assert told[0]["Model"] == f"prompt:{PROMPT}"
    assert "Warning" not in told[0]


@pytest.mark.parametrize("options", [{}, {"png_encoder": "small"}, {"bit_depth": 16}], ids=str)
def test_pngcheck_has_no_objection(
    node: NodeProcess, picture: np.ndarray, options: dict[str, Any]
) -> None:
    task = {**TEXTS, "metadata": {"name": "ü"}, **options}
    with node.client() as luna:
        path = path_of(save(luna, task, picture))
    looked = subprocess.run(["pngcheck", "-q", path], capture_output=True, text=True)
    assert (looked.returncode, looked.stdout) == (0, "")


@pytest.mark.parametrize("form", ["webp", "jpeg", "avif"])
def test_lossy_pictures_are_near_what_was_sent(
    node: NodeProcess, picture: np.ndarray, form: str
) -> None:
    with node.client() as luna:
        path = path_of(save(luna, {"lossy_quality": 90, "each": {"format": form}}, picture))
    difference = np.abs(read(path).astype(int) - picture)
    assert difference.mean() < 4


def test_lossless_webp_keeps_every_pixel_with_alpha(node: NodeProcess, picture: np.ndarray) -> None:
    alpha = np.arange(200 * 264, dtype=np.uint32).reshape(200, 264, 1).astype(np.uint8)
    rgba = np.concatenate([picture, np.maximum(alpha, 1)], -1)
    with node.client() as luna:
        job = save(luna, {"lossless_webp": True, "each": {"format": "webp"}}, picture, rgba)
    for path, sent in zip(job.paths, (picture, rgba), strict=True):
        np.testing.assert_array_equal(read(Path(path)), sent)


def test_lossy_files_are_those_that_pillow_makes(node: NodeProcess, picture: np.ndarray) -> None:
    """The same encoder with the same settings: JPEG to the bit; WebP as far as two versions of libwebp agree."""
    with node.client() as luna:
        jpeg = read(path_of(save(luna, {"each": {"format": "jpeg"}}, picture)))
        webp = read(path_of(save(luna, {"each": {"format": "webp"}}, picture)))
    for form, ours in (("JPEG", jpeg), ("WEBP", webp)):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, form, quality=90)
        pillows = np.asarray(Image.open(file))
        difference = np.abs(ours.astype(int) - pillows)
        assert difference.max() <= (0 if form == "JPEG" else 24), form
        assert difference.mean() <= 0.05, form


def test_sixteen_bits_are_kept_by_png_and_tiff(node: NodeProcess) -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64, 1)
    with node.client() as luna:
        for form in ("png", "tiff"):
            path = path_of(save(luna, {"bit_depth": 16, "each": {"format": form}}, ramp))
            want = (ramp[:, :, 0] * np.float32(65535)).astype(np.uint16)
            np.testing.assert_array_equal(read(path), want)


def test_a_jpeg_says_which_texts_had_no_room(node: NodeProcess, picture: np.ndarray) -> None:
    task = {
        "prompt": PROMPT,
        "extra_pnginfo": {"workflow": "w" * 70000},
        "each": {"format": "jpeg"},
    }
    with node.client() as luna:
        job = save(luna, task, picture)
        assert job.images[0].left_out == ("workflow",)
    with Image.open(path_of(job)) as image:
        assert dict(image.getexif()) == {MODEL: f"prompt:{PROMPT}"}


def test_luna_metadata_tells_the_multi_savers_keys(node: NodeProcess, picture: np.ndarray) -> None:
    metadata = {"seed": 2**63 + 5, "cfg": 7.5, "name": "ü", "flag": True}
    task = {
        **TEXTS,
        "luna_metadata": True,
        "metadata": metadata,
        "model_name": "dir/model.safetensors",
        "timestamp": "2026_11_22_100000",
    }
    with node.client() as luna:
        png = path_of(save(luna, {**task, "each": {"affix": "RAW"}}, picture))
        webp = path_of(save(luna, {**task, "each": {"affix": "RAW", "format": "webp"}}, picture))
    with Image.open(png) as image:
        assert list(image.text.items()) == [  # type: ignore[attr-defined]
            ("prompt", PROMPT),
            ("workflow", WORKFLOW),
            ("generation_metadata", json.dumps(metadata)),
            ("gen_seed", str(2**63 + 5)),
            ("gen_cfg", "7.5"),
            ("gen_name", "ü"),
            ("gen_flag", "true"),
            ("image_type", "RAW"),
            ("model_name", "model"),
            ("model_path", "dir/model"),
            ("save_timestamp", "2026_11_22_100000"),
            ("batch_index", "0"),
        ]
    with Image.open(webp) as image:
        comment = image.getexif().get_ifd(EXIF_IFD)[USER_COMMENT]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-le") == (
        "Image Type: RAW, Model: model, Model Path: dir/model, Timestamp: 2026_11_22_100000, Batch: 0, "
        f"Generation Metadata: {json.dumps(metadata)}"
    )


def test_what_a_gate_refuses_is_put_aside_and_told(node: NodeProcess, picture: np.ndarray) -> None:
    blank = np.full_like(picture, 90)
    task = {"save_path": "day", "quality_gate": "both", "min_quality_threshold": 0.3}
    with node.client() as luna:
        job = save(luna, task, np.stack([picture, blank]))
    good, bad = job.images
    assert (good.state, good.subfolder, good.discarded) == ("done", "day", False)
    assert (bad.state, bad.subfolder, bad.discarded) == ("discarded", "day/_discarded", True)
    assert good.score is not None and good.score > 0.3
    assert bad.score == 0
    np.testing.assert_array_equal(read(Path(bad.path)), blank)


def test_thumbnails_and_the_archive_stand_beside_the_pictures(
    node: NodeProcess, picture: np.ndarray
) -> None:
    blank = np.full_like(picture, 90)
    task = {
        "save_path": "day",
        "quality_gate": "variance",
        "thumbnail": {"size": 64},
        "archive": "all_%index%",
        "filename_index": 3,
    }
    with node.client() as luna:
        job = save(luna, task, picture, blank, picture)
        assert len(job.images) == 3
        small = [image.thumbnail for image in job.images]
        assert small[1] == ""
        for path in (small[0], small[2]):
            assert Path(path).parent.name == "_thumbnails"
            with Image.open(path) as image:
                assert (image.format, image.size) == ("WEBP", (64, 48))
        assert Path(job.archive).name == "all_3.zip"
        with zipfile.ZipFile(job.archive) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["day/x.png", "day/x_2.png"]
            for name in archive.namelist():
                assert archive.read(name) == (Path(job.archive).parent.parent / name).read_bytes()


def test_sixty_four_pictures_of_different_sizes_are_one_job(node: NodeProcess) -> None:
    pictures = [numbered(n, side=8 + n) for n in range(64)]
    with node.client() as luna:
        job = save(luna, {"filename": "%width%", "archive": "all"}, *pictures)
    assert len(job.images) == 64
    for sent, path in zip(pictures, job.paths, strict=True):
        np.testing.assert_array_equal(read(Path(path)), sent)
    with zipfile.ZipFile(job.archive) as archive:
        assert len(archive.namelist()) == 64


def test_a_job_goes_on_after_a_kill_with_the_names_and_times_it_was_told(
    start_node: Start, tmp_path: Path, picture: np.ndarray
) -> None:
    node = start_node()
    with node.client() as luna:
        job = luna.submit_async(
            {
                "filename": "%time:HHMMSS%",
                "luna_metadata": True,
                "archive": "all",
                "thumbnail": {"size": 64},
                "images": [{"tensor": "a", "format": form} for form in ("png", "webp", "jxl")],
            },
            {"a": picture},
        )
        told = job.files[0].filename
    node.kill()
    with start_node().client() as luna:
        done = luna.job_wait(job.job_id, PATIENCE)
    assert done.state == "done", done
    assert Path(done.paths[0]).name == told
    with Image.open(done.paths[0]) as image:
        assert image.text["save_timestamp"].endswith(told.removesuffix(".png"))  # type: ignore[attr-defined]
    with zipfile.ZipFile(done.archive) as archive:
        assert len(archive.namelist()) == 3
    assert all(image.thumbnail for image in done.images)
    output = tmp_path / "data" / "output"
    assert not [x for x in output.rglob("*") if x.name.endswith(".tmp")]


def test_a_target_that_the_node_does_not_have_is_refused_by_name(node: NodeProcess) -> None:
    with node.client() as luna, pytest.raises(BadRequestError, match="nowhere"):
        luna.submit_async({"target": "nowhere", "images": [{"tensor": "a"}]}, {"a": numbered(1)})
