"""A CLIP whose text encoder is on luna: what ComfyUI's nodes ask of a CLIP, answered by the server.

The tokens come from ComfyUI's own tokenizer classes, in this process, so that prompts, weights and textual inversions
mean exactly what they mean in ComfyUI; ids and weights go to the server. What the server does not do (a LoRA on the
text encoder) is done by ComfyUI's own CLIP, of which :class:`~luna_nodes.fallback.Fallback` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from luna_client import Conditioning, LunaError

from .cond_stage import STOCK, ClipPatcher, CondStage
from .fallback import Fallback
from .refusal import missing, refuse
from .tokens import NotTokensError, for_server, tokenizer_of

_LORA = (
    "a LoRA changes this text encoder, which luna does not apply yet; prompts that do not pass through the LoRA stay"
    " on luna"
)
_NO_NAMES = "luna does not say which weights it has, and a LoRA asks"


class LunaCLIP:
    """In the place of ComfyUI's ``CLIP``. Clones share the model and its fallback.

    Args:
        fallback: the model, on luna and here.
        clip_type: the type that the loader was given, as ComfyUI names it; empty for a checkpoint.
    """

    def __init__(self, fallback: Fallback, clip_type: str = "") -> None:
        self._fallback = fallback
        self._type = clip_type
        self._tokenizers: dict[str, Any] = {}
        self._patches: tuple[tuple[Mapping[Any, Any], float, float], ...] = ()
        self._patched: Any = None  # ComfyUI's own CLIP with these patches
        self.cond_stage_model = CondStage(self._weight_names)
        self.patcher = ClipPatcher(self._weight_names)
        self.layer_idx: int | None = None
        self.tokenizer_options: dict[str, Any] = {}
        self.use_clip_schedule = False
        self.apply_hooks_to_conds: Any = None

    def clone(self, disable_dynamic: bool = False) -> LunaCLIP:
        """A CLIP of the same model, with options and patches of its own."""
        copy = LunaCLIP(self._fallback, self._type)
        copy._tokenizers = self._tokenizers
        copy._patches = self._patches
        copy._patched = self._patched
        copy.cond_stage_model = self.cond_stage_model
        copy.patcher = self.patcher.clone()
        copy.layer_idx = self.layer_idx
        copy.tokenizer_options = dict(self.tokenizer_options)
        copy.use_clip_schedule = self.use_clip_schedule
        copy.apply_hooks_to_conds = self.apply_hooks_to_conds
        return copy

    def clip_layer(self, layer_idx: int | None) -> None:
        """Clip skip: -1 is the last layer; None the model's own."""
        self.layer_idx = layer_idx

    def set_tokenizer_option(self, option_name: str, value: Any) -> None:
        self.tokenizer_options[option_name] = value

    # -- tokens ----------------------------------------------------------------------------------

    @property
    def tokenizer(self) -> Any:
        """ComfyUI's own tokenizer of this model."""
        info = self._fallback.info()
        if isinstance(info, LunaError):
            return self._fallback.instead("the encoding", info, lambda clip: clip.tokenizer)
        name = tokenizer_of(info, self._type)
        if name is None:
            return self._fallback.here(
                "the encoding", self._other_encoder(), lambda clip: clip.tokenizer
            )
        if name not in self._tokenizers:
            self._tokenizers[name] = self._fallback.host.tokenizer(name)
        return self._tokenizers[name]

    def tokenize(
        self, text: str, return_word_ids: bool = False, **kwargs: Any
    ) -> dict[str, list[list[tuple[Any, ...]]]]:
        """Tokens of a prompt: tower -> chunks -> (id, weight[, word])."""
        options = {**self.tokenizer_options, **kwargs.get("tokenizer_options", {})}
        if options:
            kwargs["tokenizer_options"] = options
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)

    # -- encoding --------------------------------------------------------------------------------

    def encode(self, text: str) -> Any:
        """cond [1, T, D] of a prompt."""
        return self.encode_from_tokens(self.tokenize(text))

    def encode_from_tokens(
        self,
        tokens: Mapping[str, Any],
        return_pooled: bool | str = False,
        return_dict: bool = False,
    ) -> Any:
        """cond, (cond, pooled) or a dict with ``cond``, ``pooled_output`` and what the family adds.

        Args:
            return_pooled: ``"unprojected"`` leaves the projection of the pooled output out.

        Raises:
            LunaRefusalError: neither the server nor ComfyUI can.
        """
        got = self._encoded(tokens, return_pooled)
        if return_dict:
            if self.apply_hooks_to_conds:
                got["hooks"] = self.apply_hooks_to_conds
            return got
        return (got["cond"], got["pooled_output"]) if return_pooled else got["cond"]

    def encode_from_tokens_scheduled(
        self,
        tokens: Mapping[str, Any],
        unprojected: bool = False,
        add_dict: Mapping[str, Any] | None = None,
        show_pbar: bool = True,
    ) -> list[list[Any]]:
        """Conditioning as nodes hand it on: [[cond, {"pooled_output", ...} and ``add_dict``]]."""
        if self.patcher.forced_hooks is not None and self.use_clip_schedule:
            refuse("A schedule of hooks on a text encoder", STOCK)
        kind = "unprojected" if unprojected else True
        got = self.encode_from_tokens(tokens, return_pooled=kind, return_dict=True)
        cond = got.pop("cond")
        got.update(add_dict or {})
        return [[cond, got]]

    def _encoded(self, tokens: Mapping[str, Any], return_pooled: bool | str) -> dict[str, Any]:
        def local(clip: Any) -> dict[str, Any]:
            return self._local_clone(clip).encode_from_tokens(
                tokens, return_pooled=return_pooled, return_dict=True
            )

        if self._patches:
            return self._fallback.here("the encoding with a LoRA", _LORA, local)
        info = self._fallback.info()
        if isinstance(info, LunaError):
            return self._fallback.instead("the encoding", info, local)
        if tokenizer_of(info, self._type) is None:
            return self._fallback.here("the encoding", self._other_encoder(), local)
        try:
            sent, embeddings = for_server(tokens, info.token_keys)
        except NotTokensError as problem:
            return self._fallback.here("the encoding", str(problem), local)
        layer, projected = self.layer_idx, return_pooled != "unprojected"
        return self._fallback.do(
            "the encoding",
            lambda luna, tell, stop: self._from_server(
                luna.clip_encode_from_tokens(
                    sent,
                    self._fallback.model,
                    layer=layer,
                    projected=projected,
                    embeddings=embeddings,
                    progress=tell,
                    cancel=stop,
                )
            ),
            local,
        )

    def _other_encoder(self) -> str:
        return f"luna's encoder of these files is not ComfyUI's of the type '{self._type}'"

    def _from_server(self, got: Conditioning) -> dict[str, Any]:
        self._fallback.heard("the encoding", got.warnings)
        place = self._fallback.host.conditioning
        pooled = None if got.pooled is None else place(got.pooled)
        answer = {"cond": place(got.cond), "pooled_output": pooled}
        if got.attention_mask is not None:
            answer["attention_mask"] = place(got.attention_mask)
        return answer

    # -- LoRA ------------------------------------------------------------------------------------

    def add_patches(
        self,
        patches: Mapping[Any, Any],
        strength_patch: float = 1.0,
        strength_model: float = 1.0,
    ) -> list[Any]:
        """Keeps the patches that belong to this text encoder. -> their keys.

        With none of them, or with strengths that change nothing, the CLIP stays as it is and on luna.
        """
        names = self.cond_stage_model.state_dict()
        mine = {
            key: patch
            for key, patch in patches.items()
            if (key if isinstance(key, str) else key[0]) in names
        }
        if mine and not (strength_patch == 0.0 and strength_model == 1.0):
            self._patches = (*self._patches, (mine, strength_patch, strength_model))
            self._patched = None
        return list(mine)

    def _weight_names(self) -> Sequence[str]:
        def local(clip: Any) -> list[str]:
            return list(clip.cond_stage_model.state_dict().keys())

        info = self._fallback.info()
        if isinstance(info, LunaError):
            return self._fallback.instead("the encoding", info, local)
        return info.weight_keys or self._fallback.here("the encoding", _NO_NAMES, local)

    def _local_clone(self, clip: Any) -> Any:
        """ComfyUI's own CLIP with this one's patches and options."""
        if not self._patches:
            copy = clip.clone()
        else:
            if self._patched is None:
                self._patched = clip.clone()
                for patches, strength_patch, strength_model in self._patches:
                    self._patched.add_patches(patches, strength_patch, strength_model)
            copy = self._patched.clone()
        copy.clip_layer(self.layer_idx)
        return copy

    # -- text generation: luna's text pools do not -----------------------------------------------

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Generates text as the stock CLIP does, in this ComfyUI."""
        return self._fallback.here(
            "the text generation",
            "luna does not generate text for this node",
            lambda clip: self._local_clone(clip).generate(*args, **kwargs),
        )

    def decode(self, token_ids: Any, **kwargs: Any) -> str:
        """The text of generated tokens."""
        return self._fallback.here(
            "the text generation",
            "luna does not generate text for this node",
            lambda clip: clip.decode(token_ids, **kwargs),
        )

    # -- what needs the weights ------------------------------------------------------------------

    def get_key_patches(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Merging text encoders", STOCK)

    def load_model(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Saving or moving a text encoder", STOCK)

    def get_sd(self) -> NoReturn:
        refuse("Saving a text encoder", STOCK)

    def state_dict_for_saving(self) -> NoReturn:
        refuse("Saving a text encoder", STOCK)

    def load_sd(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("Loading weights into a text encoder", STOCK)

    def is_dynamic(self) -> bool:
        """False: there are no weights here that ComfyUI could move."""
        return False

    def __getattr__(self, name: str) -> Any:
        raise missing("CLIP", name, STOCK)
