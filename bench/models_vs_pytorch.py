"""luna's models against the same models in PyTorch computed ComfyUI's way, in turns, on two threads.

    PYTHON bench/models_vs_pytorch.py --folder DIR [--node build/release/bin/luna-node]

PYTHON is one that has torch and safetensors (a ComfyUI's, for instance). The full-size models of generated weights
are made in DIR at the first run (2 GB). Prints one JSON object a line: medians of both in milliseconds, their ratio,
the share of the machine's fp32 peak (a large matrix product in the same run), and the server's memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "comfyui"),
    str(ROOT / "tests" / "python" / "system"),
    str(ROOT / "bench"),
]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from full_size_models import PAIR, make_models, started  # noqa: E402
from luna_client import Client  # noqa: E402
from machine import describe_machine  # noqa: E402
from pytorch_models import ClipTower, Decoder  # noqa: E402

PROMPT = "a photograph of a lighthouse on a cliff at dusk, long exposure, waves, gulls"
THREADS = 2
GFLOP = {"clip_l": 13.1, "sdxl": 110.0, "vae_decode": 2480.0}  # one prompt; 512x512


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gflops() -> float:
    """Of a large fp32 matrix product; the best of several."""
    side = 2048
    a, b = torch.randn(side, side), torch.randn(side, side)
    best = min(seconds_of(lambda: torch.mm(a, b)) for _ in range(10))
    return 2 * side**3 / best / 1e9


def in_turns(luna: Callable[[], Any], other: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Medians in milliseconds after one call of each that is not counted."""
    luna()
    other()
    times: dict[str, list[float]] = {"luna": [], "pytorch": []}
    for _ in range(rounds):
        times["luna"].append(seconds_of(luna))
        times["pytorch"].append(seconds_of(other))
    return {name: round(1000 * statistics.median(x), 1) for name, x in times.items()}


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def report(measurement: str, values: dict[str, Any], target: str, met: bool) -> bool:
    line = {"measurement": measurement, **values, "target": target, "met": met}
    print(
        json.dumps({**line, "machine": {**describe_machine(), "torch": torch.__version__}}),
        flush=True,
    )
    return met


def measure_text(luna: Client, folder: Path, rounds: int, peak: float) -> bool:
    texts = folder / "text_encoders"
    towers = {
        "l": ClipTower(texts / "clip_l.safetensors", quick_gelu=True),
        "g": ClipTower(texts / "clip_g.safetensors", quick_gelu=False),
    }
    good = True
    for name, model, keys in (("clip_l", "clip_l.safetensors", "l"), ("sdxl", PAIR, "lg")):
        tokens = luna.clip_tokenize(PROMPT, model)
        ids = {key: torch.tensor([[x[0] for x in row] for row in tokens[key]]) for key in keys}
        times = in_turns(
            lambda model=model, tokens=tokens: luna.clip_encode_from_tokens(tokens, model),
            lambda ids=ids: [towers[key](x) for key, x in ids.items()],
            rounds,
        )
        good &= report_times(name, times, peak)
    return good


def measure_decode(luna: Client, folder: Path, rounds: int, peak: float) -> bool:
    decoder = Decoder(folder / "vae" / "vae_sd.safetensors")
    latents = np.random.default_rng(1).standard_normal((1, 4, 64, 64)).astype(np.float32)
    tensor = torch.from_numpy(latents)
    times = in_turns(
        lambda: luna.vae_decode(latents, "vae_sd.safetensors", tiled=False, timeout=600),
        lambda: decoder(tensor),
        rounds,
    )
    return report_times("vae_decode", times, peak)


def report_times(name: str, times: dict[str, float], peak: float) -> bool:
    share = {
        f"{who}_share_of_peak": round(GFLOP[name] / (ms / 1000) / peak, 3)
        for who, ms in times.items()
    }
    ratio = round(times["pytorch"] / times["luna"], 2)
    values = {f"{who}_ms": ms for who, ms in times.items()}
    values |= {"times_as_fast": ratio, "peak_gflops": round(peak, 1), **share}
    return report(name, values, "faster than PyTorch", ratio > 1)


def measure_memory(luna: Client, pid: int) -> bool:
    """Of a server that has just loaded SDXL's text encoders and the VAE, beside the weights as it keeps them."""
    kept = sum(device.used_bytes for device in luna.get_info().devices) / 2**20
    resident = resident_mib(pid)
    values = {"anonymous_mib": round(resident, 1), "weights_mib": round(kept, 1)}
    ratio = round(resident / kept, 3)
    return report("memory", {**values, "ratio": ratio}, "<= 1.1 times the weights", ratio <= 1.1)


@torch.inference_mode()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="where the models are or come to be"
    )
    parser.add_argument(
        "--node", type=Path, default=ROOT / "build" / "release" / "bin" / "luna-node"
    )
    parser.add_argument(
        "--rounds", type=int, default=15, help="of the encoders; a third for the decoder"
    )
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    make_models(options.folder)
    good = True
    with started(options.node, options.folder) as node, node.client() as luna:
        luna.clip_encode("a", None, model=PAIR)
        luna.vae_decode(np.zeros((1, 4, 8, 8), np.float32), "vae_sd.safetensors")
        good &= measure_memory(luna, node.pid)
        peak = peak_gflops()
        good &= measure_text(luna, options.folder, options.rounds, peak)
        good &= measure_decode(luna, options.folder, max(3, options.rounds // 3), peak)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
