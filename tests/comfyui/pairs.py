"""Runs a workflow once with stock loaders and once with luna's, and compares what both left."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import compare
from comfyui_process import Comfy, Outcome
from graphs import Graph, nodes_of, with_luna, with_record_prefix
from luna_server import LunaServer
from PIL import Image
from report import Result
from workflows import Workflow

#: The line that the pack logs when ComfyUI does the work itself.
FALLBACK = re.compile(r"\[luna\] ComfyUI (?:does|saves) .+ itself.*")


@dataclass
class Bench:
    """A ComfyUI with the pack, the luna-node that it uses, and where one that it starts has its data."""

    comfyui: Comfy
    luna: LunaServer
    state: Path


def fallback_lines(said: str) -> list[str]:
    """The lines of a log that tell of local work."""
    return FALLBACK.findall(said)


def run_pair(bench: Bench, workflow: Workflow) -> Result:
    """Runs both, compares, and checks who did the work."""
    result = Result(workflow.name)
    graph = workflow.build()
    stock = bench.comfyui.run(with_record_prefix(graph, f"stock.{workflow.name}"))
    if stock.status != "success":
        result.problems.append(f"with stock loaders: {stock.status} {stock.message}")
        return result
    before, mark = bench.luna.completed(), bench.comfyui.mark()
    luna_graph = with_luna(with_record_prefix(graph, f"luna.{workflow.name}"))
    luna = bench.comfyui.run(luna_graph)
    said = bench.comfyui.said(mark)
    after = bench.luna.completed_more(before, workflow.served)
    result.figures = {"stock_s": round(stock.seconds, 1), "luna_s": round(luna.seconds, 1)}
    if luna.status != "success":
        result.problems.append(f"with luna's loaders: {luna.status} {luna.message}")
        return result
    result.problems += _who_worked(workflow, before, after, fallback_lines(said))
    result.differences += _records(bench.comfyui.records, workflow)
    result.differences += _pictures(bench.comfyui.base / "output", graph, stock, luna)
    return result


def run_save(bench: Bench, build: Workflow) -> Result:
    """Saves the same pictures with SaveImage and with LunaSaveImage: same pixels, own prompt and workflow in them."""
    result = Result("save")
    graph, workflow = build.build(), {"nodes": [], "title": "Grüße ✓"}
    stock_graph = with_record_prefix(graph, "stock.save")
    luna_graph = with_luna(with_record_prefix(graph, "luna.save"), {"SaveImage": "LunaSaveImage"})
    outcomes = []
    mark = bench.comfyui.mark()
    for posted in (stock_graph, luna_graph):
        outcome = bench.comfyui.run(posted, workflow=workflow)
        if outcome.status != "success":
            result.problems.append(f"{outcome.status} {outcome.message}")
            return result
        outcomes.append(outcome)
    saved_here = [one for one in fallback_lines(bench.comfyui.said(mark)) if " saves " in one]
    result.problems += saved_here
    output = bench.comfyui.base / "output"
    saver = nodes_of(graph, "SaveImage")[0]
    names = [outcome.images(saver) for outcome in outcomes]
    if [Path(name).name for name in names[0]] != [Path(name).name for name in names[1]]:
        result.problems.append(f"SaveImage says {names[0]}, LunaSaveImage {names[1]}")
        return result
    for stock, luna in zip(*names, strict=True):
        wait_for_file(output / luna)
        result.differences.append(compare.pictures(luna, output / stock, output / luna))
        result.problems += _chunks(output / stock, stock_graph, workflow)
        result.problems += _chunks(output / luna, luna_graph, workflow)
    return result


def wait_for_file(path: Path, seconds: float = 30.0) -> None:
    """Waits until a picture that was promised is there; a missing one is told by the comparison."""
    deadline = time.monotonic() + seconds
    while not path.is_file() and time.monotonic() < deadline:
        threading.Event().wait(0.02)


def _chunks(path: Path, graph: Graph, workflow: object) -> list[str]:
    """What is wrong with the texts in a saved picture; they are what was posted, as ComfyUI writes JSON."""
    if not path.is_file():
        return []
    with Image.open(path) as picture:
        texts = dict(picture.text)
    wanted = {"prompt": json.dumps(graph), "workflow": json.dumps(workflow)}
    if set(texts) != set(wanted):
        return [f"{path.name} has the texts {sorted(texts)}"]
    # ComfyUI adds "is_changed" to nodes that have such a function; everything else is as posted
    if json.loads(texts["prompt"]).keys() != graph.keys():
        return [f"{path.name} has another prompt"]
    if texts["workflow"] != wanted["workflow"]:
        return [f"{path.name} has another workflow: {texts['workflow'][:80]}"]
    return []


def _who_worked(
    workflow: Workflow, before: dict[str, int], after: dict[str, int], lines: list[str]
) -> list[str]:
    """Whether luna did what it should, and ComfyUI nothing without saying so."""
    problems = [
        f"luna's {kind} pool did nothing"
        for kind in workflow.served
        if after.get(kind, 0) <= before.get(kind, 0)
    ]
    if not workflow.line and lines:
        problems.append(f"ComfyUI did it itself: {lines[0]}")
    if workflow.line and not any(workflow.line in line for line in lines):
        problems.append(f"ComfyUI logged no line with {workflow.line!r} for its own work: {lines}")
    if workflow.line and len(lines) != len(set(lines)):
        problems.append(f"ComfyUI said the same more than once: {lines}")
    return problems


def _records(folder: Path, workflow: Workflow) -> list[compare.Difference]:
    found = []
    for name, limit in workflow.limits.items():
        stock, luna = (
            folder / f"{who}.{workflow.name}.{name}.safetensors" for who in ("stock", "luna")
        )
        found += compare.records(stock, luna, limit)
    return found


def _pictures(
    output: Path, graph: Graph, stock: Outcome, luna: Outcome
) -> list[compare.Difference]:
    found = []
    for node in nodes_of(graph, "SaveImage"):
        names = stock.images(node), luna.images(node)
        if len(names[0]) != len(names[1]) or not names[0]:
            found.append(compare.Difference("pictures", 0, 0, f"are {names[1]}, not {names[0]}"))
            continue
        for one, other in zip(*names, strict=True):
            found.append(compare.pictures(Path(one).name, output / one, output / other))
    return found
