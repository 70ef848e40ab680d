"""The node pack's CLIP, VAE and saver against a real luna; ComfyUI itself is the stand-in of tests/python/nodes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_process import PATIENCE, NodeProcess
from pictures import number_of, numbered, texts
from setting import CLIP, ROOT, VAE, Start, eventually, free_port

sys.path.insert(0, str(ROOT / "tests" / "python" / "nodes"))

import fake_comfy_api  # noqa: E402  (beside the pack's own tests)
from fake_host import FakeHost, InterruptedByPerson  # noqa: E402

fake_comfy_api.install()

from luna_nodes import announce, control, folder_check, nodes_save  # noqa: E402  (needs the API)
from luna_nodes import service as services  # noqa: E402
from luna_nodes.clip_proxy import LunaCLIP  # noqa: E402
from luna_nodes.fallback import Fallback  # noqa: E402
from luna_nodes.service import Service  # noqa: E402
from luna_nodes.settings import SettingsSource  # noqa: E402
from luna_nodes.vae_proxy import LunaVAE  # noqa: E402


@pytest.fixture
def address() -> str:
    """Where luna listens, also when it is started anew."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def service(host: FakeHost, address: str, tmp_path: Path) -> Iterator[Service]:
    source = SettingsSource({"LUNA_SERVER": address}, lambda: None, tmp_path / "luna.json")
    with services.replaced(Service(host, source)) as made:
        yield made
        made.close()


@pytest.fixture
def vae(service: Service, host: FakeHost) -> LunaVAE:
    return LunaVAE(Fallback(service, VAE, "vae", VAE, lambda: host.load_vae(VAE)))


@pytest.fixture
def clip(service: Service, host: FakeHost) -> LunaCLIP:
    model = {"type": "stable_diffusion", "files": [CLIP]}
    return LunaCLIP(
        Fallback(service, model, "text", CLIP, lambda: host.load_clip([CLIP], "", "")),
        "stable_diffusion",
    )


@pytest.fixture
def luna(start_node: Start, address: str, tmp_path: Path) -> NodeProcess:
    return start_node("--output", str(tmp_path / "output"), gateway=address)


def test_the_proxies_answer_as_luna_does(
    luna: NodeProcess, vae: LunaVAE, clip: LunaCLIP, host: FakeHost
) -> None:
    pixels = np.random.default_rng(1).random((2, 64, 96, 3), np.float32)
    latents = vae.encode(pixels)
    with luna.client() as client:
        np.testing.assert_array_equal(latents, client.vae_encode(pixels, VAE).latents)
        np.testing.assert_array_equal(vae.decode(latents), client.vae_decode(latents, VAE).images)
        tokens = client.clip_tokenize("a (cat:1.2)", CLIP)
        direct = client.clip_encode_from_tokens(tokens, CLIP, layer=-2)
    skipped = clip.clone()
    skipped.clip_layer(-2)
    cond, pooled = skipped.encode_from_tokens(tokens, return_pooled=True)
    np.testing.assert_array_equal(cond, direct.cond)
    np.testing.assert_array_equal(pooled, direct.pooled)
    assert (vae.spacial_compression_decode(), vae.latent_channels) == (8, 4)
    assert (
        "clip_l.transformer.text_model.final_layer_norm.weight"
        in clip.cond_stage_model.state_dict()
    )
    assert host.loaded == []


def test_textual_inversions_are_taken_as_rows(luna: NodeProcess, clip: LunaCLIP) -> None:
    with luna.client() as client:
        tokens = client.clip_tokenize("a cat", CLIP)
    before = clip.encode_from_tokens(tokens)
    row = np.ones(before.shape[-1], np.float32)
    tokens["l"][0][1] = (row, 1.0)
    changed = clip.encode_from_tokens(tokens)
    assert changed.shape == before.shape
    assert np.abs(changed - before).max() > 1e-3


def test_an_interrupt_leaves_the_node_and_stops_the_server(
    luna: NodeProcess,
    vae: LunaVAE,
    host: FakeHost,
    background: Callable[..., Future[Any]],
) -> None:
    many = np.zeros((64, 1024, 1024, 3), np.float32)
    with luna.client() as watching:

        def running() -> int:
            return sum(pool.running for pool in watching.get_info().pools)

        waiting = background(vae.encode, many)
        eventually(running, lambda count: count == 1)
        host.interrupted = True
        with pytest.raises(InterruptedByPerson):
            waiting.result(PATIENCE)
        eventually(running, lambda count: count == 0)
    assert host.loaded == [], "the work is not done here instead"


