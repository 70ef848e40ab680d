"""ComfyUI's V3 node API, as far as the pack uses it: takes only what the oldest supported version takes.

The names come from ``core_members.json``, which was read from that version's source.
"""

from __future__ import annotations

import json
import sys
import types
from enum import StrEnum
from pathlib import Path
from typing import Any

RECORDED = json.loads((Path(__file__).parent / "core_members.json").read_text("utf-8"))
OLDEST = min(RECORDED, key=lambda entry: [int(part) for part in entry["version"].split(".")])
_API: dict[str, list[str]] = OLDEST["api"]


class _Thing:
    """Remembers its arguments; refuses one that the oldest version does not know."""

    def __init__(
        self, kind: str, known: list[str], args: tuple[Any, ...], values: dict[str, Any]
    ) -> None:
        given = dict(zip(known, args, strict=False)) | values
        unknown = [name for name in given if name not in known]
        if unknown:
            raise TypeError(f"{kind} of ComfyUI {OLDEST['version']} does not take {unknown}")
        self.kind = kind
        self.id = given.get("id")
        self.values = given

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None


def _maker(kind: str, recorded: str) -> Any:
    def make(*args: Any, **values: Any) -> _Thing:
        return _Thing(kind, _API[recorded], args, values)

    return staticmethod(make)


def _type(name: str, widget: bool = False) -> type:
    recorded = f"{name}.Input" if widget else "Input"
    return type(name, (), {"Input": _maker(name, recorded), "Output": _maker(name, "Output")})


class Schema(_Thing):
    def __init__(self, **values: Any) -> None:
        super().__init__("Schema", _API["Schema"], (), values)


class Hidden(StrEnum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"


class ComfyNode:
    hidden: Any = None


class NodeOutput:
    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui


class ComfyExtension:
    async def get_node_list(self) -> list[type[ComfyNode]]:
        raise NotImplementedError


def install() -> None:
    """Puts ``comfy_api.latest`` where the pack imports it from."""
    io = types.SimpleNamespace(
        Schema=Schema,
        Hidden=Hidden,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
        Clip=_type("CLIP"),
        Vae=_type("VAE"),
        Model=_type("MODEL"),
        Image=_type("IMAGE"),
        AnyType=_type("*"),
        Combo=_type("Combo", widget=True),
        String=_type("String", widget=True),
        Boolean=_type("Boolean", widget=True),
        Int=_type("Int", widget=True),
        Float=_type("Float", widget=True),
        Custom=_type,
    )
    package, latest = types.ModuleType("comfy_api"), types.ModuleType("comfy_api.latest")
    latest.io, latest.ComfyExtension = io, ComfyExtension  # type: ignore[attr-defined]
    package.latest = latest  # type: ignore[attr-defined]
    sys.modules["comfy_api"], sys.modules["comfy_api.latest"] = package, latest
