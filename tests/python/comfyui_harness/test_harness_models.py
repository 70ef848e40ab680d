from __future__ import annotations

from pathlib import Path

import numpy as np
import proof_models
import pytest
import small_unet


def count(unet: small_unet.UNet) -> int:
    return sum(int(np.prod(part.shape)) for part in small_unet.parts(unet))


def shapes(unet: small_unet.UNet) -> dict[str, tuple[int, ...]]:
    return {
        entry.key.removeprefix(small_unet.PREFIX): entry.shape for entry in small_unet.entries(unet)
    }


def test_the_small_unet_of_sd15_has_about_107_million_parameters() -> None:
    assert count(small_unet.SD15) == 107_431_044


@pytest.mark.parametrize("unet", [small_unet.SD15, small_unet.SDXL], ids=lambda one: one.name)
def test_each_step_up_takes_the_skip_of_one_step_down(unet: small_unet.UNet) -> None:
    found = shapes(unet)
    down = len({key.split(".")[1] for key in found if key.startswith("input_blocks.")})
    up = len({key.split(".")[1] for key in found if key.startswith("output_blocks.")})
    assert up == down == 2 * len(unet.channel_mult)
    assert found["out.2.weight"] == (4, unet.channels, 3, 3)


def test_what_comfyui_knows_the_families_by_is_in_the_shapes() -> None:
    sd15, sdxl = shapes(small_unet.SD15), shapes(small_unet.SDXL)
    key = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    assert sd15[key] == (320, 768)
    assert sd15["input_blocks.1.1.proj_in.weight"] == (320, 320, 1, 1)
    assert sdxl["input_blocks.3.1.proj_in.weight"] == (320, 320)
    assert sdxl["label_emb.0.0.weight"] == (1280, 2816)
    blocks = [
        len({k.split(".")[4] for k in sdxl if k.startswith(f"input_blocks.{i}.1.transformer_")})
        for i in (1, 3, 5)
    ]
    assert blocks == [0, 2, 5]


def test_a_model_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    for name in proof_models.needed():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"there")
    said: list[str] = []
    proof_models.ensure(tmp_path, said.append)
    assert said == []
    assert all((tmp_path / name).read_bytes() == b"there" for name in proof_models.needed())


def test_a_missing_lora_of_the_unet_is_written_without_a_key_of_the_text_encoder(
    tmp_path: Path,
) -> None:
    from safetensors.numpy import load_file

    for name in proof_models.needed():
        if not name.endswith(proof_models.LORA_UNET):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    said: list[str] = []
    proof_models.ensure(tmp_path, said.append)
    keys = load_file(tmp_path / "loras" / proof_models.LORA_UNET)
    assert len(said) == 1
    assert {key.split("_")[1] for key in keys} == {"unet"}
