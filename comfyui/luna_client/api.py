"""The functions of the old daemon's client, by their old names: one shared client behind plain functions.

For code that was written against the old module. New code is better off with :class:`~luna_client.Client`, which
these functions use. They answer as the old ones did: bare tensors, tuples and dicts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from . import daemon as _daemon
from .client import DEFAULT_ADDRESS, Client
from .commands import Model
from .control_results import ControlResult
from .daemon import Daemon, PathLike
from .errors import ConnectionLostError, LunaError
from .model_fields import Tokens
from .tensors import Tensor

_lock = threading.Lock()
_client: Client | None = None
_options: dict[str, Any] = {}


def configure(addresses: str | Sequence[str] | None = None, **options: Any) -> None:
    """Says where the server is and how to talk to it, for all functions here; the arguments are :class:`Client`'s."""
    global _options
    reset_clients()
    with _lock:
        _options = dict(options, addresses=addresses)


def get_client() -> Client:
    """The shared client; it connects when it is used."""
    global _client
    with _lock:
        if _client is None or _client.closed:
            _client = Client(**_options)
        return _client


# -- the daemon itself -----------------------------------------------------------------------------


def start_daemon(
    models: PathLike | Sequence[PathLike] = (),
    extra_model_paths: PathLike | None = None,
    output: PathLike | Sequence[PathLike] = (),
    data: PathLike | None = None,
    **options: Any,
) -> Daemon:
    """Makes sure that a server runs, and lets the functions here use it; see :mod:`luna_client.daemon`."""
    options.setdefault(
        "gateway", os.environ.get("LUNA_ADDRESS", "").split(",")[0].strip() or DEFAULT_ADDRESS
    )
    started = _daemon.start_daemon(models, extra_model_paths, output, data, **options)
    with _lock:
        kept = {name: value for name, value in _options.items() if name != "addresses"}
    configure(started.address, **kept)
    return started


def is_daemon_running() -> bool:
    """Whether a server answers."""
    try:
        get_client().ping(timeout=5.0)
    except LunaError:
        return False
    return True


is_running = is_daemon_running


def get_daemon_info() -> dict[str, Any]:
    """The state of the server as it says it (docs/protocol.md, ``get_info``)."""
    return dict(get_client().get_info().raw)


get_info = get_daemon_info


def shutdown() -> dict[str, Any]:
    """Stops the server in order; that there is none is fine too. -> ``{"success", "message"}``"""
    try:
        accepted = get_client().shutdown().accepted
    except ConnectionLostError as problem:
        if problem.begun:
            raise
        return {"success": True, "message": "Daemon not running"}
    return {
        "success": accepted,
        "message": "Daemon is shutting down" if accepted else "Daemon did not accept",
    }


def reset_clients() -> dict[str, Any]:
    """Closes the shared connection: its requests are cancelled, the next call connects anew.

    -> ``{"success", "message"}``
    """
    global _client
    with _lock:
        client, _client = _client, None
    if client is not None:
        client.close()
    return {"success": True, "message": "Client connections reset"}


def unload_daemon_models() -> dict[str, Any]:
    """Frees the memory of all models; the next request loads again.

    -> ``{"success", "message", "unloaded", "freed_bytes", "kept", "problems"}``, or ``{"success": False, "error"}``
    """
    try:
        result = get_client().unload_models()
    except LunaError as problem:
        return {"success": False, "error": problem.message}
    count = len(result.unloaded)
    return {
        "success": result.done,
        "message": f"{count} models unloaded{_problems_text(result)}",
        "unloaded": [model.model for model in result.unloaded],
        "freed_bytes": dict(result.freed_bytes),
        "kept": [asdict(model) for model in result.kept],
        "problems": [asdict(answer) for answer in result.problems],
    }


