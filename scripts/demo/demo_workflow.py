"""The graph that ComfyUI would have drawn for the round: what its SaveImage would put into the picture.

Dropped onto ComfyUI's window, the saved picture opens as this graph.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    """A node of the graph; ``links`` maps an input to (node id, output slot)."""

    id: int
    type: str
    outputs: tuple[tuple[str, str], ...] = ()
    widgets: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[int, int]] = field(default_factory=dict)


def graph(vae: str, clip: str, positive: str, negative: str) -> list[Node]:
    """Load, encode, decode, save; and the two prompts."""
    return [
        Node(1, "LoadImage", (("IMAGE", "IMAGE"), ("MASK", "MASK")), {"image": "astronaut.png"}),
        Node(2, "VAELoader", (("VAE", "VAE"),), {"vae_name": vae}),
        Node(3, "VAEEncode", (("LATENT", "LATENT"),), {}, {"pixels": (1, 0), "vae": (2, 0)}),
        Node(4, "VAEDecode", (("IMAGE", "IMAGE"),), {}, {"samples": (3, 0), "vae": (2, 0)}),
        Node(5, "SaveImage", (), {"filename_prefix": "luna"}, {"images": (4, 0)}),
        Node(6, "CLIPLoader", (("CLIP", "CLIP"),), {"clip_name": clip, "type": "stable_diffusion"}),
        Node(
            7,
            "CLIPTextEncode",
            (("CONDITIONING", "CONDITIONING"),),
            {"text": positive},
            {"clip": (6, 0)},
        ),
        Node(
            8,
            "CLIPTextEncode",
            (("CONDITIONING", "CONDITIONING"),),
            {"text": negative},
            {"clip": (6, 0)},
        ),
    ]


def prompt_text(nodes: list[Node]) -> str:
    """The graph as ComfyUI runs it (the text chunk ``prompt``)."""
    prompt = {
        str(node.id): {
            "class_type": node.type,
            "inputs": {
                **node.widgets,
                **{name: [str(i), slot] for name, (i, slot) in node.links.items()},
            },
        }
        for node in nodes
    }
    return json.dumps(prompt)


def workflow_text(nodes: list[Node]) -> str:
    """The graph as ComfyUI draws it (the text chunk ``workflow``)."""
    by_id = {node.id: node for node in nodes}
    links: list[list[Any]] = []
    for node in nodes:
        for slot, source in enumerate(node.links.values()):
            kind = by_id[source[0]].outputs[source[1]][1]
            links.append([len(links) + 1, source[0], source[1], node.id, slot, kind])
    drawn = [_drawn(node, order, links) for order, node in enumerate(nodes)]
    workflow = {
        "last_node_id": max(by_id),
        "last_link_id": len(links),
        "nodes": drawn,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }
    return json.dumps(workflow)


def _drawn(node: Node, order: int, links: list[list[Any]]) -> dict[str, Any]:
    into = {link[4]: link for link in links if link[3] == node.id}
    inputs = [
        {"name": name, "type": into[slot][5], "link": into[slot][0]}
        for slot, name in enumerate(node.links)
    ]
    outputs = [
        {
            "name": name,
            "type": kind,
            "links": [k[0] for k in links if k[1:3] == [node.id, slot]],
            "slot_index": slot,
        }
        for slot, (name, kind) in enumerate(node.outputs)
    ]
    return {
        "id": node.id,
        "type": node.type,
        "pos": [60 + 340 * (order % 4), 80 + 320 * (order // 4)],
        "size": [300, 120],
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": inputs,
        "outputs": outputs,
        "properties": {"Node name for S&R": node.type},
        "widgets_values": list(node.widgets.values()),
    }
