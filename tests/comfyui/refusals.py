"""What luna's objects do not do: nodes that need the weights fail with a sentence, and so does forbidden local work."""

from __future__ import annotations

import proof_models as files
from graphs import Builder, Graph, Output, with_luna
from pairs import Bench
from report import Result
from scenarios import long_decode

#: Words of the sentence that tells a person what to do instead.
ADVICE = "stock loader"
FORBIDDEN = "Local work is forbidden"
_LOCAL_WORK = "Luna.LocalWork"


def clip_save() -> Graph:
    b = Builder()
    b.add("CLIPSave", clip=_clip(b), filename_prefix="clip")
    return b.graph


def clip_merge() -> Graph:
    b = Builder()
    first, second = _clip(b), _clip(b)
    merged = b.add("CLIPMergeSimple", clip1=first, clip2=second, ratio=0.5)
    b.record("merged", conditioning=b.add("CLIPTextEncode", clip=merged[0], text="a fox")[0])
    return b.graph


def vae_save() -> Graph:
    b = Builder()
    vae = b.add("VAELoader", vae_name=files.TAESD)
    b.add("VAESave", vae=vae[0], filename_prefix="vae")
    return b.graph


def clip_hooks() -> Graph:
    b = Builder()
    strengths = {"strength_model": 1.0, "strength_clip": 1.0}
    hooks = b.add("CreateHookLora", lora_name=files.LORA, **strengths)
    switches = {"apply_to_conds": True, "schedule_clip": False}
    hooked = b.add("SetClipHooks", clip=_clip(b), hooks=hooks[0], **switches)
    b.record("hooked", conditioning=b.add("CLIPTextEncode", clip=hooked[0], text="a fox")[0])
    return b.graph


GRAPHS = {
    "CLIPSave": clip_save,
    "CLIPMergeSimple": clip_merge,
    "VAESave": vae_save,
    "SetClipHooks": clip_hooks,
}


def refused(bench: Bench) -> Result:
    """Each of these nodes, with luna's loader in front of it."""
    result = Result("refused")
    bench.luna.ensure_running()
    for node, build in GRAPHS.items():
        outcome = bench.comfyui.run(with_luna(build()))
        if outcome.status != "error":
            result.problems.append(f"{node} ended with {outcome.status}")
        elif not outcome.message.startswith(node) or ADVICE not in outcome.message:
            result.problems.append(f"{node} gives no advice: {outcome.message}")
    return result


def forbidden(bench: Bench) -> Result:
    """No luna, and ComfyUI may not do its work: a sentence, and no local model; allowed again, it works at once."""
    result = Result("local_work_forbidden")
    bench.luna.kill()
    graph = with_luna(long_decode(128, 5))
    bench.comfyui.ask("/settings", {_LOCAL_WORK: False})
    try:
        outcome = bench.comfyui.run(graph)
    finally:
        bench.comfyui.ask("/settings", {_LOCAL_WORK: True})
    if outcome.status != "error" or FORBIDDEN not in outcome.message:
        result.problems.append(f"forbidden, it ended with {outcome.status} {outcome.message}")
    outcome = bench.comfyui.run(graph)
    if outcome.status != "success":
        result.problems.append(f"allowed, it ended with {outcome.status} {outcome.message}")
    bench.luna.ensure_running()
    return result


def _clip(b: Builder) -> Output:
    names = {"clip_name": files.CLIP_L, "type": "stable_diffusion", "device": "default"}
    return b.add("CLIPLoader", **names)[0]


SCENARIOS = {"refused": refused, "local_work_forbidden": forbidden}
