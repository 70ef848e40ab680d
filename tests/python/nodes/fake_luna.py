"""A luna whose state moves by hand, in the place of the client: up, down, refusing, or hanging until it is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from luna_client import (
    Conditioning,
    ConnectionLostError,
    Event,
    Images,
    Job,
    JobImage,
    Latents,
    LunaError,
    ModelFile,
    ModelInfo,
    ModelList,
    NotPermittedError,
    RequestCancelledError,
    ServerWarning,
    Submission,
)
from luna_client.clock import Clock
from luna_client.control_results import (
    Answer,
    AttentionMode,
    Info,
    Kept,
    ResetResult,
    ShutdownResult,
    Unloaded,
    UnloadResult,
)
from luna_client.results import SavedName

WEIGHTS = ("clip_l.a.weight", "clip_l.b.weight")
CLIP_L = ModelInfo(
    family="clip_l",
    type="stable_diffusion",
    hash="sha256:1",
    token_keys=("l",),
    layers=12,
    weight_keys=WEIGHTS,
)
SDXL = ModelInfo(
    family="sdxl",
    type="sdxl",
    hash="sha256:2",
    token_keys=("l", "g"),
    layers=32,
    weight_keys=WEIGHTS,
)
KL = ModelInfo(
    family="kl",
    hash="sha256:3",
    latent_channels=4,
    latent_dim=2,
    downscale_ratio=8,
    upscale_ratio=8,
)


@dataclass
class Call:
    cmd: str
    args: tuple[Any, ...]
    options: dict[str, Any]


class FakeEvents:
    """A subscription: gives the events that a test puts in, and waits for more as a real one does."""

    def __init__(self, luna: FakeLuna) -> None:
        self._luna = luna

    def __enter__(self) -> FakeEvents:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def get(self, timeout: float | None = None) -> Event | None:
        try:
            return self._luna.events.get(timeout=timeout)
        except queue.Empty:
            return None


class FakeConnection:
    """An open connection, as far as the pack looks at it."""

    def __init__(self) -> None:
        self.address = "127.0.0.1:19283"
        self.welcome = SimpleNamespace(
            limits=SimpleNamespace(max_body_bytes=1 << 30), commands=("probe_folder",)
        )


class FakeLuna:
    """Answers as luna_client.Client does. One instance plays the server across clients: pass ``make`` to Service."""

    def __init__(self) -> None:
        self.problem: LunaError | None = None
        self.infos: dict[str, ModelInfo | LunaError] = {"text": CLIP_L, "vae": KL}
        self.models: tuple[ModelFile, ...] = ()
        self.calls: list[Call] = []
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.closed = 0
        self.steps: list[tuple[int, int, str]] = []
        self.hanging = threading.Event()
        self.hangs = False
        self.cancelled = threading.Event()
        self.next_problems: list[LunaError] = []
        self.jobs: dict[str, Job] = {}
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.max_body_bytes = 1 << 30
        self.link = FakeConnection()
        self.connected = True
        self.address_count = 1
        self.same = True  # its output folder is ComfyUI's
        self.allowed: list[str] | None = None  # its output folders; None: all
        self.token = ""
        self.proof_problems: list[LunaError] = []
        self.after_retry: Job | None = None
        self.info: dict[str, Any] = {}
        self.masks = False
        self.above = ""  # of the output folder, in the names that come back
        self.accepts = True
        self.clock = Clock()
        self.answers: tuple[Answer, ...] = ()
        self.warnings: tuple[ServerWarning, ...] = ()
        self.on_submit: Callable[[str, Any], None] = lambda job_id, task: None

    def make(self, server: str, **options: Any) -> FakeLuna:
        self.made.append((server, options))
        return self

    def close(self) -> None:
        self.closed += 1

    def down(self, message: str = "cannot reach luna") -> None:
        self.problem = ConnectionLostError(message)

    def up(self) -> None:
        self.problem = None

    def of(self, cmd: str) -> list[Call]:
        return [call for call in self.calls if call.cmd == cmd]

    # -- the client's methods --------------------------------------------------------------------

    def _do(
        self, cmd: str, *args: Any, progress: Any = None, cancel: Any = None, **options: Any
    ) -> None:
        self.calls.append(Call(cmd, args, options))
        if self.problem is not None:
            raise self.problem
        # what is asked beside the request itself is not meant
        if self.next_problems and cmd not in ("subscribe", "job_status", "same_folder"):
            raise self.next_problems.pop(0)
        for step in self.steps if progress else ():
            progress(*step)
        if self.hangs:
            cancel._watch(SimpleNamespace(cancel=self.cancelled.set))
            self.hanging.set()
            self.cancelled.wait(20.0)
            raise RequestCancelledError("cancelled")

    def list_models(self, kinds: Any = None, *, timeout: float | None = None) -> ModelList:
        self._do("list_models")
        return ModelList(1, self.models)

    def model_info(self, model: Any, kind: str, *, timeout: float | None = None) -> ModelInfo:
        self._do("model_info", model, kind)
        answer = self.infos[kind]
        if isinstance(answer, LunaError):
            raise answer
        return answer

    def vae_decode(self, latents: Any, model: Any, **options: Any) -> Images:
        self._do("vae_decode", latents, model, **options)
        count, _, height, width = latents.shape
        images = np.zeros((count, height * 8, width * 8, 3), np.float32)
        return Images(images, warnings=self.warnings)

    def vae_encode(self, pixels: Any, model: Any, **options: Any) -> Latents:
        self._do("vae_encode", pixels, model, **options)
        count, height, width, _ = pixels.shape
        latents = np.zeros((count, 4, height // 8, width // 8), np.float32)
        return Latents(latents, warnings=self.warnings)

    def clip_encode_from_tokens(self, tokens: Any, model: Any, **options: Any) -> Conditioning:
        self._do("clip_encode_from_tokens", tokens, model, **options)
        mask = np.ones((1, 77), np.float32) if self.masks else None
        cond, pooled = np.zeros((1, 77, 8), np.float32), np.ones((1, 8), np.float32)
        return Conditioning(cond, pooled, mask, self.warnings)

    # -- control ---------------------------------------------------------------------------------

    def ping(self, data: Any = None, *, timeout: float | None = None) -> None:
        self._do("ping")

    def get_info(self, *, timeout: float | None = None) -> Info:
        self._do("get_info")
        return Info.from_json(self.info)

    def shutdown(self, *, timeout: float | None = None) -> ShutdownResult:
        self._do("shutdown")
        return ShutdownResult(accepted=self.accepts)

    def set_attention_mode(self, mode: str, *, timeout: float | None = None) -> AttentionMode:
        self._do("set_attention_mode", mode)
        return AttentionMode(done=not self.answers, answers=self.answers, mode=mode)

    def unload_models(self, *, timeout: float | None = None) -> UnloadResult:
        self._do("unload_models")
        return UnloadResult(
            done=True,
            unloaded=(Unloaded("a.safetensors", "cpu", 10),),
            freed_bytes={"cpu": 10},
            kept=(Kept("b.safetensors", "in use"),),
        )

    def reset(self, *, timeout: float | None = None) -> ResetResult:
        self._do("reset")
        return ResetResult(cancelled=2)

    # -- saving ----------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """From now on another connection is open."""
        self.link = FakeConnection()

    def connection(self, timeout: float) -> FakeConnection:
        self.link.welcome.limits.max_body_bytes = self.max_body_bytes
        return self.link

    def same_folder(self, folder: str, *, timeout: float = 10.0) -> bool:
        self._do("same_folder", folder)
        if self.proof_problems:
            raise self.proof_problems.pop(0)
        if self.allowed is not None and folder not in self.allowed:
            raise NotPermittedError(f"output_dir {folder} is not under an allowed folder")
        return self.same

    def allow_output(self, path: str, token: str, *, timeout: float | None = None) -> bool:
        self._do("allow_output", path, token)
        if self.allowed is None or token != self.token:
            raise NotPermittedError("'token' is not that of the program that started this node")
        self.allowed.append(path)
        return True

    def job_cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        self._do("job_cancel", job_id)
        return self.jobs[job_id]

    def submit_async(
        self, task: Any, images: Any = None, *, cancel: Any = None, **options: Any
    ) -> Submission:
        self._do("submit_async", task, images, **options)
        job_id = f"j-{len(self.of('submit_async'))}"
        start = sum(len(call.args[0]["images"]) for call in self.of("submit_async")[:-1])
        files = self.named(task, images or {}, start)
        written = tuple(
            JobImage(
                name.index,
                "done",
                f"{task['output_dir']}/{name.subfolder.removeprefix(self.above)}/{name.filename}",
            )
            for name in files
        )
        self.jobs.setdefault(job_id, Job(job_id, state="done", progress=1.0, images=written))
        self.on_submit(job_id, files)
        return Submission(job_id, "key", len(files), 1, files)

    def named(self, task: Any, tensors: Any, start: int) -> tuple[SavedName, ...]:
        """The names that the server reserves: with a counter, and for templates a name of their own."""
        if "counter" in task:
            return tuple(
                SavedName(
                    index,
                    self.above + task["save_path"],
                    f"{task['filename']}_{start + index + 1:05}_.png",
                )
                for index in range(len(task["images"]))
            )
        pictures = [
            (entry, number)
            for entry in task["images"]
            for number in range(len(tensors[entry["tensor"]]))
        ]
        return tuple(
            SavedName(
                index,
                f"{self.above}{task['save_path']}",
                f"{entry['affix']}_{number}.{entry['format']}",
            )
            for index, (entry, number) in enumerate(pictures)
        )

    def job_list(
        self, state: str | None = None, limit: int = 100, *, timeout: float | None = None
    ) -> tuple[Job, ...]:
        self._do("job_list", state)
        return tuple(job for job in self.jobs.values() if state in (None, job.state))

    def job_retry(self, job_id: str, *, timeout: float | None = None) -> Job:
        self._do("job_retry", job_id)
        self.jobs[job_id] = self.after_retry or Job(job_id, state="queued")
        return self.jobs[job_id]

    def job_discard(self, job_id: str, *, timeout: float | None = None) -> Job:
        self._do("job_discard", job_id)
        return self.jobs.pop(job_id)

    def job_wait(self, job_id: str, timeout: float = 60.0, **_options: Any) -> Job:
        self._do("job_wait", job_id)
        return self.jobs[job_id]

    def job_status(self, job_id: str, *, timeout: float | None = None) -> Job:
        self._do("job_status", job_id)
        return self.jobs[job_id]

    def subscribe(self, names: Any) -> FakeEvents:
        self._do("subscribe", tuple(names))
        return FakeEvents(self)
