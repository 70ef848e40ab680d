"""Graphs in ComfyUI's API format; a stock graph becomes one of luna's by the classes of its loaders, nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: A graph: node id -> {"class_type", "inputs"}.
Graph = dict[str, dict[str, Any]]

#: The stock loaders and luna's, with the same inputs and outputs.
LOADERS = {
    "CLIPLoader": "LunaCLIPLoader",
    "DualCLIPLoader": "LunaDualCLIPLoader",
    "VAELoader": "LunaVAELoader",
    "CheckpointLoaderSimple": "LunaCheckpointLoader",
}


@dataclass(frozen=True)
class Node:
    """A node of a graph that is being built; ``node[i]`` is its i-th output."""

    id: str

    def __getitem__(self, output: int) -> Output:
        return Output(self.id, output)


@dataclass(frozen=True)
class Output:
    """An output of a node, to be linked to an input."""

    node: str
    index: int


class Builder:
    """Builds a graph node by node; ids count from 1."""

    def __init__(self) -> None:
        self.graph: Graph = {}

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Adds a node; an :class:`Output` among the inputs becomes a link, anything else a value."""
        node = Node(str(len(self.graph) + 1))
        links = {key: _link(value) for key, value in inputs.items()}
        self.graph[node.id] = {"class_type": class_type, "inputs": links}
        return node

    def record(self, name: str, **what: Output) -> Node:
        """Writes what is linked (``conditioning``, ``latent``, ``image``) to ``<name>.safetensors``."""
        return self.add("LunaProofRecord", name=name, **what)


def with_luna(graph: Graph, also: Mapping[str, str] | None = None) -> Graph:
    """The same graph with luna's loaders; ``also``: further classes to replace."""
    classes = {**LOADERS, **(also or {})}
    replaced = copy.deepcopy(graph)
    for node in replaced.values():
        node["class_type"] = classes.get(node["class_type"], node["class_type"])
    return replaced


def with_record_prefix(graph: Graph, prefix: str) -> Graph:
    """The same graph with its records, and the pictures it saves, under names that begin so."""
    renamed = copy.deepcopy(graph)
    for node in renamed.values():
        inputs = node["inputs"]
        if node["class_type"] == "LunaProofRecord":
            inputs["name"] = f"{prefix}.{inputs['name']}"
        elif node["class_type"] in ("SaveImage", "LunaSaveImage"):
            inputs["filename_prefix"] = f"{prefix}/{inputs['filename_prefix']}"
    return renamed


def classes(graphs: Iterable[Graph]) -> set[str]:
    """Every node class that these graphs use."""
    return {node["class_type"] for graph in graphs for node in graph.values()}


def nodes_of(graph: Graph, class_type: str) -> list[str]:
    """The ids of the nodes of one class, in the order of the graph."""
    return [name for name, node in graph.items() if node["class_type"] == class_type]


def _link(value: Any) -> Any:
    return [value.node, value.index] if isinstance(value, Output) else value
