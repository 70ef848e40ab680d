"""Luna Multi Saver saves the same files whether luna writes them or ComfyUI: names, pixels, texts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pictures import astronaut
from PIL import Image
from setting import ROOT, Start, eventually, free_port

sys.path.insert(0, str(ROOT / "tests" / "python" / "nodes"))

import fake_comfy_api  # noqa: E402  (beside the pack's own tests)
from fake_host import FakeHost  # noqa: E402
from picture_readers import jpeg_exif, png_texts, webp_exif  # noqa: E402

fake_comfy_api.install()

from luna_nodes import announce, folder_check, nodes_multi_save  # noqa: E402  (needs the API)
from luna_nodes import service as services  # noqa: E402
from luna_nodes.nodes_save_status import LunaSaveStatus  # noqa: E402
from luna_nodes.prefix import local_now  # noqa: E402
from luna_nodes.service import Service  # noqa: E402
from luna_nodes.settings import SettingsSource  # noqa: E402

PHOTO = astronaut()[None, 100:228, 180:340]
BATCH = np.stack([PHOTO[0], 1 - PHOTO[0], np.full_like(PHOTO[0], 0.5)])
WITH_ALPHA = np.concatenate(
    [PHOTO, np.linspace(0, 1, 160, dtype=np.float32)[None, None, :, None].repeat(128, 1)], 3
)
PROMPT = {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "text": 'Käse "quoted" 🧀'}}}
EXTRA = {"workflow": {"name": "Käse", "nodes": [1, 2.5, None]}, "a": 1, "b": "ü", "c": [], "d": {}}
METADATA = {
    "model": "sd/foo.safetensors",
    "positive": 'ein "Fuchs"\nim Schnee 🦊, \\ /',
    "seed": 2**63 + 5,
    "cfg": 7.0,
    "denoise": 1e-7,
    "steps": -3,
    "nan": float("nan"),
    "huge": 1 << 70,
    "loras": [{"name": "x", "strength": 0.1}],
    "none": None,
    "flag": True,
    "ä": "latin-1 key",
}

IN_ALL_FORMATS = {
    **{f"image_{n}": PHOTO for n in (1, 2, 3)},
    **{f"format_{n}": kind for n, kind in enumerate(("png", "webp", "jpeg"), 1)},
}
READERS = {".png": png_texts, ".webp": webp_exif, ".jpg": jpeg_exif}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def luna(start_node: Start, host: FakeHost, tmp_path: Path, monkeypatch: Any) -> Iterator[Service]:
    """luna, which may write to ComfyUI's output folder, as the nodes see it."""
    address = f"127.0.0.1:{free_port()}"
    start_node("--output", host.output_folder(), gateway=address)
    now = local_now()
    monkeypatch.setattr(nodes_multi_save, "local_now", lambda: now)
    monkeypatch.setattr(folder_check.checks, "_known", {})
    monkeypatch.setattr(announce, "_watches", {})
    monkeypatch.setattr(announce, "_histories", {})
    source = SettingsSource({"LUNA_SERVER": address}, lambda: None, tmp_path / "luna.json")
    with services.replaced(Service(host, source)) as made:
        yield made
        made.close()


@pytest.fixture
def both(luna: Service, host: FakeHost) -> Callable[..., tuple[Path, Path]]:
    """Saves twice: in a folder by ComfyUI, in another by luna. -> the folders."""

    def save(where: str = "", **given: Any) -> tuple[Path, Path]:
        given = {"filename": "%time:YYYY-mm-dd_%index%_%KSampler.seed%", **given}
        for who, daemon in (("comfyui", False), ("luna", True)):
            run(f"{who}/{where}", daemon_save=daemon, **given)
        output = Path(host.output_folder())
        return output / "comfyui", output / "luna"

    return save


def run(where: str, **given: Any) -> Any:
    """One run of the node, whose pictures are files when it returns."""

    class Running(nodes_multi_save.LunaMultiSaver):
        hidden = SimpleNamespace(
            prompt=given.pop("prompt", PROMPT),
            extra_pnginfo=given.pop("extra", EXTRA),
            unique_id="9",
        )

    answer = Running.execute(save_path=where, **given)
    (job,) = answer.args
    if given["daemon_save"]:
        assert job, f"luna did not take it: {answer.ui['text']}"
        state, _paths, _progress = LunaSaveStatus.execute(job, 60).args
        assert state == "done"
    return answer


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def same_names(here: Path, there: Path) -> list[str]:
    assert names(here) == names(there)
    assert names(here)
    return names(here)


def same_texts(here: Path, there: Path) -> None:
    """The text of every picture is the same to the byte."""
    for name in same_names(here, there):
        read = READERS[Path(name).suffix]
        assert read((here / name).read_bytes()) == read((there / name).read_bytes()), name


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        return np.asarray(image)


def largest_step(here: Path, there: Path) -> int:
    """How far the same place of the same picture is apart at most, in steps of 255."""
    largest = 0
    for name in same_names(here, there):
        one, other = pixels(here / name).astype(int), pixels(there / name).astype(int)
        assert one.shape == other.shape, name
        largest = max(largest, int(np.abs(one - other).max()))
    return largest


# -- the same files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lossless"),
    [("png", False), ("webp", True), ("webp", False), ("jpeg", False)],
    ids=["png", "lossless webp", "webp", "jpeg"],
)
def test_the_files_are_the_same(
    kind: str, lossless: bool, both: Callable[..., tuple[Path, Path]]
) -> None:
    inputs = {"image_1": BATCH, "image_2": PHOTO, "image_3": WITH_ALPHA, "image_4": PHOTO[..., :1]}
    formats = {f"format_{n}": kind for n in range(1, 5)}
    here, there = both(
        "%model_dir%/%width%x%height%",
        **inputs,
        **formats,
        metadata=METADATA,
        custom_metadata="not used",
        lossless_webp=lossless,
        subdir_2=False,
        filename_index=12,
    )
    same_texts(here, there)
    # what is lossy is lost in the same way: both use libwebp and libjpeg-turbo with the same settings
    assert largest_step(here, there) == 0
    assert len(names(here)) == 6 and names(here)[0].startswith("sd/160x128/")


