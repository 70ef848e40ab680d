"""The stock workflows of the proof: each is built with ComfyUI's own nodes, and run again with luna's loaders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import proof_models as files
from graphs import Builder, Graph, Node, Output
from tolerance import CLIP_L, SDXL, Limit, latent, picture, sampled

PROMPT = "a (red:1.3) fox, sitting [calmly] on ((snow)), \\(winter\\) light, embedding:luna_ti"
NEGATIVE = "blurry, (low quality:0.7), text"
LONG = ", ".join(f"detail number {i} of a large painting" for i in range(14))


@dataclass(frozen=True)
class Workflow:
    """One stock graph and what of it is compared.

    Attributes:
        limits: record name -> how far its tensors may differ; each record is a file of the recorder.
        served: kinds of pools that must have worked for luna's run; () where ComfyUI is to do all of it itself.
        line: words that luna's run must log; "" where it must log no fallback.
    """

    name: str
    build: Callable[[], Graph]
    limits: dict[str, Limit] = field(default_factory=dict)
    served: tuple[str, ...] = ("vae",)
    line: str = ""


def _text(b: Builder, clip: Output, positive: str, negative: str, suffix: str = "") -> list[Node]:
    """Two prompts, both recorded."""
    encoded = []
    for name, text in (("positive", positive), ("negative", negative)):
        node = b.add("CLIPTextEncode", clip=clip, text=text)
        b.record(name + suffix, conditioning=node[0])
        encoded.append(node)
    return encoded


def _sample(b: Builder, model: Output, text: list[Node], start: Output, denoise: float) -> Node:
    node = b.add(
        "KSampler",
        model=model,
        seed=7,
        steps=2,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        positive=text[0][0],
        negative=text[1][0],
        latent_image=start,
        denoise=denoise,
    )
    b.record("sampled", latent=node[0])
    return node


def _decode(b: Builder, vae: Output, samples: Output) -> Node:
    node = b.add("VAEDecode", vae=vae, samples=samples)
    b.record("picture", image=node[0])
    b.add("SaveImage", images=node[0], filename_prefix="picture")
    return node


def _picture_file(b: Builder, name: str) -> Node:
    return b.add("LoadImage", image=name)


def image_to_image() -> Graph:
    """A picture, encoded, changed by the sampler under a prompt, decoded; a loader of each kind."""
    b = Builder()
    model = b.add("CheckpointLoaderSimple", ckpt_name=files.SD15)
    clip = b.add("CLIPLoader", clip_name=files.CLIP_L, type="stable_diffusion", device="default")
    vae = b.add("VAELoader", vae_name=files.VAE)
    text = _text(b, clip[0], PROMPT, NEGATIVE)
    start = b.add("VAEEncode", pixels=_picture_file(b, "square.png")[0], vae=vae[0])
    b.record("encoded", latent=start[0])
    result = _sample(b, model[0], text, start[0], 0.6)
    _decode(b, vae[0], result[0])
    return b.graph


def tiled() -> Graph:
    """Encoding and decoding in tiles that do not divide the picture."""
    b = Builder()
    vae = b.add("VAELoader", vae_name=files.VAE)
    tiles = {"tile_size": 128, "overlap": 32, "temporal_size": 64, "temporal_overlap": 8}
    picture_file = _picture_file(b, "oblong.png")
    start = b.add("VAEEncodeTiled", pixels=picture_file[0], vae=vae[0], **tiles)
    b.record("encoded", latent=start[0])
    node = b.add("VAEDecodeTiled", samples=start[0], vae=vae[0], **tiles)
    b.record("picture", image=node[0])
    b.add("SaveImage", images=node[0], filename_prefix="picture")
    return b.graph


def taesd() -> Graph:
    """A small VAE in TAESD's layout, both ways.

    No picture is saved: this one paints the mean of 64 pixels, which often lies exactly on an 8-bit step, and there the
    last bit of a float decides over 64 places at once.
    """
    b = Builder()
    vae = b.add("VAELoader", vae_name=files.TAESD)
    start = b.add("VAEEncode", pixels=_picture_file(b, "oblong.png")[0], vae=vae[0])
    b.record("encoded", latent=start[0])
    decoded = b.add("VAEDecode", vae=vae[0], samples=start[0])
    b.record("picture", image=decoded[0])
    return b.graph


def sd15_clip_skip() -> Graph:
    """CLIP-L at its last layers, a prompt of several chunks, and an empty one."""
    b = Builder()
    clip = b.add("CLIPLoader", clip_name=files.CLIP_L, type="stable_diffusion", device="default")
    _text(b, clip[0], LONG, "")
    for skip in (-2, -12):
        skipped = b.add("CLIPSetLastLayer", clip=clip[0], stop_at_clip_layer=skip)
        _text(b, skipped[0], PROMPT, NEGATIVE, f"{skip}")
    return b.graph


def sdxl_clip_skip() -> Graph:
    """SDXL's two encoders: weights, clip skip, other prompts for l and g, unequal chunk counts."""
    b = Builder()
    names = {"clip_name1": files.CLIP_L, "clip_name2": files.CLIP_G}
    clip = b.add("DualCLIPLoader", **names, type="sdxl", device="default")
    _text(b, clip[0], PROMPT, NEGATIVE)
    skipped = b.add("CLIPSetLastLayer", clip=clip[0], stop_at_clip_layer=-3)
    sizes = {"width": 1024, "height": 768, "crop_w": 0, "crop_h": 8}
    sizes |= {"target_width": 1024, "target_height": 1024}
    node = b.add("CLIPTextEncodeSDXL", clip=skipped[0], text_g=LONG, text_l=PROMPT, **sizes)
    b.record("sdxl", conditioning=node[0])
    return b.graph


