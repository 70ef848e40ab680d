"""Whether luna's output folder is this ComfyUI's: proved before pictures are handed over, never taken from its name.

The problem: luna on another machine or in a container may be allowed to write to a folder of the same name. Its
pictures would be done, and this ComfyUI would show old ones of their names, or none. So luna must read a file that is
written here now (:meth:`Client.same_folder`): again after each reconnect, for another luna may answer then, and each
hour, for a mount may have come or gone. Where it cannot, the reason is kept for a moment, and then looked at again.

Thread rule: any thread; a check may wait for the server.
"""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass
from typing import Any

from luna_client import Client, NotPermittedError, starter
from luna_client.daemon import default_data_folder

from .refusal import ended

log = logging.getLogger("luna")

#: How long a proof is good, and how long a folder that is not the same is left alone, in seconds.
GOOD_FOR = 3600.0
BAD_FOR = 30.0


@dataclass(frozen=True)
class _Verdict:
    """``problem`` is empty where the folder is the same."""

    connection: weakref.ref[Any]
    until: float
    problem: str


class FolderChecks:
    """What is known of the folders, by server and path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Verdict] = {}

    def check(self, client: Client, server: str, output: str) -> None:
        """Returns if the server's folder is ours.

        A luna that was started here without this folder is asked to take it (:func:`starter.allow_output`).

        Raises:
            NotPermittedError: it is not, with what to do.
            LunaError: the server does not say.
        """
        connection = client.connection(10.0)
        now = client.clock.now()
        with self._lock:
            known = self._known.get((server, output))
        if known is None or known.connection() is not connection or now >= known.until:
            problem = _problem(client, connection, server, output)
            until = now + (BAD_FOR if problem else GOOD_FOR)
            known = _Verdict(weakref.ref(connection), until, problem)
            with self._lock:
                self._known[server, output] = known
        if known.problem:
            raise NotPermittedError(known.problem)


def _problem(client: Client, connection: Any, server: str, output: str) -> str:
    """Why the server must not save to the folder; empty if it may."""
    if "probe_folder" not in connection.welcome.commands:
        return (
            f"luna at {server} cannot prove that its {output} is this ComfyUI's: it is older than this node pack, or"
            " its configuration forbids probe_folder"
        )
    try:
        same = client.same_folder(output)
    except NotPermittedError as refusal:
        try:
            allow(client, server, output)
        except NotPermittedError:
            return refusal_of(server, output, refusal.message)
        same = client.same_folder(output)
    if same:
        return ""
    return (
        f"luna at {server} has another {output} than this ComfyUI: they are on different machines or in different"
        " containers; share the folder under the same path, or let ComfyUI save"
    )


def allow(client: Client, server: str, output: str) -> None:
    """Lets a luna that was started on this machine by this user write to the folder.

    Raises:
        NotPermittedError: it was started otherwise, or the folder cannot be allowed.
    """
    if starter.allow_output(client, output, default_data_folder()):
        log.info("[luna] luna at %s writes to %s from now on", server, output)


def refusal_of(server: str, output: str, reason: str) -> str:
    """What to do when a luna may not write to this ComfyUI's folder, in one sentence and its reason."""
    return (
        f"luna at {server} may not write to {output}: start it with --output {output}, or name the folder in its"
        f" cluster.conf (saving.output-folders). It says: {ended(reason)}"
    )


checks = FolderChecks()