def set_attention_mode(mode: str) -> dict[str, Any]:
    """Sets ``auto``, ``flash``, ``split`` or ``pytorch``, at once. -> ``{"success", "mode", "message"}``

    A mode that does not exist is ``{"success": False, "error"}``.
    """
    try:
        result = get_client().set_attention_mode(mode)
    except LunaError as problem:
        return {"success": False, "error": problem.message}
    return {
        "success": result.done,
        "mode": result.mode,
        "message": f"Attention mode is {result.mode}{_problems_text(result)}",
        "problems": [asdict(answer) for answer in result.problems],
    }


def negotiate_ipc(host_id: str = "", gpu_uuid: str | None = None) -> bool:
    """Whether tensors can go through shared memory."""
    return get_client().negotiate_ipc(host_id, gpu_uuid).shared_memory


# -- models ----------------------------------------------------------------------------------------


def vae_encode(pixels: Tensor, model: Model, **options: Any) -> Tensor:
    """Images [B, H, W, C] in 0..1 to latents [B, C, h, w]; options as :meth:`Client.vae_encode`."""
    return get_client().vae_encode(pixels, model, **options).latents


def vae_decode(latents: Tensor, model: Model, **options: Any) -> Tensor:
    """Latents [B, C, h, w] to images [B, H, W, 3] in 0..1; options as :meth:`Client.vae_decode`."""
    return get_client().vae_decode(latents, model, **options).images


def clip_encode(
    positive: str, negative: str | None = "", *, model: Model, **options: Any
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Both prompts of a picture: (cond, pooled, uncond, pooled_neg); options as :meth:`Client.clip_encode`."""
    pair = get_client().clip_encode(positive, negative, model=model, **options)
    return pair.cond, pair.pooled, pair.uncond, pair.pooled_neg


def clip_encode_sdxl(
    positive: str, negative: str | None = "", *, model: Model, **options: Any
) -> tuple[list[list[Any]], list[list[Any]]]:
    """SDXL's (positive, negative), each as a sampler's input: ``[[cond, {"pooled_output", "width", ...}]]``;
    options as :meth:`Client.clip_encode_sdxl`."""
    pair = get_client().clip_encode_sdxl(positive, negative, model=model, **options)
    first = [[pair.cond, {"pooled_output": pair.pooled, **pair.positive}]]
    if pair.uncond is None:
        return first, []
    return first, [[pair.uncond, {"pooled_output": pair.pooled_neg, **pair.negative}]]


def clip_tokenize(
    text: str, model: Model, return_word_ids: bool = False, **options: Any
) -> dict[str, Any]:
    """Tokens of a prompt as ComfyUI holds them; options as :meth:`Client.clip_tokenize`."""
    return get_client().clip_tokenize(text, model, return_word_ids=return_word_ids, **options)


def clip_encode_from_tokens(
    tokens: Tokens,
    model: Model,
    return_pooled: bool = False,
    return_dict: bool = False,
    **options: Any,
) -> Any:
    """cond, or (cond, pooled), or ``{"cond", "pooled_output"[, "attention_mask"]}``, as ComfyUI's CLIP answers."""
    result = get_client().clip_encode_from_tokens(tokens, model, **options)
    if return_dict:
        answer = {"cond": result.cond, "pooled_output": result.pooled}
        if result.attention_mask is not None:
            answer["attention_mask"] = result.attention_mask
        return answer
    return (result.cond, result.pooled) if return_pooled else result.cond


# -- saving ----------------------------------------------------------------------------------------


def submit_async(
    task_name: str,
    task_data: Mapping[str, Any],
    images: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Hands images over for saving; options as :meth:`Client.submit_async`.

    -> ``{"success", "job_id", "num_images", "message", "key", "files"}``
    """
    job = get_client().submit_async(task_data, images, task_name=task_name, **options)
    return {
        "success": True,
        "job_id": job.job_id,
        "num_images": job.images,
        "message": f"Submitted {job.images} images (Job ID: {job.job_id})",
        "key": job.key,
        "files": [asdict(name) for name in job.files],
    }


def _problems_text(result: ControlResult) -> str:
    if not result.problems:
        return ""
    return "; not done by " + ", ".join(
        f"{answer.who} ({answer.problem})" for answer in result.problems
    )
