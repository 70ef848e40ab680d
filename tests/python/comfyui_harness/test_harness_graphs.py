from __future__ import annotations

import pytest
import refusals
import workflows
from graphs import LOADERS, Builder, classes, nodes_of, with_luna, with_record_prefix
from scenarios import long_decode
from two_processes import sdxl_text_and_vae

EVERY = [(one.name, one.build()) for one in workflows.ALL]
REFUSED = list(refusals.GRAPHS.items())
EVERY += [("long_decode", long_decode(256, 1)), ("two_processes", sdxl_text_and_vae(0))]
NAMES = [name for name, _ in EVERY]
GRAPHS = [graph for _, graph in EVERY]


def test_an_output_becomes_a_link_and_anything_else_stays_a_value() -> None:
    b = Builder()
    loader = b.add("VAELoader", vae_name="a.safetensors")
    b.add("VAEDecode", vae=loader[0], samples=loader[2])
    assert b.graph["1"]["inputs"] == {"vae_name": "a.safetensors"}
    assert b.graph["2"]["inputs"] == {"vae": ["1", 0], "samples": ["1", 2]}


def test_lunas_graph_differs_from_the_stock_one_in_nothing_but_the_loaders_classes() -> None:
    graph = workflows.image_to_image()
    ours = with_luna(graph)
    for name, node in graph.items():
        expected = LOADERS.get(node["class_type"], node["class_type"])
        assert ours[name] == {"class_type": expected, "inputs": node["inputs"]}
    assert not classes([graph]) & set(LOADERS.values()), "the stock graph was changed too"


def test_a_prefix_renames_records_and_saved_pictures_alone() -> None:
    b = Builder()
    b.record("text", conditioning=b.add("CLIPTextEncode", text="x")[0])
    b.add("SaveImage", filename_prefix="picture")
    renamed = with_record_prefix(b.graph, "luna.one")
    assert renamed["1"] == b.graph["1"]
    assert renamed["2"]["inputs"]["name"] == "luna.one.text"
    assert renamed["3"]["inputs"]["filename_prefix"] == "luna.one/picture"
    assert b.graph["2"]["inputs"]["name"] == "text"


@pytest.mark.parametrize("graph", GRAPHS, ids=NAMES)
def test_every_link_leads_to_a_node_before_it(graph: dict) -> None:
    for name, node in graph.items():
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert int(value[0]) < int(name), f"node {name} is linked to {value}"


@pytest.mark.parametrize("graph", GRAPHS, ids=NAMES)
def test_every_graph_has_a_loader_that_luna_replaces_and_something_that_is_recorded(
    graph: dict,
) -> None:
    assert classes([graph]) & set(LOADERS)
    assert nodes_of(graph, "LunaProofRecord")


@pytest.mark.parametrize("workflow", workflows.ALL, ids=lambda one: one.name)
def test_every_record_has_a_limit_and_every_limit_a_record(workflow: workflows.Workflow) -> None:
    graph = workflow.build()
    recorded = [graph[n]["inputs"]["name"] for n in nodes_of(graph, "LunaProofRecord")]
    assert sorted(recorded) == sorted(workflow.limits)


@pytest.mark.parametrize(("node", "build"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_is_to_be_refused_has_its_node_behind_a_loader_of_luna(node: str, build) -> None:  # noqa: ANN001
    graph = build()
    assert nodes_of(graph, node)
    assert classes([with_luna(graph)]) & set(LOADERS.values())


def test_no_two_workflows_have_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
