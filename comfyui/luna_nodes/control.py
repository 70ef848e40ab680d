"""Starting, stopping and asking the server: what the Daemon nodes and the routes do, as plain dicts for JSON.

Every function answers ``{"success": bool, ...}`` and, where it did not succeed, ``"error"`` with a sentence; none
raises a :class:`LunaError`. They wait for the server: call them in a thread, never in ComfyUI's event loop. They do
not look at ComfyUI's interrupt, which belongs to the running prompt.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from luna_client import LunaError
from luna_client.daemon import default_data_folder, start_daemon
from luna_client.handshake import split_address

from .folder_check import checks
from .service import Service

#: What a question to a server that is there may take, in seconds.
PATIENCE = 10.0
MODES = ("auto", "flash", "split", "pytorch")
_GB = 1e9


def _answered(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"success": True, **work()}
    except LunaError as problem:
        return {"success": False, "error": problem.message, "code": problem.code}


# -- running or not --------------------------------------------------------------------------------


def start(service: Service) -> dict[str, Any]:
    """Makes sure that a server runs: takes the one that answers, or starts ``luna-node`` on this machine.

    A server that is started gets every model folder and the output folder of this ComfyUI; one that another ComfyUI of
    this user has started is asked to take this one's output folder too.
    """
    address = service.address.split(",")[0].strip()
    if is_running(service):
        answer = {"success": True, "started": False, "address": address}
        return {**answer, **_with_folder(service, f"luna runs at {address}")}

    def work() -> dict[str, Any]:
        host, _port = split_address(address)
        if host not in ("127.0.0.1", "localhost", "::1"):
            return {
                "success": False,
                "error": f"luna at {address} does not answer, and it is not on this machine: start it there",
            }
        if service.settings.secret_file:
            return {
                "success": False,
                "error": "a secret is set, which only a configured luna has: start luna-node with its cluster.conf",
            }
        daemon = start_daemon(
            extra_model_paths=write_model_paths(service),
            output=[service.host.output_folder()],
            gateway=address,
        )
        service.refresh()
        word = "was started" if daemon.started else "runs"
        answer: dict[str, Any] = {
            "started": daemon.started,
            "address": daemon.address,
            "pid": daemon.pid,
            **_with_folder(service, f"luna {word} at {daemon.address}"),
        }
        if daemon.address != address:
            answer["success"] = False
            answer["error"] = (
                f"luna runs at {daemon.address}, and this ComfyUI asks {address}: set LUNA_SERVER or Luna.Server"
            )
        return answer

    return _answered(work)


def _with_folder(service: Service, status: str) -> dict[str, Any]:
    """The status, and who saves this ComfyUI's pictures if luna does not: ``pictures``."""
    try:
        checks.check(service.reached(), service.address, service.host.output_folder())
    except LunaError as problem:
        return {
            "status": f"{status}; ComfyUI saves its pictures itself: {problem.message}",
            "pictures": problem.message,
        }
    return {"status": status}


def is_running(service: Service) -> bool:
    """Whether the server answers now."""
    try:
        service.reached().ping(timeout=PATIENCE)
    except LunaError as problem:
        service.failed(problem)
        return False
    service.worked()
    return True


def write_model_paths(service: Service) -> Path:
    """This ComfyUI's model folders as a file for ``luna-node``, in its data folder. JSON is YAML."""
    folders = service.host.model_folders()
    listed = {name: "\n".join(paths) for name, paths in sorted(folders.items()) if paths}
    path = default_data_folder() / "comfyui_model_paths.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps({"comfyui": listed}, indent=1) + "\n", "utf-8")
    os.replace(part, path)
    return path


def stop(service: Service) -> dict[str, Any]:
    """Stops the node that this ComfyUI talks to: it finishes what it has begun, its save jobs are safe."""
    if not is_running(service):
        return {"success": True, "status": f"no luna runs at {service.address}"}
    return _answered(lambda: _stopped(service.reached().shutdown(timeout=PATIENCE).accepted))


def _stopped(accepted: bool) -> dict[str, Any]:
    if accepted:
        return {"status": "luna drains and stops"}
    return {"success": False, "error": "luna did not accept the stop"}


def reconnect(service: Service) -> dict[str, Any]:
    """Closes the connection and makes it anew."""
    service.reconnect()
    return _answered(lambda: {"status": f"connected to {_named(service)}"})


def _named(service: Service) -> str:
    info = service.reached().get_info(timeout=PATIENCE).raw
    service.worked()
    return f"luna {info.get('version', '')} on node {info.get('node', '')}"


