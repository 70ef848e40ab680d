"""The nodes as ComfyUI sees them: schemas of the oldest version, names of the stock loaders, cached or not."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from fake_host import FakeHost, StockVae
from fake_luna import FakeLuna

from luna_client import UnknownModelError
from luna_nodes import (
    comfy_entrypoint,
    linked,
    nodes_daemon,
    nodes_job_control,
    nodes_loaders,
    nodes_multi_save,
    nodes_save,
    nodes_save_status,
)
from luna_nodes.clip_proxy import LunaCLIP
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.service import Service
from luna_nodes.vae_proxy import LunaVAE

ALL = [
    *nodes_loaders.NODES,
    *nodes_save.NODES,
    *nodes_multi_save.NODES,
    *nodes_save_status.NODES,
    *nodes_job_control.NODES,
    *nodes_daemon.NODES,
]


@pytest.mark.parametrize("node", ALL, ids=lambda node: node.__name__)
def test_a_schema_has_nothing_that_the_oldest_version_lacks(node: Any, service: Service) -> None:
    schema = node.define_schema()  # the fake API refuses unknown names
    assert schema.node_id == node.__name__
    assert schema.category.lower().startswith("luna/")
    assert schema.description.endswith(".")
    if node is nodes_multi_save.LunaMultiSaver:
        return  # it takes its many inputs as they come: test_multi_saver.py
    accepted = node.execute.__func__.__code__.co_varnames[
        : node.execute.__func__.__code__.co_argcount
    ]
    assert [each.id for each in schema.inputs] == list(accepted[1:])


@pytest.mark.parametrize(
    ("node", "inputs", "outputs"),
    [
        ("LunaCLIPLoader", ["clip_name", "type", "device"], ["CLIP"]),
        ("LunaDualCLIPLoader", ["clip_name1", "clip_name2", "type", "device"], ["CLIP"]),
        ("LunaVAELoader", ["vae_name"], ["VAE"]),
        ("LunaCheckpointLoader", ["ckpt_name"], ["MODEL", "CLIP", "VAE"]),
        ("LunaSaveImage", ["images", "filename_prefix"], ["IMAGE"]),
    ],
)
def test_inputs_and_outputs_are_the_stock_nodes(
    node: str, inputs: list[str], outputs: list[str], service: Service
) -> None:
    (found,) = [each for each in ALL if each.__name__ == node]
    schema = found.define_schema()
    assert [each.id for each in schema.inputs] == inputs
    assert [each.kind for each in schema.outputs] == outputs


def test_the_types_are_those_of_this_comfyui(service: Service) -> None:
    def options(node: Any) -> Any:
        return {each.id: each.values.get("options") for each in node.define_schema().inputs}

    assert options(nodes_loaders.LunaDualCLIPLoader)["type"] == ["sdxl", "sd3", "flux"]
    assert options(nodes_loaders.LunaCLIPLoader)["device"] == ["default", "cpu"]


def test_describing_the_nodes_asks_nobody(service: Service, luna: FakeLuna) -> None:
    for node in ALL:
        node.define_schema()
    assert luna.calls == []


def test_the_entry_gives_all_nodes_and_starts_the_refresh(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from luna_nodes import routes

    registered: list[int] = []
    monkeypatch.setattr(routes, "register", lambda: registered.append(1))

    async def load() -> list[Any]:
        return await (await comfy_entrypoint()).get_node_list()

    try:
        assert asyncio.run(load()) == ALL
        assert registered == [1]
    finally:
        service.close()


# -- loaders ---------------------------------------------------------------------------------------


def test_a_clip_is_named_with_its_type(service: Service, luna: FakeLuna) -> None:
    (clip,) = nodes_loaders.LunaDualCLIPLoader.execute(
        "sub\\clip_l.safetensors", "clip_g.safetensors", "sdxl"
    ).args
    assert isinstance(clip, LunaCLIP)
    clip.encode("a")
    assert luna.of("clip_encode_from_tokens")[0].args[1] == {
        "type": "sdxl",
        "files": ["sub/clip_l.safetensors", "clip_g.safetensors"],
    }


def test_a_loader_needs_no_server(service: Service, luna: FakeLuna, host: FakeHost) -> None:
    luna.down()
    (clip,) = nodes_loaders.LunaCLIPLoader.execute(
        "clip_l.safetensors", "stable_diffusion", "cpu"
    ).args
    (vae,) = nodes_loaders.LunaVAELoader.execute("vae.safetensors").args
    assert luna.calls == [] and host.loaded == []
    assert clip.encode("a") == "local cond"
    assert vae.spacial_compression_decode() == 8
    assert host.loaded == [
        ("clip", "clip_l.safetensors", "stable_diffusion", "cpu"),
        ("vae", "vae.safetensors"),
    ]


@pytest.mark.parametrize("node", nodes_loaders.NODES, ids=lambda node: node.__name__)
def test_an_unlisted_name_passes_validation(node: Any, service: Service) -> None:
    names = [each.id for each in node.define_schema().inputs if "name" in each.id]
    assert node.validate_inputs(**dict.fromkeys(names, "gone")) is True


def test_a_name_that_nobody_has_fails_in_execute(service: Service, luna: FakeLuna) -> None:
    luna.infos["vae"] = UnknownModelError("there is no such VAE")
    with pytest.raises(
        LunaRefusalError, match="gone: neither in ComfyUI's folder 'vae' nor on luna"
    ):
        nodes_loaders.LunaVAELoader.execute("gone")


def test_loaders_are_cached_by_their_files(service: Service, luna: FakeLuna) -> None:
    first = nodes_loaders.LunaCLIPLoader.fingerprint_inputs(
        "clip_l.safetensors", type="sd3", device="cpu"
    )
    luna.down()
    service.refresh()
    assert nodes_loaders.LunaCLIPLoader.fingerprint_inputs("clip_l.safetensors") == first
    both = nodes_loaders.LunaDualCLIPLoader.fingerprint_inputs(
        "clip_l.safetensors", "clip_g.safetensors"
    )
    assert first in both and both != first


# -- checkpoints -----------------------------------------------------------------------------------

GRAPH = {
    "1": {"class_type": "LunaCheckpointLoader", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a"}},
}
WITH_MODEL = {**GRAPH, "3": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 1}}}


class Graph:
    """ComfyUI's graph in the middle of its execution."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self.prompt = prompt

    def all_node_ids(self) -> list[str]:
        return list(self.prompt)

    def get_node(self, node: str) -> Any:
        return self.prompt[node]


