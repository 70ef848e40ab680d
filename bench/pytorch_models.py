"""CLIP text towers and the SD autoencoder's decoder in PyTorch, computed the way ComfyUI computes them on a CPU.

What luna is measured against: fp16 CLIP weights are cast to fp32 at each call, attention is written out (ComfyUI's
``attention_basic``, its choice on a CPU), pictures go through as NCHW. The layouts are those of tests/make_models.py:
transformers' names for the towers, LDM's for the autoencoder. Needs torch and safetensors.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file

Tensors = dict[str, torch.Tensor]


class ClipTower:
    """One tower; ``__call__`` gives the last hidden state [rows, 77, D] and nothing else."""

    def __init__(self, path: Path, quick_gelu: bool) -> None:
        self.weights: Tensors = {k: v.half() for k, v in load_file(path).items()}
        self.quick_gelu = quick_gelu
        self.layers = 1 + max(
            int(name.split(".")[3]) for name in self.weights if ".layers." in name
        )

    def _cast(self, name: str) -> torch.Tensor:
        return self.weights["text_model." + name].float()

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, self._cast(name + ".weight"), self._cast(name + ".bias"))

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(
            x, x.shape[-1:], self._cast(name + ".weight"), self._cast(name + ".bias"), 1e-5
        )

    def _attention(self, x: torch.Tensor, name: str, mask: torch.Tensor) -> torch.Tensor:
        rows, length, width = x.shape
        heads = width // 64
        q, k, v = (
            self._linear(x, f"{name}.{part}_proj").view(rows, length, heads, 64).transpose(1, 2)
            for part in "qkv"
        )
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * 64**-0.5 + mask
        seen = torch.einsum("bhij,bhjd->bhid", scores.softmax(-1), v)
        return self._linear(seen.transpose(1, 2).reshape(rows, length, width), name + ".out_proj")

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        x = F.embedding(ids, self.weights["text_model.embeddings.token_embedding.weight"]).float()
        x = x + self._cast("embeddings.position_embedding.weight")
        length = x.shape[1]
        mask = torch.full((length, length), torch.finfo(torch.float32).min).triu(1)
        for layer in range(self.layers):
            name = f"encoder.layers.{layer}"
            x = x + self._attention(self._norm(x, name + ".layer_norm1"), name + ".self_attn", mask)
            inner = self._linear(self._norm(x, name + ".layer_norm2"), name + ".mlp.fc1")
            inner = inner * torch.sigmoid(1.702 * inner) if self.quick_gelu else F.gelu(inner)
            x = x + self._linear(inner, name + ".mlp.fc2")
        return self._norm(x, "final_layer_norm")


class Decoder:
    """AutoencoderKL's decoder: latents [B, 4, h, w] as ComfyUI holds them -> images [B, 8h, 8w, 3] in 0..1."""

    def __init__(self, path: Path) -> None:
        self.weights: Tensors = load_file(path)

    def _conv(self, x: torch.Tensor, name: str, padding: int = 1) -> torch.Tensor:
        return F.conv2d(
            x, self.weights[name + ".weight"], self.weights[name + ".bias"], padding=padding
        )

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.group_norm(
            x, 32, self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-6
        )

    def _block(self, x: torch.Tensor, name: str) -> torch.Tensor:
        h = self._conv(F.silu(self._norm(x, name + ".norm1")), name + ".conv1")
        h = self._conv(F.silu(self._norm(h, name + ".norm2")), name + ".conv2")
        if name + ".nin_shortcut.weight" in self.weights:
            x = self._conv(x, name + ".nin_shortcut", 0)
        return x + h

    def _attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        b, c, h, w = x.shape
        normed = self._norm(x, name + ".norm")
        q, k, v = (
            self._conv(normed, f"{name}.{part}", 0).reshape(b, 1, c, h * w).transpose(2, 3)
            for part in "qkv"
        )
        seen = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w)
        return x + self._conv(seen, name + ".proj_out", 0)

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        x = latents
        if "post_quant_conv.weight" in self.weights:
            x = self._conv(x, "post_quant_conv", 0)
        x = self._conv(x, "decoder.conv_in")
        x = self._block(x, "decoder.mid.block_1")
        x = self._attention(x, "decoder.mid.attn_1")
        x = self._block(x, "decoder.mid.block_2")
        for level in (3, 2, 1, 0):
            for block in range(3):
                x = self._block(x, f"decoder.up.{level}.block.{block}")
            if level:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                x = self._conv(x, f"decoder.up.{level}.upsample.conv")
        x = self._conv(F.silu(self._norm(x, "decoder.norm_out")), "decoder.conv_out")
        return ((x + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
