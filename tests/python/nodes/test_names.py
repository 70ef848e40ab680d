"""What loaders offer, when a name is refused, and what makes a loader run again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_host import FakeHost
from fake_luna import FakeLuna

from luna_client import ModelFile, UnknownModelError
from luna_nodes import names
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service


def file(name: str, folder: str, size: int = 10, modified: float = 1.0) -> ModelFile:
    kind = "vae" if folder.startswith("vae") else "text"
    return ModelFile(name, kind, folder, size, modified)


def test_a_list_is_comfyuis_own_and_then_lunas(service: Service, luna: FakeLuna) -> None:
    luna.models = (
        file("clip_l.safetensors", "text_encoders"),
        file("remote.safetensors", "clip"),
        file("big.safetensors", "checkpoints"),
        file("other.safetensors", "vae"),
    )
    service.refresh()
    assert names.offered(service, names.TEXT) == [
        "clip_l.safetensors",
        "clip_g.safetensors",
        "remote.safetensors",
    ]
    assert names.offered(service, names.CHECKPOINTS) == ["sd15.safetensors", "big.safetensors"]
    assert names.offered(service, names.VAES) == [
        "vae.safetensors",
        "pixel_space",
        "other.safetensors",
    ]


def test_lunas_small_vaes_are_offered_as_pairs(service: Service, luna: FakeLuna) -> None:
    luna.models = tuple(
        file(name, "vae_approx")
        for name in ("taesd_encoder.pth", "taesd_decoder.safetensors", "taesdxl_decoder.pth")
    )
    service.refresh()
    assert names.offered(service, names.VAES)[-1] == "taesd"
    assert "taesdxl" not in names.offered(service, names.VAES)


def test_offering_asks_nobody(service: Service, luna: FakeLuna) -> None:
    luna.down()
    assert names.offered(service, names.TEXT) == ["clip_l.safetensors", "clip_g.safetensors"]
    assert luna.calls == []


def test_a_name_of_comfyuis_own_needs_no_server(service: Service, luna: FakeLuna) -> None:
    luna.down()
    names.check(service, names.VAES, ["vae.safetensors"], "vae.safetensors")
    names.check(service, names.VAES, ["pixel_space"], "pixel_space")
    assert luna.calls == []


def test_a_name_of_lunas_list_is_taken_from_the_snapshot(service: Service, luna: FakeLuna) -> None:
    luna.models = (file("remote.safetensors", "vae"),)
    service.refresh()
    names.check(service, names.VAES, ["remote.safetensors"], "remote.safetensors")
    assert luna.of("model_info") == []


def test_a_name_that_luna_got_a_moment_ago_is_asked_for(service: Service, luna: FakeLuna) -> None:
    names.check(service, names.VAES, ["new.safetensors"], "new.safetensors")
    assert luna.of("model_info")[0].args == ("new.safetensors", "vae")


def test_a_name_that_nobody_has_is_refused_with_names_that_this_loader_offers(
    service: Service, host: FakeHost, luna: FakeLuna
) -> None:
    # luna's own hint may be a checkpoint, which holds a text encoder as well
    luna.infos["text"] = UnknownModelError("there is no such model, did you mean 'clip_lx.ckpt'?")
    luna.models = (file("clip_h.safetensors", "clip"), file("clip_lx.ckpt", "checkpoints"))
    service.refresh()
    asked = ["clip_l.safetensors", "Clip_lx.safetensors"]
    with pytest.raises(LunaRefusalError) as refused:
        names.check(service, names.TEXT, asked, {"type": "sdxl", "files": []})
    said = str(refused.value)
    assert said.startswith(
        "Clip_lx.safetensors: neither in ComfyUI's folder 'text_encoders' nor on luna"
    )
    assert said.endswith(", did you mean 'clip_l.safetensors' or 'clip_h.safetensors'?")
    assert refused.value.__suppress_context__, "one sentence, one traceback"


def test_a_name_that_is_like_no_other_is_refused_without_a_hint(
    service: Service, luna: FakeLuna
) -> None:
    luna.infos["vae"] = UnknownModelError("there is no such model")
    with pytest.raises(LunaRefusalError, match=r"^zzz: neither .*:19283$"):
        names.check(service, names.VAES, ["zzz"], "zzz")


def test_a_name_that_only_luna_had_is_refused_while_it_is_down(
    service: Service, luna: FakeLuna
) -> None:
    luna.models = (file("remote.safetensors", "vae"),)
    service.refresh()
    luna.down("cannot reach luna")
    service.refresh()
    with pytest.raises(LunaRefusalError, match="cannot reach luna"):
        names.check(service, names.VAES, ["remote.safetensors"], "remote.safetensors")


# -- identity --------------------------------------------------------------------------------------


@pytest.fixture
def local(host: FakeHost, tmp_path: Path) -> Path:
    """ComfyUI's own vae.safetensors."""
    path = tmp_path / "vae" / "vae.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"one")
    return path


