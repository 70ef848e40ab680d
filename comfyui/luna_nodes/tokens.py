"""Tokens on their way to the server: ComfyUI's lists of ids, weights and textual inversions, as the protocol has them.

Which tokenizer belongs to a model is said by the towers that the server names, and by the type that the loader was
given: the same file is wrapped in another encoder for some types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from luna_client import ModelInfo
from luna_client.tensors import is_torch

#: Types for which ComfyUI wraps CLIP towers in an encoder of their own, with a tokenizer of its own.
WRAPPED_TYPES = frozenset({"sd3", "hidream", "stable_cascade"})

_TOKENIZERS = {
    frozenset({"l"}): "sd1",
    frozenset({"l", "g"}): "sdxl",
    # ComfyUI gives the refiner's single tower the tokenizer of the pair as well
    frozenset({"g"}): "sdxl",
    frozenset({"h"}): "sd2",
}


def tokenizer_of(info: ModelInfo, wanted_type: str) -> str | None:
    """Which of ComfyUI's tokenizers fits the model: ``sd1``, ``sdxl``, ``sd2``; None where luna's encoder is not the
    one that ComfyUI would make of these files."""
    if wanted_type in WRAPPED_TYPES and info.type != wanted_type:
        return None
    return _TOKENIZERS.get(frozenset(info.token_keys))


class NotTokensError(ValueError):
    """Tokens that only ComfyUI's own encoder understands, for instance with a picture in them."""


def for_server(
    tokens: Mapping[str, Sequence[Sequence[Sequence[Any]]]], keys: Sequence[str]
) -> tuple[dict[str, list[list[tuple[Any, ...]]]], dict[str, Any]]:
    """The tokens as the protocol has them, and the rows of textual inversions that they name.

    Args:
        tokens: tower -> chunks -> (id, weight[, word]); an id is a whole number or a tensor [width].
        keys: the towers of the model; ComfyUI's encoders ignore others, so they are left out.

    Raises:
        NotTokensError: an entry is neither.
    """
    rows: dict[str, list[Any]] = {}
    sent: dict[str, list[list[tuple[Any, ...]]]] = {}
    for key in keys:
        if key not in tokens:
            raise NotTokensError(f"there are no tokens for the tower '{key}'")
        sent[key] = [
            [(_entry(key, entry[0], rows), float(entry[1])) for entry in chunk]
            for chunk in tokens[key]
        ]
    return sent, {name: _stacked(tensors) for name, tensors in rows.items()}


def _entry(key: str, token: Any, rows: dict[str, list[Any]]) -> Any:
    if isinstance(token, Mapping):
        if token.get("type") != "embedding":
            raise NotTokensError(f"the tokens hold an entry of type '{token.get('type')}'")
        token = token["data"]
    if is_torch(token) or hasattr(token, "shape") and token.shape:
        # rows of one width lie in one tensor: a wrong width is the server's to refuse by name
        name = f"embedding_{key}_{int(token.shape[-1])}"
        mine = rows.setdefault(name, [])
        mine.append(token.reshape(1, -1))
        return {"embedding": name, "row": len(mine) - 1}
    try:
        return int(token)
    except (TypeError, ValueError):
        raise NotTokensError(f"the tokens hold a {type(token).__name__}") from None


def _stacked(rows: Sequence[Any]) -> Any:
    """[rows, width], float32."""
    if is_torch(rows[0]):
        import torch

        return torch.cat([row.detach().to(device="cpu", dtype=torch.float32) for row in rows])
    import numpy as np

    return np.concatenate([np.asarray(row, np.float32) for row in rows])