def test_a_luna_that_dies_in_the_middle_is_replaced_until_it_is_back(
    luna: NodeProcess,
    vae: LunaVAE,
    host: FakeHost,
    service: Service,
    address: str,
    start_node: Start,
    background: Callable[..., Future[Any]],
) -> None:
    many = np.zeros((64, 1024, 1024, 3), np.float32)
    with luna.client() as watching:
        waiting = background(vae.encode, many)
        eventually(
            lambda: sum(pool.running for pool in watching.get_info().pools),
            lambda count: count == 1,
        )
        luna.kill()
    assert waiting.result(PATIENCE) == "local latents"
    assert host.loaded == [("vae", VAE)]
    start_node(gateway=address)
    service.refresh()
    assert vae.encode(many[:1, :64, :64]).shape == (1, 4, 8, 8)
    assert vae._fallback.has_local is False


def test_the_model_list_is_what_the_server_has(luna: NodeProcess, service: Service) -> None:
    from luna_nodes import names

    service.refresh()
    assert VAE in names.offered(service, names.VAES)
    assert CLIP in names.offered(service, names.TEXT)
    names.check(service, names.VAES, [VAE], VAE)


# -- saving ----------------------------------------------------------------------------------------


@pytest.fixture
def saver(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(folder_check.checks, "_known", {})
    monkeypatch.setattr(announce, "_watches", {})
    monkeypatch.setattr(announce, "_histories", {})

    class Running(nodes_save.LunaSaveImage):
        hidden = SimpleNamespace(
            prompt={"1": {"class_type": "KSampler", "inputs": {"seed": 5}}},
            extra_pnginfo={"workflow": {"name": "Käse"}},
            unique_id="9",
        )

    return Running


def test_saved_pictures_are_the_stock_nodes(
    luna: NodeProcess, service: Service, saver: Any, host: FakeHost, tmp_path: Path
) -> None:
    images = np.stack([numbered(n) / np.float32(255) for n in (3, 4)])
    # a number is only taken if it is above what lies there
    (tmp_path / "output" / "a").mkdir(parents=True)
    (tmp_path / "output" / "a" / "seed5_00041_.png").write_bytes(b"")
    answer = saver.execute(images, "a/seed%KSampler.seed%")
    names = ["seed5_00042_.png", "seed5_00043_.png"]
    assert answer.ui["luna_promised"] == [f"a/{name}" for name in names]
    paths = [tmp_path / "output" / "a" / name for name in names]
    eventually(lambda: host.sent, lambda sent: bool(sent) and sent[-1][0] == "luna.saved")
    assert [number_of(path) for path in paths] == [3, 4]
    assert texts(paths[0]) == {
        "prompt": json.dumps(saver.hidden.prompt),
        "workflow": json.dumps(saver.hidden.extra_pnginfo["workflow"]),
    }
    _event, data, _client = host.sent[-1]
    shown = [{"filename": name, "subfolder": "a", "type": "output"} for name in names]
    assert (data["state"], data["output"]) == ("done", {"images": shown})
    assert host.kept == [("prompt-1", "9", shown)]


def test_a_folder_that_luna_may_not_write_to_is_comfyuis_work(
    start_node: Start, address: str, service: Service, saver: Any, host: FakeHost
) -> None:
    start_node(gateway=address)  # its own output folder only
    saver.execute(numbered(1)[None] / np.float32(255), "x")
    assert number_of(Path(host.output_folder()) / "x_00001_.png") == 1


def test_luna_is_started_with_the_folders_of_comfyui_and_stopped(
    luna_node: Path,
    models: Path,
    service: Service,
    host: FakeHost,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LUNA_NODE", str(luna_node))
    host.model_folders = lambda: {  # type: ignore[method-assign]
        "vae": [str(models / "vae")],
        "text_encoders": [str(models / "text_encoders")],
        "loras": [str(tmp_path / "none")],
    }
    assert control.status(service)["running"] is False
    try:
        answer = control.start(service)
        assert (answer["success"], answer["started"], answer["address"]) == (True, True, address)
        assert {file.name for file in service.client().list_models().models} == {VAE, CLIP}
        assert control.start(service)["started"] is False
        assert control.status(service)["running"] is True
        assert control.attention(service, "split") == {"success": True, "mode": "split"}
        assert control.unload(service)["success"] is True
        assert control.reset(service)["success"] is True
    finally:
        assert control.stop(service)["success"] is True
    eventually(lambda: control.status(service)["running"], lambda running: not running)
