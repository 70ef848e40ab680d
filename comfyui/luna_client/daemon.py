"""Finds ``luna-node`` and starts it, so that a ComfyUI needs nobody to do it by hand.

The problem: several ComfyUI processes start at once and each wants a server; there must be one, and everybody must
learn its address. So starting happens under a lock file in the data folder, and whoever starts a server leaves its
address there. luna-node's own lock of the folder is the last word.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Union

from . import starter
from .client import DEFAULT_ADDRESS, Client
from .connection import Connection
from .errors import BadRequestError, DaemonStartError, LunaError, UnauthenticatedError
from .handshake import split_address

PathLike = Union[str, "os.PathLike[str]"]

_LOCK = "start.lock"
_LOG = "luna-node.log"
_LOG_LINES = 15


@dataclass(frozen=True)
class Daemon:
    """A server that is ready.

    Attributes:
        address: its gateway, ``host:port``.
        started: whether this call started it; false: it was there.
        pid: its process; 0 where somebody else started it.
        log: its log file; None where somebody else started it.
    """

    address: str
    started: bool
    pid: int = 0
    log: Path | None = None

    def client(self, **options: Any) -> Client:
        """A client of it; the arguments are those of :class:`Client`."""
        return Client(self.address, **options)


def start_daemon(
    models: PathLike | Sequence[PathLike] = (),
    extra_model_paths: PathLike | None = None,
    output: PathLike | Sequence[PathLike] = (),
    data: PathLike | None = None,
    *,
    gateway: str = DEFAULT_ADDRESS,
    program: PathLike | None = None,
    arguments: Sequence[str] = (),
    timeout: float = 60.0,
) -> Daemon:
    """Makes sure that a server runs, and returns when it is ready.

    A server that runs on this data folder or at this address is taken as it is. Otherwise ``luna-node`` is started
    in a session of its own: it goes on when this process ends. Several calls at once, in as many processes, end with
    one server.

    Args:
        models: ComfyUI ``models`` folders.
        extra_model_paths: a ComfyUI ``extra_model_paths.yaml``.
        output: the folders that pictures may go to; default: ``output`` in the data folder.
        data: the server's own folder; default as luna-node's: ``$XDG_STATE_HOME/luna`` or ``~/.local/state/luna``.
        gateway: where it listens for clients; port 0 for any free one.
        program: the ``luna-node`` to start; default: see :func:`find_luna_node`.
        arguments: more arguments for it.
        timeout: seconds until it must be ready, from its start or from when it last said that it is recovering.

    Raises:
        DaemonStartError: it is not found, or did not become ready; the message ends with its log's last lines.
    """
    if os.name == "nt":
        raise DaemonStartError(
            "luna-node does not run on Windows; start it on a Linux machine and connect to that"
        )
    folder = Path(data).expanduser().absolute() if data is not None else default_data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / _LOCK):
            running = _running(folder, gateway)
            if running is not None:
                return running
            command = [
                str(program or find_luna_node()),
                *("--gateway", gateway),
                *("--data", str(folder)),
                *_options("--models", models),
                *_options("--extra-model-paths", extra_model_paths or ()),
                *_options("--output", _outputs(output, folder)),
                *_options("--starter-token", starter.make_token(folder)),
                *arguments,
            ]
            return _start(command, folder, gateway, timeout)
    except OSError as problem:
        raise DaemonStartError(
            f"luna-node could not be started with its data in {folder}: {problem}"
        ) from problem


def find_luna_node() -> Path:
    """The program: the variable ``LUNA_NODE``, else ``PATH``, else of the tree or repository this file lies in.

    Raises:
        DaemonStartError: it is nowhere.
    """
    named = os.environ.get("LUNA_NODE")
    if named:
        if os.access(named, os.X_OK):
            return Path(named).absolute()
        raise DaemonStartError(f"LUNA_NODE names {named}, which is no program")
    installed = shutil.which("luna-node")
    if installed:
        return Path(installed)
    here = Path(__file__).resolve()
    # in an installed tree this file lies in share/luna/python/luna_client
    beside = here.parents[min(4, len(here.parents) - 1)] / "bin" / "luna-node"
    if here.parts[-5:-2] == ("share", "luna", "python") and os.access(beside, os.X_OK):
        return beside
    root = here.parents[2]
    built = [path for path in root.glob("build/*/bin/luna-node") if os.access(path, os.X_OK)]
    # the installed kind first, then whatever was built last
    built.sort(key=lambda path: (path.parts[-3] in ("release", "cuda"), path.stat().st_mtime))
    if built:
        return built[-1]
    raise DaemonStartError(
        f"luna-node is neither in PATH nor built under {root}/build; install it, or name it in the variable LUNA_NODE"
    )


def default_data_folder() -> Path:
    """luna-node's own default for ``--data``."""
    state = os.environ.get("XDG_STATE_HOME")
    base = Path(state) if state and os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "luna"


