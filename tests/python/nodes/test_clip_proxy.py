"""A CLIP on luna: tokens, encoding, clip skip, textual inversion, LoRA."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from fake_host import FakeHost, StockClip
from fake_luna import CLIP_L, SDXL, FakeLuna

from luna_client import ModelInfo, ServerWarning, UnsupportedModelError
from luna_nodes.clip_proxy import LunaCLIP
from luna_nodes.fallback import Fallback
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service

LORA = {"clip_l.a.weight": "adapter a", "diffusion_model.x.weight": "adapter x"}


@pytest.fixture
def stock() -> StockClip:
    return StockClip(["clip_l.a.weight"])


@pytest.fixture
def clip(service: Service, host: FakeHost, stock: StockClip) -> LunaCLIP:
    host.stock_clip = lambda: stock
    return make(service, host)


def make(service: Service, host: FakeHost, clip_type: str = "stable_diffusion") -> LunaCLIP:
    def load() -> Any:
        return host.load_clip(["clip_l"], clip_type, "default")

    return LunaCLIP(Fallback(service, "clip_l", "text", "clip_l", load), clip_type)


# -- tokens ----------------------------------------------------------------------------------------


def test_tokens_come_from_comfyuis_own_tokenizer(clip: LunaCLIP, host: FakeHost) -> None:
    assert clip.tokenize("ab") == {"l": [[(49406, 1.0), (97, 1.0), (98, 1.0), (49407, 1.0)]]}
    assert clip.tokenize("a", return_word_ids=True)["l"][0][1] == (97, 1.0, 1)
    assert host.tokenizers == ["sd1"], "one tokenizer serves all prompts"


@pytest.mark.parametrize(
    ("towers", "tokenizer"),
    [(("l",), "sd1"), (("l", "g"), "sdxl"), (("g",), "sdxl"), (("h",), "sd2")],
)
def test_the_towers_say_which_tokenizer(
    towers: tuple[str, ...], tokenizer: str, clip: LunaCLIP, luna: FakeLuna, host: FakeHost
) -> None:
    luna.infos["text"] = ModelInfo(type="stable_diffusion", token_keys=towers)
    clip.tokenize("a")
    assert host.tokenizers == [tokenizer]


def test_tokenizer_options_are_the_clones_own(clip: LunaCLIP) -> None:
    copy = clip.clone()
    copy.set_tokenizer_option("min_length", 5)
    copy.tokenize("a", tokenizer_options={"pad": 1}, llama_template="x")
    clip.tokenize("b")
    asked = clip.tokenizer.asked
    assert asked == [
        ("a", {"tokenizer_options": {"min_length": 5, "pad": 1}, "llama_template": "x"}),
        ("b", {}),
    ]


def test_a_type_with_an_encoder_of_its_own_is_comfyuis_work(
    service: Service, host: FakeHost, luna: FakeLuna
) -> None:
    # the same CLIP-L file is another encoder as "sd3": luna's plain one must not answer for it
    clip = make(service, host, "sd3")
    assert clip.encode_from_tokens(clip.tokenize("a")) == "local cond"
    assert luna.of("clip_encode_from_tokens") == []


# -- encoding --------------------------------------------------------------------------------------


def test_the_encoding_is_lunas_and_lies_where_comfyui_keeps_conditioning(
    clip: LunaCLIP, luna: FakeLuna, host: FakeHost
) -> None:
    cond, pooled = clip.encode_from_tokens(clip.tokenize("a"), return_pooled=True)
    assert (cond.shape, cond.place) == ((1, 77, 8), "conditioning")
    assert (pooled.shape, pooled.place) == ((1, 8), "conditioning")
    (call,) = luna.of("clip_encode_from_tokens")
    assert call.args == ({"l": [[(49406, 1.0), (97, 1.0), (49407, 1.0)]]}, "clip_l")
    assert call.options == {"layer": None, "projected": True, "embeddings": {}}
    assert host.loaded == []


def test_the_answers_have_comfyuis_shapes(clip: LunaCLIP) -> None:
    tokens = clip.tokenize("a")
    assert clip.encode_from_tokens(tokens).shape == (1, 77, 8)
    assert clip.encode("a").shape == (1, 77, 8)
    assert set(clip.encode_from_tokens(tokens, return_dict=True)) == {"cond", "pooled_output"}
    ((cond, extra),) = clip.encode_from_tokens_scheduled(tokens, add_dict={"width": 512})
    assert cond.shape == (1, 77, 8)
    assert (set(extra), extra["width"]) == ({"pooled_output", "width"}, 512)


def test_the_mask_of_a_family_that_has_one_comes_along(clip: LunaCLIP, luna: FakeLuna) -> None:
    luna.masks = True
    ((_cond, extra),) = clip.encode_from_tokens_scheduled(clip.tokenize("a"))
    assert (extra["attention_mask"].shape, extra["attention_mask"].place) == (
        (1, 77),
        "conditioning",
    )


def test_clip_skip_and_the_unprojected_pooled_output_go_over(
    clip: LunaCLIP, luna: FakeLuna
) -> None:
    skipped = clip.clone()
    skipped.clip_layer(-2)
    skipped.encode_from_tokens_scheduled(skipped.tokenize("a"), unprojected=True)
    clip.encode("a")
    first, second = luna.of("clip_encode_from_tokens")
    assert (first.options["layer"], first.options["projected"]) == (-2, False)
    assert (second.options["layer"], second.options["projected"]) == (None, True)


def test_word_ids_stay_here(clip: LunaCLIP, luna: FakeLuna) -> None:
    clip.encode_from_tokens(clip.tokenize("a", return_word_ids=True))
    assert luna.of("clip_encode_from_tokens")[0].args[0]["l"][0][1] == (97, 1.0)


def test_only_the_models_towers_go_over(clip: LunaCLIP, luna: FakeLuna) -> None:
    # ComfyUI's tokenizer for the refiner makes tokens for both towers
    luna.infos["text"] = ModelInfo(type="stable_diffusion", token_keys=("g",))
    clip.encode_from_tokens(clip.tokenize("a"))
    assert list(luna.of("clip_encode_from_tokens")[0].args[0]) == ["g"]


def test_prompts_for_both_towers_may_differ_in_length(clip: LunaCLIP, luna: FakeLuna) -> None:
    luna.infos["text"] = SDXL
    tokens = clip.tokenize("a")
    tokens["l"] = tokens["l"] + tokens["l"]
    clip.encode_from_tokens(tokens)
    sent = luna.of("clip_encode_from_tokens")[0].args[0]
    assert (len(sent["l"]), len(sent["g"])) == (2, 1)


def test_textual_inversions_go_over_as_rows(clip: LunaCLIP, luna: FakeLuna) -> None:
    rows = [np.full(8, value, np.float16) for value in (1, 2)]
    chunk = [(49406, 1.0), (rows[0], 1.2), (rows[1], 1.2), (49407, 1.0)]
    clip.encode_from_tokens({"l": [chunk]})
    (call,) = luna.of("clip_encode_from_tokens")
    assert call.args[0]["l"][0][1:3] == [
        ({"embedding": "embedding_l_8", "row": 0}, 1.2),
        ({"embedding": "embedding_l_8", "row": 1}, 1.2),
    ]
    sent = call.options["embeddings"]["embedding_l_8"]
    assert sent.dtype == np.float32
    np.testing.assert_array_equal(sent, [[1.0] * 8, [2.0] * 8])


def test_tokens_with_a_picture_in_them_are_comfyuis_work(clip: LunaCLIP, luna: FakeLuna) -> None:
    tokens = {"l": [[({"type": "image", "data": "pixels"}, 1.0)]]}
    assert clip.encode_from_tokens(tokens) == "local cond"
    assert luna.of("clip_encode_from_tokens") == []


def test_the_local_encoding_has_the_same_options(
    clip: LunaCLIP, luna: FakeLuna, stock: StockClip
) -> None:
    skipped = clip.clone()
    skipped.clip_layer(-2)
    tokens = skipped.tokenize("a")
    luna.down()
    answer = skipped.encode_from_tokens(tokens, return_pooled="unprojected", return_dict=True)
    assert answer == {"cond": "local cond", "pooled_output": "local pooled"}
    assert stock.encoded == [
        {"tokens": tokens, "pooled": "unprojected", "layer": -2, "patches": []}
    ]
    assert stock.layer is None, "ComfyUI's object is shared and stays as it is"


def test_without_luna_the_tokens_come_from_comfyuis_own_clip(
    clip: LunaCLIP, luna: FakeLuna, stock: StockClip, host: FakeHost
) -> None:
    luna.down()
    assert clip.encode("a") == "local cond"
    assert host.tokenizers == []
    assert stock.tokenizer.asked == [("a", {})]


def test_a_hooked_schedule_is_refused(clip: LunaCLIP) -> None:
    clip.patcher.forced_hooks, clip.use_clip_schedule = "hooks", True
    with pytest.raises(LunaRefusalError, match="schedule of hooks"):
        clip.encode_from_tokens_scheduled(clip.tokenize("a"))


# -- LoRA ------------------------------------------------------------------------------------------


def test_what_luna_says_beside_a_prompt_is_logged(
    clip: LunaCLIP, luna: FakeLuna, caplog: pytest.LogCaptureFixture
) -> None:
    luna.warnings = (ServerWarning("an embedding does not fit", "embedding"),)
    with caplog.at_level(logging.WARNING, "luna"):
        clip.encode("a")
    (line,) = caplog.messages
    assert line.startswith("[luna] the encoding of ")
    assert line.endswith(": an embedding does not fit")


def test_a_lora_gets_the_names_of_the_weights_without_the_weights(
    clip: LunaCLIP, host: FakeHost
) -> None:
    assert list(clip.cond_stage_model.state_dict().keys()) == list(CLIP_L.weight_keys)
    assert host.loaded == []


def test_without_luna_the_names_come_from_comfyuis_own_clip(clip: LunaCLIP, luna: FakeLuna) -> None:
    luna.down()
    assert list(clip.cond_stage_model.state_dict().keys()) == ["clip_l.a.weight"]


def test_a_lora_on_the_encoder_encodes_here_and_says_so_once(
    clip: LunaCLIP,
    luna: FakeLuna,
    stock: StockClip,
    host: FakeHost,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changed = clip.clone()
    assert changed.add_patches(LORA, 0.8) == ["clip_l.a.weight"]
    with caplog.at_level(logging.WARNING, "luna"):
        for _ in range(2):
            assert changed.encode("a") == "local cond"
    assert stock.encoded[0]["patches"] == [({"clip_l.a.weight": "adapter a"}, 0.8, 1.0)]
    assert luna.of("clip_encode_from_tokens") == []
    assert len(host.loaded) == 1
    (line,) = caplog.messages
    assert "LoRA" in line and "clip_l" in line


def test_prompts_beside_the_lora_stay_on_luna(
    clip: LunaCLIP, luna: FakeLuna, stock: StockClip
) -> None:
    changed = clip.clone()
    changed.add_patches(LORA, 1.0)
    changed.encode("a")
    clip.encode("b")
    assert len(luna.of("clip_encode_from_tokens")) == 1
    assert len(stock.encoded) == 1
    assert stock.patches == [], "ComfyUI's object itself is not changed"


def test_two_loras_add_up_in_their_order(clip: LunaCLIP, stock: StockClip) -> None:
    first = clip.clone()
    first.add_patches({"clip_l.a.weight": 1}, 0.5)
    first.encode("a")
    second = first.clone()
    second.add_patches({"clip_l.a.weight": 2}, 0.25)
    second.encode("a")
    assert [strength for _, strength, _ in stock.encoded[1]["patches"]] == [0.5, 0.25]
    assert [strength for _, strength, _ in stock.encoded[0]["patches"]] == [0.5]


@pytest.mark.parametrize(
    ("patches", "strength", "keys"),
    [(LORA, 0.0, ["clip_l.a.weight"]), ({"diffusion_model.x.weight": 1}, 1.0, [])],
    ids=["strength 0", "no key of the encoder"],
)
def test_a_lora_that_changes_nothing_stays_on_luna(
    patches: dict[str, Any],
    strength: float,
    keys: list[str],
    clip: LunaCLIP,
    luna: FakeLuna,
    host: FakeHost,
) -> None:
    changed = clip.clone()
    assert changed.add_patches(patches, strength) == keys
    changed.encode("a")
    assert len(luna.of("clip_encode_from_tokens")) == 1
    assert host.loaded == []


def test_a_merge_that_only_scales_the_model_is_no_change_of_nothing(
    clip: LunaCLIP, stock: StockClip
) -> None:
    changed = clip.clone()
    changed.add_patches({"clip_l.a.weight": 1}, 0.0, 0.5)
    changed.encode("a")
    assert stock.encoded[0]["patches"] == [({"clip_l.a.weight": 1}, 0.0, 0.5)]


def test_a_node_that_scales_weights_finds_their_names(clip: LunaCLIP, stock: StockClip) -> None:
    # as CLIPAttentionMultiply does
    changed = clip.clone()
    names = changed.patcher.model_state_dict()
    for key in names:
        if key.endswith("a.weight"):
            changed.add_patches({key: (None,)}, 0.0, 1.5)
    changed.encode("a")
    assert stock.encoded[0]["patches"] == [({"clip_l.a.weight": (None,)}, 0.0, 1.5)]
    assert list(changed.patcher.clone().model_state_dict("clip_l.b")) == ["clip_l.b.weight"]


def test_parts_of_weights_count_as_the_encoders(clip: LunaCLIP) -> None:
    key = ("clip_l.a.weight", (0, 0, 4))
    assert clip.clone().add_patches({key: 1}, 1.0) == [key]


def test_a_lora_where_local_work_is_forbidden_is_an_error(
    clip: LunaCLIP, environment: dict[str, str], host: FakeHost
) -> None:
    environment["LUNA_LOCAL_WORK"] = "0"
    changed = clip.clone()
    changed.add_patches(LORA, 1.0)
    with pytest.raises(LunaRefusalError, match=r"LoRA.*forbidden"):
        changed.encode("a")
    assert host.loaded == []


def test_a_family_that_luna_does_not_serve_is_wholly_comfyuis(
    clip: LunaCLIP, luna: FakeLuna, host: FakeHost
) -> None:
    luna.infos["text"] = UnsupportedModelError("a family that this build does not serve")
    assert clip.encode("a") == "local cond"
    assert clip.generate(clip.tokenize("a"), max_length=3) == [1, 2, 1]
    assert clip.decode([1]) == "text of [1]"
    assert len(host.loaded) == 1
