"""Whether an output of a node is linked in the prompt that runs now.

ComfyUI does not tell a node. ``execute`` gets the running graph; ``fingerprint_inputs``, which decides whether the
cached result is taken, gets nothing, so there the queue is asked for the prompt that runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def is_linked(prompt: Mapping[str, Any], node_id: str, output: int) -> bool:
    """Whether an input of the prompt is linked to that output."""
    return any(_takes(node.get("inputs", {}), node_id, output) for node in prompt.values())


def is_linked_in(dynprompt: Any, node_id: str, output: int) -> bool:
    """The same for the graph in the middle of its execution, with the nodes that others have added."""
    nodes = (dynprompt.get_node(each) for each in dynprompt.all_node_ids())
    return any(_takes(node.get("inputs", {}), node_id, output) for node in nodes)


def running_prompt() -> Mapping[str, Any] | None:
    """The prompt that runs now; None where that cannot be told."""
    try:
        from comfy_execution.utils import get_executing_context
        from server import PromptServer
    except ImportError:
        return None
    context = get_executing_context()
    queue = getattr(getattr(PromptServer, "instance", None), "prompt_queue", None)
    if context is None or queue is None:
        return None
    with queue.mutex:
        items = list(queue.currently_running.values())
    return _find(items, context.prompt_id)


def _find(items: Iterable[Any], prompt_id: str) -> Mapping[str, Any] | None:
    # (number, id, prompt, ...) since the first versions
    return next((item[2] for item in items if item[1] == prompt_id), None)


def _takes(inputs: Mapping[str, Any], node_id: str, output: int) -> bool:
    return any(
        isinstance(value, (list, tuple))
        and len(value) == 2
        and str(value[0]) == node_id
        and value[1] == output
        for value in inputs.values()
    )