def refiner() -> Graph:
    """CLIP-G alone is the text encoder of SDXL's refiner."""
    b = Builder()
    clip = b.add("CLIPLoader", clip_name=files.CLIP_G, type="stable_diffusion", device="default")
    sizes = {"ascore": 6.5, "width": 1024, "height": 768}
    for name, text in (("positive", PROMPT), ("negative", NEGATIVE)):
        node = b.add("CLIPTextEncodeSDXLRefiner", clip=clip[0], text=text, **sizes)
        b.record(name, conditioning=node[0])
    skipped = b.add("CLIPSetLastLayer", clip=clip[0], stop_at_clip_layer=-24)
    node = b.add("CLIPTextEncode", clip=skipped[0], text=LONG)
    b.record("skipped", conditioning=node[0])
    return b.graph


def inpaint() -> Graph:
    """The two ways core encodes for inpainting: the masked latents, and the concatenated ones."""
    b = Builder()
    clip = b.add("CLIPLoader", clip_name=files.CLIP_L, type="stable_diffusion", device="default")
    vae = b.add("VAELoader", vae_name=files.VAE)
    text = _text(b, clip[0], "a fox", "")
    picture_file = _picture_file(b, "masked.png")
    pixels = {"pixels": picture_file[0], "mask": picture_file[1], "vae": vae[0]}
    node = b.add("VAEEncodeForInpaint", **pixels, grow_mask_by=6)
    b.record("encoded", latent=node[0])
    both = {"positive": text[0][0], "negative": text[1][0]}
    node = b.add("InpaintModelConditioning", **both, **pixels, noise_mask=True)
    b.record("concatenated", latent=node[2])
    return b.graph


def batch_of_four() -> Graph:
    """Four pictures in one batch, encoded and decoded."""
    b = Builder()
    vae = b.add("VAELoader", vae_name=files.VAE)
    batch = _picture_file(b, "one.png")
    for name in ("two.png", "three.png", "four.png"):
        batch = b.add("ImageBatch", image1=batch[0], image2=_picture_file(b, name)[0])
    start = b.add("VAEEncode", pixels=batch[0], vae=vae[0])
    b.record("encoded", latent=start[0])
    _decode(b, vae[0], start[0])
    return b.graph


