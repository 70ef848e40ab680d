#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write random-weight model files in the real key layouts, for luna's tests and benchmarks.

The files look like the real ones (same tensor names, ranks and dtypes) but hold noise, so that nobody needs to
download a model to test a loader, a text encoder, a VAE or a LoRA. Needs Python 3.8+ and numpy only.

  make_models.py clip-l  --out clip_l.safetensors                    tiny widths (the default), seed 1
  make_models.py sd15    --out sd15.safetensors --scale full         the real sizes
  make_models.py all     --out-dir build/models                      every tiny file under its standard name
  make_models.py list                                                families, scales and sizes

Scales
  tiny   real layer counts and key names (so detection by key name works), narrow widths, full vocabularies.
         Head counts cannot be read off the shapes of a tiny file by a rule that also fits every real file, so the
         widths were chosen to keep the usual rules true: CLIP text heads = width / 64, T5 d_kv = 64,
         Qwen3 head_dim = 128 (= rows of q_norm.weight). CLIP vision: heads = width / 64 (L) or width / 80 (H).
         The dimensions are also in the file's metadata, key "luna.config" (JSON). Real files have no such key.
  full   the real dimensions.

The values are the same for ever, on every machine, and easy to compute in another language:
  key   = "<seed>/<canonical tensor name>" in UTF-8, for instance "1/clip_l/text_model.final_layer_norm.bias"
  s     = the first 8 bytes of SHA-256(key) as a little-endian unsigned 64-bit number
  z_i   = SplitMix64 output number i (i = 0, 1, ...) of the state s:   z = s + (i + 1) * 0x9E3779B97F4A7C15;
          z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;  z = z ^ (z >> 31)
          (all modulo 2^64)
  n_i   = (sum of the four 16-bit pieces of z_i) - 131070              an integer, nearly bell-shaped
  x_i   = float32(mean + n_i * (std / SIGMA))  computed in float64,    SIGMA = sqrt(4 * (65536^2 - 1) / 12)
  then float32 -> file dtype, round to nearest even. Elements are in row-major order of the canonical tensor.