def test_the_servers_coming_and_going_changes_no_identity(
    service: Service, luna: FakeLuna, local: Path
) -> None:
    identities = names.Identities()

    def now() -> str:
        return identities.of(service, names.VAES, "vae.safetensors")

    before = now()
    luna.models = (file("vae.safetensors", "vae"),)
    service.refresh()
    assert now() == before, "luna is there now"
    luna.down()
    service.refresh()
    assert now() == before, "luna is away"
    luna.up()
    luna.models = ()
    service.refresh()
    assert now() == before, "another luna, without the file"


def test_a_changed_file_has_another_identity(service: Service, luna: FakeLuna, local: Path) -> None:
    identities = names.Identities()
    seen = {identities.of(service, names.VAES, "vae.safetensors")}
    local.write_bytes(b"three")
    seen.add(identities.of(service, names.VAES, "vae.safetensors"))
    luna.models = (file("vae.safetensors", "vae"),)
    service.refresh()
    seen.add(identities.of(service, names.VAES, "vae.safetensors"))
    assert len(seen) == 2
    luna.models = (file("vae.safetensors", "vae", size=11),)
    service.refresh()
    seen.add(identities.of(service, names.VAES, "vae.safetensors"))
    assert len(seen) == 3


def test_another_header_under_the_same_size_and_time_is_another_identity(
    service: Service, local: Path
) -> None:
    identities = names.Identities()

    def write(header: bytes) -> str:
        local.write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
        os.utime(local, ns=(10**18, 10**18))
        return identities.of(service, names.VAES, "vae.safetensors")

    one = write(b'{"a":1}')
    assert write(b'{"a":1}') == one
    assert write(b'{"a":2}') != one


def test_a_file_that_only_luna_has_keeps_its_identity(service: Service, luna: FakeLuna) -> None:
    identities = names.Identities()
    before = identities.of(service, names.TEXT, "remote.safetensors")
    luna.models = (file("remote.safetensors", "clip"),)
    service.refresh()
    assert identities.of(service, names.TEXT, "remote.safetensors") == before
    luna.models = (file("remote.safetensors", "clip", modified=2.0),)
    service.refresh()
    assert identities.of(service, names.TEXT, "remote.safetensors") != before


def test_a_name_that_comes_through_a_link_is_one_identity(service: Service) -> None:
    # ComfyUI asks before it knows the value; an exception would run the loader in every prompt
    identities = names.Identities()
    assert identities.of(service, names.VAES, None) == identities.of(service, names.VAES, None)


def test_a_pair_is_told_by_both_its_files(service: Service, host: FakeHost, tmp_path: Path) -> None:
    host.folders["vae_approx"] = ["taesd_encoder.pth", "taesd_decoder.pth"]
    (tmp_path / "vae_approx").mkdir()
    for name in host.folders["vae_approx"]:
        (tmp_path / "vae_approx" / name).write_bytes(b"one")
    identities = names.Identities()
    before = identities.of(service, names.VAES, "taesd")
    (tmp_path / "vae_approx" / "taesd_decoder.pth").write_bytes(b"three")
    assert identities.of(service, names.VAES, "taesd") != before
