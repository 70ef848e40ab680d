"""The commands of models: VAE and text encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .batches import fitting, image_batch, in_parts
from .commands import Model, Sender, read_answer
from .model_fields import (
    Lora,
    Tokens,
    about,
    common,
    encoding,
    join,
    lists,
    tiling,
    token_lists,
)
from .request import Cancel, Progress, Resend
from .results import (
    Conditioning,
    Images,
    Latents,
    ModelInfo,
    ModelList,
    PromptPair,
    SdxlPromptPair,
    TokenLists,
    warnings_of,
)
from .tensors import Tensor


class ModelCommands(Sender):
    """Every method answers, or raises a :class:`LunaError`, by its deadline.

    Common arguments: ``timeout`` in seconds (default: the client's); ``priority`` -1, 0 or 1; ``progress``, called
    with value, maximum and stage in the calling thread, at most ten times a second (an exception that it raises
    cancels the request and goes on to the caller); ``cancel``, to cancel from another thread; ``dtype``, the wanted
    type of the result's tensors: ``"f32"``, ``"f16"``, ``"bf16"`` (in numpy widened to float32), ``"u8"`` for images.
    """

    def list_models(
        self, kinds: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> ModelList:
        """The files of the server's model folders. ``kinds``: of ``text``, ``vae``, ``vision``, ``vlm``."""
        fields = {"kinds": list(kinds) if kinds is not None else None}
        reply = self.request("list_models", fields, resend=Resend.READ, timeout=timeout)
        return read_answer("list_models", lambda: ModelList.from_json(reply.header))

    def model_info(self, model: Model, kind: str, *, timeout: float | None = None) -> ModelInfo:
        """What a proxy object must know of a model without its weights. ``kind``: ``text``, ``vae``, ..."""
        fields = {"model": model, "kind": kind}
        reply = self.request("model_info", fields, resend=Resend.READ, timeout=timeout)
        return read_answer("model_info", lambda: ModelInfo.from_json(reply.header))

    def vae_encode(
        self,
        pixels: Tensor,
        model: Model,
        *,
        tiled: bool | str = "auto",
        tile_size: int | None = None,
        tile_width: int | None = None,
        tile_height: int | None = None,
        overlap: int | None = None,
        tiled_method: str | None = None,
        dtype: str = "f32",
        timeout: float | None = None,
        priority: int = 0,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Latents:
        """Encodes images to latents (the posterior mean).

        Args:
            pixels: [B, H, W, C] or [H, W, C], float in 0..1 or uint8; centre-cropped to the model's multiple. A
                batch that is larger than a request may be goes image by image.
            tiled: "auto", True or False.
            tile_size, tile_width, tile_height, overlap: in pixels (512 and 64).

        Returns:
            latents [B, C, h, w], unscaled.
        """
        batch = image_batch("pixels", pixels, axes=(3, 4))
        fields = {
            "model": model,
            **tiling(tiled, tile_size, tile_width, tile_height, overlap, tiled_method),
            **common(dtype, priority),
        }
        at_once = fitting(self.connection(_seconds(timeout)).welcome.limits, [batch])

        def run(part: Tensor, tell: Progress | None) -> Latents:
            reply = self.request(
                "vae_encode",
                fields,
                {"pixels": part},
                resend=Resend.READ,
                timeout=timeout,
                progress=tell,
                cancel=cancel,
            )
            return read_answer(
                "vae_encode", lambda: Latents(reply.tensors["latents"], **about(reply.header))
            )

        parts = in_parts(batch, at_once, run, progress)
        joined, told = join([part.latents for part in parts], parts)
        return Latents(joined, **told)

    def vae_decode(
        self,
        latents: Tensor,
        model: Model,
        *,
        tiled: bool | str = "auto",
        tile_size: int | None = None,
        tile_width: int | None = None,
        tile_height: int | None = None,
        overlap: int | None = None,
        tiled_method: str | None = None,
        dtype: str = "f32",
        timeout: float | None = None,
        priority: int = 0,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Images:
        """Decodes latents to images.

        Args:
            latents: [B, C, h, w], float, unscaled. A batch whose images are larger than a reply may be goes image
                by image.
            tiled: "auto", True or False.
            tile_size, tile_width, tile_height, overlap: in latent cells (64 and 16).

        Returns:
            images [B, H, W, 3] in 0..1, or uint8 with dtype="u8".
        """
        batch = image_batch("latents", latents, axes=(4, 5))
        fields = {
            "model": model,
            **tiling(tiled, tile_size, tile_width, tile_height, overlap, tiled_method),
            **common(dtype, priority),
        }
        at_once = self._decodable(batch, model, dtype, timeout)

        def run(part: Tensor, tell: Progress | None) -> Images:
            reply = self.request(
                "vae_decode",
                fields,
                {"latents": part},
                resend=Resend.READ,
                timeout=timeout,
                progress=tell,
                cancel=cancel,
            )
            return read_answer(
                "vae_decode", lambda: Images(reply.tensors["images"], **about(reply.header))
            )

        parts = in_parts(batch, at_once, run, progress)
        joined, told = join([part.images for part in parts], parts)
        return Images(joined, **told)

    def clip_tokenize(
        self,
        text: str,
        model: Model,
        *,
        return_word_ids: bool = False,
        text_cleanup: str | None = None,
        timeout: float | None = None,
    ) -> TokenLists:
        """Tokens of a prompt as ComfyUI holds them: tower -> chunks -> (id, weight[, word number]).

        Args:
            text_cleanup: how CLIP's tokenizer reads the text: ``"transformers5"`` (the server's default) or
                ``"transformers4"``, as a ComfyUI with that package reads it.
        """
        fields = {
            "model": model,
            "text": text,
            "return_word_ids": return_word_ids or None,
            "text_cleanup": text_cleanup,
        }
        reply = self.request("clip_tokenize", fields, resend=Resend.READ, timeout=timeout)
        return read_answer("clip_tokenize", lambda: token_lists(reply.header))

    def clip_encode_from_tokens(
        self,
        tokens: Tokens,
        model: Model,
        *,
        layer: int | None = None,
        projected: bool = True,
        loras: Sequence[Lora] = (),
        embeddings: Mapping[str, Tensor] | None = None,
        dtype: str = "f32",
        timeout: float | None = None,
        priority: int = 0,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Conditioning:
        """Conditioning of tokens.

        Args:
            tokens: as :meth:`clip_tokenize` gives them; an id may be ``{"embedding": name, "row": k}``.
            layer: None for the family's own, or -1..-N (clip skip).
            projected: whether ``pooled`` goes through its projection.
            embeddings: the tensors [rows, width] that such ids name.

        Returns:
            cond [1, T, D], pooled [1, P] or None, attention_mask [1, T] or None.
        """
        fields = {"model": model, "tokens": lists(tokens), **encoding(layer, projected, loras)}
        reply = self.request(
            "clip_encode_from_tokens",
            {**fields, **common(dtype, priority)},
            dict(embeddings or {}),
            resend=Resend.READ,
            timeout=timeout,
            progress=progress,
            cancel=cancel,
        )
        got = reply.tensors
        return read_answer(
            "clip_encode_from_tokens",
            lambda: Conditioning(
                got["cond"],
                got.get("pooled"),
                got.get("attention_mask"),
                warnings_of(reply.header),
            ),
        )

    def clip_encode(
        self,
        positive: str,
        negative: str | None = "",
        *,
        model: Model,
        layer: int | None = None,
        projected: bool = True,
        loras: Sequence[Lora] = (),
        text_cleanup: str | None = None,
        dtype: str = "f32",
        timeout: float | None = None,
        priority: int = 0,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> PromptPair:
        """Conditioning of both prompts; ``negative=None`` leaves the second out.

        Args:
            text_cleanup: as in :meth:`clip_tokenize`.

        Returns:
            cond and uncond [1, T, D], pooled and pooled_neg [1, P] where the family has one.
        """
        fields = {
            "model": model,
            "positive": positive,
            "text_cleanup": text_cleanup,
            **encoding(layer, projected, loras),
        }
        reply = self.request(
            "clip_encode",
            # null is a value here: the negative is not wanted
            {**fields, **common(dtype, priority), "negative": negative},
            resend=Resend.READ,
            timeout=timeout,
            progress=progress,
            cancel=cancel,
            keep_null=("negative",),
        )
        got = reply.tensors
        return read_answer(
            "clip_encode",
            lambda: PromptPair(
                got["cond"],
                got.get("pooled"),
                got.get("uncond"),
                got.get("pooled_neg"),
                warnings_of(reply.header),
            ),
        )

    def clip_encode_sdxl(
        self,
        positive: str,
        negative: str | None = "",
        *,
        model: Model,
        positive_l: str | None = None,
        negative_l: str | None = None,
        width: int = 1024,
        height: int = 1024,
        crop_w: int = 0,
        crop_h: int = 0,
        target_width: int = 1024,
        target_height: int = 1024,
        layer: int | None = None,
        projected: bool = True,
        loras: Sequence[Lora] = (),
        text_cleanup: str | None = None,
        dtype: str = "f32",
        timeout: float | None = None,
        priority: int = 0,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> SdxlPromptPair:
        """Conditioning of both prompts as ComfyUI's CLIPTextEncodeSDXL makes it.

        Args:
            positive_l, negative_l: what the encoder "l" reads; None: the same as "g".
            text_cleanup: as in :meth:`clip_tokenize`.
            width, height, crop_w, crop_h, target_width, target_height: pixels; they come back with the
                conditioning, for the sampler.

        Returns:
            cond and uncond [1, T, 2048], pooled and pooled_neg [1, 1280], and the sizes.
        """
        sizes = {
            "width": width,
            "height": height,
            "crop_w": crop_w,
            "crop_h": crop_h,
            "target_width": target_width,
            "target_height": target_height,
        }
        own = {"positive_l": positive_l, "negative_l": negative_l}
        fields = {
            "model": model,
            "positive": positive,
            "text_cleanup": text_cleanup,
            **encoding(layer, projected, loras),
        }
        reply = self.request(
            "clip_encode_sdxl",
            {**fields, **sizes, **own, **common(dtype, priority), "negative": negative},
            resend=Resend.READ,
            timeout=timeout,
            progress=progress,
            cancel=cancel,
            keep_null=("negative",),
        )
        got = reply.tensors
        return read_answer(
            "clip_encode_sdxl",
            lambda: SdxlPromptPair(
                got["cond"],
                got.get("pooled"),
                got.get("uncond"),
                got.get("pooled_neg"),
                warnings_of(reply.header),
                dict(reply.header["positive"]),
                dict(reply.header.get("negative") or {}),
            ),
        )

    def _decodable(self, batch: Tensor, model: Model, dtype: str, timeout: float | None) -> int:
        """How many of these latents fit one request and one reply; asks for the model only where it matters."""
        limits = self.connection(_seconds(timeout)).welcome.limits
        coarse = fitting(limits, [batch], cells=_cells(batch), ratio=32, channels=4, dtype=dtype)
        if coarse >= batch.shape[0]:
            return coarse
        info = self.model_info(model, "vae", timeout=timeout)
        ratio, channels = info.upscale_ratio or 8, info.output_channels or 3
        return fitting(
            limits, [batch], cells=_cells(batch), ratio=ratio, channels=channels, dtype=dtype
        )


def _seconds(timeout: float | None) -> float:
    return 120.0 if timeout is None else timeout


def _cells(batch: Tensor) -> int:
    """Latent cells of one image."""
    return int(batch.shape[-1]) * int(batch.shape[-2])
