#!/usr/bin/env python3
"""Writes a ComfyUI ``models`` folder with DEMO models: computed and generated weights, nothing trained.

usage: make_demo_models.py DIR

  vae/luna_demo_vae.safetensors               a VAE in TAESD's layout: averages 8x8 pixels in, paints blocks out
  text_encoders/luna_demo_clip_l.safetensors  a narrow CLIP-L text encoder, full vocabulary; its numbers mean nothing

With them luna does its whole work without a download; the pictures are what such weights give.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import safetensors.numpy
from demo_vae import demo_vae

VAE_NAME = "luna_demo_vae.safetensors"
CLIP_NAME = "luna_demo_clip_l.safetensors"
README = """\
DEMO models of luna. Their weights are computed or generated, not trained: they show that luna works, and are of no
use for pictures. Written by scripts/demo/make_demo_models.py.

vae/{vae}: decodes to the photograph at one-eighth resolution.
text_encoders/{clip}: real tokens in, numbers without meaning out.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="the models folder; made if it is not there"
    )
    folder: Path = parser.parse_args().folder
    for name in ("vae", "text_encoders"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_vae(folder / "vae" / VAE_NAME)
    make_models().make(str(folder / "text_encoders" / CLIP_NAME), "clip-l", scale="tiny", seed=1)
    (folder / "README.txt").write_text(README.format(vae=VAE_NAME, clip=CLIP_NAME), "utf-8")
    for path in (f"vae/{VAE_NAME}", f"text_encoders/{CLIP_NAME}"):
        print(f"{folder / path}  {(folder / path).stat().st_size / 1e6:.1f} MB, demo")
    return 0


def write_vae(path: Path) -> None:
    """Writes the demo VAE whole or not at all."""
    about = {
        "format": "pt",
        "luna.demo": "computed weights, not trained: 8x8 averages in, blocks of one colour out",
    }
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(safetensors.numpy.save(demo_vae(), metadata=about))
    os.replace(temporary, path)


def make_models() -> ModuleType:
    """The project's own maker of generated models, tests/make_models.py."""
    path = Path(__file__).resolve().parents[2] / "tests" / "make_models.py"
    spec = importlib.util.spec_from_file_location("make_models", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SystemExit(f"{path} is missing; is this a whole clone?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
