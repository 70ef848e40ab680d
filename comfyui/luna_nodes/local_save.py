"""Luna Multi Saver's work in this ComfyUI: judge, encode and write every picture, whatever becomes of the others.

Thread rule: :func:`save` from ComfyUI's executor thread; the pictures are encoded in threads of its own and written in
their order, so that the names do not depend on who is faster.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import gates, picture_files
from .gates import Verdict
from .host import Host
from .picture_files import EXTENSIONS, Encoded
from .promises import promises
from .save_request import PictureInput, SaveRequest

log = logging.getLogger("luna")

_MOST_THREADS = 8

#: One picture: its input, and its number in that batch.
_Picture = tuple[PictureInput, int]


@dataclass(frozen=True)
class Outcome:
    """What became of the pictures: those that are files, as ComfyUI shows them, and a sentence for each other."""

    shown: tuple[dict[str, Any], ...]
    failures: tuple[str, ...]


def save(host: Host, request: SaveRequest, inputs: Sequence[PictureInput], output: str) -> Outcome:
    """Saves the inputs' pictures under the output folder.

    Every failure is told at the end; none keeps another picture from being saved.
    """
    pictures = [(each, number) for each in inputs for number in range(each.count)]
    bar = host.progress_bar(len(pictures)) if pictures else None
    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(pictures)) if request.parallel else 1
    shown: list[dict[str, Any]] = []
    failures: list[str] = []
    made = _in_order(lambda picture: _encoded(host, request, picture), pictures, threads)
    for done, ((each, number), take) in enumerate(made, 1):
        # any failure is this picture's alone: libraries raise what they like
        try:
            verdict, encoded = take()
            shown.append(_written(request, each, number, verdict, encoded, output))
        except Exception as problem:
            failures.append(_told(request, each, number, problem))
        if bar is not None:
            bar.update_absolute(done)
        host.check_interrupt()
    return Outcome(tuple(shown), tuple(failures))


def _in_order(
    work: Callable[[_Picture], Any], pictures: Iterable[_Picture], threads: int
) -> Iterator[tuple[_Picture, Callable[[], Any]]]:
    """Each picture with what gives its result, in order; a few are worked on ahead."""
    if threads <= 1:
        for picture in pictures:
            yield picture, lambda picture=picture: work(picture)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="luna-save") as pool:
        ahead: deque[Any] = deque()
        for picture in pictures:
            ahead.append((picture, pool.submit(work, picture).result))
            if len(ahead) > threads:
                yield ahead.popleft()
        yield from ahead


def _encoded(host: Host, request: SaveRequest, picture: _Picture) -> tuple[Verdict, Encoded]:
    each, number = picture
    pixels = np.asarray(host.pixels(each.images[number]))
    verdict = gates.judge(request.gate, request.threshold, pixels)
    facts = request.facts(each, number)
    encoded = picture_files.encode(each.format, pixels, request.options, request.embedded, facts)
    return verdict, encoded


def _written(
    request: SaveRequest,
    each: PictureInput,
    number: int,
    verdict: Verdict,
    encoded: Encoded,
    output: str,
) -> dict[str, Any]:
    place = request.place(each, number)
    subfolder = place.subfolder(verdict.passed)
    folder = os.path.join(output, subfolder)
    name = picture_files.publish(
        folder, place.stem, EXTENSIONS[each.format], encoded.data, promises.hold
    )
    return shown_as(name, subfolder, not verdict.passed, verdict.score, encoded.left_out)


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


def _told(request: SaveRequest, each: PictureInput, number: int, problem: Exception) -> str:
    name = f"{request.place(each, number).stem}.{EXTENSIONS[each.format]}"
    return f"{name} ({each.name}): {str(problem) or type(problem).__name__}"
