"""Writes down what ComfyUI's core nodes ask of a CLIP and of a VAE: ``record_members.py COMFYUI_FOLDER``.

Reads the sources (``nodes.py``, ``comfy_extras``, and the parts of ``comfy`` that get a CLIP from a node) and prints
JSON: for each name that holds a CLIP or a VAE, the members that are read or called, with the numbers of positional
arguments and the keywords of the calls. The output for the versions that the pack is tested with lies in
``core_members.json``; members are facts, no code is copied.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

#: What nodes call a CLIP or a VAE that they were given.
CLIP_NAMES = {"clip", "new_clip", "clip1", "clip2"}
VAE_NAMES = {"vae"}
PARTS = {"patcher", "cond_stage_model"}
FILES = ("nodes.py", "comfy/hooks.py", "comfy_extras/*.py")
#: Functions of comfy/sd.py that nodes hand a CLIP or VAE to; the rest of that file is ComfyUI's own objects.
SD_FUNCTIONS = {"load_lora_for_models", "load_bypass_lora_for_models", "save_checkpoint"}
LORA_FUNCTIONS = {"model_lora_keys_clip"}


def sources(root: Path) -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for pattern in FILES:
        for path in sorted(root.glob(pattern)):
            found.append((path.name, ast.parse(path.read_text("utf-8"))))
    for name, wanted in (("comfy/sd.py", SD_FUNCTIONS), ("comfy/lora.py", LORA_FUNCTIONS)):
        tree = ast.parse((root / name).read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                found.append((f"{Path(name).name}:{node.name}", node))
    return found


def chain(node: ast.expr) -> list[str] | None:
    """``clip.patcher.forced_hooks`` as its names; None for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) and names else None


def record(root: Path) -> dict[str, Any]:
    members: dict[str, dict[str, dict[str, Any]]] = {"clip": {}, "vae": {}}
    for file, tree in sources(root):
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        stored = {
            id(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        for node in ast.walk(tree):
            names = chain(node) if isinstance(node, ast.Attribute) else None
            kind = names and (
                "clip" if names[0] in CLIP_NAMES else "vae" if names[0] in VAE_NAMES else ""
            )
            if not kind:
                continue
            path = names[1:3] if names[1] in PARTS else names[1:2]
            if len(names) - 1 > len(path):
                continue  # something of a result: the shorter chain is visited as well
            entry = members[kind].setdefault(
                ".".join(path), {"files": set(), "calls": set(), "read": False, "stored": False}
            )
            entry["files"].add(file)
            call = calls.get(id(node))
            if call is not None:
                positional = sum(not isinstance(arg, ast.Starred) for arg in call.args)
                keywords = tuple(sorted(word.arg for word in call.keywords if word.arg))
                entry["calls"].add((positional, keywords))
            elif id(node) in stored:
                entry["stored"] = True
            else:
                entry["read"] = True
    return {
        kind: {name: plain(entry) for name, entry in sorted(found.items())}
        for kind, found in members.items()
    }


def record_api(root: Path) -> dict[str, list[str]]:
    """The names that the node API of this version takes: of a schema, and of inputs and outputs."""
    tree = ast.parse((root / "comfy_api/latest/_io.py").read_text("utf-8"))
    taken: dict[str, list[str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        if node.name == "Schema":
            taken["Schema"] = [
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
        if node.name in ("Input", "WidgetInput", "Output"):
            taken[node.name] = parameters(node)
        if node.name in ("Combo", "String", "Boolean", "Int", "Float"):
            for inner in node.body:
                if isinstance(inner, ast.ClassDef) and inner.name == "Input":
                    taken[f"{node.name}.Input"] = parameters(inner)
    return taken


def parameters(node: ast.ClassDef) -> list[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return [arg.arg for arg in item.args.args if arg.arg != "self"]
    return []


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = defaultdict(list)
    out["files"] = sorted(entry["files"])
    if entry["calls"]:
        out["calls"] = [[count, list(words)] for count, words in sorted(entry["calls"])]
    for flag in ("read", "stored"):
        if entry[flag]:
            out[flag] = True
    return dict(out)


def main() -> int:
    root = Path(sys.argv[1])
    version = re.search(
        r'__version__ = "([^"]+)"', (root / "comfyui_version.py").read_text("utf-8")
    )
    found = {"version": version[1] if version else "?", **record(root), "api": record_api(root)}
    print(json.dumps(found, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