def checkpoint(prompt: dict[str, Any] | None, node: str = "1") -> Any:
    class Running(nodes_loaders.LunaCheckpointLoader):
        hidden = SimpleNamespace(
            unique_id=node, dynprompt=Graph(prompt) if prompt is not None else None
        )

    return Running


def test_the_model_is_loaded_only_where_its_output_is_linked(
    service: Service, host: FakeHost
) -> None:
    model, clip, vae = checkpoint(GRAPH).execute("sd15.safetensors").args
    assert model is None and isinstance(clip, LunaCLIP) and isinstance(vae, LunaVAE)
    assert host.loaded == []
    assert checkpoint(WITH_MODEL).execute("sd15.safetensors").args[0] == "MODEL"
    assert host.loaded == [("checkpoint", "sd15.safetensors", "model")], "without CLIP and VAE"


def test_a_checkpoint_that_only_luna_has_gives_clip_and_vae(
    service: Service, host: FakeHost
) -> None:
    assert isinstance(checkpoint(GRAPH).execute("remote.safetensors").args[1], LunaCLIP)
    with pytest.raises(LunaRefusalError, match="remote.safetensors: MODEL is linked"):
        checkpoint(WITH_MODEL).execute("remote.safetensors")


def test_where_links_cannot_be_told_the_model_is_loaded(service: Service, host: FakeHost) -> None:
    assert checkpoint(None).execute("sd15.safetensors").args[0] == "MODEL"


def test_linking_the_model_later_runs_the_loader_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(prompt: Any, node: str = "1") -> str:
        monkeypatch.setattr(nodes_loaders, "running_prompt", lambda: prompt)
        return checkpoint(None, node).fingerprint_inputs("sd15.safetensors")

    assert fingerprint(GRAPH) != fingerprint(WITH_MODEL)
    assert fingerprint(None) == fingerprint(WITH_MODEL), "unknown counts as linked"
    assert fingerprint(GRAPH, "added.by.another") == fingerprint(WITH_MODEL)


def test_a_checkpoints_parts_are_named_exactly_and_loaded_alone(
    service: Service, luna: FakeLuna, host: FakeHost
) -> None:
    _, clip, vae = checkpoint(GRAPH).execute("sd15.safetensors").args
    clip.encode("a")
    assert luna.of("clip_encode_from_tokens")[0].args[1] == "checkpoints:sd15.safetensors"
    luna.down()
    clip.encode("a")
    assert vae.encode([[[[0.0]]]]) == "local latents"
    assert host.loaded == [
        ("checkpoint", "sd15.safetensors", "clip"),
        ("checkpoint", "sd15.safetensors", "vae"),
    ]


