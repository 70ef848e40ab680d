"""The one connection of this ComfyUI to luna, whether it works, and what models are there.

The problem: many nodes of many prompts, ComfyUI's own event loop and its list of inputs all want to know of the
server, and none may wait for it. So there is one :class:`Service` a process. It holds the client; a thread of its own
asks for the model list now and then, so that everybody else reads a snapshot; and a :class:`Link` knows a server that
cannot be reached, so that not every node waits for the same dead address.

Thread rule: everything may be called from any thread; :meth:`Service.call` waits and belongs into ComfyUI's executor
thread, whose interrupt it watches.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from luna_client import (
    Cancel,
    Client,
    LunaError,
    ModelInfo,
    ModelList,
    OverloadedError,
    ShuttingDownError,
    UnavailableError,
)
from luna_client.clock import Clock
from luna_client.commands import Model
from luna_client.request import Progress
from luna_client.version import __version__

from . import link
from .host import Host
from .link import Link
from .settings import Settings, SettingsSource
from .watch import pause, watched

T = TypeVar("T")

log = logging.getLogger("luna")

#: What a node's request may take, in seconds: a decode on a CPU can take minutes, a queue before it longer.
DEADLINE = 3600.0
#: Between two looks at the server's model list, in seconds.
REFRESH_SECONDS = 5.0
#: How long a node comes back to a server that says it is overloaded, in seconds.
OVERLOAD_PATIENCE = 60.0

#: A request of a node: does its work with the client, tells progress, and may be cancelled.
Work = Callable[[Client, Progress, Cancel], T]


def is_down(problem: LunaError) -> bool:
    """Whether the failure is of the server as a whole, so that it may be back later, not of this one request."""
    return isinstance(problem, (UnavailableError, ShuttingDownError))


class Service:
    """See the module. One for all nodes: :func:`get`."""

    def __init__(
        self,
        host: Host | None = None,
        source: SettingsSource | None = None,
        *,
        make_client: Callable[..., Client] = Client,
        clock: Clock | None = None,
    ) -> None:
        self.host = host or Host()
        self._source = source or SettingsSource()
        self._make_client = make_client
        self._clock = clock or Clock()
        self._lock = threading.Lock()  # of the fields below; held briefly
        self._client: Client | None = None
        self._client_settings: Settings | None = None
        self._link: Link | None = None
        self._reachable: bool | None = None
        self._models: ModelList | None = None
        self._infos: dict[str, ModelInfo] = {}
        self._back: list[weakref.WeakMethod[Callable[[], None]]] = []
        self._refresher: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def settings(self) -> Settings:
        """The settings now."""
        return self._source.read()

    @property
    def origins(self) -> dict[str, str]:
        """Where each of the settings comes from (:meth:`SettingsSource.origins`)."""
        return self._source.origins()

    @property
    def clock(self) -> Clock:
        """The time that decisions hang on."""
        return self._clock

    @property
    def address(self) -> str:
        """Where the server is, for sentences."""
        return self.settings.server

    # -- requests --------------------------------------------------------------------------------

    def client(self) -> Client:
        """The client; a new one where the settings have changed.

        Raises:
            LunaError: the settings do not fit, for instance a secret file that cannot be read.
        """
        settings = self.settings
        with self._lock:
            if self._client is not None and self._client_settings == settings:
                return self._client
            old, self._client = self._client, None
        if old is not None:
            self._forget()
            old.close()
        fresh = self._make_client(
            settings.server,
            secret_file=settings.secret_file or None,
            timeout=DEADLINE,
            connect_timeout=link.PATIENCE,
            name=f"luna-nodes/{__version__}",
        )
        with self._lock:
            if self._client is None:
                self._client, self._client_settings = fresh, settings
                self._link = Link(fresh, settings.server, self._clock, self.worked)
                return fresh
            current = self._client
        fresh.close()  # another thread was faster
        return current

    def reached(self, look: Callable[[], None] = lambda: None) -> Client:
        """The client of a server that is there; found out within a second, and at once if it is known to be away.

        Args:
            look: called while waiting; what it raises ends that.

        Raises:
            LunaError: the server cannot be reached, or refuses us.
        """
        client = self.client()
        with self._lock:
            way = self._link
        try:
            if way is not None:
                way.reach(look)
        except LunaError as problem:
            self.failed(problem)
            raise
        return client

    def reconnect(self) -> None:
        """Closes the connection; the next request makes it anew. What is in flight fails."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def call(self, work: Work[T], patience: float = OVERLOAD_PATIENCE) -> T:
        """Does the work on the server while watching for the person's interrupt, with a bar on the node.

        An overloaded server is asked again when it said so, for so many seconds at most.

        Raises:
            LunaError: as the server answered, or it cannot be reached.
        """
        client = self.reached(self.host.check_interrupt)
        until = self._clock.now() + patience
        while True:
            try:
                result = watched(self.host, lambda tell, stop: work(client, tell, stop))
            except OverloadedError as problem:
                wait = max(0.05, (problem.retry_after_ms or 500) / 1000)
                if self._clock.now() + wait > until:
                    raise
                pause(self.host, self._clock, wait)
                continue
            except LunaError as problem:
                self.failed(problem)
                raise
            self.worked()
            return result

    def model_info(self, model: Model, kind: str) -> ModelInfo:
        """What the server knows of a model; asked once, until the model list changes.

        Raises:
            LunaError: the server does not have it, does not serve it, or cannot be reached.
        """
        key = f"{kind}:{model!r}"
        known = self.known_info(model, kind)
        if known is not None:
            return known
        info = self.call(lambda luna, _tell, _stop: luna.model_info(model, kind))
        with self._lock:
            self._infos[key] = info
        return info

    def known_info(self, model: Model, kind: str) -> ModelInfo | None:
        """What :meth:`model_info` said before, without asking; None if it has not."""
        with self._lock:
            return self._infos.get(f"{kind}:{model!r}")

    # -- whether it works ------------------------------------------------------------------------

    @property
    def reachable(self) -> bool | None:
        """Whether the last attempt reached the server; None before the first."""
        return self._reachable

    def worked(self) -> None:
        """Notes that the server answered; whoever waited for it to be back is told."""
        with self._lock:
            was, self._reachable = self._reachable, True
            listeners = list(self._back) if was is False else []
        for listener in listeners:
            call = listener()
            if call is not None:
                call()

    def failed(self, problem: LunaError) -> None:
        """Notes a failure, if it is one of the server as a whole."""
        if is_down(problem):
            with self._lock:
                self._reachable = False

    def on_back(self, callback: Callable[[], None]) -> None:
        """Calls the method, in any thread, whenever the server is back; held weakly."""
        with self._lock:
            self._back = [ref for ref in self._back if ref() is not None]
            self._back.append(weakref.WeakMethod(callback))

    # -- the model list --------------------------------------------------------------------------

    @property
    def models(self) -> ModelList | None:
        """The server's models when they were last asked for; None before the first answer. Never waits."""
        return self._models

    def refresh(self) -> None:
        """Asks for the model list now. Failures are noted, not raised."""
        try:
            models = self.client().list_models(timeout=10.0)
        except LunaError as problem:
            self.failed(problem)
            return
        with self._lock:
            if self._models is None or self._models.models != models.models:
                self._infos.clear()
            self._models = models
        self.worked()

    def start(self) -> None:
        """Starts the thread that refreshes the model list; once."""
        with self._lock:
            if self._refresher is not None:
                return
            self._refresher = threading.Thread(
                target=self._refresh_always, name="luna-models", daemon=True
            )
        self._refresher.start()

    def close(self) -> None:
        """Ends the thread and the connection."""
        self._stop.set()
        with self._lock:
            client, self._client = self._client, None
            refresher = self._refresher
        if client is not None:
            client.close()
        if refresher is not None:
            refresher.join(10.0)

    def _refresh_always(self) -> None:
        while not self._stop.is_set():
            # a defect here must not end the refreshing for good, and is worth a line
            try:
                self.refresh()
            except Exception:
                log.exception("[luna] the model list could not be refreshed")
            self._stop.wait(REFRESH_SECONDS)

    def _forget(self) -> None:
        with self._lock:
            self._infos.clear()
            self._models = None
            self._reachable = None


_service: Service | None = None
_service_lock = threading.Lock()


def get() -> Service:
    """The service of this process."""
    global _service
    with _service_lock:
        if _service is None:
            _service = Service()
        return _service


@contextlib.contextmanager
def replaced(service: Any) -> Any:
    """Lets :func:`get` give another service for a while: for tests."""
    global _service
    with _service_lock:
        before, _service = _service, service
    try:
        yield service
    finally:
        with _service_lock:
            _service = before