A tensor that a layout fuses, splits, reshapes or transposes (OpenCLIP, diffusers) is made from its canonical tensors,
so two layouts of one model hold the same numbers.
"""

import argparse
import hashlib
import json
import math
import os
import struct
import sys

import numpy as np

SIGMA = math.sqrt(4.0 * (65536.0 * 65536.0 - 1.0) / 12.0)
MASK16 = np.uint64(0xFFFF)


# ------------------------------------------------------------------------------------------------ random numbers
def fill(seed, name, count, mean, std):
    """The first `count` values of the stream named `name`, as float32."""
    state = struct.unpack("<Q", hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8])[0]
    out = np.empty(count, np.float32)
    scale = std / SIGMA
    step = 1 << 20
    for lo in range(0, count, step):
        hi = min(count, lo + step)
        with np.errstate(over="ignore"):
            z = np.arange(lo + 1, hi + 1, dtype=np.uint64)
            z *= np.uint64(0x9E3779B97F4A7C15)
            z += np.uint64(state)
            z ^= z >> np.uint64(30)
            z *= np.uint64(0xBF58476D1CE4E5B9)
            z ^= z >> np.uint64(27)
            z *= np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        n = z & MASK16
        for shift in (16, 32, 48):
            n += (z >> np.uint64(shift)) & MASK16
        v = n.astype(np.float64)
        v -= 131070.0
        v *= scale
        v += mean
        out[lo:hi] = v
    return out


# ------------------------------------------------------------------------------------------- tensor descriptions
class Part:
    """One canonical tensor: its name, its shape and the law of its values."""

    def __init__(self, name, shape, mean=0.0, std=1.0, values=None):
        self.name, self.shape, self.mean, self.std, self.values = (
            name,
            tuple(shape),
            mean,
            std,
            values,
        )

    def make(self, seed):
        if self.values is not None:
            return self.values
        count = int(np.prod(self.shape, dtype=np.int64))
        return fill(seed, self.name, count, self.mean, self.std).reshape(self.shape)


class Entry:
    """One tensor of the file: a key, the canonical parts (stacked along axis 0), and an optional change of shape."""

    def __init__(self, key, parts, shape=None, transpose=False, dtype=None):
        self.key, self.parts, self.transpose, self.dtype = key, parts, transpose, dtype
        first = parts[0].shape
        full = first if len(parts) == 1 else (sum(p.shape[0] for p in parts),) + first[1:]
        self.shape = (
            tuple(reversed(full)) if transpose else tuple(shape) if shape is not None else full
        )

    def make(self, seed):
        pieces = [p.make(seed) for p in self.parts]
        data = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=0)
        return data.T if self.transpose else data.reshape(self.shape)


def linear(name, rows, cols, gain=1.0):
    return Part(name, (rows, cols), 0.0, gain / math.sqrt(cols))


def conv(name, rows, cols, size, gain=1.0):
    return Part(name, (rows, cols, size, size), 0.0, gain / math.sqrt(cols * size * size))


def bias(name, rows):
    return Part(name, (rows,), 0.0, 0.02)


def norm_weight(name, rows):
    return Part(name, (rows,), 1.0, 0.1)


def plain(parts, prefix=""):
    """Parts whose canonical name is '<model>/<key>' as file entries '<prefix><key>'."""
    return [Entry(prefix + p.name.split("/", 1)[1], [p]) for p in parts]


# -------------------------------------------------------------------------------------------------- text encoders
CLIP_TEXT = {
    ("clip_l", "full"): {"layers": 12, "width": 768, "ff": 3072, "act": "quick_gelu"},
    ("clip_l", "tiny"): {"layers": 12, "width": 128, "ff": 512, "act": "quick_gelu"},
    ("clip_g", "full"): {"layers": 32, "width": 1280, "ff": 5120, "act": "gelu"},
    ("clip_g", "tiny"): {"layers": 32, "width": 192, "ff": 768, "act": "gelu"},
}
CLIP_LINEARS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.out_proj",
    "mlp.fc1",
    "mlp.fc2",
)


def clip_linear_shape(cfg, which):
    width, ff = cfg["width"], cfg["ff"]
    return {"mlp.fc1": (ff, width), "mlp.fc2": (width, ff)}.get(which, (width, width))


def clip_text(model, cfg):
    """Canonical tensors of a CLIP text tower (transformers names), with the projection and the logit scale."""
    width = cfg["width"]
    gain = {
        "self_attn.q_proj": 1.4,
        "self_attn.k_proj": 1.4,
        "self_attn.out_proj": 0.8,
        "mlp.fc2": 0.8,
    }
    t = f"{model}/text_model."
    out = [
        Part(t + "embeddings.token_embedding.weight", (49408, width), 0.0, 0.5),
        Part(t + "embeddings.position_embedding.weight", (77, width), 0.0, 0.25),
    ]
    for i in range(cfg["layers"]):
        b = f"{t}encoder.layers.{i}."
        for n in ("layer_norm1", "layer_norm2"):
            out += [norm_weight(f"{b}{n}.weight", width), bias(f"{b}{n}.bias", width)]
        for n in CLIP_LINEARS:
            rows, cols = clip_linear_shape(cfg, n)
            out += [
                linear(f"{b}{n}.weight", rows, cols, gain.get(n, 1.0)),
                bias(f"{b}{n}.bias", rows),
            ]
    out += [
        norm_weight(t + "final_layer_norm.weight", width),
        bias(t + "final_layer_norm.bias", width),
        linear(f"{model}/text_projection.weight", width, width),
        Part(f"{model}/logit_scale", (), 4.6, 0.0),
    ]
    return out


def position_ids(prefix):
    """The integer buffer that old checkpoints carry; loaders must ignore it."""
    return Entry(
        prefix + "text_model.embeddings.position_ids",
        [Part("", (1, 77), values=np.arange(77, dtype=np.int64).reshape(1, 77))],
        dtype="I64",
    )


def openclip_text(parts, prefix):
    """The same text tower under OpenCLIP names: fused q,k,v rows and a transposed bare projection."""
    by_key = {p.name.split("/", 1)[1]: p for p in parts}
    rename = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
    }
    out, layers = [], 0
    for key, p in by_key.items():
        if key == "text_model.embeddings.token_embedding.weight":
            out.append(Entry(prefix + "token_embedding.weight", [p]))
        elif key == "text_model.embeddings.position_embedding.weight":
            out.append(Entry(prefix + "positional_embedding", [p]))
        elif key.startswith("text_model.final_layer_norm."):
            out.append(Entry(prefix + "ln_final." + key.rsplit(".", 1)[1], [p]))
        elif key == "text_projection.weight":
            out.append(Entry(prefix + "text_projection", [p], transpose=True))
        elif key == "logit_scale":
            out.append(Entry(prefix + "logit_scale", [p]))
        elif key.startswith("text_model.encoder.layers."):
            number, rest = key[len("text_model.encoder.layers.") :].split(".", 1)
            module, leaf = rest.rsplit(".", 1)
            layers = max(layers, int(number) + 1)
            if module in rename:
                out.append(
                    Entry(f"{prefix}transformer.resblocks.{number}.{rename[module]}.{leaf}", [p])
                )
    for i in range(layers):
        for leaf in ("weight", "bias"):
            qkv = [
                by_key[f"text_model.encoder.layers.{i}.self_attn.{n}_proj.{leaf}"] for n in "qkv"
            ]
            out.append(Entry(f"{prefix}transformer.resblocks.{i}.attn.in_proj_{leaf}", qkv))
    return out


T5 = {
    "full": {"layers": 24, "width": 4096, "heads": 64, "d_kv": 64, "ff": 10240},
    "tiny": {"layers": 24, "width": 128, "heads": 4, "d_kv": 64, "ff": 320},
}


def t5_text(cfg):
    width, inner, ff = cfg["width"], cfg["heads"] * cfg["d_kv"], cfg["ff"]
    out = [Part("t5xxl/shared.weight", (32128, width), 0.0, 1.0)]
    for i in range(cfg["layers"]):
        a = f"t5xxl/encoder.block.{i}.layer.0."
        # T5 does not divide the scores by sqrt(d_kv): the query weights carry that factor.
        out += [
            Part(
                a + "SelfAttention.q.weight",
                (inner, width),
                0.0,
                1.4 / math.sqrt(width * cfg["d_kv"]),
            ),
            linear(a + "SelfAttention.k.weight", inner, width, 1.4),
            linear(a + "SelfAttention.v.weight", inner, width),
            linear(a + "SelfAttention.o.weight", width, inner),
        ]
        if i == 0:
            out.append(
                Part(
                    a + "SelfAttention.relative_attention_bias.weight", (32, cfg["heads"]), 0.0, 1.0
                )
            )
        out.append(norm_weight(a + "layer_norm.weight", width))
        f = f"t5xxl/encoder.block.{i}.layer.1."
        out += [
            linear(f + "DenseReluDense.wi_0.weight", ff, width),
            linear(f + "DenseReluDense.wi_1.weight", ff, width),
            linear(f + "DenseReluDense.wo.weight", width, ff),
            norm_weight(f + "layer_norm.weight", width),
        ]
    out.append(norm_weight("t5xxl/encoder.final_layer_norm.weight", width))
    return out


QWEN3 = {
    "full": {"layers": 36, "width": 2560, "heads": 32, "kv_heads": 8, "head_dim": 128, "ff": 9728},
    "tiny": {"layers": 36, "width": 192, "heads": 4, "kv_heads": 2, "head_dim": 128, "ff": 448},
}


def qwen3_text(cfg):
    width, dim, ff = cfg["width"], cfg["head_dim"], cfg["ff"]
    queries, keys = cfg["heads"] * dim, cfg["kv_heads"] * dim
    m = "qwen3_4b/model."
    out = [Part(m + "embed_tokens.weight", (151936, width), 0.0, 0.5)]
    for i in range(cfg["layers"]):
        b = f"{m}layers.{i}."
        out += [
            norm_weight(b + "input_layernorm.weight", width),
            linear(b + "self_attn.q_proj.weight", queries, width),
            linear(b + "self_attn.k_proj.weight", keys, width),
            linear(b + "self_attn.v_proj.weight", keys, width),
            linear(b + "self_attn.o_proj.weight", width, queries, 0.8),
            Part(b + "self_attn.q_norm.weight", (dim,), 1.4, 0.1),
            Part(b + "self_attn.k_norm.weight", (dim,), 1.4, 0.1),
            norm_weight(b + "post_attention_layernorm.weight", width),
            linear(b + "mlp.gate_proj.weight", ff, width),
            linear(b + "mlp.up_proj.weight", ff, width),
            linear(b + "mlp.down_proj.weight", width, ff),
        ]
    out.append(norm_weight(m + "norm.weight", width))
    return out


# ------------------------------------------------------------------------------------------------------------ VAE
VAE = {
    ("vae_sd", "full"): {"width": 128, "latent": 4, "quant": True},
    ("vae_sd", "tiny"): {"width": 32, "latent": 4, "quant": True},
    ("vae_flux", "full"): {"width": 128, "latent": 16, "quant": False},
    ("vae_flux", "tiny"): {"width": 32, "latent": 16, "quant": False},
}


def vae(model, cfg):
    """Canonical tensors of the 8x KL autoencoder (LDM names): widths w, 2w, 4w, 4w; 2 or 3 blocks a level."""
    widths = [cfg["width"] * m for m in (1, 2, 4, 4)]
    top, out = widths[-1], []

    def conv2d(name, rows, cols, size, gain=1.0):
        out.extend(
            [
                conv(f"{model}/{name}.weight", rows, cols, size, gain),
                bias(f"{model}/{name}.bias", rows),
            ]
        )

    def group_norm(name, rows):
        out.extend(
            [norm_weight(f"{model}/{name}.weight", rows), bias(f"{model}/{name}.bias", rows)]
        )

    def block(name, cols, rows):
        group_norm(name + ".norm1", cols)
        conv2d(name + ".conv1", rows, cols, 3, 1.3)
        group_norm(name + ".norm2", rows)
        conv2d(name + ".conv2", rows, rows, 3, 1.3)
        if cols != rows:
            conv2d(name + ".nin_shortcut", rows, cols, 1)

    def middle(name):
        block(name + ".block_1", top, top)
        group_norm(name + ".attn_1.norm", top)
        for n, gain in (("q", 1.4), ("k", 1.4), ("v", 1.0), ("proj_out", 1.0)):
            conv2d(f"{name}.attn_1.{n}", top, top, 1, gain)
        block(name + ".block_2", top, top)

    conv2d("encoder.conv_in", widths[0], 3, 3)
    cols = widths[0]
    for level, rows in enumerate(widths):
        for j in range(2):
            block(f"encoder.down.{level}.block.{j}", cols, rows)
            cols = rows
        if level < 3:
            conv2d(f"encoder.down.{level}.downsample.conv", rows, rows, 3)
    middle("encoder.mid")
    group_norm("encoder.norm_out", top)
    conv2d("encoder.conv_out", 2 * cfg["latent"], top, 3, 1.6)

    conv2d("decoder.conv_in", top, cfg["latent"], 3)
    middle("decoder.mid")
    cols = top
    for level in (3, 2, 1, 0):
        for j in range(3):
            block(f"decoder.up.{level}.block.{j}", cols, widths[level])
            cols = widths[level]
        if level > 0:
            conv2d(f"decoder.up.{level}.upsample.conv", cols, cols, 3)
    group_norm("decoder.norm_out", cols)
    conv2d("decoder.conv_out", 3, cols, 3, 0.8)
    if cfg["quant"]:
        conv2d("quant_conv", 2 * cfg["latent"], 2 * cfg["latent"], 1)
        conv2d("post_quant_conv", cfg["latent"], cfg["latent"], 1)
    return out


def diffusers_vae(parts):
    """The same autoencoder under diffusers names; the middle attention's 1x1 kernels become matrices."""
    attention = {
        "norm": "group_norm",
        "q": "to_q",
        "k": "to_k",
        "v": "to_v",
        "proj_out": "to_out.0",
    }
    out = []
    for p in parts:
        key = p.name.split("/", 1)[1]
        words, shape = key.split("."), p.shape
        if words[1] == "down" or words[1] == "up":
            side = "down_blocks" if words[1] == "down" else "up_blocks"
            level = int(words[2]) if words[1] == "down" else 3 - int(words[2])
            if words[3] == "block":
                tail = ["conv_shortcut" if w == "nin_shortcut" else w for w in words[5:]]
                key = ".".join([words[0], side, str(level), "resnets", words[4]] + tail)
            else:
                key = ".".join([words[0], side, str(level), words[3] + "rs", "0"] + words[4:])
        elif words[1] == "mid":
            if words[2] == "attn_1":
                key = ".".join([words[0], "mid_block.attentions.0", attention[words[3]], words[4]])
                if len(shape) == 4:
                    shape = shape[:2]
            else:
                key = ".".join(
                    [words[0], "mid_block.resnets", str(int(words[2][-1]) - 1)] + words[3:]
                )
        elif words[1] == "norm_out":
            key = ".".join([words[0], "conv_norm_out", words[2]])
        out.append(Entry(key, [p], shape=shape))
    return out


