"""Two ComfyUI processes with SDXL's text encoders and VAE: each with its own, and both on one luna."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compare
import proof_models as files
from comfyui_process import Comfy
from graphs import Builder, Graph, with_luna
from luna_server import LunaServer
from memory import figures
from report import Result
from tolerance import SDXL, picture

#: Makes a ComfyUI in this folder with this environment; the caller ends it.
StartComfy = Callable[[Path, dict[str, str]], Comfy]


def sdxl_text_and_vae(seed: int) -> Graph:
    """Both encoders at work, and the VAE both ways, on a small picture."""
    b = Builder()
    names = {"clip_name1": files.CLIP_L, "clip_name2": files.CLIP_G}
    clip = b.add("DualCLIPLoader", **names, type="sdxl", device="default")
    vae = b.add("VAELoader", vae_name=files.VAE)
    text = b.add("CLIPTextEncode", clip=clip[0], text=f"picture number {seed}")
    b.record(f"text{seed}", conditioning=text[0])
    start = b.add("VAEEncode", pixels=b.add("LoadImage", image="one.png")[0], vae=vae[0])
    decoded = b.add("VAEDecode", samples=start[0], vae=vae[0])
    b.record(f"picture{seed}", image=decoded[0])
    return b.graph


def run(start: StartComfy, folder: Path, luna: LunaServer) -> Result:
    """Measures both ways one after the other, so that they do not take each other's memory."""
    result = Result("two_processes")
    stock = [start(folder / f"stock{i}", {}) for i in range(2)]
    try:
        idle = figures(one.pid for one in stock)
        _work(result, stock, [sdxl_text_and_vae(i) for i in range(2)])
        both = figures(one.pid for one in stock)
    finally:
        _end(stock)
    ours = [start(folder / f"luna{i}", luna.environment) for i in range(2)]
    try:
        luna.start()
        before = luna.completed()
        _work(result, ours, [with_luna(sdxl_text_and_vae(i)) for i in range(2)])
        after = luna.completed_more(before, ("text", "vae"), by=2)
        with_server = figures([*(one.pid for one in ours), luna.node.pid])
        server = figures([luna.node.pid])
    finally:
        _end(ours)
        luna.stop()
    result.differences = _differences(stock, ours)
    for kind in ("text", "vae"):
        if after.get(kind, 0) < before.get(kind, 0) + 2:
            result.problems.append(f"luna's {kind} pool did not serve both")
    result.figures = {
        **_named("two_idle", idle),
        **_named("two_stock", both),
        **_named("two_on_luna", with_server),
        **_named("luna_alone", server),
    }
    if with_server["pss_gib"] >= both["pss_gib"]:
        result.problems.append("two ComfyUI on one luna need no less memory than two stock ones")
    return result


def _work(result: Result, comfys: Sequence[Comfy], graphs: Sequence[Graph]) -> None:
    """All at once, each its own graph."""
    with ThreadPoolExecutor(len(comfys)) as pool:
        for outcome in pool.map(
            lambda pair: pair[0].run(pair[1]), zip(comfys, graphs, strict=True)
        ):
            if outcome.status != "success":
                result.problems.append(f"{outcome.status} {outcome.message}")


def _differences(stock: Sequence[Comfy], ours: Sequence[Comfy]) -> list[compare.Difference]:
    """What luna answered both at once, against what each stock one computed."""
    found = []
    for i, (one, other) in enumerate(zip(stock, ours, strict=True)):
        for name, limit in ((f"text{i}", SDXL), (f"picture{i}", picture())):
            paths = (comfy.records / f"{name}.safetensors" for comfy in (one, other))
            found += compare.records(*paths, limit)
    return found


def _end(comfys: Sequence[Comfy]) -> None:
    for one in comfys:
        one.stop()


def _named(name: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{key}": value for key, value in values.items()}
