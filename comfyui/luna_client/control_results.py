"""What the commands that look at and steer the server answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .results import known, objects

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What one target of a cluster-wide command did; ``problem`` is empty where it did it."""

    who: str
    done: bool = False
    problem: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Answer:
        return known(cls, data, who=str(data.get("who", "")))


@dataclass(frozen=True)
class ControlResult:
    """A cluster-wide command: ``done`` means that every target did it; ``answers`` says who did not and why."""

    epoch: int = 0
    done: bool = False
    answers: tuple[Answer, ...] = ()

    @property
    def problems(self) -> tuple[Answer, ...]:
        """The targets that did not do it."""
        return tuple(answer for answer in self.answers if not answer.done)


@dataclass(frozen=True)
class AttentionMode(ControlResult):
    """The mode that is in force now."""

    mode: str = ""


@dataclass(frozen=True)
class Unloaded:
    """A model that was unloaded, and the bytes that it held."""

    model: str
    device: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Kept:
    """A model that stays, and why."""

    model: str
    reason: str = ""


@dataclass(frozen=True)
class UnloadResult(ControlResult):
    """What was unloaded; ``freed_bytes`` by device, measured."""

    unloaded: tuple[Unloaded, ...] = ()
    freed_bytes: Mapping[str, int] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class ResetResult(ControlResult):
    """How many requests were cancelled."""

    cancelled: int = 0


@dataclass(frozen=True)
class ShutdownResult(ControlResult):
    """Whether the stop was accepted; the node drains and goes."""

    accepted: bool = False


def control_from_json(cls: type[T], data: Mapping[str, Any]) -> T:
    """Reads one of the cluster-wide answers."""
    parsed: dict[str, Any] = {
        "answers": tuple(Answer.from_json(item) for item in objects(data, "answers"))
    }
    if cls is UnloadResult:
        parsed["unloaded"] = tuple(known(Unloaded, item) for item in objects(data, "unloaded"))
        parsed["kept"] = tuple(known(Kept, item) for item in objects(data, "kept"))
    return known(cls, data, **parsed)


@dataclass(frozen=True)
class Pong:
    """The server's clock in seconds since 1970, and the data that was sent along."""

    time: float = 0.0
    data: str | None = None


@dataclass(frozen=True)
class Device:
    """A device of a node; ``budget_bytes`` is what luna may use of it."""

    name: str
    node: str = ""
    used_bytes: int = 0
    total_bytes: int = 0
    budget_bytes: int = 0


@dataclass(frozen=True)
class NodeState:
    """A node of the cluster as seen from the gateway."""

    name: str
    state: str = ""


@dataclass(frozen=True)
class Pool:
    """A pool of model work; times in milliseconds."""

    name: str
    kind: str = ""
    node: str = ""
    device: str = ""
    queued: int = 0
    running: int = 0
    models: Any = ()
    completed: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True)
class Info:
    """The state of the server; ``raw`` is the whole answer, with what this client does not know."""

    version: str = ""
    node: str = ""
    cluster: str = ""
    status: str = ""
    uptime_sec: float = 0.0
    request_count: int = 0
    clip_request_count: int = 0
    vae_request_count: int = 0
    attention_mode: str = ""
    devices: tuple[Device, ...] = ()
    vram: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[NodeState, ...] = ()
    pools: tuple[Pool, ...] = ()
    caches: Mapping[str, Any] = field(default_factory=dict)
    save_queue: Mapping[str, Any] = field(default_factory=dict)
    connections: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Info:
        return known(
            cls,
            data,
            devices=tuple(known(Device, item) for item in objects(data, "devices")),
            nodes=tuple(known(NodeState, item) for item in objects(data, "nodes")),
            pools=tuple(known(Pool, item) for item in objects(data, "pools")),
            raw=dict(data),
        )


@dataclass(frozen=True)
class Ipc:
    """Whether tensors can go through shared memory, and why (not)."""

    shared_memory: bool = False
    cuda_ipc: bool = False
    reason: str = ""


def ipc_from_json(data: Mapping[str, Any]) -> Ipc:
    """Reads the answer of ``negotiate_ipc``."""
    return known(Ipc, data)


def pong_from_json(data: Mapping[str, Any]) -> Pong:
    """Reads the answer of ``ping``."""
    return known(Pong, data)
