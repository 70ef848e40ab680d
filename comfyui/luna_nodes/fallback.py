"""One model in two places: on luna, and, when luna cannot, in this ComfyUI.

The problem: ComfyUI caches what a loader gave, so a loader cannot decide where the work is done. The proxies decide at
each call, here: the server is asked; when it is down, dies in the middle or refuses, ComfyUI's own object is made by
its own loader and does the work, and it is dropped when the server is back. A person reads one line in the log when
that begins and one when it ends, and sees it on the loader and on each node whose work it was. Where local work is
forbidden, the call fails with the server's reason instead.

Thread rule: one thread at a time does work (ComfyUI's executor); :meth:`Fallback.release` may come from any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from luna_client import Client, LunaError, ModelInfo, RequestCancelledError, ServerWarning
from luna_client.commands import Model
from luna_client.request import Cancel, Progress

from . import notes
from .refusal import LunaRefusalError, ended, first_line
from .service import Service, is_down

T = TypeVar("T")

log = logging.getLogger("luna")

#: Loads ComfyUI's own object.
Load = Callable[[], Any]
Remote = Callable[[Client, Progress, Cancel], T]


class Fallback:
    """Where the work of one model is done.

    Args:
        model: as requests name it; ``kind``: ``text`` or ``vae``.
        title: as a person knows it: the file names.
        load: makes ComfyUI's own object; raises as the stock loader does where the file is not in its folders.
    """

    def __init__(self, service: Service, model: Model, kind: str, title: str, load: Load) -> None:
        self.service = service
        self.host = service.host
        self.model = model
        self.kind = kind
        self.title = title
        self._load = load
        self._lock = threading.Lock()  # of the fields below; never held while working
        self._local: Any = None
        self._working = 0
        self._stale = False
        self._told = notes.Once()
        self._server_down = False
        self._wanted_here = False
        self._loader = self.host.running_node()
        #: What the server said beside its last result; empty when it had nothing to say.
        self.warnings: tuple[ServerWarning, ...] = ()
        service.on_back(self.release)

    # -- work ------------------------------------------------------------------------------------

    def do(self, what: str, remote: Remote[T], local: Callable[[Any], T]) -> T:
        """Does it on the server, or with ComfyUI's own object.

        Args:
            what: as it reads after "does", for the line: ``"the decode"``.

        Raises:
            LunaRefusalError: the server cannot, and ComfyUI may not or cannot either.
        """
        try:
            result = self.service.call(remote)
        except RequestCancelledError:
            raise
        except LunaError as problem:
            return self.instead(what, problem, local)
        self._worked()
        return result

    def heard(self, what: str, warnings: Sequence[ServerWarning]) -> None:
        """Shows what the server says beside a result: a picture of NaN is a result, too."""
        self.warnings = tuple(warnings)
        for warning in self.warnings:
            log.warning("[luna] %s of %s: %s", what, self.title, warning.message)

    def here(self, what: str, reason: str, local: Callable[[Any], T]) -> T:
        """Does it with ComfyUI's own object, which stays: the server was not asked, for it cannot do this."""
        self._wanted_here = True
        return self.locally(what, reason, local)

    def locally(
        self, what: str, reason: str, local: Callable[[Any], T], *, down: bool = False
    ) -> T:
        """Does it with ComfyUI's own object because of the reason, and says so once."""
        if not self.service.settings.local_work:
            raise LunaRefusalError(
                f"luna does not do {what} of {self.title}: {ended(reason)} Local work is forbidden here"
                " (Luna.LocalWork, LUNA_LOCAL_WORK or luna.json), so nobody does it."
            )
        with self._lock:
            self._working += 1
            self._stale = False
            self._server_down = self._server_down or down
        try:
            found = self._object(reason)
            self._tell(what, reason, down)
            return local(found)
        finally:
            with self._lock:
                self._working -= 1
                if self._stale and not self._working:
                    self._local, self._stale = None, False

    def info(self) -> ModelInfo | LunaError:
        """What the server knows of the model, or why it does not say. Never loads anything here."""
        try:
            return self.service.model_info(self.model, self.kind)
        except RequestCancelledError:
            raise
        except LunaError as problem:
            return problem

    def instead(self, what: str, problem: LunaError, local: Callable[[Any], T]) -> T:
        """Does it with ComfyUI's own object because the server said so (:meth:`info`)."""
        return self.locally(what, problem.message, local, down=is_down(problem))

    def release(self) -> None:
        """Drops ComfyUI's object if it was made because the server was down, now or when its work is done."""
        with self._lock:
            if not self._server_down:
                return
            self._server_down = False
            self._told.again()
            had = self._local is not None and not self._wanted_here
            if self._working:
                self._stale = not self._wanted_here
            elif had:
                self._local = None
        notes.clear(self.host, self._loader)
        if had:
            log.info("[luna] luna is back: %s is dropped from this ComfyUI's memory", self.title)

    @property
    def has_local(self) -> bool:
        """Whether ComfyUI's own object is in memory for this model."""
        return self._local is not None

    # -- inside ----------------------------------------------------------------------------------

    def _object(self, reason: str) -> Any:
        with self._lock:
            local = self._local
        if local is not None:
            return local
        try:
            local = self._load()
        except Exception as problem:
            log.debug("[luna] ComfyUI's own loader failed", exc_info=True)
            raise LunaRefusalError(
                f"luna does not serve {self.title}: {ended(reason)} ComfyUI cannot load it itself either:"
                f" {first_line(problem)}"
            ) from None
        with self._lock:
            self._local = local
        return local

    def _worked(self) -> None:
        # what the server said beside the result; here, for the thread that asks is no node's
        for warning in self.warnings:
            notes.note(self.host, f"luna: {warning.message}")
        with self._lock:
            if self._wanted_here:
                return
            had, self._local = self._local is not None, None
            self._server_down = False
        if self._told.again():
            notes.clear(self.host, self._loader)
        if had:
            log.info("[luna] luna does %s again: the local copy is dropped", self.title)

    def _tell(self, what: str, reason: str, down: bool) -> None:
        until = " until luna is back" if down else ""
        notes.note(self.host, f"ComfyUI does {what} itself{until}: {reason}")
        # one line for a server that is down, however it says so each time; else one for each reason
        if not self._told.first("down" if down else reason):
            return
        log.warning("[luna] ComfyUI does %s of %s itself%s: %s", what, self.title, until, reason)
        if self._loader != self.host.running_node():
            notes.note(
                self.host,
                f"held in this ComfyUI's memory{until}, for {what}: {reason}",
                self._loader,
            )
