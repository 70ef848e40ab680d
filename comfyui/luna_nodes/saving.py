"""Handing pictures to luna: one task for a batch, the names that come back, and when luna may be trusted with them.

The problem: a save that returns at once promises that the file will be there, in the folder that this ComfyUI shows.
A server on another machine may be allowed to write to a folder of the same name. So the first batch for a folder is
waited for and looked at; from then on the server is trusted with it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luna_client import Cancel, Client, Submission
from luna_client.request import Progress
from luna_client.tensors import size_of

from .prefix import Names

#: How long the first batch for a folder may take to be written, in seconds.
FIRST_WAIT = 5.0
#: What the names and the header of a request need at most, in bytes.
_ROOM = 65536


@dataclass(frozen=True)
class Metadata:
    """The text chunks, as strings that go into the file as they are."""

    prompt: str | None = None
    extra: Mapping[str, str] | None = None
    embed: bool = True


def metadata_of(prompt: Any, extra_pnginfo: Mapping[str, Any] | None, disabled: bool) -> Metadata:
    """The chunks that ComfyUI's SaveImage writes; none where metadata is disabled."""
    if disabled:
        return Metadata(embed=False)
    extra = {key: json.dumps(value) for key, value in (extra_pnginfo or {}).items()}
    return Metadata(None if prompt is None else json.dumps(prompt), extra)


def task_of(
    names: Names, first: int, count: int, output: str, metadata: Metadata
) -> dict[str, Any]:
    """The task for pictures ``first`` to ``first + count - 1`` of a batch; their tensors are ``image_0`` and so on."""
    images = []
    for index in range(first, first + count):
        entry: dict[str, Any] = {"tensor": f"image_{index - first}"}
        if "%batch_num%" in names.stem:
            entry["filename"] = names.stem_of(index)
        images.append(entry)
    task: dict[str, Any] = {
        "output_dir": output,
        "save_path": names.subfolder,
        "filename": names.stem,
        "templates": False,
        "counter": {"digits": 5, "suffix": "_"},
        "png_compression": 4,
        "embed_workflow": metadata.embed,
        "images": images,
    }
    if metadata.prompt is not None:
        task["prompt"] = metadata.prompt
    if metadata.extra:
        task["extra_pnginfo"] = dict(metadata.extra)
    return task


def submit(
    luna: Client,
    pictures: Sequence[Any],
    names: Names,
    output: str,
    metadata: Metadata,
    made: list[Submission],
    tell: Progress,
    stop: Cancel,
) -> None:
    """Hands the pictures over, in as many tasks as their size asks for, each durable when it is in ``made``.

    Goes on after those that ``made`` holds already: a server that is overloaded in the middle is asked again without
    saving the first ones twice.

    Args:
        pictures: [H, W, C] each, uint8.
    """
    limit = luna.connection(10.0).welcome.limits.max_body_bytes - _ROOM
    while (first := count_of(made)) < len(pictures):
        part = _fitting(pictures[first:], limit)
        task = task_of(names, first, len(part), output, metadata)
        tensors = {f"image_{n}": picture for n, picture in enumerate(part)}
        made.append(luna.submit_async(task, tensors, cancel=stop))
        tell(count_of(made), len(pictures), "save")


def count_of(made: Sequence[Submission]) -> int:
    """How many pictures were taken."""
    return sum(len(submission.files) for submission in made)


def _fitting(pictures: Sequence[Any], limit: int) -> Sequence[Any]:
    total = 0
    for number, picture in enumerate(pictures):
        total += size_of(picture)
        if total > limit and number:
            return pictures[:number]
    return pictures


class Trust:
    """Which folders are seen to be the same for the server and for this ComfyUI."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], bool] = {}

    def of(self, server: str, output: str) -> bool | None:
        """Whether; None before the first batch."""
        with self._lock:
            return self._known.get((server, output))

    def look(
        self, luna: Client, server: str, output: str, subfolder: str, made: Sequence[Submission]
    ) -> bool:
        """Waits for the first batch and looks whether its files are here.

        -> false: they are not, so the folder is another one over there. True: they are, or it cannot be told yet
        (slow, or failed: whoever follows the jobs says so), and the next batch is looked at again.

        Raises:
            LunaError: the server went away meanwhile.
        """
        for submission in made:
            job = luna.job_wait(submission.job_id, FIRST_WAIT)
            if job.state != "done":
                return True
            for name in submission.files:
                if not os.path.exists(os.path.join(output, subfolder, name.filename)):
                    return self._note(server, output, False)
        return self._note(server, output, True)

    def _note(self, server: str, output: str, same: bool) -> bool:
        with self._lock:
            self._known[server, output] = same
        return same
