"""What core nodes ask of a CLIP and of a VAE, in the recorded versions: answered, or refused in words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from fake_comfy_api import RECORDED
from fake_luna import FakeLuna

from luna_nodes.clip_proxy import LunaCLIP
from luna_nodes.cond_stage import ClipPatcher, CondStage
from luna_nodes.fallback import Fallback
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service
from luna_nodes.vae_proxy import LunaVAE

#: What is refused with a sentence, because it needs the weights: (kind, member).
REFUSED_CALLS = {
    ("clip", "get_key_patches"),
    ("clip", "load_model"),
    ("clip", "get_sd"),
    ("clip", "state_dict_for_saving"),
    ("clip", "patcher.add_hook_patches"),
    ("clip", "patcher.register_all_hook_patches"),
    ("clip", "patcher.set_injections"),
    ("vae", "get_sd"),
    ("vae", "prepare_decode"),
}
#: What is not there, with a sentence: the weights, or what belongs to nodes for video, audio, 3D and many GPUs.
ABSENT = {
    ("vae", "_select_base_device"),
    ("vae", "device"),
    ("vae", "first_stage_model"),
    ("vae", "patcher"),
    ("vae", "patcher.add_patches"),
    ("vae", "patcher.cached_patcher_init"),
    ("vae", "patcher.clone"),
    ("vae", "patcher.model"),
    ("vae", "vae_dtype"),
}


def recorded() -> Iterator[Any]:
    for version in RECORDED:
        for kind in ("clip", "vae"):
            for member, facts in version[kind].items():
                yield pytest.param(kind, member, facts, id=f"{version['version']}-{kind}.{member}")


@pytest.fixture
def objects(service: Service, luna: FakeLuna) -> dict[str, Any]:
    def load() -> Any:
        raise AssertionError("nothing here needs ComfyUI's own object")

    return {
        "clip": LunaCLIP(Fallback(service, "clip_l", "text", "clip_l", load), "stable_diffusion"),
        "vae": LunaVAE(Fallback(service, "vae", "vae", "vae", load)),
    }


@pytest.mark.parametrize(("kind", "member", "facts"), list(recorded()))
def test_every_member_is_there_or_refused(
    kind: str, member: str, facts: dict[str, Any], objects: dict[str, Any]
) -> None:
    holder, names = objects[kind], member.split(".")
    if (kind, member) in ABSENT:
        with pytest.raises(AttributeError, match="stock"):
            getattr(holder, names[0])
        return
    for name in names[:-1]:
        holder = getattr(holder, name)
    value = getattr(holder, names[-1])
    for count, keywords in facts.get("calls", ()):
        assert callable(value)
        # raises TypeError where the call of the core node does not fit
        inspect.signature(value).bind(*[None] * count, **dict.fromkeys(keywords))
    if (kind, member) in REFUSED_CALLS:
        with pytest.raises(LunaRefusalError, match=r"stock loader \("):
            value()


def test_what_nodes_store_can_be_stored(objects: dict[str, Any]) -> None:
    clip = objects["clip"]
    clip.patcher.forced_hooks = "hooks"
    clip.use_clip_schedule = True
    clip.apply_hooks_to_conds = "hooks"
    copy = clip.clone()
    assert (copy.patcher.forced_hooks, copy.use_clip_schedule, copy.apply_hooks_to_conds) == (
        "hooks",
        True,
        "hooks",
    )


@pytest.mark.parametrize("name", ["get_models", "first_stage_model", "patcher", "no_such_thing"])
def test_the_executors_probes_find_nothing(name: str, objects: dict[str, Any]) -> None:
    assert not hasattr(objects["vae"], name)
    assert getattr(objects["vae"], name, None) is None


def test_the_objects_are_not_dynamic(objects: dict[str, Any]) -> None:
    assert objects["clip"].is_dynamic() is False
    assert objects["vae"].is_dynamic() is False
    assert objects["clip"].patcher.is_dynamic() is False


def test_lora_nodes_may_attach_what_they_read_of_the_file(objects: dict[str, Any]) -> None:
    first, second = objects["clip"].clone(), objects["clip"].clone()
    first.patcher.set_attachments("lora_metadata", {"a": 1})
    assert first.clone().patcher.get_attachment("lora_metadata") == {"a": 1}
    assert second.patcher.get_attachment("lora_metadata") is None


def test_the_names_of_weights_are_there_and_their_values_are_not() -> None:
    names = CondStage(lambda: ["clip_l.a.weight"]).state_dict()
    assert list(names.keys()) == ["clip_l.a.weight"]
    assert "clip_l.a.weight" in names and "clip_g.a.weight" not in names
    assert len(names) == 1
    with pytest.raises(LunaRefusalError, match=r"clip_l\.a\.weight"):
        names["clip_l.a.weight"]


def test_walking_into_the_encoder_is_refused_and_not_mistaken_for_a_wrong_name() -> None:
    # ComfyUI's bypass LoRA takes an AttributeError for "no such module" and would leave the LoRA out
    stage = CondStage(lambda: ["clip_l.a.weight"])
    with pytest.raises(LunaRefusalError, match="clip_l"):
        stage.clip_l  # noqa: B018
    assert not hasattr(stage, "clip_g")


def test_a_patchers_unknown_member_says_what_to_do() -> None:
    with pytest.raises(AttributeError, match=r"no 'model'.*stock loader"):
        ClipPatcher(list).model  # noqa: B018
