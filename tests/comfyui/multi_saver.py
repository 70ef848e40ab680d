"""Luna Multi Saver in a running ComfyUI: the same files by ComfyUI and by luna, with the graph's texts in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import compare
from graphs import Builder, Graph, nodes_of
from pairs import Bench, fallback_lines, wait_for_file
from PIL import Image
from report import Result

WORKFLOW = {"nodes": [], "title": "Grüße ✓"}
#: EXIF's tags of the prompt and of the first other text.
_PROMPT, _FIRST = 0x0110, 0x010F


def saved_several(where: str, by_luna: bool) -> Graph:
    """A picture, an enlargement and a batch, each in another format."""
    b = Builder()
    small = b.add("LoadImage", image="one.png")
    large = b.add("ImageScaleBy", image=small[0], upscale_method="lanczos", scale_by=1.5)
    batch = b.add("RepeatImageBatch", image=small[0], amount=2)
    saver = b.add(
        "LunaMultiSaver",
        save_path=f"{where}/%model_name%",
        filename="%date:yyyy%_%LoadImage.image%_%width%x%height%_%index%",
        daemon_save=by_luna,
        save_mode="parallel",
        quality_gate="both",
        min_quality_threshold=0.01,
        model_name="sd/foo.safetensors",
        image_1=small[0],
        format_1="png",
        image_2=large[0],
        format_2="webp",
        image_3=batch[0],
        format_3="jpeg",
        lossless_webp=True,
        filename_index=7,
    )
    b.add("LunaSaveStatus", job_id=saver[0], wait=60)
    return b.graph


def multi_saver(bench: Bench) -> Result:
    """Runs it both ways; names, pixels and texts have to agree."""
    result = Result("multi_saver")
    bench.luna.ensure_running()
    mark = bench.comfyui.mark()
    names: dict[str, list[str]] = {}
    graphs: dict[str, Graph] = {}
    for where, by_luna in (("comfyui", False), ("luna", True)):
        graph = graphs[where] = saved_several(where, by_luna)
        outcome = bench.comfyui.run(graph, workflow=WORKFLOW)
        if outcome.status != "success":
            result.problems.append(f"{where}: {outcome.status} {outcome.message}")
            return result
        saver, status = (nodes_of(graph, one)[0] for one in ("LunaMultiSaver", "LunaSaveStatus"))
        names[where] = [name.removeprefix(f"{where}/") for name in outcome.images(saver)]
        result.figures[f"{where}_s"] = round(outcome.seconds, 2)
        said = str(outcome.outputs.get(status, {}).get("text"))
        expected = "4 of 4 images written" if by_luna else "no job"
        if expected not in said:
            result.problems.append(f"Luna Save Status says {said} of the images of {where}")
    result.problems += fallback_lines(bench.comfyui.said(mark))
    if names["comfyui"] != names["luna"] or len(names["luna"]) != 4:
        result.problems.append(f"ComfyUI saved {names['comfyui']}, luna {names['luna']}")
        return result
    output = bench.comfyui.base / "output"
    for name in names["luna"]:
        here, there = output / "comfyui" / name, output / "luna" / name
        wait_for_file(there)
        result.differences.append(compare.pictures(name, here, there))
        for where, path in (("comfyui", here), ("luna", there)):
            result.problems += _texts_differ(path, graphs[where])
    return result


def _texts_differ(path: Path, graph: Graph) -> list[str]:
    """What is wrong with the texts of a file; they are what was posted."""
    if not path.is_file():
        return []
    texts = _texts(path)
    # ComfyUI adds "is_changed" to nodes that have such a function; everything else is as posted
    prompt = json.loads(texts.get("prompt", "{}"))
    plain = {key: {**node, "is_changed": None} for key, node in prompt.items()}
    problems = []
    if plain != {key: {**node, "is_changed": None} for key, node in graph.items()}:
        problems.append(f"{path} has another prompt: {str(prompt)[:80]}")
    if texts.get("workflow") != json.dumps(WORKFLOW):
        problems.append(f"{path} has another workflow: {str(texts.get('workflow'))[:80]}")
    return problems


def _texts(path: Path) -> Mapping[str, Any]:
    """Prompt and workflow of a file."""
    with Image.open(path) as picture:
        if picture.format == "PNG":
            return dict(picture.text)
        found = picture.getexif()
        texts = (str(found.get(tag, "")) for tag in (_PROMPT, _FIRST))
        return {key: text for key, _, text in (each.partition(":") for each in texts)}


SCENARIOS = {"multi_saver": multi_saver}
