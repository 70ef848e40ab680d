"""Names that every file system takes, and paths that stay below the output folder; as luna's server makes them."""

from __future__ import annotations

import re

from .refusal import LunaRefusalError

#: The longest name of a file or folder, in bytes.
LONGEST_NAME = 255

_BAD = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9]) *(\.|$)", re.IGNORECASE)


def safe_name(name: str) -> str:
    """One component of a path, without what file systems refuse; may be empty.

    Control characters and ``<>:"|?*`` become ``_``, dots and spaces at the end and spaces at the start go, a name that
    Windows takes for a device gets a ``_`` in front.
    """
    name = _BAD.sub("_", name).rstrip(". ").lstrip(" ")
    return f"_{name}" if _DEVICE.match(name) else name


def safe_path(path: str, what: str) -> str:
    r"""A relative path made safe component by component; ``\`` counts as ``/``, "." and empty parts go.

    Raises:
        LunaRefusalError: it is absolute, holds "..", or a name in it is too long; ``what`` names it.
    """
    if re.match(r"[/\\]|[A-Za-z]:[/\\]", path):
        raise LunaRefusalError(
            f"{what} '{path}' is absolute: give a path below ComfyUI's output folder"
        )
    parts = []
    for part in re.split(r"[/\\]", path):
        if part == "..":
            raise LunaRefusalError(
                f"{what} '{path}' holds '..': give a path below ComfyUI's output folder"
            )
        name = safe_name(part)
        size = len(name.encode("utf-8", "replace"))
        if size > LONGEST_NAME:
            raise LunaRefusalError(
                f"{what}: the name '{name}' has {size} bytes, file systems take {LONGEST_NAME}: shorten it"
            )
        if name:
            parts.append(name)
    return "/".join(parts)


def joined(*parts: str) -> str:
    """The parts that are not empty, with slashes."""
    return "/".join(part for part in parts if part)