def _outputs(asked: PathLike | Sequence[PathLike], folder: Path) -> Sequence[PathLike]:
    """The output folders: those that are asked for, and those that were added to earlier servers."""
    listed = [asked] if isinstance(asked, (str, os.PathLike)) else list(asked)
    added = [each for each in starter.added_outputs(folder) if each not in map(str, listed)]
    if added and not listed:
        listed = [folder / "output"]  # luna-node's own default, which --output replaces
    return [*listed, *added]


def _options(name: str, paths: PathLike | Sequence[PathLike]) -> Iterator[str]:
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    for path in listed:
        yield name
        yield str(Path(path).expanduser().absolute())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock file; another thread or process that wants it waits."""
    import fcntl

    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _running(folder: Path, gateway: str) -> Daemon | None:
    """The server of this data folder, or the one at this address."""
    record = starter.read_record(folder)
    if record is not None:
        address, pid = record
        if starter.process_lives(pid) and _answers(address):
            return Daemon(address, started=False, pid=pid, log=folder / _LOG)
    if split_address_or_any(gateway)[1] and _answers(gateway):
        return Daemon(gateway, started=False)
    return None


def split_address_or_any(address: str) -> tuple[str, int]:
    """As :func:`split_address`, and port 0 is fine."""
    host, _, port = address.rpartition(":")
    if port == "0" and host:
        return host.strip("[]"), 0
    return split_address(address)


def _answers(address: str) -> bool:
    """Whether a luna listens there."""
    try:
        Connection.open(address, client="luna-client/probe", timeout=2.0).close()
    except UnauthenticatedError:
        return True  # there it is; it wants the secret
    except BadRequestError:
        raise
    except LunaError:
        return False
    return True


def _start(command: Sequence[str], folder: Path, gateway: str, timeout: float) -> Daemon:
    path = folder / _LOG
    with open(path, "ab") as log:
        begin = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as stdout:
        line = _first_line(_reader(stdout), timeout, time.monotonic)
    address = _gateway_of(line or "")
    if address:
        # reap it when it ends, however long that takes
        threading.Thread(target=process.wait, name="luna-node", daemon=True).start()
        starter.write_record(folder, address, process.pid)
        return Daemon(address, started=True, pid=process.pid, log=path)
    status = _end(process, by_itself=line == "")
    if line == "" and split_address_or_any(gateway)[1] and _answers(gateway):
        return Daemon(gateway, started=False)  # somebody without our lock was faster
    if line is None:
        what = f"was not ready within {timeout:g} s and was stopped"
    elif line:
        what = f"said {line!r}, which names no gateway, and was stopped"
    else:
        what = f"ended with status {status}"
    raise DaemonStartError(f"luna-node {what}: {' '.join(command)}\n{_log_tail(path, begin)}")


def _first_line(
    read: Callable[[float], bytes | None], timeout: float, now: Callable[[], float]
) -> str | None:
    """What a node says first, but for ``recovering ...``, which it says again as long as it reads its job log.

    ``read`` waits at most so many seconds: bytes, nothing at the end, None when the time is over.
    -> the line; "" if it ends without one, None when it has said nothing for ``timeout`` seconds.
    """
    said = b""
    deadline = now() + timeout
    while True:
        line, ended, rest = said.partition(b"\n")
        if ended and not line.startswith(b"recovering "):
            return line.decode("utf-8", "replace")
        if ended:
            said = rest
            deadline = now() + timeout
            continue
        piece = read(max(0.0, deadline - now()))
        if not piece:
            return piece if piece is None else ""
        said += piece


def _reader(stdout: IO[bytes]) -> Callable[[float], bytes | None]:
    def read(seconds: float) -> bytes | None:
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            return os.read(stdout.fileno(), 4096) if selector.select(seconds) else None

    return read


def _gateway_of(line: str) -> str:
    """The first address in ``ready node=NAME gateway=HOST:PORT,HOST:PORT``; "" if there is none."""
    words = line.split()
    if words[:1] != ["ready"]:
        return ""
    addresses = dict(word.partition("=")[::2] for word in words).get("gateway", "-")
    address = addresses.partition(",")[0]
    return "" if address == "-" else address


def _end(process: subprocess.Popen[bytes], by_itself: bool) -> int:
    """Ends the process. -> its status. One that has closed its output gets a moment to end by itself."""
    if by_itself:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=5.0)
    process.kill()
    return process.wait()


def _log_tail(path: Path, begin: int) -> str:
    """The last lines that this start has logged."""
    try:
        with open(path, "rb") as log:
            log.seek(begin)
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError as problem:
        return f"(its log {path} cannot be read: {problem})"
    if not lines:
        return f"(its log {path} is empty)"
    return "\n".join(lines[-_LOG_LINES:])
