"""A diffusion model that ComfyUI detects and that two CPU cores can run: LDM's UNet, cut short.

ComfyUI knows a checkpoint by its tensors' names and shapes. SD 1.5 is "320 channels, context of 768, 1x1 convolutions
around the transformers"; how many levels and blocks there are is read from the file. So a UNet of two levels with one
residual block each is an SD 1.5 to it, and samples some eight times faster than the real one. SDXL is known by its
transformer depths too; (0, 2, 5) is the shortest of its known relatives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from make_models import Entry, Part, bias, conv, linear, norm_weight, plain

PREFIX = "model.diffusion_model."


@dataclass(frozen=True)
class UNet:
    """The shape of one UNet.

    Attributes:
        name: of the streams of random numbers.
        channel_mult: the width of each level in units of ``channels``.
        depths: transformer blocks of the residual block of each level.
        middle: transformer blocks in the middle; 0: a single residual block there.
        context: width of the conditioning.
        linear: whether a transformer is entered by a matrix (SDXL) or by a 1x1 convolution (SD 1.5).
        adm: width of the vector beside the conditioning (SDXL's sizes and pooled text); 0: none.
    """

    name: str
    channel_mult: tuple[int, ...]
    depths: tuple[int, ...]
    middle: int
    context: int
    linear: bool
    adm: int
    channels: int = 320


SD15 = UNet("unet_sd15", (1, 2), (1, 1), middle=1, context=768, linear=False, adm=0)
SDXL = UNet("unet_sdxl", (1, 1, 1), (0, 2, 5), middle=0, context=2048, linear=True, adm=2816)


def entries(unet: UNet) -> list[Entry]:
    """The tensors of a checkpoint that are the UNet's."""
    return plain(list(parts(unet)), PREFIX)


def parts(unet: UNet) -> Iterator[Part]:
    """Canonical tensors, in LDM's names. One residual block a level on the way down, two on the way up."""
    n, width, time = unet.name, unet.channels, 4 * unet.channels
    yield from _linear(f"{n}/time_embed.0", time, width)
    yield from _linear(f"{n}/time_embed.2", time, time)
    if unet.adm:
        yield from _linear(f"{n}/label_emb.0.0", time, unet.adm)
        yield from _linear(f"{n}/label_emb.0.2", time, time)
    yield from _conv(f"{n}/input_blocks.0.0", width, 4, 3)
    skips, now, block = [width], width, 1
    for level, mult in enumerate(unet.channel_mult):
        here = f"{n}/input_blocks.{block}"
        yield from _residual(f"{here}.0", now, mult * width, time)
        now = mult * width
        yield from _transformer(f"{here}.1", now, unet, unet.depths[level])
        skips.append(now)
        block += 1
        if level + 1 < len(unet.channel_mult):
            yield from _conv(f"{n}/input_blocks.{block}.0.op", now, now, 3)
            skips.append(now)
            block += 1
    yield from _middle(unet, now, time)
    block = 0
    for level in reversed(range(len(unet.channel_mult))):
        for step in range(2):
            here = f"{n}/output_blocks.{block}"
            yield from _residual(
                f"{here}.0", now + skips.pop(), unet.channel_mult[level] * width, time
            )
            now = unet.channel_mult[level] * width
            yield from _transformer(f"{here}.1", now, unet, unet.depths[level])
            if level and step:
                follows = 2 if unet.depths[level] else 1
                yield from _conv(f"{here}.{follows}.conv", now, now, 3)
            block += 1
    yield from _norm(f"{n}/out.0", now)
    yield from _conv(f"{n}/out.2", 4, now, 3, 0.5)


def _middle(unet: UNet, width: int, time: int) -> Iterator[Part]:
    here = f"{unet.name}/middle_block"
    yield from _residual(f"{here}.0", width, width, time)
    if unet.middle:
        yield from _transformer(f"{here}.1", width, unet, unet.middle)
        yield from _residual(f"{here}.2", width, width, time)


def _residual(name: str, cols: int, rows: int, time: int) -> Iterator[Part]:
    yield from _norm(f"{name}.in_layers.0", cols)
    yield from _conv(f"{name}.in_layers.2", rows, cols, 3)
    yield from _linear(f"{name}.emb_layers.1", rows, time)
    yield from _norm(f"{name}.out_layers.0", rows)
    yield from _conv(f"{name}.out_layers.3", rows, rows, 3, 0.5)
    if cols != rows:
        yield from _conv(f"{name}.skip_connection", rows, cols, 1)


def _transformer(name: str, width: int, unet: UNet, depth: int) -> Iterator[Part]:
    if depth == 0:
        return
    enter = _linear if unet.linear else _conv1
    yield from _norm(f"{name}.norm", width)
    yield from enter(f"{name}.proj_in", width, width)
    for i in range(depth):
        here = f"{name}.transformer_blocks.{i}"
        for attention, context in (("attn1", width), ("attn2", unet.context)):
            yield linear(f"{here}.{attention}.to_q.weight", width, width)
            yield linear(f"{here}.{attention}.to_k.weight", width, context)
            yield linear(f"{here}.{attention}.to_v.weight", width, context)
            yield from _linear(f"{here}.{attention}.to_out.0", width, width, 0.5)
        yield from _linear(f"{here}.ff.net.0.proj", 8 * width, width)
        yield from _linear(f"{here}.ff.net.2", width, 4 * width, 0.5)
        for norm in ("norm1", "norm2", "norm3"):
            yield from _norm(f"{here}.{norm}", width)
    yield from enter(f"{name}.proj_out", width, width)


def _linear(name: str, rows: int, cols: int, gain: float = 1.0) -> Iterator[Part]:
    yield linear(f"{name}.weight", rows, cols, gain)
    yield bias(f"{name}.bias", rows)


def _conv(name: str, rows: int, cols: int, size: int, gain: float = 1.0) -> Iterator[Part]:
    yield conv(f"{name}.weight", rows, cols, size, gain)
    yield bias(f"{name}.bias", rows)


def _conv1(name: str, rows: int, cols: int) -> Iterator[Part]:
    return _conv(name, rows, cols, 1)


def _norm(name: str, rows: int) -> Iterator[Part]:
    yield norm_weight(f"{name}.weight", rows)
    yield bias(f"{name}.bias", rows)
