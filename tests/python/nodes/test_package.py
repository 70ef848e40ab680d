"""The folder as ComfyUI and its registry take it: one folder, its metadata, help pages, workflows, browser part."""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fake_comfy_api import OLDEST

from luna_client.version import __version__
from luna_nodes import (
    nodes_daemon,
    nodes_job_control,
    nodes_loaders,
    nodes_multi_save,
    nodes_save,
    nodes_save_status,
    notes,
)
from luna_nodes.service import Service

PACK = Path(__file__).resolve().parents[3] / "comfyui"
NODES = {
    node.__name__: node
    for module in (
        nodes_loaders,
        nodes_save,
        nodes_multi_save,
        nodes_save_status,
        nodes_job_control,
        nodes_daemon,
    )
    for node in module.NODES
}
WEB = PACK / "luna_nodes" / "web"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((PACK / "pyproject.toml").read_text("utf-8"))


def test_the_folder_is_a_custom_node_from_any_place(tmp_path: Path) -> None:
    # linked under another name, as people do, in a process that knows nothing of this repository
    (tmp_path / "my-luna.link").symlink_to(PACK)
    program = f"""
import importlib.util, inspect, pathlib, sys
path = pathlib.Path({str(tmp_path / "my-luna.link")!r})
spec = importlib.util.spec_from_file_location("custom_nodes_x_luna", path / "__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
assert inspect.iscoroutinefunction(module.comfy_entrypoint)
assert (path / module.WEB_DIRECTORY / "luna.js").is_file()
assert not hasattr(module, "NODE_CLASS_MAPPINGS")
assert not [name for name in sys.modules if name.split(".")[0] in ("comfy", "nodes", "torch")]
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=tmp_path)


def test_importing_the_folder_without_comfyui_harms_nothing() -> None:
    spec = importlib.util.spec_from_file_location("luna_pack", PACK / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    assert set(sys.path) - set(before) <= {str(PACK)}


def test_the_metadata_fits_the_registrys_rules(project: dict[str, Any]) -> None:
    info, comfy = project["project"], project["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,99}", info["name"]) and "comfy" not in info["name"]
    assert info["version"] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["version"])
    assert info["urls"]["Repository"].startswith("https://")
    assert set(info["license"]) <= {"file", "text"}
    assert comfy["PublisherId"] and comfy["DisplayName"] and comfy["Icon"]
    assert all((PACK / folder).is_dir() for folder in comfy["includes"])
    # web comes from WEB_DIRECTORY: named here as well, the browser would load it twice
    assert "web" not in comfy


def test_the_oldest_version_is_the_one_that_was_recorded(project: dict[str, Any]) -> None:
    assert project["tool"]["comfy"]["requires-comfyui"] == f">={OLDEST['version']}"


def test_the_icon_is_small_enough() -> None:
    data = (PACK / "icon.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert width == height <= 400
    assert len(data) < 30_000


@pytest.mark.parametrize("name", NODES)
def test_each_node_has_a_help_page_that_names_its_inputs(name: str, service: Service) -> None:
    page = (WEB / "docs" / f"{name}.md").read_text("utf-8")
    schema = NODES[name].define_schema()
    assert page.startswith(f"# {schema.display_name}\n")
    for each in schema.inputs:
        assert f"`{each.id}`" in page, each.id


def test_no_help_page_is_left_over() -> None:
    assert {path.stem for path in (WEB / "docs").glob("*.md")} == set(NODES)


def test_the_browser_part_knows_the_settings_and_the_event() -> None:
    settings = (WEB / "settings.js").read_text("utf-8")
    for setting in ("Luna.Server", "Luna.SecretFile", "Luna.LocalWork"):
        assert f'"{setting}"' in settings
    text = (WEB / "luna.js").read_text("utf-8")
    assert '"luna.saved"' in text
    assert f'"{notes.EVENT}"' in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_whole(path: Path, service: Service) -> None:
    graph = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"]) and graph["last_node_id"] == max(nodes)
    for link, source, output, target, slot, kind in graph["links"]:
        assert link in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        assert nodes[target]["inputs"][slot]["link"] == link
        assert nodes[target]["inputs"][slot]["type"] in (kind, "*")
    ours = [node for node in graph["nodes"] if node["type"].startswith("Luna")]
    assert ours
    for node in ours:
        schema = NODES[node["type"]].define_schema()
        # a linked widget keeps its value beside the others
        sockets = {each["name"] for each in node["inputs"] if "widget" not in each}
        widgets = [each.id for each in schema.inputs if each.id not in sockets]
        assert len(node["widgets_values"]) == len(widgets), node["type"]
        kinds = [each.kind.upper() for each in schema.outputs]
        assert [each["type"] for each in node["outputs"]] == kinds


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_a_title_a_picture_and_its_models_to_download(path: Path) -> None:
    # the template browser shows the file's name, and the JPEG beside it
    assert re.fullmatch(r"[A-Z][\w .()]+", path.stem) and "_" not in path.stem
    picture = path.with_suffix(".jpg").read_bytes()
    assert picture[:2] == b"\xff\xd8" and len(picture) < 40_000
    for node in json.loads(path.read_text("utf-8"))["nodes"]:
        files = [value for value in node["widgets_values"] if str(value).endswith(".safetensors")]
        models = node["properties"].get("models", [])
        assert [model["name"] for model in models] == files, node["type"]
        for model in models:
            assert model["url"].startswith("https://huggingface.co/")
            assert model["url"].endswith(f"/{model['name']}")
            assert model["directory"] in ("checkpoints", "text_encoders", "vae")


def test_the_workflows_are_found() -> None:
    assert len(WORKFLOWS) >= 4
