"""What stands where ComfyUI's CLIP has its model and its patcher: names without weights.

LoRA nodes only ask a text encoder for the names of its weights, to find which of a LoRA's keys are its own. They get
the names, from the server's ``model_info``. The weights are not here, and whoever wants them is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from .refusal import missing, refuse

STOCK = "CLIPLoader, DualCLIPLoader or CheckpointLoaderSimple"


class WeightNames(Mapping[str, Any]):
    """The names of a state dict. Reading a value is refused in words."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = dict.fromkeys(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> NoReturn:
        refuse(f"Reading the weight '{name}'", STOCK)


class CondStage:
    """In the place of ``clip.cond_stage_model``."""

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names

    def state_dict(self) -> WeightNames:
        """The weights' names, as ComfyUI's own encoder has them."""
        return WeightNames(self._names())

    def __getattr__(self, name: str) -> Any:
        # a part that the model does have: whoever walks there would take its absence for a wrong name and go on
        if not name.startswith("_") and any(key.startswith(name + ".") for key in self._names()):
            refuse(f"Reaching into the text encoder ('{name}')", STOCK)
        raise missing("text encoder", name, STOCK)


class ClipPatcher:
    """In the place of ``clip.patcher``: no hooks, attachments are kept, everything else is refused in words."""

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names
        self.forced_hooks: Any = None
        self.attachments: dict[str, Any] = {}

    def clone(self) -> ClipPatcher:
        copy = ClipPatcher(self._names)
        copy.forced_hooks = self.forced_hooks
        copy.attachments = dict(self.attachments)
        return copy

    def is_dynamic(self) -> bool:
        return False

    def model_state_dict(self, filter_prefix: str | None = None) -> WeightNames:
        """The weights' names, for nodes that scale some of them; with a prefix, those that begin with it."""
        return WeightNames([name for name in self._names() if name.startswith(filter_prefix or "")])

    def set_attachments(self, key: str, attachment: Any) -> None:
        self.attachments[key] = attachment

    def get_attachment(self, key: str) -> Any:
        return self.attachments.get(key)

    def register_all_hook_patches(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Set CLIP Hooks", STOCK)

    def add_hook_patches(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("A LoRA as a hook", STOCK)

    def patch_hooks(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Hooks on a text encoder", STOCK)

    def set_injections(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("A LoRA in bypass mode", STOCK)

    def get_key_patches(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Merging text encoders", STOCK)

    def __getattr__(self, name: str) -> Any:
        raise missing("CLIP patcher", name, STOCK)
