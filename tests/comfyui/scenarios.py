"""What happens when it does not go well: interrupted, luna killed, luna absent, luna back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import compare
import proof_models as files
from graphs import Builder, Graph, nodes_of, with_luna, with_record_prefix
from memory import anonymous_bytes
from pairs import Bench, fallback_lines
from report import Result
from tolerance import CLIP_L, picture

#: How soon after the button a node has to end, in seconds.
INTERRUPT_SECONDS = 0.2
#: How soon luna has to be at rest then: one layer or tile of the largest decode, in seconds, on a slow CPU.
REST_SECONDS = 15.0


def long_decode(size: int, seed: int) -> Graph:
    """Text, and a decode that takes seconds on a CPU; another seed is another graph to ComfyUI's cache."""
    b = Builder()
    clip = b.add("CLIPLoader", clip_name=files.CLIP_L, type="stable_diffusion", device="default")
    vae = b.add("VAELoader", vae_name=files.VAE)
    text = b.add("CLIPTextEncode", clip=clip[0], text=f"fox number {seed}")
    b.record("text", conditioning=text[0])
    small = b.add("LoadImage", image="one.png")
    latents = b.add("VAEEncode", pixels=small[0], vae=vae[0])
    larger = b.add(
        "LatentUpscale",
        samples=latents[0],
        upscale_method="bilinear",
        width=size,
        height=size - 8 * seed,
        crop="disabled",
    )
    decoded = b.add("VAEDecode", samples=larger[0], vae=vae[0])
    b.record("picture", image=decoded[0])
    return b.graph


def interrupted(bench: Bench) -> Result:
    """The button while luna decodes: the node ends at once, luna stops working, the next prompt is served.

    Three times, of which the middle one counts: one measurement of a busy machine says little.
    """
    result = Result("interrupted")
    bench.luna.ensure_running()
    graph = with_luna(with_record_prefix(long_decode(512, 0), "luna.interrupted"))
    ends, rests = [], []
    for _ in range(3):
        prompt = bench.comfyui.post(graph)
        _wait_decoding(bench, graph)
        began = time.time()
        bench.comfyui.interrupt()
        outcome = bench.comfyui.wait_end(prompt, time.monotonic())
        ends.append(outcome.ended - began)
        bench.luna.wait_running(False)
        rests.append(time.time() - began)
        if outcome.status != "interrupted":
            result.problems.append(f"the prompt ended with {outcome.status} {outcome.message}")
            return result
    node, rest = statistics.median(ends), statistics.median(rests)
    result.figures |= {"interrupt_s": round(node, 3), "luna_at_rest_s": round(rest, 3)}
    if node > INTERRUPT_SECONDS:
        result.problems.append(f"the node ended {node:.2f} s after the button")
    if rest > REST_SECONDS:
        result.problems.append(f"luna worked on for {rest:.1f} s")
    expect_served(bench, result, 1)
    return result


def killed(bench: Bench) -> Result:
    """``kill -9`` of luna-node while it decodes: ComfyUI finishes the prompt itself, with the same picture."""
    result = Result("luna_killed")
    bench.luna.ensure_running()
    graph = long_decode(384, 2)
    stock = bench.comfyui.run(with_record_prefix(graph, "stock.luna_killed"))
    mark = bench.comfyui.mark()
    luna_graph = with_luna(with_record_prefix(graph, "luna.luna_killed"))
    prompt = bench.comfyui.post(luna_graph)
    _wait_decoding(bench, luna_graph)
    began = time.monotonic()
    bench.luna.kill()
    outcome = bench.comfyui.wait_end(prompt, began)
    result.figures["ended_s"] = round(outcome.seconds, 1)
    for who, one in (("stock", stock), ("luna", outcome)):
        if one.status != "success":
            result.problems.append(f"{who}: {one.status} {one.message}")
    _expect_lines(result, fallback_lines(bench.comfyui.said(mark)))
    _compare(bench, result, "luna_killed")
    return result


def absent(bench: Bench) -> Result:
    """No luna-node at all: ComfyUI does everything itself, and says so once a model."""
    result = Result("luna_absent")
    bench.luna.kill()
    mark = bench.comfyui.mark()
    graph = long_decode(128, 3)
    _run_both(bench, result, graph, "luna_absent")
    lines = fallback_lines(bench.comfyui.said(mark))
    if len(lines) != len(set(lines)):
        result.problems.append(f"the same line came more than once: {lines}")
    # the VAE may have told it when luna was killed; the text encoder has not yet
    _expect_lines(result, lines)
    return result


def back(bench: Bench) -> Result:
    """luna-node again: it does the work, and ComfyUI gives its own copies' memory back."""
    result = Result("luna_back")
    before = anonymous_bytes(bench.comfyui.pid)
    bench.luna.kill()
    bench.luna.start()
    expect_served(bench, result, 4)
    after = anonymous_bytes(bench.comfyui.pid)
    result.figures["comfyui_gave_back_mib"] = round((before - after) / 1024**2)
    return result


SCENARIOS: dict[str, Callable[[Bench], Result]] = {
    "interrupted": interrupted,
    "luna_killed": killed,
    "luna_absent": absent,
    "luna_back": back,
}


def _wait_decoding(bench: Bench, graph: Graph) -> None:
    """Until ComfyUI is in the decode and luna works on it."""
    bench.comfyui.wait_executing(nodes_of(graph, "VAEDecode")[0])
    bench.luna.wait_running(True)


def _run_both(bench: Bench, result: Result, graph: Graph, name: str) -> None:
    for who, posted in (("stock", graph), ("luna", with_luna(graph))):
        outcome = bench.comfyui.run(with_record_prefix(posted, f"{who}.{name}"))
        if outcome.status != "success":
            result.problems.append(f"{who}: {outcome.status} {outcome.message}")
        result.figures[f"{who}_s"] = round(outcome.seconds, 1)
    _compare(bench, result, name)


def expect_served(bench: Bench, result: Result, seed: int) -> None:
    """A small prompt that luna has to serve, with ComfyUI's own numbers."""
    before, mark = bench.luna.completed(), bench.comfyui.mark()
    _run_both(bench, result, long_decode(128, seed), f"served{seed}")
    after = bench.luna.completed_more(before, ("text", "vae"))
    idle = [kind for kind in ("text", "vae") if after.get(kind, 0) <= before.get(kind, 0)]
    if idle:
        result.problems.append(f"luna's pools did nothing: {idle}")
    lines = fallback_lines(bench.comfyui.said(mark))
    if lines:
        result.problems.append(f"ComfyUI did it itself: {lines[0]}")


def _expect_lines(result: Result, lines: list[str]) -> None:
    if not lines:
        result.problems.append("ComfyUI logged no line about doing the work itself")
    result.figures["lines"] = len(lines)


def _compare(bench: Bench, result: Result, name: str) -> None:
    for record, limit in (("text", CLIP_L), ("picture", picture())):
        stock, luna = (
            bench.comfyui.records / f"{who}.{name}.{record}.safetensors"
            for who in ("stock", "luna")
        )
        result.differences += compare.records(stock, luna, limit)
