"""What the program that started a luna-node may do more than others: add output folders to it.

The problem: several ComfyUI processes share the server that the first of them started, with the first one's output
folder. The others need theirs, but nobody else on the machine may make the server write anywhere. So whoever starts a
server leaves a token in its data folder, for its own user alone, and who can read that may add a folder.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NotPermittedError
from .handshake import split_address

if TYPE_CHECKING:
    from .client import Client

#: In the data folder: where the server is, its token, the folders that were added.
RECORD = "gateway.json"
TOKEN = "starter.token"
ADDED = "added_outputs.json"


def allow_output(client: Client, folder: str, data: Path, *, timeout: float = 10.0) -> bool:
    """Lets the server that was started on this data folder write to ``folder``, now and after each start.

    -> false: it might already.

    Raises:
        NotPermittedError: this server was not started so, or not by this user, or the folder is none; with the reason.
        LunaError: the server does not answer.
    """
    address = client.connection(timeout).address
    record = read_record(data)
    if record is None or not process_lives(record[1]) or not _is_same(record[0], address):
        raise NotPermittedError(
            f"luna at {address} was not started by ComfyUI or start_daemon with its data in {data}"
        )
    try:
        token = (data / TOKEN).read_text("ascii").strip()
    except (OSError, ValueError) as problem:
        raise NotPermittedError(
            f"the token of who started luna at {address} cannot be read: {problem}"
        ) from problem
    new = client.allow_output(folder, token, timeout=timeout)
    if new:
        _remember(data, folder)
    return new


def make_token(data: Path) -> Path:
    """The file with the token of servers on this data folder; made if there is none. One caller at a time."""
    path = data / TOKEN
    if not path.exists():
        _replace(path, secrets.token_hex(32))
    return path


def added_outputs(data: Path) -> list[str]:
    """The folders that were added to earlier servers on this data folder and are still there."""
    try:
        listed = json.loads((data / ADDED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    paths = listed if isinstance(listed, list) else []
    return [path for path in paths if isinstance(path, str) and os.path.isdir(path)]


def read_record(data: Path) -> tuple[str, int] | None:
    """Address and process of the server that was last started on this data folder."""
    try:
        record = json.loads((data / RECORD).read_text("utf-8"))
        return str(record["gateway"]), int(record["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(data: Path, address: str, pid: int) -> None:
    """Leaves word of a server that was started."""
    _replace(data / RECORD, json.dumps({"gateway": address, "pid": pid}))


def process_lives(pid: int) -> bool:
    """Whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _remember(data: Path, folder: str) -> None:
    _replace(data / ADDED, json.dumps([*added_outputs(data), folder], indent=1))


def _replace(path: Path, text: str) -> None:
    """Writes a file for this user alone, as a whole or not at all."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(part, path)


def _is_same(one: str, other: str) -> bool:
    """Whether two addresses of this machine are one: the token must not go anywhere else."""
    loopback = ("127.0.0.1", "localhost", "::1")
    hosts, ports = zip(split_address(one), split_address(other))
    return ports[0] == ports[1] and (
        hosts[0] == hosts[1] or all(host in loopback for host in hosts)
    )
