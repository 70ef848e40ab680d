"""Where the server is, how to prove who we are, and whether ComfyUI may do the work itself.

Each value is taken from the first place that has it: the environment (``LUNA_SERVER``, ``LUNA_SECRET_FILE``,
``LUNA_LOCAL_WORK``), ComfyUI's settings (``Luna.Server``, ``Luna.SecretFile``, ``Luna.LocalWork``), the file
``luna.json`` beside the pack (``server``, ``secret_file``, ``local_work``), the default.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luna_client import DEFAULT_ADDRESS

log = logging.getLogger("luna")

#: The file beside the pack: in the folder that the user copied or linked.
PACK_FILE = Path(__file__).resolve().parent.parent / "luna.json"
#: Places that are no variable and no file.
SETTINGS, DEFAULT = "settings", "default"


@dataclass(frozen=True)
class Settings:
    """``server``: ``host:port``, several with commas. ``local_work``: whether ComfyUI may do what luna does not."""

    server: str = DEFAULT_ADDRESS
    secret_file: str = ""
    local_work: bool = True


@dataclass
class SettingsSource:
    """Reads the settings whenever they are asked for; files only when they have changed. Any thread."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    comfy_file: Callable[[], Path | None] = field(default_factory=lambda: comfy_settings_file)
    pack_file: Path = PACK_FILE
    _seen: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = field(default_factory=dict)

    def read(self) -> Settings:
        """The settings now."""
        given = self._given()
        server, _ = _first(given["server"])
        secret, _ = _first(given["secret_file"])
        local, _ = _switch(given["local_work"])
        return Settings(server or DEFAULT_ADDRESS, secret, local)

    def origins(self) -> dict[str, str]:
        """Where each value of :meth:`read` comes from: a variable, ``settings``, ``luna.json``, or ``default``."""
        given = self._given()
        return {
            "server": _first(given["server"])[1],
            "secret_file": _first(given["secret_file"])[1],
            "local_work": _switch(given["local_work"])[1],
        }

    def _given(self) -> dict[str, list[tuple[Any, str]]]:
        """What each place says of each value, and the place's name; the first that says something counts."""
        env = self.environment
        comfy = self._json(self.comfy_file())
        pack = self._json(self.pack_file)

        def places(variable: str, setting: str, key: str) -> list[tuple[Any, str]]:
            return [
                (env.get(variable), variable),
                (comfy.get(setting), SETTINGS),
                (pack.get(key), PACK_FILE.name),
            ]

        server = places("LUNA_SERVER", "Luna.Server", "server")
        # the client's own variable comes last: a ComfyUI may have settings of its own
        server.append((env.get("LUNA_ADDRESS"), "LUNA_ADDRESS"))
        return {
            "server": server,
            "secret_file": places("LUNA_SECRET_FILE", "Luna.SecretFile", "secret_file"),
            "local_work": places("LUNA_LOCAL_WORK", "Luna.LocalWork", "local_work"),
        }

    def _json(self, path: Path | None) -> dict[str, Any]:
        if path is None:
            return {}
        try:
            stat = path.stat()
        except OSError:
            return {}
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._seen.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            value = json.loads(path.read_text("utf-8"))
            if not isinstance(value, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError) as problem:
            log.warning("[luna] %s is not read: %s", path, problem)
            value = {}
        self._seen[path] = (stamp, value)
        return value


def comfy_settings_file() -> Path | None:
    """ComfyUI's settings of the default user; None where there is no ComfyUI."""
    try:
        import folder_paths
    except ImportError:
        return None
    return Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"


def _first(given: list[tuple[Any, str]]) -> tuple[str, str]:
    """The first that is a text with something in it, and its place."""
    for value, place in given:
        if isinstance(value, str) and value.strip():
            return value.strip(), place
    return "", DEFAULT


def _switch(given: list[tuple[Any, str]]) -> tuple[bool, str]:
    """The first that says yes or no, and its place; else yes."""
    for value, place in given:
        if isinstance(value, bool):
            return value, place
        if isinstance(value, str) and value.strip():
            yes = value.strip().lower() not in ("0", "no", "off", "false", "forbid", "forbidden")
            return yes, place
    return True, DEFAULT
