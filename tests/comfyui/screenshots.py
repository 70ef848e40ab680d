"""Takes the pictures of docs/comfyui.md from a real interface: a ComfyUI with the pack, luna-node, headless Chromium.

    python tests/comfyui/screenshots.py DIR --models DIR --out docs/images

Needs what ``tests/comfyui`` needs, and the package playwright with a Chromium of the system (``--chromium``).
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import proof_models as files
from comfyui_process import Installation
from graphs import Builder, Graph
from luna_server import find_program
from pairs import Bench
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from proof import Run

_SIZE = {"width": 1500, "height": 860}


def text_to_image() -> Graph:
    """The graph of most people, with luna's loader and saver."""
    b = Builder()
    loaded = b.add("LunaCheckpointLoader", ckpt_name=files.SD15)
    positive = b.add("CLIPTextEncode", clip=loaded[1], text="a (red:1.3) fox, winter light")
    negative = b.add("CLIPTextEncode", clip=loaded[1], text="blurry, text")
    empty = b.add("EmptyLatentImage", width=256, height=256, batch_size=1)
    sampled = b.add(
        "KSampler",
        model=loaded[0],
        seed=7,
        steps=2,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive[0],
        negative=negative[0],
        latent_image=empty[0],
        denoise=1.0,
    )
    decoded = b.add("VAEDecode", vae=loaded[2], samples=sampled[0])
    b.add("LunaSaveImage", images=decoded[0], filename_prefix="luna")
    return b.graph


def status() -> Graph:
    """The server, and what it says of itself."""
    b = Builder()
    b.add("LunaDaemonLoader", start_if_absent=True)
    b.add("LunaDaemonAPI", action="status", mode="auto")
    return b.graph


def local_work() -> Graph:
    """A LoRA of the text encoder, for which ComfyUI encodes, and says so on the nodes."""
    b = Builder()
    loaded = b.add("LunaCheckpointLoader", ckpt_name=files.SD15)
    changed = b.add(
        "LoraLoader",
        model=loaded[0],
        clip=loaded[1],
        lora_name=files.LORA,
        strength_model=1.0,
        strength_clip=1.0,
    )
    encoded = b.add("CLIPTextEncode", clip=changed[1], text="a fox, winter light")
    b.add("PreviewAny", source=encoded[0])
    return b.graph


def multi_saver() -> Graph:
    """A picture and its enlargement, saved by luna, and what became of them."""
    b = Builder()
    small = b.add("LoadImage", image="one.png")
    large = b.add("ImageScaleBy", image=small[0], upscale_method="lanczos", scale_by=2)
    saver = b.add(
        "LunaMultiSaver",
        save_path="luna/%date:yyyy-MM-dd%",
        filename="%time:HH.MM.SS%_%width%x%height%",
        daemon_save=True,
        save_mode="parallel",
        quality_gate="disabled",
        min_quality_threshold=0.3,
        image_1=small[0],
        image_2=large[0],
        format_2="png",
    )
    b.add("LunaSaveStatus", job_id=saver[0], wait=30)
    return b.graph


@dataclass(frozen=True)
class Picture:
    """``whole``: the interface around the nodes is in the picture."""

    build: Callable[[], Graph]
    whole: bool


PICTURES = {
    "comfyui-text-to-image.png": Picture(text_to_image, whole=True),
    "comfyui-status.png": Picture(status, whole=False),
    "comfyui-local-work.png": Picture(local_work, whole=False),
    "comfyui-multi-saver.png": Picture(multi_saver, whole=False),
}

#: An interface that was used before: no tour, no template browser, no map over the graph. Texts are drawn at any size.
_SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
_LOAD = """async ([graph, name]) => {
  await window.app.loadApiJson(graph, name);
  window.app.graph.arrange(60);
  for (const n of window.app.graph._nodes) if (n.type === "PreviewAny") n.setSize([420, 400]);
  window.app.canvas.ds.reset();
}"""
_UNFOLD = """() => {
  for (const fold of document.querySelectorAll(".luna-panel details")) fold.open = fold.textContent.includes("{");
}"""
_FIT = """() => {
  const nodes = window.app.graph._nodes;
  const box = nodes.map((n) => n.getBounding());
  const left = Math.min(...box.map((b) => b[0])), top = Math.min(...box.map((b) => b[1]));
  const right = Math.max(...box.map((b) => b[0] + b[2])), low = Math.max(...box.map((b) => b[1] + b[3]));
  const ds = window.app.canvas.ds, view = window.app.canvas.canvas.getBoundingClientRect();
  ds.scale = Math.min(1.2, 0.9 * view.width / (right - left), 0.72 * view.height / (low - top));
  ds.offset[0] = view.width / ds.scale / 2 - (left + right) / 2;
  ds.offset[1] = view.height / ds.scale / 2 - (top + low) / 2;
  window.app.canvas.setDirty(true, true);
  const edge = 40;
  return { x: view.left + (left + ds.offset[0]) * ds.scale - edge, y: view.top + (top + ds.offset[1]) * ds.scale - edge,
           width: (right - left) * ds.scale + 2 * edge, height: (low - top) * ds.scale + 2 * edge };
}"""


def take(page: Page, bench: Bench, name: str, out: Path) -> None:
    """Loads one graph, runs it, and takes its picture."""
    picture = PICTURES[name]
    page.evaluate(_LOAD, [picture.build(), name.removesuffix(".png")])
    known = len(bench.comfyui.ask("/history"))
    page.evaluate("() => window.app.queuePrompt(0)")
    bench.comfyui.wait_until(
        lambda: len(bench.comfyui.ask("/history")) > known, 300, "the graph had run"
    )
    page.wait_for_timeout(3000)  # the interface draws previews when it likes
    page.evaluate(_UNFOLD)
    # twice: previews make nodes larger, and how large is known when they have been drawn
    for _ in range(2):
        box = page.evaluate(_FIT)
        page.wait_for_timeout(1000)
    taken = page.screenshot(clip=None if picture.whole else box)
    # 256 colours are enough for an interface, and a third of the bytes
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(256).save(out / name, optimize=True)


def main() -> None:
    options = _options()
    installation = Installation.at(options.comfyui.absolute(), options.python)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="luna-screenshots-") as folder:
        run = Run(installation, find_program(), Path(folder), options.models.absolute())
        with run.bench() as bench, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=options.chromium, args=["--no-sandbox"]
            )
            page: Any = browser.new_page(viewport=_SIZE)
            bench.comfyui.ask("/settings", _SETTINGS)
            page.goto(f"http://127.0.0.1:{bench.comfyui.port}/")
            page.wait_for_function(
                "() => window.app?.graph && window.app?.canvas?.ds", timeout=120000
            )
            page.wait_for_timeout(3000)
            for name in options.only or PICTURES:
                take(page, bench, name, options.out)
            browser.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("comfyui", type=Path, metavar="DIR")
    parser.add_argument("--python", type=Path, help="the Python of that ComfyUI")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--only", action="append", choices=PICTURES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