# -- steering --------------------------------------------------------------------------------------


def attention(service: Service, mode: str) -> dict[str, Any]:
    """Sets how attention is computed, on all nodes."""
    if mode not in MODES:
        return {"success": False, "error": f"the mode is one of {', '.join(MODES)}, not '{mode}'"}

    def work() -> dict[str, Any]:
        result = service.reached().set_attention_mode(mode, timeout=PATIENCE)
        return {"success": result.done, "mode": result.mode, **_problems(result)}

    return _answered(work)


def unload(service: Service) -> dict[str, Any]:
    """Frees the memory of all models that nobody uses now."""

    def work() -> dict[str, Any]:
        result = service.reached().unload_models(timeout=60.0)
        return {
            "success": result.done,
            "unloaded": [model.model for model in result.unloaded],
            "freed_bytes": dict(result.freed_bytes),
            "kept": [f"{model.model}: {model.reason}" for model in result.kept],
            **_problems(result),
        }

    return _answered(work)


def reset(service: Service) -> dict[str, Any]:
    """Cancels this ComfyUI's requests on the server, and makes the connection anew. Save jobs go on."""

    def work() -> dict[str, Any]:
        cancelled = service.reached().reset(timeout=PATIENCE).cancelled
        service.reconnect()
        return {"cancelled": cancelled, "status": f"connected to {_named(service)}"}

    return _answered(work)


def _problems(result: Any) -> dict[str, Any]:
    problems = [f"{answer.who}: {answer.problem}" for answer in result.problems]
    return {"error": "; ".join(problems)} if problems else {}


# -- state -----------------------------------------------------------------------------------------


def status(service: Service) -> dict[str, Any]:
    """The state under the old panel's names, and what is new beside them. ``running`` says whether it answers."""
    comfyui = service.host.memory()
    try:
        info = dict(service.reached().get_info(timeout=PATIENCE).raw)
    except LunaError as problem:
        service.failed(problem)
        return {
            "running": False,
            "address": service.address,
            "error": problem.message,
            "comfyui_vram": comfyui,
        }
    service.worked()
    used, total = _video_memory(info)
    loaded = {
        f"{pool.get('kind')}: {name}"
        for pool in _list(info, "pools")
        for name in pool.get("models") or ()
    }
    return {
        "running": True,
        "address": service.address,
        "version": info.get("version"),
        "node": info.get("node"),
        "cluster": info.get("cluster"),
        "status": info.get("status"),
        "device": ", ".join(sorted({str(pool.get("device", "")) for pool in _list(info, "pools")})),
        "vram_used_gb": used,
        "vram_total_gb": total,
        "vram_percent": round(100 * used / total, 1) if total else 0,
        "request_count": info.get("request_count", 0),
        "clip_request_count": info.get("clip_request_count", 0),
        "vae_request_count": info.get("vae_request_count", 0),
        "uptime_seconds": info.get("uptime_sec", 0),
        "attention_mode": info.get("attention_mode"),
        "models_loaded": sorted(loaded),
        "vae_loaded": any(name.startswith("vae:") for name in loaded),
        "clip_loaded": any(name.startswith("text:") for name in loaded),
        "devices": _list(info, "devices"),
        "pools": _list(info, "pools"),
        "nodes": _list(info, "nodes"),
        "save_queue": info.get("save_queue", {}),
        "comfyui_vram": comfyui,
    }


def devices(service: Service) -> dict[str, Any]:
    """The devices of the server and which pool works on which."""

    def work() -> dict[str, Any]:
        info = dict(service.reached().get_info(timeout=PATIENCE).raw)
        pools = [
            {key: pool.get(key) for key in ("name", "kind", "node", "device")}
            for pool in _list(info, "pools")
        ]
        return {"devices": _list(info, "devices"), "pools": pools}

    return _answered(work)


def device_of(kind: str) -> dict[str, Any]:
    """The answer to the old panel's choice of a device: there is none to make here."""
    return {
        "success": False,
        "error": f"the device for {kind} is the pool's, in luna's cluster.conf: change it there and restart the node",
    }


def _list(info: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = info.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _video_memory(info: dict[str, Any]) -> tuple[float, float]:
    """GB used and there, of all GPUs."""
    found = info.get("vram")
    cards = (
        [card for card in found.values() if isinstance(card, dict)]
        if isinstance(found, dict)
        else []
    )
    used = sum(float(card.get("used_gb", 0)) for card in cards)
    return round(used, 2), round(sum(float(card.get("total_gb", 0)) for card in cards), 2)
