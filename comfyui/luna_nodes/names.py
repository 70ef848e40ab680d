"""Which files a loader offers, and what a file's identity is.

A loader's list is ComfyUI's own list and what luna has beside it. Both are read without waiting: ComfyUI asks for the
inputs of all nodes at once, in its event loop. The identity decides whether ComfyUI runs a loader again: it changes
when the file does, and never because the server comes or goes. It is a hash of the file's header, size and time of
the last write, not of gigabytes of weights, which may lie on a slow share and which only the server needs.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from luna_client import LunaError, ModelFile, ModelList, UnknownModelError
from luna_client.commands import Model

from .refusal import LunaRefusalError
from .service import Service

#: The small VAEs that lie in vae_approx as an encoder and a decoder.
PAIRS = ("taesd", "taesdxl", "taesd3", "taef1", "taef2")


#: Of a safetensors file, in bytes: a longer one is none.
_LONGEST_HEADER = 100_000_000
#: What is read of any other file, in bytes.
_BEGINNING = 65536


@dataclass(frozen=True)
class Shelf:
    """A list of files: ComfyUI's folder, and the server's kind and folders."""

    folder: str
    kind: str
    server_folders: tuple[str, ...]


TEXT = Shelf("text_encoders", "text", ("text_encoders", "clip"))
VAES = Shelf("vae", "vae", ("vae",))
CHECKPOINTS = Shelf("checkpoints", "text", ("checkpoints",))


def offered(service: Service, shelf: Shelf) -> list[str]:
    """The names that a loader offers: ComfyUI's in its order, then luna's own."""
    local = service.host.vae_names() if shelf is VAES else service.host.filenames(shelf.folder)
    known = set(local)
    return local + [name for name in _on_server(service.models, shelf) if name not in known]


def _on_server(models: ModelList | None, shelf: Shelf) -> list[str]:
    if models is None:
        return []
    names = {file.name for file in models.models if file.folder in shelf.server_folders}
    if shelf is VAES:
        names |= _pairs([file.name for file in models.models if file.folder == "vae_approx"])
    return sorted(names)


def _pairs(files: Sequence[str]) -> set[str]:
    def has(start: str) -> bool:
        return any(file.startswith(start) for file in files)

    return {name for name in PAIRS if has(f"{name}_encoder.") and has(f"{name}_decoder.")}


def is_local(service: Service, shelf: Shelf, name: str) -> bool:
    """Whether ComfyUI itself can load it."""
    if shelf is VAES and name in service.host.vae_names():
        return True
    return service.host.full_path(shelf.folder, name) is not None


def check(service: Service, shelf: Shelf, names: Sequence[str], model: Model) -> None:
    """Returns if ComfyUI or the server has the files.

    Raises:
        LunaRefusalError: neither has one of them; the sentence names it.
    """
    lost = [name for name in names if not is_local(service, shelf, name)]
    if not lost:
        return
    listed = _on_server(service.models, shelf)
    if service.reachable and all(name in listed for name in lost):
        return
    try:
        service.model_info(model, shelf.kind)
    except UnknownModelError:
        # luna's own hint may name a file that this loader does not take: a checkpoint holds a text encoder, too
        raise LunaRefusalError(
            f"{' and '.join(lost)}: neither in ComfyUI's folder '{shelf.folder}' nor on luna at {service.address}"
            f"{_did_you_mean(lost, offered(service, shelf))}"
        ) from None
    except LunaError as problem:
        raise LunaRefusalError(
            f"{' and '.join(lost)}: not in ComfyUI's folder '{shelf.folder}', and luna at {service.address} says:"
            f" {problem.message}"
        ) from None


def _did_you_mean(lost: Sequence[str], there: Sequence[str]) -> str:
    """A question with the names that are nearest, of those that the loader offers."""
    plain = {name.lower(): name for name in there}
    near = [
        f"'{plain[match]}'"
        for name in lost
        for match in difflib.get_close_matches(name.lower(), plain, n=2)
    ]
    return f", did you mean {' or '.join(near)}?" if near else ""


# -- identity --------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """What was last known of a file, and how often that changed."""

    server: tuple[int, float] | None = None
    changes: int = 0


@dataclass
class Identities:
    """Remembers what files looked like on the server, so that a server that is away changes nothing."""

    _seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, service: Service, shelf: Shelf, name: str | None) -> str:
        """The file's identity: a hash of what it is here, and how often the server's file was seen to change.

        A name that comes through a link is not known yet (None): the node that gives it decides then.

        A file that only the server has is told by the second part alone: the server's absence, before it was first
        seen or later, does not change it.
        """
        if name is None:
            return f"{shelf.folder}/linked"
        files = service.models.models if service.models is not None else ()
        found = _find(files, shelf, name)
        with self._lock:
            seen = self._seen.setdefault((shelf.folder, name), _Seen())
            if found is not None:
                now = (found.bytes, found.modified)
                if seen.server is not None and seen.server != now:
                    seen.changes += 1
                seen.server = now
            changes = seen.changes
        return f"{shelf.folder}/{name}:{_local_hash(service, shelf, name)}:{changes}"


def _find(files: Sequence[ModelFile], shelf: Shelf, name: str) -> ModelFile | None:
    plain = name.replace("\\", "/")
    for file in files:
        if file.folder in shelf.server_folders and file.name == plain:
            return file
    return None


def _local_hash(service: Service, shelf: Shelf, name: str) -> str:
    """Of the files of ComfyUI's own that make up the model; "-" without any."""
    paths = [service.host.full_path(shelf.folder, name)]
    if shelf is VAES and name in PAIRS:
        paths = [
            service.host.full_path("vae_approx", file)
            for file in service.host.filenames("vae_approx")
            if file.startswith((f"{name}_encoder.", f"{name}_decoder."))
        ]
    found = [identity for path in paths if path is not None and (identity := _file_identity(path))]
    return hashlib.sha256(b"".join(found)).hexdigest() if found else "-"


def _file_identity(path: str) -> bytes:
    """Size, time of the last write, and the header; nothing for a file that cannot be read."""
    try:
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            return f"{stat.st_size} {stat.st_mtime_ns} ".encode() + _header(file)
    except OSError:
        return b""


def _header(file: BinaryIO) -> bytes:
    """A safetensors file's names, types and shapes; of other files their beginning."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    return start + file.read(length if length <= _LONGEST_HEADER else _BEGINNING)
