"""Does a browser see in a saved picture the pixels that were sent? With headless Chromium, of PNG and lossless WebP.

    python tests/comfyui/browser_pixels.py

Needs a built luna-node, numpy and the package playwright with a Chromium of the system (``--chromium``). Prints a line
for each picture; the status is 1 if a pixel differs.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from luna_server import find_program
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "comfyui"), str(ROOT / "tests" / "python" / "system")]

from luna_client import Client  # noqa: E402
from node_process import NodeProcess  # noqa: E402

#: Draws a picture without any colour management of the page's, and gives its RGBA bytes back as base64.
READ = """
async url => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}
"""

CASES: list[dict[str, Any]] = [
    {"format": "png", "png_encoder": "fast"},
    {"format": "png", "png_encoder": "small"},
    {"format": "png", "png_compression": 9},
    {"format": "png", "png_compression": 0},
    {"format": "webp", "lossless_webp": True},
]


def pictures() -> list[np.ndarray]:
    """Colour and grey, of odd sizes, smooth and noisy; one that is encoded in several parts."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:217, 0:301]
    smooth = np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)
    noise = random.integers(0, 256, (131, 77, 3), np.uint8)
    return [smooth, noise, smooth[:, :, :1], np.tile(smooth, (8, 8, 1))]


def seen(page: Page, path: Path, kind: str) -> np.ndarray:
    url = f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()
    return np.frombuffer(base64.b64decode(page.evaluate(READ, url)), np.uint8)


def differing(page: Page, luna: Client, picture: np.ndarray, case: dict[str, Any]) -> int:
    options = {key: value for key, value in case.items() if key != "format"}
    task = {"filename": "x", "images": [{"image": picture, "format": case["format"]}], **options}
    job = luna.job_wait(luna.submit_async(task).job_id, 60)
    rgba = seen(page, Path(job.paths[0]), case["format"]).reshape(*picture.shape[:2], 4)
    rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
    return int((rgba[:, :, :3] != rgb).any(-1).sum() + (rgba[:, :, 3] != 255).sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    chromium = parser.parse_args().chromium
    wrong = 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        (folder / "models").mkdir()
        line = ["--gateway", "127.0.0.1:0", "--data", str(folder / "data")]
        line += ["--models", str(folder / "models")]
        node = NodeProcess(find_program(), line, folder).wait_ready()
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            with node.client() as luna:
                for case in CASES:
                    for picture in pictures():
                        count = differing(page, luna, picture, case)
                        wrong += count
                        print(f"{case} {picture.shape}: {count} pixels differ")
        finally:
            browser.close()
            node.dispose()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
