"""The routes /luna/daemon/* of ComfyUI's own server, under the old pack's names, and /luna/jobs for failed saves.

ComfyUI refuses requests from other sites before they come here. Every handler hands its work to a thread: the event
loop, which serves all browsers, never waits for luna.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from . import control, jobs, service, settings_view

PREFIX = "/luna/daemon/"
JOBS = "/luna/jobs"

Command = Callable[[service.Service], dict[str, Any]]

_GET: dict[str, Command] = {
    "status": lambda luna: control.status(luna),
    "devices": lambda luna: control.devices(luna),
    "settings": lambda luna: settings_view.view(luna),
}
_POST: dict[str, Command] = {
    "start": lambda luna: control.start(luna),
    "stop": lambda luna: control.stop(luna),
    "reconnect": lambda luna: control.reconnect(luna),
    "unload": lambda luna: control.unload(luna),
    "reset": lambda luna: control.reset(luna),
    "set-clip-device": lambda _luna: control.device_of("text encoders"),
    "set-vae-device": lambda _luna: control.device_of("VAEs"),
    "set-llm-device": lambda _luna: control.device_of("language models"),
}


def add(routes: Any, respond: Callable[[dict[str, Any], int], Any]) -> None:
    """Adds the routes.

    Args:
        routes: aiohttp's table of routes.
        respond: makes a response of JSON and a status.
    """
    for name, command in _GET.items():
        routes.get(PREFIX + name)(_handler(command, respond))
    for name, command in _POST.items():
        routes.post(PREFIX + name)(_handler(command, respond))
    routes.post(PREFIX + "attention")(_with("mode", "auto", control.attention, respond))
    routes.get(JOBS)(_handler(jobs.failed, respond))
    routes.post(JOBS + "/retry")(_with("job_id", "...", jobs.retry, respond))
    routes.post(JOBS + "/discard")(_with("job_id", "...", jobs.discard, respond))


def _handler(command: Command, respond: Callable[[dict[str, Any], int], Any]) -> Any:
    async def handle(_request: Any) -> Any:
        answer = await asyncio.to_thread(lambda: command(service.get()))
        return respond(answer, _status(answer))

    return handle


def _with(
    field: str,
    example: str,
    command: Callable[[service.Service, str], dict[str, Any]],
    respond: Callable[[dict[str, Any], int], Any],
) -> Any:
    """The handler of a command that takes one text, by this name."""

    async def handle(request: Any) -> Any:
        try:
            value = (await request.json())[field]
        except (json.JSONDecodeError, KeyError, TypeError):
            return respond({"success": False, "error": f"send {json.dumps({field: example})}"}, 400)
        answer = await asyncio.to_thread(lambda: command(service.get(), str(value)))
        return respond(answer, _status(answer))

    return handle


def _status(answer: dict[str, Any]) -> int:
    """409 for what was not done: the answer says why. The state of a server that is away is an answer as well."""
    return 200 if answer.get("success", True) else 409


def register() -> None:
    """Adds the routes to the ComfyUI of this process."""
    from aiohttp import web
    from server import PromptServer

    instance = getattr(PromptServer, "instance", None)
    if instance is not None:
        add(instance.routes, lambda answer, status: web.json_response(answer, status=status))
