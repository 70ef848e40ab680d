"""Luna Multi Saver without luna: its inputs, the names, the gate, and what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_host import FakeHost, InterruptedByPerson
from fake_luna import FakeLuna
from multi_saver_run import BATCH, EXTRA, ONE, PROMPT, files, save
from PIL import Image

from luna_nodes import multi_inputs
from luna_nodes.nodes_multi_save import LunaMultiSaver
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service

pytestmark = pytest.mark.usefixtures("fixed_time")

# -- the inputs ------------------------------------------------------------------------------------


def test_the_inputs_are_the_old_nodes_in_its_order(service: Service) -> None:
    schema = LunaMultiSaver.define_schema()
    numbered = [
        f"{name}_{n}" for name in ("image", "affix", "format", "subdir") for n in range(1, 6)
    ]
    assert [each.id for each in schema.inputs] == [
        "save_path",
        "filename",
        "daemon_save",
        "save_mode",
        "quality_gate",
        "min_quality_threshold",
        "model_name",
        *numbered,
        "png_compression",
        "lossy_quality",
        "lossless_webp",
        "embed_workflow",
        "filename_index",
        "custom_metadata",
        "metadata",
    ]
    optional = [each.id for each in schema.inputs if each.values.get("optional")]
    assert optional == [each.id for each in schema.inputs][6:]
    assert (schema.display_name, schema.category) == ("Luna Multi Image Saver", "luna/image")
    assert schema.is_output_node and schema.inputs[-1].kind == "METADATA"


def test_the_defaults_are_the_newest(service: Service) -> None:
    values = multi_inputs.values_of({})
    assert values["daemon_save"] is False
    assert [values[f"affix_{n}"] for n in range(1, 6)] == [
        "ORIG",
        "UPSCALED",
        "DETAILED",
        "FINAL",
        "IMAGE5",
    ]
    assert {values[f"format_{n}"] for n in range(1, 6)} == {"webp"}
    assert values["filename"] == "%time:YYYY_mm_dd.HH.MM.SS%_%model_name%"
    assert (values["min_quality_threshold"], values["lossy_quality"]) == (0.3, 90)
    assert values["image_1"] is None and values["metadata"] is None


def test_values_of_old_workflows_are_still_there(service: Service, output: Path) -> None:
    formats = next(each for each in LunaMultiSaver.define_schema().inputs if each.id == "format_1")
    assert {"png", "webp", "jpeg", "no save"} <= set(formats.options)
    save(image_1=ONE, affix_1="RAW", format_1="png", image_4=ONE, affix_4="IMAGE4", format_4="jpeg")
    assert files(output) == ["IMAGE4/pic_IMAGE4.jpg", "RAW/pic_RAW.png"]


# -- saved here ------------------------------------------------------------------------------------


def test_every_input_goes_to_its_place_in_its_format(service: Service, output: Path) -> None:
    answer = save(
        save_path="cats/%model_dir%",
        filename="%time:YYYY-mm-dd_%index%_%KSampler.seed%",
        filename_index=12,
        model_name="sd/foo.safetensors",
        image_1=ONE,
        format_1="png",
        image_2=BATCH,
        subdir_2=False,
        image_3=ONE,
        format_3="no save",
        image_4=ONE,
        affix_4="",
        format_4="jpeg",
    )
    assert answer.ui["images"] == [
        {"filename": "2025-12-02_12_7_ORIG.png", "subfolder": "cats/sd/ORIG", "type": "output"},
        *(
            {
                "filename": f"2025-12-02_12_7_UPSCALED_{n}.webp",
                "subfolder": "cats/sd",
                "type": "output",
            }
            for n in range(3)
        ),
        {"filename": "2025-12-02_12_7.jpg", "subfolder": "cats/sd", "type": "output"},
    ]
    assert files(output) == sorted(
        f"{image['subfolder']}/{image['filename']}" for image in answer.ui["images"]
    )
    assert answer.args == ("",), "there is no job"


def test_the_files_are_those_of_saveimage_with_more_text(service: Service, output: Path) -> None:
    save(image_1=BATCH, format_1="png", metadata={"model": "sd/foo.ckpt", "seed": 3})
    for number in range(3):
        with Image.open(output / "ORIG" / f"pic_ORIG_{number}.png") as image:
            np.testing.assert_array_equal(
                np.asarray(image), np.clip(BATCH[number] * 255, 0, 255).astype(np.uint8)
            )
            assert image.text == {  # type: ignore[attr-defined]
                "prompt": json.dumps(PROMPT),
                "workflow": json.dumps(EXTRA["workflow"]),
                "generation_metadata": '{"model": "sd/foo.ckpt", "seed": 3}',
                "gen_model": "sd/foo.ckpt",
                "gen_seed": "3",
                "image_type": "ORIG",
                "model_name": "foo",
                "model_path": "sd/foo",
                "save_timestamp": "2025_12_02_233642",
                "batch_index": str(number),
            }


@pytest.mark.parametrize("how", ["the switch", "--disable-metadata"])
@pytest.mark.parametrize("daemon", [False, True], ids=["here", "luna"])
def test_no_text_where_none_is_wanted(
    how: str, daemon: bool, service: Service, host: FakeHost, luna: FakeLuna, writing: Path
) -> None:
    host.no_metadata = how == "--disable-metadata"
    given = {"image_1": ONE, "format_1": "png", "metadata": {"a": 1}, "custom_metadata": "x"}
    save(**given, embed_workflow=host.no_metadata, daemon_save=daemon)
    if daemon:
        task = luna.of("submit_async")[0].args[0]
        assert task["embed_workflow"] is False
        assert not {"prompt", "extra_pnginfo", "metadata", "custom_metadata"} & set(task)
    else:
        with Image.open(writing / "ORIG" / "pic_ORIG.png") as image:
            assert image.text == {}  # type: ignore[attr-defined]


def test_the_metadatas_model_goes_before_the_inputs(service: Service, output: Path) -> None:
    for metadata in ({"model_name": "a.ckpt", "model": "b"}, {"model": "b"}, {"seed": 1}, None):
        save(
            filename="%model_name%", image_1=ONE, model_name="c", metadata=metadata, subdir_1=False
        )
    assert files(output) == ["a_ORIG.webp", "b_ORIG.webp", "c_ORIG.webp", "c_ORIG_2.webp"]


def test_an_empty_filename_is_time_and_model(service: Service, output: Path) -> None:
    save(filename="", image_1=ONE, subdir_1=False)
    assert files(output) == ["2025_12_02_233642_UnknownModel_ORIG.webp"]


def test_a_slash_in_a_filename_makes_folders(service: Service, output: Path) -> None:
    save(filename="%model_path%_x", model_name="sd/foo.ckpt", image_1=ONE)
    assert files(output) == ["sd/ORIG/foo_x_ORIG.webp"]


def test_nothing_is_written_over(service: Service, output: Path) -> None:
    for _ in range(3):
        save(image_1=ONE, image_2=ONE, affix_2="ORIG", subdir_1=False, subdir_2=False)
    assert files(output) == sorted(["pic_ORIG.webp", *(f"pic_ORIG_{n}.webp" for n in range(2, 7))])


@pytest.mark.parametrize("mode", ["parallel", "sequential"])
def test_names_do_not_depend_on_who_is_faster(mode: str, service: Service, output: Path) -> None:
    # picture n has the shade n, and all go under one name, so that the numbers tell the order
    shades = np.stack([np.full((32, 32, 3), (n + 0.5) / 255, np.float32) for n in range(20)])
    inputs = {f"image_{n + 1}": shades[4 * n : 4 * n + 4] for n in range(5)}
    same = {
        f"{name}_{n}": value
        for name, value in (("affix", "x"), ("format", "png"))
        for n in range(1, 6)
    }
    answer = save(save_mode=mode, **inputs, **same)
    seen = []
    for image in answer.ui["images"]:
        with Image.open(output / image["subfolder"] / image["filename"]) as opened:
            seen.append(opened.getpixel((0, 0))[0])
    assert seen == list(range(20))
    numbers = ["", "_2", "_3", "_4", "_5"]
    assert [image["filename"] for image in answer.ui["images"]] == [
        f"pic_x_{n}{again}.png" for again in numbers for n in range(4)
    ]


@pytest.mark.parametrize(
    "where", [{"save_path": "../x"}, {"filename": "/x"}, {"save_path": "a/%index%/../../../b"}]
)
@pytest.mark.parametrize("daemon", [False, True], ids=["here", "luna"])
def test_a_name_that_leads_out_is_refused_before_anything_is_saved(
    where: dict[str, str], daemon: bool, service: Service, luna: FakeLuna, output: Path
) -> None:
    with pytest.raises(LunaRefusalError, match="below ComfyUI's output folder"):
        save(image_1=ONE, daemon_save=daemon, **where)
    assert not output.exists() and luna.calls == []


def test_an_affix_is_part_of_a_name_and_never_a_path(service: Service, output: Path) -> None:
    save(image_1=ONE, affix_1="../../a\\b?")
    assert files(output) == [".._.._a_b_/pic_.._.._a_b_.webp"]


def test_no_images_are_no_error(service: Service, output: Path) -> None:
    assert save(daemon_save=True, image_1=ONE, format_1="no save").ui["images"] == []
    assert save(daemon_save=True, image_1=ONE[:0]).ui["images"] == []
    assert not output.exists()


def test_each_picture_of_a_batch_is_judged(service: Service, output: Path) -> None:
    batch = np.stack([BATCH[0], np.zeros_like(BATCH[0])])
    answer = save(save_path="p", image_1=batch, quality_gate="both", min_quality_threshold=0.5)
    assert files(output) == ["p/ORIG/pic_ORIG_0.webp", "p/_discarded/ORIG/pic_ORIG_1.webp"]
    good, bad = answer.ui["images"]
    assert (bad["discarded"], bad["score"], bad["subfolder"]) == (True, 0.0, "p/_discarded/ORIG")
    assert "discarded" not in good and good["score"] > 0.5


def test_a_picture_that_fails_keeps_no_other_from_being_saved(
    service: Service, output: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pixels(image: Any) -> Any:
        if image[0, 0, 0] == BATCH[1][0, 0, 0]:
            raise MemoryError
        return np.clip(np.asarray(image) * 255, 0, 255).astype(np.uint8)

    monkeypatch.setattr(host, "pixels", pixels)
    (output / "UPSCALED").parent.mkdir()
    (output / "UPSCALED").write_text("a file where a folder is needed")
    with pytest.raises(LunaRefusalError) as refused:
        save(image_1=BATCH, image_2=ONE, image_3=ONE)
    assert files(output) == [
        "DETAILED/pic_DETAILED.webp",
        "ORIG/pic_ORIG_0.webp",
        "ORIG/pic_ORIG_2.webp",
        "UPSCALED",
    ]
    said = str(refused.value)
    assert said.startswith("2 images are not saved: pic_ORIG_1.webp (image_1): MemoryError; ")
    assert "pic_UPSCALED.webp (image_2): " in said and said.endswith("3 others are.")


def test_what_a_jpeg_has_no_room_for_is_told(
    service: Service, output: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setitem(EXTRA, "workflow", {"text": "x" * 70000})
    answer = save(image_1=ONE, format_1="jpeg")
    assert answer.ui["images"][0]["left_out"] == ["workflow"]
    assert caplog.messages == ["[luna] pic_ORIG.jpg has no room for the text of workflow: left out"]


def test_the_stop_button_stops_between_pictures(
    service: Service, host: FakeHost, output: Path
) -> None:
    host.interrupted = True
    with pytest.raises(InterruptedByPerson):
        save(image_1=BATCH, save_mode="sequential")
    assert files(output) == ["ORIG/pic_ORIG_0.webp"], "what is saved stays"


def test_progress_is_told(service: Service, host: FakeHost, output: Path) -> None:
    save(image_1=BATCH)
    assert [step for step, _total in host.bars[0].steps] == [1, 2, 3]
    assert host.bars[0].total == 3
