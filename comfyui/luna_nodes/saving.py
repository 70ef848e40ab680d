"""Handing pictures to luna, for all save nodes: when a server may be trusted with them, and who saves them if not.

The problem: a save that returns at once promises that the file will be there, in the folder that this ComfyUI shows.
A server on another machine may be allowed to write to a folder of the same name. So nothing is handed over before the
folder is proved to be the same (:mod:`folder_check`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luna_client import (
    Cancel,
    Client,
    LunaError,
    NotPermittedError,
    RequestCancelledError,
    Submission,
    SubmitUncertainError,
)
from luna_client.request import Progress

from .folder_check import checks
from .notes import Once
from .refusal import LunaRefusalError, ended
from .service import Service, is_down

log = logging.getLogger("luna")

#: Why ComfyUI saves, until luna takes pictures again.
_said = Once()

#: How long a full save queue is asked again, in seconds: then ComfyUI saves, which takes less than waiting.
PATIENCE = 2.0
#: What the names and the header of a request need at most, in bytes.
_ROOM = 65536


@dataclass(frozen=True, eq=False)
class Parcel:
    """One submission: a task (docs/protocol.md, section 6), its tensors, and how many pictures they are."""

    task: Mapping[str, Any]
    tensors: Mapping[str, Any]
    count: int


#: The next parcel, after so many pictures were taken, of at most so many bytes of tensors.
NextParcel = Callable[[int, int], Parcel]


def hand_over(
    luna: Service, next_parcel: NextParcel, total: int, output: str, made: list[Submission]
) -> LunaError | None:
    """Hands ``total`` pictures to luna, in as many submissions as their size asks for; what it took is in ``made``.

    -> None when all were taken; else why the rest was not, which ComfyUI has to save.

    Raises:
        RequestCancelledError, or ComfyUI's interrupt: the person does not want them any more.
    """
    server = luna.address

    def work(client: Client, tell: Progress, stop: Cancel) -> None:
        checks.check(client, server, output)
        submit(client, next_parcel, total, made, tell, stop)
        try:
            # asks only if the connection was made anew meanwhile: then another luna may have answered
            checks.check(client, server, output)
        except NotPermittedError:
            _take_back(client, made)
            raise

    try:
        luna.call(work, patience=PATIENCE)
    except RequestCancelledError:
        raise
    except LunaError as problem:
        # all may have been taken before it happened: then they are luna's, and nobody else's
        return problem if count_of(made) < total else None
    _said.again()
    return None


def submit(
    client: Client,
    next_parcel: NextParcel,
    total: int,
    made: list[Submission],
    tell: Progress,
    stop: Cancel | None,
) -> None:
    """Submits parcel after parcel; each is durable when it is in ``made``.

    Goes on after those that ``made`` holds already: a server that is overloaded in the middle is asked again without
    saving the first ones twice.
    """
    limit = client.connection(10.0).welcome.limits.max_body_bytes - _ROOM
    while (first := count_of(made)) < total:
        parcel = next_parcel(first, limit)
        taken = client.submit_async(parcel.task, parcel.tensors, cancel=stop)
        if len(taken.files) != parcel.count:
            raise SubmitUncertainError(
                f"luna named {len(taken.files)} files for the {parcel.count} images of job {taken.job_id}",
                key=taken.key,
            )
        made.append(taken)
        tell(count_of(made), total, "save")


def _take_back(client: Client, made: list[Submission]) -> None:
    """Gives up jobs of a server that would write them into another folder than ours."""
    for submission in made:
        with contextlib.suppress(LunaError):
            client.job_cancel(submission.job_id, timeout=10.0)
    made.clear()


def count_of(made: Sequence[Submission]) -> int:
    """How many pictures were taken."""
    return sum(len(submission.files) for submission in made)


def taken_lines(made: Sequence[Submission]) -> list[str]:
    """What a saver says of the pictures that luna took."""
    if not made:
        return []
    jobs = ", ".join(submission.job_id for submission in made)
    count = count_of(made)
    return [f"luna saves {count} image{'s' * (count != 1)} (job {jobs}){warnings_of(made)}"]


def warnings_of(made: Sequence[Submission]) -> str:
    """What luna warned of when it took the pictures, to follow a line; empty if of nothing."""
    return "".join(f"; {one.message}" for each in made for one in each.warnings)


def here_line(count: int, problem: LunaError) -> str:
    """What a saver says of the pictures that ComfyUI saved because luna did not take them."""
    return f"ComfyUI saved {count} image{'s' * (count != 1)} itself{twice(problem)}: {ended(problem.message)}"


def ui_of(
    made: Sequence[Submission],
    promised: Sequence[str],
    here: Sequence[Mapping[str, Any]],
    lines: Sequence[str],
) -> dict[str, list[Any]]:
    """What a saver shows when it returns: as pictures only those that are files, which are ComfyUI's own.

    Those of luna follow when it says that they are written; until then ``luna_promised`` has their names.
    """
    return {
        "images": list(here),
        "text": list(lines),
        "luna_jobs": [submission.job_id for submission in made],
        "luna_promised": list(promised),
    }


def allow_here(luna: Service, problem: LunaError) -> None:
    """Says in one line that ComfyUI saves what luna did not take.

    Raises:
        LunaRefusalError: it may not: local work is forbidden.
    """
    if not luna.settings.local_work:
        raise LunaRefusalError(
            f"luna does not save the images: {ended(problem.message)} Local work is forbidden here (Luna.LocalWork,"
            " LUNA_LOCAL_WORK or luna.json), so nobody does."
        ) from None
    # the node says it each time; the log once, as long as it is so: a server that is away has many sentences for it
    if not _said.first("down" if is_down(problem) else problem.message):
        return
    log.warning("[luna] ComfyUI saves the images itself%s: %s", twice(problem), problem.message)


def twice(problem: LunaError) -> str:
    """Says that a picture may exist twice, where nobody knows whether luna took it."""
    return " (luna may have them too)" if isinstance(problem, SubmitUncertainError) else ""
