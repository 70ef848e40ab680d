"""A VAE on luna: shapes, tiles, facts, and what is asked of ComfyUI's own."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from fake_host import FakeHost, StockVae
from fake_luna import FakeLuna

from luna_client import BadRequestError, ModelInfo, ServerWarning, UnknownModelError
from luna_nodes.fallback import Fallback
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service
from luna_nodes.vae_proxy import LunaVAE

LATENTS = np.zeros((2, 4, 8, 16), np.float16)
PIXELS = np.zeros((2, 64, 128, 3), np.float32)


@pytest.fixture
def stock() -> StockVae:
    return StockVae()


@pytest.fixture
def vae(service: Service, host: FakeHost, stock: StockVae) -> LunaVAE:
    def load() -> Any:
        host.load_vae("vae.safetensors")
        return stock

    return LunaVAE(Fallback(service, "vae.safetensors", "vae", "vae.safetensors", load))


def test_images_lie_where_comfyui_keeps_them(vae: LunaVAE, luna: FakeLuna, host: FakeHost) -> None:
    images = vae.decode(LATENTS)
    assert (images.shape, images.place) == ((2, 64, 128, 3), "intermediate")
    (call,) = luna.of("vae_decode")
    assert call.args[0].dtype == np.float32
    assert (call.args[1], call.options) == ("vae.safetensors", {})
    assert host.loaded == []


def test_latents_lie_where_comfyui_keeps_them(vae: LunaVAE, luna: FakeLuna) -> None:
    latents = vae.encode(PIXELS)
    assert (latents.shape, latents.place) == ((2, 4, 8, 16), "intermediate")
    assert luna.of("vae_encode")[0].options == {}


def test_what_luna_says_beside_a_result_is_logged_with_the_models_name(
    vae: LunaVAE, luna: FakeLuna, caplog: pytest.LogCaptureFixture
) -> None:
    luna.warnings = (ServerWarning("5 values are NaN", "non_finite", 5),)
    with caplog.at_level(logging.WARNING, "luna"):
        assert vae.decode(LATENTS).place == "intermediate"
        vae.encode(PIXELS)
    assert caplog.messages == [
        "[luna] the decode of vae.safetensors: 5 values are NaN",
        "[luna] the encode of vae.safetensors: 5 values are NaN",
    ]
    assert vae._fallback.warnings == luna.warnings
    luna.warnings = ()
    vae.decode(LATENTS)
    assert vae._fallback.warnings == ()


def test_of_latents_with_a_time_axis_the_first_frame_counts(vae: LunaVAE, luna: FakeLuna) -> None:
    latents = np.stack([np.zeros((1, 4, 8, 8)), np.ones((1, 4, 8, 8))], axis=2)
    vae.decode(latents)
    sent = luna.of("vae_decode")[0].args[0]
    assert sent.shape == (1, 4, 8, 8)
    assert not sent.any()


def test_tiles_are_comfyuis_three_passes(vae: LunaVAE, luna: FakeLuna) -> None:
    vae.decode_tiled(LATENTS, tile_x=32, tile_y=48, overlap=8, tile_t=None, overlap_t=None)
    vae.encode_tiled(PIXELS, tile_x=256, tile_y=512, overlap=0, tile_t=64, overlap_t=8)
    assert luna.of("vae_decode")[0].options == {
        "tiled": True,
        "tiled_method": "comfyui",
        "tile_width": 32,
        "tile_height": 48,
        "overlap": 8,
    }
    assert luna.of("vae_encode")[0].options == {
        "tiled": True,
        "tiled_method": "comfyui",
        "tile_width": 256,
        "tile_height": 512,
        "overlap": 0,
    }


def test_tiles_have_comfyuis_defaults(vae: LunaVAE, luna: FakeLuna) -> None:
    vae.decode_tiled(LATENTS)
    vae.encode_tiled(PIXELS)
    sizes = ("tile_width", "tile_height", "overlap")
    assert [luna.of("vae_decode")[0].options[name] for name in sizes] == [64, 64, 16]
    assert [luna.of("vae_encode")[0].options[name] for name in sizes] == [512, 512, 64]


def test_without_luna_comfyuis_own_vae_gets_what_the_node_gave(
    vae: LunaVAE, luna: FakeLuna, stock: StockVae
) -> None:
    luna.down()
    assert vae.decode_tiled(LATENTS, tile_x=32, tile_y=32, overlap=8) == "local images"
    assert vae.encode(PIXELS) == "local latents"
    assert vae.encode_tiled(PIXELS) == "local latents"
    assert vae.decode(LATENTS) == "local images"
    assert stock.calls == [
        ("decode_tiled", {"tile_x": 32, "tile_y": 32, "overlap": 8}),
        ("encode", {}),
        ("encode_tiled", {}),
        ("decode", {"vae_options": None}),
    ]


def test_options_that_luna_does_not_know_are_comfyuis_work(
    vae: LunaVAE, luna: FakeLuna, stock: StockVae
) -> None:
    assert vae.decode(LATENTS, vae_options={"num_chunks": 4}) == "local images"
    assert stock.calls == [("decode", {"vae_options": {"num_chunks": 4}})]
    assert luna.of("vae_decode") == []
    vae.decode(LATENTS, vae_options={})
    assert len(luna.of("vae_decode")) == 1


def test_facts_come_from_luna_without_the_weights(
    vae: LunaVAE, host: FakeHost, luna: FakeLuna
) -> None:
    assert vae.spacial_compression_decode() == vae.spacial_compression_encode() == 8
    assert vae.temporal_compression_decode() is None
    assert vae.downscale_index_formula is None
    assert (vae.latent_channels, vae.latent_dim, vae.output_channels) == (4, 2, 3)
    assert vae.downscale_ratio == vae.upscale_ratio == 8
    assert vae.throw_exception_if_invalid() is None
    assert host.loaded == []
    assert len(luna.of("model_info")) == 1, "asked once"


def test_without_luna_facts_come_from_comfyuis_own_vae(
    vae: LunaVAE, luna: FakeLuna, host: FakeHost
) -> None:
    luna.down()
    assert vae.spacial_compression_decode() == 8
    assert vae.temporal_compression_decode() is None
    assert vae.latent_channels == 4
    assert len(host.loaded) == 1


def test_facts_that_were_told_survive_the_server(
    vae: LunaVAE, luna: FakeLuna, host: FakeHost
) -> None:
    assert vae.spacial_compression_decode() == 8
    luna.down()
    assert vae.spacial_compression_encode() == 8
    assert host.loaded == []


def test_a_vae_of_video_is_described_by_comfyuis_own(
    vae: LunaVAE, luna: FakeLuna, host: FakeHost
) -> None:
    luna.infos["vae"] = ModelInfo(
        latent_channels=16, latent_dim=3, downscale_ratio=8, upscale_ratio=8
    )
    assert vae.temporal_compression_decode() is None  # what the stand-in for ComfyUI's own says
    assert len(host.loaded) == 1


@pytest.mark.parametrize(
    "problem", [UnknownModelError("no such vae"), BadRequestError("tiled_method is unknown")]
)
def test_what_luna_refuses_comfyui_does(
    problem: Any, vae: LunaVAE, luna: FakeLuna, stock: StockVae
) -> None:
    luna.next_problems = [problem]
    assert vae.decode_tiled(LATENTS) == "local images"


def test_saving_the_vae_is_refused_with_the_way_out(vae: LunaVAE) -> None:
    with pytest.raises(LunaRefusalError, match="Saving a VAE.*VAELoader"):
        vae.get_sd()
