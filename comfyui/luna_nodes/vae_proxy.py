"""A VAE that is on luna: what ComfyUI's nodes ask of a VAE, answered by the server.

Shapes are ComfyUI's: images [B, H, W, C] in 0..1, latents [B, C, h, w] unscaled. Results lie on
``intermediate_device()`` and have ``intermediate_dtype()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from luna_client import Images, Latents, LunaError, ModelInfo

from .fallback import Fallback
from .refusal import missing, refuse

T = TypeVar("T", Images, Latents)

STOCK = "VAELoader or CheckpointLoaderSimple"

#: Three passes over the tiles, averaged: what ComfyUI's tiled nodes compute.
TILED = {"tiled": True, "tiled_method": "comfyui"}
_NO_FACT = "luna does not say it of this VAE"


class LunaVAE:
    """In the place of ComfyUI's ``VAE``."""

    def __init__(self, fallback: Fallback) -> None:
        self._fallback = fallback

    # -- work ------------------------------------------------------------------------------------

    def decode(self, samples_in: Any, vae_options: Mapping[str, Any] | None = None) -> Any:
        """Latents [B, C, h, w] to images [B, H, W, 3] in 0..1; of latents with a time axis, the first frame.

        Raises:
            LunaRefusalError: neither the server nor ComfyUI can.
        """
        if vae_options:
            reason = f"luna has no options for a VAE, and {sorted(vae_options)} were given"
            return self._fallback.here(
                "the decode", reason, lambda vae: vae.decode(samples_in, vae_options=vae_options)
            )
        return self._decode(samples_in, {}, lambda vae: vae.decode(samples_in))

    def decode_tiled(
        self,
        samples: Any,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Any:
        """As :meth:`decode`, in tiles of so many latent cells (64, overlapping by 16); time has no tiles here."""
        tiles = _tiles(tile_x, tile_y, overlap, side=64, margin=16)
        given = _given(tile_x, tile_y, overlap, tile_t, overlap_t)
        return self._decode(samples, tiles, lambda vae: vae.decode_tiled(samples, **given))

    def encode(self, pixel_samples: Any) -> Any:
        """Images [B, H, W, C] in 0..1 to latents [B, C, h, w]: the posterior mean of the centre crop."""
        return self._encode(pixel_samples, {}, lambda vae: vae.encode(pixel_samples))

    def encode_tiled(
        self,
        pixel_samples: Any,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Any:
        """As :meth:`encode`, in tiles of so many pixels (512, overlapping by 64)."""
        tiles = _tiles(tile_x, tile_y, overlap, side=512, margin=64)
        given = _given(tile_x, tile_y, overlap, tile_t, overlap_t)
        return self._encode(
            pixel_samples, tiles, lambda vae: vae.encode_tiled(pixel_samples, **given)
        )

    def _decode(self, latents: Any, tiles: Mapping[str, Any], local: Callable[[Any], Any]) -> Any:
        host, model = self._fallback.host, self._fallback.model
        if latents.ndim == 5:
            info = self._fallback.info()
            if isinstance(info, ModelInfo) and info.latent_dim == 2:
                latents = latents[:, :, 0]
        sent = host.float32(latents)
        return self._fallback.do(
            "the decode",
            lambda luna, tell, stop: host.intermediate(
                self._heard(
                    "the decode",
                    luna.vae_decode(sent, model, **tiles, progress=tell, cancel=stop),
                ).images
            ),
            local,
        )

    def _encode(self, pixels: Any, tiles: Mapping[str, Any], local: Callable[[Any], Any]) -> Any:
        host, model = self._fallback.host, self._fallback.model
        sent = host.float32(pixels)
        return self._fallback.do(
            "the encode",
            lambda luna, tell, stop: host.intermediate(
                self._heard(
                    "the encode",
                    luna.vae_encode(sent, model, **tiles, progress=tell, cancel=stop),
                ).latents
            ),
            local,
        )

    def _heard(self, what: str, result: T) -> T:
        self._fallback.heard(what, result.warnings)
        return result

    # -- what it is like -------------------------------------------------------------------------

    def throw_exception_if_invalid(self) -> None:
        """Nothing: a VAE that is not one fails in its first use, with the reason."""

    def spacial_compression_decode(self) -> int:
        """Pixels of one latent cell's side when decoding."""
        return self._fact("upscale_ratio", lambda vae: vae.spacial_compression_decode())

    def spacial_compression_encode(self) -> int:
        """Pixels of one latent cell's side when encoding."""
        return self._fact("downscale_ratio", lambda vae: vae.spacial_compression_encode())

    def temporal_compression_decode(self) -> int | None:
        """Frames of one latent frame; None for a VAE of pictures."""
        return self._fact("", lambda vae: vae.temporal_compression_decode())

    @property
    def latent_channels(self) -> int:
        return self._fact("latent_channels", lambda vae: vae.latent_channels)

    @property
    def latent_dim(self) -> int:
        return self._fact("latent_dim", lambda vae: vae.latent_dim)

    @property
    def output_channels(self) -> int:
        return self._fact("output_channels", lambda vae: vae.output_channels)

    @property
    def downscale_ratio(self) -> Any:
        return self._fact("downscale_ratio", lambda vae: vae.downscale_ratio)

    @property
    def upscale_ratio(self) -> Any:
        return self._fact("upscale_ratio", lambda vae: vae.upscale_ratio)

    @property
    def downscale_index_formula(self) -> Any:
        """None for a VAE of pictures, as ComfyUI has it."""
        return self._fact("", lambda vae: vae.downscale_index_formula)

    def is_dynamic(self) -> bool:
        """False: there are no weights here that ComfyUI could move."""
        return False

    def _fact(self, name: str, local: Callable[[Any], Any]) -> Any:
        """A fact of the VAE by its name in ``model_info``; the empty name is for what VAEs of pictures do not have."""
        info = self._fallback.info()
        if isinstance(info, LunaError):
            return self._fallback.instead("the description", info, local)
        if not name and info.latent_dim == 2:
            return None
        known = getattr(info, name) if name else None
        return known or self._fallback.here("the description", _NO_FACT, local)

    # -- what needs the weights ------------------------------------------------------------------

    def get_sd(self) -> NoReturn:
        refuse("Saving a VAE", STOCK)

    def prepare_decode(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse("A decode that the node does itself", STOCK)

    def __getattr__(self, name: str) -> Any:
        raise missing("VAE", name, STOCK)


def _tiles(
    tile_x: int | None, tile_y: int | None, overlap: int | None, *, side: int, margin: int
) -> dict[str, Any]:
    """The request's fields for tiles; what is None is ``side`` or ``margin``."""
    return {
        **TILED,
        "tile_width": side if tile_x is None else tile_x,
        "tile_height": side if tile_y is None else tile_y,
        "overlap": margin if overlap is None else overlap,
    }


def _given(
    tile_x: int | None,
    tile_y: int | None,
    overlap: int | None,
    tile_t: int | None,
    overlap_t: int | None,
) -> dict[str, int]:
    values = {
        "tile_x": tile_x,
        "tile_y": tile_y,
        "overlap": overlap,
        "tile_t": tile_t,
        "overlap_t": overlap_t,
    }
    return {name: value for name, value in values.items() if value is not None}
