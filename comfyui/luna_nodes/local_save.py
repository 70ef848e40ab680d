"""Saving in this ComfyUI: encode and write every picture, whatever becomes of the others.

Thread rule: :func:`save` from ComfyUI's executor thread; pictures are encoded in threads of its own and written in
their order, so that the names do not depend on who is faster.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from .host import Host
from .refusal import LunaRefusalError

log = logging.getLogger("luna")

_MOST_THREADS = 8


class Picture(Protocol):
    """One picture to save."""

    def encode(self) -> Any:
        """What is to be written. Any thread."""

    def write(self, encoded: Any) -> dict[str, Any]:
        """Writes it. -> as ComfyUI shows it; see :func:`shown_as`."""

    def name(self) -> str:
        """Its name, for sentences."""


@dataclass(frozen=True)
class Outcome:
    """What became of the pictures: those that are files, as ComfyUI shows them, and a sentence for each other."""

    shown: tuple[dict[str, Any], ...] = ()
    failures: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises a LunaRefusalError that names each picture that is no file."""
        if self.failures:
            raise LunaRefusalError(
                f"{len(self.failures)} images are not saved: {'; '.join(self.failures)}."
                f" {len(self.shown)} others are."
            )


def save(host: Host, pictures: Sequence[Picture], parallel: bool = True) -> Outcome:
    """Saves the pictures; no failure keeps another from being saved. The person may stop it between two of them."""
    bar = host.progress_bar(len(pictures)) if pictures else None
    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(pictures)) if parallel else 1
    shown: list[dict[str, Any]] = []
    failures: list[str] = []
    for done, (picture, encoded) in enumerate(_in_order(pictures, threads), 1):
        # any failure is this picture's alone: libraries raise what they like
        try:
            shown.append(picture.write(encoded()))
        except Exception as problem:
            failures.append(f"{picture.name()}: {str(problem) or type(problem).__name__}")
        if bar is not None:
            bar.update_absolute(done)
        host.check_interrupt()
    return Outcome(tuple(shown), tuple(failures))


def _in_order(
    pictures: Sequence[Picture], threads: int
) -> Iterator[tuple[Picture, Callable[[], Any]]]:
    """Each picture with what gives it encoded, in order; a few are worked on ahead."""
    if threads <= 1:
        for picture in pictures:
            yield picture, picture.encode
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="luna-save") as pool:
        ahead: deque[Any] = deque()
        for picture in pictures:
            ahead.append((picture, pool.submit(picture.encode).result))
            if len(ahead) > threads:
                yield ahead.popleft()
        yield from ahead


def shown_as(
    filename: str,
    subfolder: str,
    discarded: bool = False,
    score: float | None = None,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """A saved picture as a node tells ComfyUI of it; text that is not in it is told in the log as well."""
    shown: dict[str, Any] = {"filename": filename, "subfolder": subfolder, "type": "output"}
    if discarded:
        shown["discarded"] = True
    if score is not None:
        shown["score"] = round(score, 4)
    if left_out:
        shown["left_out"] = list(left_out)
        keys = ", ".join(left_out)
        log.warning("[luna] %s has no room for the text of %s: left out", filename, keys)
    return shown