def _text_to_image(checkpoint: str) -> Graph:
    b = Builder()
    loaded = b.add("CheckpointLoaderSimple", ckpt_name=checkpoint)
    text = _text(b, loaded[1], PROMPT, NEGATIVE)
    empty = b.add("EmptyLatentImage", width=192, height=128, batch_size=1)
    result = _sample(b, loaded[0], text, empty[0], 1.0)
    _decode(b, loaded[2], result[0])
    return b.graph


def text_to_image_sd15() -> Graph:
    """A picture out of words, all three models of one SD 1.5 checkpoint."""
    return _text_to_image(files.SD15)


def text_to_image_sdxl() -> Graph:
    """The same of an SDXL checkpoint."""
    return _text_to_image(files.SDXL)


def _with_lora(lora: str, strength_clip: float) -> Graph:
    b = Builder()
    loaded = b.add("CheckpointLoaderSimple", ckpt_name=files.SD15)
    strengths = {"strength_model": 0.7, "strength_clip": strength_clip}
    patched = b.add("LoraLoader", model=loaded[0], clip=loaded[1], lora_name=lora, **strengths)
    text = _text(b, patched[1], PROMPT, NEGATIVE)
    empty = b.add("EmptyLatentImage", width=128, height=128, batch_size=1)
    _sample(b, patched[0], text, empty[0], 1.0)
    return b.graph


def lora() -> Graph:
    """A LoRA of the text encoder: that clone is encoded in ComfyUI itself."""
    return _with_lora(files.LORA, 0.8)


def lora_without_text() -> Graph:
    """A LoRA of the diffusion model alone: luna goes on encoding."""
    return _with_lora(files.LORA_UNET, 0.8)


_SD15_TEXT = {"positive": CLIP_L, "negative": CLIP_L}
_SDXL_TEXT = {"positive": SDXL, "negative": SDXL}
_PICTURES = {"picture": picture()}

ALL = (
    Workflow(
        "image_to_image",
        image_to_image,
        {**_SD15_TEXT, "encoded": latent(), "sampled": sampled(), **_PICTURES},
        ("text", "vae"),
    ),
    Workflow("tiled", tiled, {"encoded": latent(tiled=True), "picture": picture(tiled=True)}),
    Workflow("taesd", taesd, {"encoded": latent(), **_PICTURES}),
    Workflow(
        "sd15_clip_skip",
        sd15_clip_skip,
        {name + skip: CLIP_L for name in ("positive", "negative") for skip in ("", "-2", "-12")},
        ("text",),
    ),
    Workflow("sdxl_clip_skip", sdxl_clip_skip, {**_SDXL_TEXT, "sdxl": SDXL}, ("text",)),
    Workflow("refiner", refiner, {**_SDXL_TEXT, "skipped": SDXL}, ("text",)),
    Workflow(
        "inpaint",
        inpaint,
        {**_SD15_TEXT, "encoded": latent(), "concatenated": latent()},
        ("text", "vae"),
    ),
    Workflow("batch_of_four", batch_of_four, {"encoded": latent(), **_PICTURES}),
    Workflow(
        "text_to_image_sd15",
        text_to_image_sd15,
        {**_SD15_TEXT, "sampled": sampled(), **_PICTURES},
        ("text", "vae"),
    ),
    Workflow(
        "text_to_image_sdxl",
        text_to_image_sdxl,
        {**_SDXL_TEXT, "sampled": sampled(), **_PICTURES},
        ("text", "vae"),
    ),
    Workflow("lora", lora, {**_SD15_TEXT, "sampled": sampled()}, (), line="LoRA"),
    Workflow(
        "lora_without_text", lora_without_text, {**_SD15_TEXT, "sampled": sampled()}, ("text",)
    ),
)
