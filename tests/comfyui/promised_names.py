"""Names that luna has promised, in a running ComfyUI: its own Save Image behind luna's, with the same prefix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from graphs import Builder, Graph, nodes_of
from pairs import Bench, fallback_lines, wait_for_file
from PIL import Image
from report import Result


def saved_twice() -> Graph:
    """A picture through luna's saver, its negative through ComfyUI's, at once and under one prefix."""
    b = Builder()
    picture = b.add("LoadImage", image="one.png")
    first = b.add("LunaSaveImage", images=picture[0], filename_prefix="promised/ComfyUI")
    negative = b.add("ImageInvert", image=first[0])
    b.add("SaveImage", images=negative[0], filename_prefix="promised/ComfyUI")
    return b.graph


def promised_names(bench: Bench) -> Result:
    """ComfyUI's counter passes a promised name by; both pictures are there, each under its own."""
    result = Result("promised_names")
    bench.luna.ensure_running()
    mark = bench.comfyui.mark()
    graph = saved_twice()
    outcome = bench.comfyui.run(graph)
    if outcome.status != "success":
        result.problems.append(f"{outcome.status} {outcome.message}")
        return result
    result.problems += fallback_lines(bench.comfyui.said(mark))
    by_luna, by_comfyui = (
        outcome.images(nodes_of(graph, node)[0]) for node in ("LunaSaveImage", "SaveImage")
    )
    if by_luna != ["promised/ComfyUI_00001_.png"] or by_comfyui != ["promised/ComfyUI_00002_.png"]:
        result.problems.append(f"luna shows {by_luna}, Save Image {by_comfyui}")
        return result
    output = bench.comfyui.base / "output"
    wait_for_file(output / by_luna[0])
    one, other = (_pixels(output / names[0]) for names in (by_luna, by_comfyui))
    if np.abs(one + other - 255).max() > 1:
        result.problems.append("the second picture is not the negative of the first")
    left = [path.name for path in (output / "promised").iterdir() if path.suffix != ".png"]
    if left:
        result.problems.append(f"{left} are left beside the pictures")
    return result


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture, np.int32)


SCENARIOS = {"promised_names": promised_names}
