"""The pack as ComfyUI sees it: the list of nodes, and the routes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    nodes_daemon,
    nodes_job_control,
    nodes_loaders,
    nodes_multi_save,
    nodes_save,
    nodes_save_status,
    routes,
    service,
)


class LunaExtension(ComfyExtension):
    """luna's nodes. The background refresh starts here: older ComfyUIs do not call ``on_load``."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        routes.register()
        service.get().start()
        return [
            *nodes_loaders.NODES,
            *nodes_save.NODES,
            *nodes_multi_save.NODES,
            *nodes_save_status.NODES,
            *nodes_job_control.NODES,
            *nodes_daemon.NODES,
        ]