def test_links_are_told_by_node_and_output() -> None:
    assert linked.is_linked(WITH_MODEL, "1", 0)
    assert not linked.is_linked(GRAPH, "1", 0)
    assert linked.is_linked(GRAPH, "1", 1)
    assert not linked.is_linked(
        {"2": {"inputs": {"a": ["10", 0], "b": ["1", 0, 0], "c": 1}}}, "1", 0
    )
    assert linked.running_prompt() is None, "without ComfyUI"


def test_pixel_space_has_no_weights_and_is_comfyuis_own(
    service: Service, host: FakeHost, luna: FakeLuna, environment: dict[str, str]
) -> None:
    environment["LUNA_LOCAL_WORK"] = "forbid"  # there is no work of a model
    (vae,) = nodes_loaders.LunaVAELoader.execute("pixel_space").args
    assert isinstance(vae, StockVae)
    assert host.loaded == [("vae", "pixel_space")]
    assert (luna.calls, host.sent) == ([], [])


@pytest.mark.parametrize(
    "node",
    [
        *nodes_loaders.NODES,
        *nodes_save.NODES,
        *nodes_save_status.NODES,
        *nodes_daemon.NODES,
        *nodes_job_control.NODES,
    ],
    ids=lambda node: node.__name__,
)
def test_each_input_says_what_it_is_and_one_menu_holds_all(node: Any, service: Service) -> None:
    schema = node.define_schema()
    assert schema.category.startswith("luna/")
    assert [each.id for each in schema.inputs if not each.values.get("tooltip")] == []


# -- Daemon nodes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node",
    [*nodes_daemon.NODES, *nodes_save_status.NODES, *nodes_job_control.NODES],
    ids=lambda node: node.__name__,
)
def test_the_nodes_that_ask_run_in_each_prompt(node: Any, service: Service) -> None:
    # ComfyUI compares them in tuples, where one NaN object equals itself
    first, second = (node.fingerprint_inputs(action="stop", mode="auto") for _ in range(2))
    assert (first,) != (second,)


def test_the_daemon_node_is_an_output_and_hands_on_what_comes_in(service: Service) -> None:
    schema = nodes_daemon.LunaDaemonLoader.define_schema()
    assert schema.is_output_node is True
    assert [each.id for each in schema.inputs] == ["start_if_absent", "anything"]
    assert schema.inputs[1].values["optional"] is True
    # the old output stays the first: saved workflows hold outputs by their place
    assert [each.values["display_name"] for each in schema.outputs] == ["status", "passed"]
    passed = object()
    made = nodes_daemon.LunaDaemonLoader.execute(True, passed)
    assert made.args == ("luna runs at 127.0.0.1:19283", passed)
    assert made.ui == {"text": ["luna runs at 127.0.0.1:19283"]}
    assert nodes_daemon.LunaDaemonLoader.execute(False).args[1] is None


def test_what_passes_through_the_daemon_node_is_computed_again_only_after_an_absence(
    service: Service, luna: FakeLuna
) -> None:
    def seen() -> float:
        # a linked input has no value when ComfyUI asks for fingerprints
        return nodes_daemon.LunaDaemonLoader.fingerprint_inputs(start_if_absent=True, anything=None)

    first = seen()
    assert seen() == first
    luna.down()
    away = seen()
    assert away != first and seen() != away
    luna.up()
    last = seen()
    assert seen() == last


def test_the_command_node_is_an_output_and_answers_json(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    for name in ("status", "start", "stop", "unload", "reset"):
        monkeypatch.setattr(
            nodes_daemon.control,
            name,
            lambda luna, name=name: asked.append((name,)) or {"success": True},
        )
    monkeypatch.setattr(
        nodes_daemon.control,
        "attention",
        lambda luna, mode: asked.append(("attention", mode)) or {"success": False},
    )
    schema = nodes_daemon.LunaDaemonAPI.define_schema()
    assert schema.is_output_node is True
    (actions,) = [each.values["options"] for each in schema.inputs if each.id == "action"]
    for action in actions:
        answer = nodes_daemon.LunaDaemonAPI.execute(action, "flash")
        assert json.loads(answer.args[0])["success"] is (action != "attention")
        line, whole = answer.ui["text"]
        assert line and whole == answer.args[0]
    assert asked == [
        ("status",),
        ("start",),
        ("stop",),
        ("attention", "flash"),
        ("unload",),
        ("reset",),
    ]


@pytest.mark.parametrize(
    ("start", "there", "status"),
    [(True, False, "started"), (False, True, "luna runs at"), (False, False, "no luna answers at")],
)
def test_the_loader_node_says_how_it_is(
    start: bool, there: bool, status: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        nodes_daemon.control, "start", lambda luna: {"success": True, "status": "started"}
    )
    monkeypatch.setattr(nodes_daemon.control, "is_running", lambda luna: there)
    assert nodes_daemon.LunaDaemonLoader.execute(start).args[0].startswith(status)
