#!/usr/bin/env python3
"""The main job once, through the Python client, as ComfyUI would do it.

A real photograph goes through the VAE and back, a prompt through the text encoder, and the picture is saved. Prints a
table of the steps. The status is 0 if all went well, else 1 with one line on standard error.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "comfyui"))

from demo_workflow import graph, prompt_text, workflow_text  # noqa: E402
from luna_client import Client, LunaError, ModelList  # noqa: E402

T = TypeVar("T")

SIDE = 512
PROMPT = "a photograph of an astronaut, (smiling:1.2), space shuttle in the background"
NEGATIVE = "blurry, (noise:1.1)"
KIND_NAMES = {"vae": "VAE", "text": "text encoder"}


class RoundError(Exception):
    """The round cannot go on; the sentence is for the user."""


class Steps:
    """The table: runs each step, times it, prints its row."""

    def __init__(self) -> None:
        print(f"  {'step':<13} {'time':>9}  result")

    def run(self, name: str, work: Callable[[], T], tell: Callable[[T], str]) -> T:
        """One step; an error is told with the step's name."""
        begin = time.perf_counter()
        try:
            result = work()
        except LunaError as problem:
            raise RoundError(f"{name}: {problem}") from problem
        milliseconds = (time.perf_counter() - begin) * 1000
        print(f"  {name:<13} {milliseconds:>6.0f} ms  {tell(result)}", flush=True)
        return result


def main() -> int:
    options = arguments()
    try:
        path = play(options)
    except (RoundError, LunaError, OSError) as problem:
        print(f"The round failed: {problem}", file=sys.stderr)
        return 1
    print(f"\n  picture: {path}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gateway", metavar="HOST:PORT", help="where luna-node listens")
    parser.add_argument("--secret-file", help="the cluster's shared secret")
    parser.add_argument(
        "--vae", metavar="NAME", help="the VAE; default: the demo VAE, or the first"
    )
    parser.add_argument("--clip", metavar="NAME", help="the text encoder; default as for the VAE")
    parser.add_argument("--photo", type=Path, help="another photograph")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds a step may take")
    return parser.parse_args()


def play(options: argparse.Namespace) -> str:
    """The whole round. -> the path of the saved picture, on the machine of the saving node."""
    steps = Steps()
    pixels, _ = steps.run(
        "photograph", lambda: photograph(options.photo), lambda p: f"{shape(p[0])} from {p[1]}"
    )
    with Client(
        options.gateway, secret_file=options.secret_file, timeout=options.timeout, tensors="numpy"
    ) as luna:
        models = steps.run("list_models", luna.list_models, lambda m: f"{len(m.models)} files")
        vae, clip = choose(models, "vae", options.vae), choose(models, "text", options.clip)
        latents = steps.run(
            "vae_encode",
            lambda: luna.vae_encode(pixels, vae).latents,
            lambda x: f"latents {shape(x)}  {vae}",
        )
        images = steps.run(
            "vae_decode",
            lambda: luna.vae_decode(latents, vae).images,
            lambda x: f"images {shape(x)}",
        )
        steps.run(
            "clip_encode",
            lambda: luna.clip_encode(PROMPT, NEGATIVE, model=clip),
            lambda x: f"cond {shape(x.cond)}{pooled_text(x.pooled)}  {clip}",
        )
        task = save_task(vae, clip)
        job = steps.run(
            "submit_async",
            lambda: luna.submit_async(task, {"image_0": images}),
            lambda j: f"job {j.job_id}, durable; {j.files[0].filename if j.files else 'no file'}",
        )
        done = steps.run(
            "job_wait", lambda: luna.job_wait(job.job_id, options.timeout), lambda j: j.state
        )
    if done.state != "done" or not done.paths:
        reasons = [str(image.error) for image in done.images if image.error] or [str(done.error)]
        raise RoundError(f"the save job {done.job_id} is {done.state}: {'; '.join(reasons)}")
    return done.paths[0]


def photograph(path: Path | None) -> tuple[np.ndarray, str]:
    """The picture [1, 512, 512, 3] in 0..1, and where it comes from: scikit-image's package unless named."""
    source = str(path) if path is not None else "scikit-image (astronaut, NASA)"
    if path is None:
        found = importlib.util.find_spec("skimage")
        if found is None or found.origin is None:
            raise RoundError(
                "scikit-image is not installed; run scripts/setup, or name a picture with --photo"
            )
        path = Path(found.origin).parent / "data" / "astronaut.png"
    with Image.open(path) as image:
        picture = image.convert("RGB")
    scale = SIDE / min(picture.size)
    if scale != 1:
        size = (max(SIDE, round(picture.width * scale)), max(SIDE, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
    picture = picture.crop((left, top, left + SIDE, top + SIDE))
    return np.asarray(picture, np.float32)[None] / 255, source


def choose(models: ModelList, kind: str, wanted: str | None) -> str:
    """The model of a kind: as wanted, else the demo model, else the first that a folder of this kind holds."""
    if wanted is not None:
        return wanted
    names = [model.name for model in models.of_kind(kind)]
    if not names:
        raise RoundError(
            f"luna offers no {KIND_NAMES[kind]}; put one into its models folder or start it with --models DIR"
        )
    demo = [name for name in names if "luna_demo" in name]
    return (demo or names)[0]


def save_task(vae: str, clip: str) -> dict[str, Any]:
    """What to save and how: a name from a template, and the graph as ComfyUI would send it."""
    nodes = graph(vae, clip, PROMPT, NEGATIVE)
    return {
        "filename": "luna_%time:YYYY-mm-dd_HHMMSS%",
        "model_name": vae,
        "prompt": prompt_text(nodes),
        "extra_pnginfo": {"workflow": workflow_text(nodes)},
        "images": [{"tensor": "image_0", "format": "png"}],
    }


def shape(tensor: Any) -> str:
    return "x".join(str(n) for n in tensor.shape)


def pooled_text(pooled: Any) -> str:
    return "" if pooled is None else f", pooled {shape(pooled)}"


if __name__ == "__main__":
    sys.exit(main())