# ---------------------------------------------------------------------------------------------------- CLIP vision
CLIP_VISION = {
    ("clip_vision_l", "full"): {
        "layers": 24,
        "width": 1024,
        "heads": 16,
        "ff": 4096,
        "proj": 768,
        "image": 224,
        "act": "quick_gelu",
    },
    ("clip_vision_l", "tiny"): {
        "layers": 24,
        "width": 128,
        "heads": 2,
        "ff": 512,
        "proj": 96,
        "image": 56,
        "act": "quick_gelu",
    },
    ("clip_vision_h", "full"): {
        "layers": 32,
        "width": 1280,
        "heads": 16,
        "ff": 5120,
        "proj": 1024,
        "image": 224,
        "act": "gelu",
    },
    ("clip_vision_h", "tiny"): {
        "layers": 32,
        "width": 160,
        "heads": 2,
        "ff": 640,
        "proj": 128,
        "image": 56,
        "act": "gelu",
    },
}


def clip_vision(model, cfg):
    width, _ff = cfg["width"], cfg["ff"]
    gain = {
        "self_attn.q_proj": 1.4,
        "self_attn.k_proj": 1.4,
        "self_attn.out_proj": 0.8,
        "mlp.fc2": 0.8,
    }
    v = f"{model}/vision_model."
    out = [
        Part(v + "embeddings.class_embedding", (width,), 0.0, 0.5),
        conv(v + "embeddings.patch_embedding.weight", width, 3, 14),
        Part(
            v + "embeddings.position_embedding.weight",
            ((cfg["image"] // 14) ** 2 + 1, width),
            0.0,
            0.25,
        ),
    ]
    for n in ("pre_layrnorm", "post_layernorm"):  # the first name is misspelt in every real file
        out += [norm_weight(f"{v}{n}.weight", width), bias(f"{v}{n}.bias", width)]
    for i in range(cfg["layers"]):
        b = f"{v}encoder.layers.{i}."
        for n in ("layer_norm1", "layer_norm2"):
            out += [norm_weight(f"{b}{n}.weight", width), bias(f"{b}{n}.bias", width)]
        for n in CLIP_LINEARS:
            rows, cols = clip_linear_shape(cfg, n)
            out += [
                linear(f"{b}{n}.weight", rows, cols, gain.get(n, 1.0)),
                bias(f"{b}{n}.bias", rows),
            ]
    out.append(linear(f"{model}/visual_projection.weight", cfg["proj"], width))
    return out


# ----------------------------------------------------------------------------------------------------------- LoRA
def clip_lora(model, cfg, prefix, name, rank, algorithm):
    """kohya-style adapter of every linear of a CLIP text tower: <prefix>text_model_encoder_layers_<i>_<module>.*"""
    out = []
    for i in range(cfg["layers"]):
        for n in CLIP_LINEARS:
            rows, cols = clip_linear_shape(cfg, n)
            key = f"{prefix}text_model_encoder_layers_{i}_{n.replace('.', '_')}"
            c = f"{name}/{model}/{i}.{n}."
            kinds = ("lora", "loha", "lokr", "dora")
            kind = algorithm if algorithm in kinds else kinds[(i + CLIP_LINEARS.index(n)) % 4]
            # alpha differs from the rank, and differs between modules, so that the alpha / rank factor is tested
            alpha = float(rank) if n.startswith("mlp") else rank / 2.0

            def put(suffix, part, key=key):
                out.append(Entry(f"{key}.{suffix}", [part]))

            if kind in ("lora", "dora"):
                put("lora_down.weight", Part(c + "down", (rank, cols), 0.0, 1.0 / math.sqrt(cols)))
                put("lora_up.weight", Part(c + "up", (rows, rank), 0.0, 0.7 / math.sqrt(rank)))
                if kind == "dora":
                    put("dora_scale", Part(c + "dora", (rows, 1), 1.0, 0.1))
            elif kind == "loha":
                for half in ("1", "2"):
                    put(
                        f"hada_w{half}_a",
                        Part(c + "a" + half, (rows, rank), 0.0, 1.0 / math.sqrt(rank)),
                    )
                    put(
                        f"hada_w{half}_b",
                        Part(c + "b" + half, (rank, cols), 0.0, 0.8 / math.sqrt(math.sqrt(cols))),
                    )
            else:
                put("lokr_w1", Part(c + "w1", (4, 4), 0.0, 0.5))
                put("lokr_w2_a", Part(c + "w2a", (rows // 4, rank), 0.0, 1.0 / math.sqrt(rank)))
                put("lokr_w2_b", Part(c + "w2b", (rank, cols // 4), 0.0, 1.0 / math.sqrt(cols)))
            out.append(Entry(f"{key}.alpha", [Part(c + "alpha", (), alpha, 0.0)]))
    return out


# --------------------------------------------------------------------------------------------- textual inversion
def embedding(widths, name, rows):
    """A textual-inversion file with one tensor [rows, width] for each encoder."""
    return [Entry(m, [Part(f"{name}/{m}", (rows, width), 0.0, 0.5)]) for m, width in widths]


# ---------------------------------------------------------------------------------------------------- test images
def pattern_image(height, width, channels=3, seed=0):
    """An 8-bit image [height, width, channels] from integer arithmetic alone; the golden files name it by arguments.

    value(y, x, c) = ((3 x^2 + 5 y^2 + 7 x y) div 64 + 60 c + 17 seed + (x div 8 + y div 8) mod 2 * 40) mod 256
    """
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    value = (
        (3 * x * x + 5 * y * y + 7 * x * y) // 64
        + 60 * c
        + 17 * seed
        + ((x // 8 + y // 8) % 2) * 40
    )
    return (value % 256).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------- families
def without(entries, *keys):
    return [e for e in entries if e.key not in keys]


def family_entries(family, scale, layout, rank, algorithm, name):
    """-> (entries, default dtype, configuration for the metadata)."""

    def text(m):
        return CLIP_TEXT[(m, scale)]

    def vae_of(m):
        return VAE[(m, scale)]

    if family == "clip-l":
        parts = clip_text("clip_l", text("clip_l"))
        return plain(parts), "F16", {"clip_l": text("clip_l")}
    if family == "clip-g":
        parts = clip_text("clip_g", text("clip_g"))
        entries = openclip_text(parts, "") if layout == "openclip" else plain(parts)
        return entries, "F16", {"clip_g": text("clip_g")}
    if family == "t5xxl":
        return plain(t5_text(T5[scale])), "F16", {"t5xxl": T5[scale]}
    if family == "qwen3-4b":
        return plain(qwen3_text(QWEN3[scale])), "BF16", {"qwen3_4b": QWEN3[scale]}
    if family in ("vae-sd", "vae-flux"):
        m = family.replace("-", "_")
        parts = vae(m, vae_of(m))
        return (
            (diffusers_vae(parts) if layout == "diffusers" else plain(parts)),
            "F32",
            {m: vae_of(m)},
        )
    if family in ("clip-vision-l", "clip-vision-h"):
        m = family.replace("-", "_")
        return plain(clip_vision(m, CLIP_VISION[(m, scale)])), "F16", {m: CLIP_VISION[(m, scale)]}
    if family == "sd15":
        side = "cond_stage_model.transformer."
        entries = without(
            plain(clip_text("clip_l", text("clip_l")), side),
            side + "text_projection.weight",
            side + "logit_scale",
        )
        entries.append(position_ids(side))
        entries += plain(vae("vae_sd", vae_of("vae_sd")), "first_stage_model.")
        return entries, "F16", {"clip_l": text("clip_l"), "vae_sd": vae_of("vae_sd")}
    if family == "sdxl":
        side = "conditioner.embedders.0.transformer."
        entries = without(
            plain(clip_text("clip_l", text("clip_l")), side),
            side + "text_projection.weight",
            side + "logit_scale",
        )
        entries.append(position_ids(side))
        entries += openclip_text(
            clip_text("clip_g", text("clip_g")), "conditioner.embedders.1.model."
        )
        entries += plain(vae("vae_sd", vae_of("vae_sd")), "first_stage_model.")
        return (
            entries,
            "F16",
            {"clip_l": text("clip_l"), "clip_g": text("clip_g"), "vae_sd": vae_of("vae_sd")},
        )
    if family == "lora-sd15":
        return (
            clip_lora("clip_l", text("clip_l"), "lora_te_", name, rank, algorithm),
            "F16",
            {"rank": rank, "algorithm": algorithm},
        )
    if family == "embedding":
        widths = [(m, text(m)["width"]) for m in ("clip_l", "clip_g")]
        return embedding(widths, name, rank), "F32", {"rows": rank}
    if family == "lora-sdxl":
        entries = clip_lora("clip_l", text("clip_l"), "lora_te1_", name, rank, algorithm)
        entries += clip_lora("clip_g", text("clip_g"), "lora_te2_", name, rank, algorithm)
        return entries, "F16", {"rank": rank, "algorithm": algorithm}
    raise SystemExit(f"unknown family: {family}")


FAMILIES = (
    "sd15",
    "sdxl",
    "clip-l",
    "clip-g",
    "t5xxl",
    "qwen3-4b",
    "vae-sd",
    "vae-flux",
    "clip-vision-l",
    "clip-vision-h",
    "lora-sd15",
    "lora-sdxl",
    "embedding",
)
LAYOUTS = {
    "clip-g": ("hf", "openclip"),
    "vae-sd": ("ldm", "diffusers"),
    "vae-flux": ("ldm", "diffusers"),
}

# What `all` writes: standard file name -> arguments. The golden files name these.
STANDARD = {
    "sd15.safetensors": {"family": "sd15"},
    "sdxl.safetensors": {"family": "sdxl"},
    "clip_l.safetensors": {"family": "clip-l"},
    "clip_g.safetensors": {"family": "clip-g"},
    "clip_g_openclip.safetensors": {"family": "clip-g", "layout": "openclip"},
    "t5xxl.safetensors": {"family": "t5xxl"},
    "qwen3_4b.safetensors": {"family": "qwen3-4b"},
    "vae_sd.safetensors": {"family": "vae-sd"},
    "vae_sd_diffusers.safetensors": {"family": "vae-sd", "layout": "diffusers"},
    "vae_flux.safetensors": {"family": "vae-flux"},
    "clip_vision_l.safetensors": {"family": "clip-vision-l"},
    "clip_vision_h.safetensors": {"family": "clip-vision-h"},
    "lora_sd15_a.safetensors": {"family": "lora-sd15", "name": "lora_a", "rank": 8},
    "lora_sd15_b.safetensors": {"family": "lora-sd15", "name": "lora_b", "rank": 4},
    "lora_sd15_mixed.safetensors": {
        "family": "lora-sd15",
        "name": "lora_m",
        "rank": 4,
        "algorithm": "mixed",
    },
    "lora_sdxl_a.safetensors": {"family": "lora-sdxl", "name": "lora_a", "rank": 8},
    "embeddings/luna_ti.safetensors": {"family": "embedding", "name": "luna_ti", "rank": 3},
}


# ----------------------------------------------------------------------------------------------------- the writer
ITEM = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def to_bytes(data, dtype):
    data = np.ascontiguousarray(data)
    if dtype == "I64":
        return data.astype("<i8").tobytes()
    if dtype == "F32":
        return data.astype("<f4").tobytes()
    if dtype == "F16":
        return data.astype("<f2").tobytes()
    bits = data.astype("<f4").view("<u4")  # BF16: round to nearest even on the upper half
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits >> np.uint32(16)).astype("<u2").tobytes()


def write(path, entries, dtype, seed, metadata):
    """Write one safetensors file tensor by tensor (memory: the largest tensor). -> SHA-256 of the file."""
    header, offset = {"__metadata__": metadata}, 0
    for e in entries:
        kind = e.dtype or dtype
        size = int(np.prod(e.shape, dtype=np.int64)) * ITEM[kind]
        header[e.key] = {
            "dtype": kind,
            "shape": list(e.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    blob = json.dumps(header, separators=(",", ":")).encode("utf-8")
    blob += b" " * (-len(blob) % 8)
    digest = hashlib.sha256()
    temporary = f"{path}.part"
    with open(temporary, "wb") as f:

        def put(b):
            f.write(b)
            digest.update(b)

        put(struct.pack("<Q", len(blob)))
        put(blob)
        for e in entries:
            put(to_bytes(e.make(seed), e.dtype or dtype))
    os.replace(temporary, path)
    return digest.hexdigest()


def make(
    path,
    family,
    scale="tiny",
    seed=1,
    dtype=None,
    layout=None,
    rank=8,
    algorithm="lora",
    name="lora_a",
):
    entries, default, config = family_entries(family, scale, layout, rank, algorithm, name)
    kind = {"fp16": "F16", "bf16": "BF16", "fp32": "F32", None: default}[dtype]
    metadata = {
        "format": "pt",
        "luna.config": json.dumps(
            {"family": family, "scale": scale, "seed": seed, "models": config}, sort_keys=True
        ),
    }
    return write(path, entries, kind, seed, metadata)


def main():
    p = argparse.ArgumentParser(description="random-weight model files in the real key layouts")
    p.add_argument("family", choices=FAMILIES + ("all", "list"))
    p.add_argument("--out", help="the file to write")
    p.add_argument("--out-dir", help="for 'all': the folder to write into")
    p.add_argument("--scale", choices=("tiny", "full"), default="tiny")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument(
        "--dtype",
        choices=("fp16", "bf16", "fp32"),
        help="of the float tensors (default: as the real file)",
    )
    p.add_argument("--layout", help="clip-g: hf|openclip; vae-*: ldm|diffusers")
    p.add_argument("--rank", type=int, default=8, help="LoRA rank, or rows of an embedding")
    p.add_argument("--algorithm", choices=("lora", "loha", "lokr", "dora", "mixed"), default="lora")
    p.add_argument(
        "--name", default="lora_a", help="LoRA, embedding: another name gives other numbers"
    )
    a = p.parse_args()
    if a.layout is not None and a.layout not in LAYOUTS.get(a.family, ()):
        p.error(f"{a.family} has no layout {a.layout}")
    if a.family == "list":
        for family in FAMILIES:
            for scale in ("tiny", "full"):
                entries, kind, _ = family_entries(family, scale, None, 8, "lora", "lora_a")
                count = sum(int(np.prod(e.shape, dtype=np.int64)) for e in entries)
                print(
                    f"{family:14} {scale:5} {len(entries):5} tensors {count / 1e6:9.1f} M values {kind:4} "
                    f"{count * ITEM[kind] / 2**20:9.1f} MiB"
                )
    elif a.family == "all":
        if not a.out_dir:
            p.error("--out-dir is needed")
        os.makedirs(a.out_dir, exist_ok=True)
        for file, spec in STANDARD.items():
            os.makedirs(os.path.dirname(os.path.join(a.out_dir, file)), exist_ok=True)
            print(
                make(os.path.join(a.out_dir, file), scale=a.scale, seed=a.seed, **spec),
                file,
                flush=True,
            )
    else:
        if not a.out:
            p.error("--out is needed")
        print(
            make(a.out, a.family, a.scale, a.seed, a.dtype, a.layout, a.rank, a.algorithm, a.name),
            os.path.basename(a.out),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