@pytest.mark.parametrize(
    "texts",
    [
        {"custom_metadata": "Käse 🧀"},
        {"prompt": None, "extra": None},
        {"metadata": {}, "extra": {}},
        {"extra": {"workflow": {"text": "ü" * 1_000_000}, "a": "y" * 100}},
        {
            "prompt": {"x": "y" * 70000},
            "extra": {"a": "y" * 40000, "workflow": 1, "b": "y" * 40000},
        },
        {"metadata": {"long": "z" * 70000}},
    ],
    ids=["custom", "none", "empty", "large workflow", "large all", "large metadata"],
)
def test_the_texts_are_the_same(
    texts: dict[str, Any], both: Callable[..., tuple[Path, Path]]
) -> None:
    same_texts(*both(**IN_ALL_FORMATS, **texts))


def test_without_text_there_is_none_either_way(both: Callable[..., tuple[Path, Path]]) -> None:
    here, there = both(**IN_ALL_FORMATS, embed_workflow=False, metadata=METADATA)
    for folder in (here, there):
        for name in same_names(here, there):
            assert not READERS[Path(name).suffix]((folder / name).read_bytes())


@pytest.mark.parametrize(
    "filename",
    [
        "%time:YYYY_mm_dd.HH.MM.SS%_%model_name%",
        "%date:yyyy-MM-dd hh.mm.ss%_%year%%month%%day%",
        "%model_path%/%batch_num%_%width%",
        "con/nul. /a<b>?*|x.  ",
        "",
        "%unknown%_100%",
        "a\\b//c/",
        "🦊_ä",
        "%time:YYYY_%KSampler.seed%",
    ],
)
def test_names_are_the_same(filename: str, both: Callable[..., tuple[Path, Path]]) -> None:
    given = {"image_1": BATCH[:2, :8, :8], "image_2": PHOTO[:, :8, :8], "embed_workflow": False}
    formats = {"format_1": "png", "format_2": "png", "affix_2": "a/b?."}
    same_names(*both(filename=filename, model_name="sd/foo.ckpt", **given, **formats))


def test_taken_names_get_the_same_numbers(both: Callable[..., tuple[Path, Path]]) -> None:
    for _ in range(3):
        here, there = both(
            filename="x", image_1=PHOTO[:, :8, :8], format_1="png", embed_workflow=False
        )
    assert same_names(here, there) == [f"ORIG/x_ORIG{n}.png" for n in ("", "_2", "_3")]


@pytest.mark.parametrize("gate", ["variance", "edge_density", "both"])
def test_gates_judge_the_same(
    gate: str, both: Callable[..., tuple[Path, Path]], host: FakeHost
) -> None:
    here, there = both(
        "p", image_1=BATCH, format_1="png", quality_gate=gate, min_quality_threshold=0.1
    )
    assert [name.split("/")[1] for name in same_names(here, there)] == [
        "ORIG",
        "ORIG",
        "_discarded",
    ]
    same_texts(here, there)
    saved = eventually(lambda: host.sent, lambda sent: bool(sent) and sent[-1][0] == "luna.saved")
    told = saved[-1][1]["output"]["images"]
    answer = run("again", image_1=BATCH, quality_gate=gate, daemon_save=False)
    for one, other in zip(told, answer.ui["images"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
    assert [image.get("discarded", False) for image in told] == [False, False, True]


# -- what luna tells -------------------------------------------------------------------------------


def test_what_is_promised_is_what_is_written(luna: Service, host: FakeHost) -> None:
    answer = run(
        "p", daemon_save=True, image_1=BATCH, format_1="png", quality_gate="both", filename="x"
    )
    sent = eventually(lambda: host.sent, lambda sent: bool(sent) and sent[-1][0] == "luna.saved")
    written = [
        f"{image['subfolder']}/{image['filename']}" for image in sent[-1][1]["output"]["images"]
    ]
    assert answer.ui["luna_promised"] == written
    assert written[2] == "p/_discarded/ORIG/x_ORIG_2.png"
    for name in written:
        assert (Path(host.output_folder()) / name).is_file()


def test_what_a_jpeg_has_no_room_for_is_told_by_luna_too(luna: Service, host: FakeHost) -> None:
    large = {"workflow": {"text": "x" * 70000}}
    here = run("a", daemon_save=False, image_1=PHOTO, format_1="jpeg", extra=large)
    run("b", daemon_save=True, image_1=PHOTO, format_1="jpeg", extra=large)
    sent = eventually(lambda: host.sent, lambda sent: bool(sent) and sent[-1][0] == "luna.saved")
    told = sent[-1][1]["output"]["images"]
    assert [image["left_out"] for image in told] == [["workflow"]]
    assert [image["left_out"] for image in here.ui["images"]] == [["workflow"]]


def test_a_key_that_no_png_keyword_holds_costs_luna_no_save(luna: Service, host: FakeHost) -> None:
    key = "k" * 80
    run("a", daemon_save=True, image_1=PHOTO, format_1="png", filename="x", extra={key: 1})
    (path,) = Path(host.output_folder()).rglob("*.png")
    with Image.open(path) as image:
        assert [text for text in image.text.values() if getattr(text, "tkey", None) == key] == ["1"]
