"""The commands that look at and steer the server."""

from __future__ import annotations

from collections.abc import Sequence

from .commands import Sender, read_answer
from .control_results import (
    AttentionMode,
    Info,
    Ipc,
    Pong,
    ResetResult,
    ShutdownResult,
    UnloadResult,
    control_from_json,
    ipc_from_json,
    pong_from_json,
)
from .request import Resend


class ControlCommands(Sender):
    """State and control. Cluster-wide commands say truthfully who did them and who did not."""

    def ping(self, data: str | None = None, *, timeout: float | None = None) -> Pong:
        """Whether the server answers."""
        reply = self.request("ping", {"data": data}, resend=Resend.READ, timeout=timeout)
        return read_answer("ping", lambda: pong_from_json(reply.header))

    def get_info(self, *, timeout: float | None = None) -> Info:
        """The state of the server: devices, pools, nodes, queues."""
        reply = self.request("get_info", resend=Resend.READ, timeout=timeout)
        return read_answer("get_info", lambda: Info.from_json(reply.header))

    def get_status(self, *, timeout: float | None = None) -> Info:
        """The same as :meth:`get_info`."""
        reply = self.request("get_status", resend=Resend.READ, timeout=timeout)
        return read_answer("get_status", lambda: Info.from_json(reply.header))

    def set_attention_mode(self, mode: str, *, timeout: float | None = None) -> AttentionMode:
        """Sets ``auto``, ``flash``, ``split`` or ``pytorch`` on all nodes, at once, also for loaded models."""
        reply = self.request("set_attention_mode", {"mode": mode}, timeout=timeout)
        return read_answer(
            "set_attention_mode", lambda: control_from_json(AttentionMode, reply.header)
        )

    def unload_models(
        self,
        kinds: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> UnloadResult:
        """Frees the memory of models that no request uses now; the next request loads again."""
        fields = {
            "kinds": list(kinds) if kinds is not None else None,
            "models": list(models) if models is not None else None,
        }
        reply = self.request("unload_models", fields, timeout=timeout)
        return read_answer("unload_models", lambda: control_from_json(UnloadResult, reply.header))

    def reset(self, scope: str = "connection", *, timeout: float | None = None) -> ResetResult:
        """Cancels this connection's requests, or with ``"cluster"`` the model requests of all; never save jobs."""
        reply = self.request("reset", {"scope": scope}, timeout=timeout)
        return read_answer("reset", lambda: control_from_json(ResetResult, reply.header))

    def shutdown(
        self, scope: str = "node", drain: float | None = None, *, timeout: float | None = None
    ) -> ShutdownResult:
        """Stops the node, or with ``"cluster"`` all nodes; ``drain``: seconds that running work gets (30)."""
        fields = {"scope": scope, "deadline_ms": None if drain is None else int(drain * 1000)}
        reply = self.request("shutdown", fields, timeout=timeout, own_deadline=True)
        return read_answer("shutdown", lambda: control_from_json(ShutdownResult, reply.header))

    def negotiate_ipc(
        self, host_id: str, gpu_uuid: str | None = None, *, timeout: float | None = None
    ) -> Ipc:
        """Whether tensors can go through shared memory instead of the connection."""
        fields = {"host_id": host_id, "gpu_uuid": gpu_uuid}
        reply = self.request("negotiate_ipc", fields, resend=Resend.READ, timeout=timeout)
        return read_answer("negotiate_ipc", lambda: ipc_from_json(reply.header))

    #: The names of the old daemon.
    health = ping
    info = get_info
    unload = unload_models
