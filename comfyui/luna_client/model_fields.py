"""Fields of the requests to models, and what their replies say beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .results import TokenLists, warnings_of
from .tensors import Tensor, concatenate

#: Tokens as ComfyUI holds them: tower -> chunks of 77 -> (id, weight[, word]).
Tokens = Mapping[str, Sequence[Sequence[Sequence[Any]]]]
Lora = Mapping[str, Any]


def common(dtype: str, priority: int) -> dict[str, Any]:
    """The common fields that are not at their defaults."""
    return {"dtype": dtype if dtype != "f32" else None, "priority": priority or None}


def tiling(
    tiled: bool | str,
    size: int | None,
    width: int | None,
    height: int | None,
    overlap: int | None,
    method: str | None,
) -> dict[str, Any]:
    return {
        "tiled": None if tiled == "auto" else tiled,
        "tile_size": size,
        "tile_width": width,
        "tile_height": height,
        "overlap": overlap,
        "tiled_method": method,
    }


def encoding(layer: int | None, projected: bool, loras: Sequence[Lora]) -> dict[str, Any]:
    return {
        "layer": layer,
        "projected": None if projected else False,
        "loras": [dict(lora) for lora in loras] or None,
    }


def about(header: Mapping[str, Any]) -> dict[str, Any]:
    """What the reply to a VAE's request says beside its tensor."""
    return {
        "tiled": bool(header.get("tiled", False)),
        "tiles": int(header.get("tiles", 0)),
        "warnings": warnings_of(header),
    }


def join(tensors: Sequence[Tensor], parts: Sequence[Any]) -> tuple[Tensor, dict[str, Any]]:
    """The parts of a batch as one, and what was said of them; a warning that came twice is told once."""
    told = dict.fromkeys(warning for part in parts for warning in part.warnings)
    return concatenate(tensors), {
        "tiled": any(part.tiled for part in parts),
        "tiles": sum(part.tiles for part in parts),
        "warnings": tuple(told),
    }


def token_lists(header: Mapping[str, Any]) -> TokenLists:
    tokens = TokenLists(
        (tower, [[tuple(entry) for entry in chunk] for chunk in chunks])
        for tower, chunks in header["tokens"].items()
    )
    tokens.warnings = warnings_of(header)
    return tokens


def lists(tokens: Tokens) -> dict[str, list[list[list[Any]]]]:
    return {
        tower: [[list(entry) for entry in chunk] for chunk in chunks]
        for tower, chunks in tokens.items()
    }
