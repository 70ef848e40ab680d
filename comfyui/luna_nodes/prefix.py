"""The names of saved pictures: what ComfyUI makes of a ``filename_prefix``, in its browser part and in its server part.

The browser expands ``%date:yyyy-MM-dd%`` and ``%Node.widget%``, but only for a fixed list of nodes, which ours is not
on; so both parts happen here, from the prompt and the workflow that the node gets.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .refusal import LunaRefusalError

_PATTERN = re.compile(r"%([^%]+)%")
_DATE = re.compile(r"d{1,2}|M{1,2}|h{1,2}|m{1,2}|s{1,2}|yyyy|yyy|yy|y")
#: What a widget's value may not bring into a file name.
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


@dataclass(frozen=True)
class Names:
    """``subfolder`` of the output folder, and the part before the counter; ``%batch_num%`` may still be in it."""

    subfolder: str
    stem: str

    def stem_of(self, index: int) -> str:
        """The part before the counter for one picture of the batch."""
        return self.stem.replace("%batch_num%", str(index))


def resolve(
    prefix: str,
    *,
    width: int,
    height: int,
    output: str,
    prompt: Mapping[str, Any] | None = None,
    workflow: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> tuple[str, Names]:
    """The prefix with everything expanded but ``%batch_num%``, and the names it stands for.

    Raises:
        LunaRefusalError: it leads out of the output folder.
    """
    now = now or datetime.now()
    expanded = expand_references(prefix, prompt, workflow, now)
    expanded = expand_variables(expanded, width, height, now)
    path = os.path.normpath(expanded)
    names = Names(os.path.dirname(path), os.path.basename(path))
    if not _inside(output, os.path.join(output, names.subfolder)):
        raise LunaRefusalError(
            f"the prefix '{prefix}' leads out of ComfyUI's output folder; write one without '..' and without a leading"
            " slash"
        )
    return expanded, names


def _inside(folder: str, path: str) -> bool:
    folder, path = os.path.abspath(folder), os.path.abspath(path)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


# -- as ComfyUI's server part ----------------------------------------------------------------------


def expand_variables(text: str, width: int, height: int, now: datetime) -> str:
    """``%width%``, ``%height%``, ``%year%`` ... ``%second%``."""
    values = {
        "width": str(width),
        "height": str(height),
        "year": str(now.year),
        "month": f"{now.month:02}",
        "day": f"{now.day:02}",
        "hour": f"{now.hour:02}",
        "minute": f"{now.minute:02}",
        "second": f"{now.second:02}",
    }
    for name, value in values.items():
        text = text.replace(f"%{name}%", value)
    return text


# -- as its browser part ---------------------------------------------------------------------------


def expand_references(
    text: str,
    prompt: Mapping[str, Any] | None,
    workflow: Mapping[str, Any] | None,
    now: datetime,
) -> str:
    """``%date:format%`` and ``%Node.widget%``; whatever else stands between percent signs stays."""

    def expand(match: re.Match[str]) -> str:
        inner = match[1]
        if inner.startswith("date:"):
            return format_date(inner[len("date:") :], now)
        value = _reference(inner, prompt, workflow)
        return match[0] if value is None else value

    return _PATTERN.sub(expand, text)


def expand_widgets(
    text: str, prompt: Mapping[str, Any] | None, workflow: Mapping[str, Any] | None
) -> str:
    """``%Node.widget%`` alone, in a template whose other variables are filled in later: they stay whole.

    A ``%`` that closes a ``%time:`` or ``%date:`` may begin a reference.
    """
    out, at = "", 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        value = match and _reference(match[1], prompt, workflow)
        if match is None:
            out, at = out + text[at], at + 1
        elif value is not None:
            out, at = out + value, match.end()
        elif not match[1].startswith(("time:", "date:")):
            out, at = out + "%" + match[1], match.end() - 1
        else:
            shared = _PATTERN.match(text, match.end() - 1)
            follows = shared is not None and _reference(shared[1], prompt, workflow) is not None
            out, at = out + match[0], match.end() - follows
    return out


def _reference(
    inner: str, prompt: Mapping[str, Any] | None, workflow: Mapping[str, Any] | None
) -> str | None:
    """What stands for ``Node.widget``, safe for a name; None if it is no reference."""
    name, dot, widget = inner.partition(".")
    if not dot or "." in widget or prompt is None:
        return None
    value = _widget_value(name, widget, prompt, workflow or {})
    return None if value is None else _UNSAFE.sub("_", value)


def format_date(pattern: str, now: datetime) -> str:
    """A date as ComfyUI's browser part writes it: d, M, h, m, s, doubled for two digits, yy and yyyy."""
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def one(match: re.Match[str]) -> str:
        token = match[0]
        if token == "yyyy":
            return str(now.year)
        if token == "yy":
            return str(now.year)[2:]
        if token[0] in parts:
            return str(parts[token[0]]).zfill(len(token))
        return token

    return _DATE.sub(one, pattern)


def _widget_value(
    name: str, widget: str, prompt: Mapping[str, Any], workflow: Mapping[str, Any]
) -> str | None:
    """The value of a node's widget as the browser would write it; the node is found by its name for search and
    replace, else by its title, else by its class."""
    node = prompt.get(_node_id(name, prompt, workflow) or "")
    inputs = node.get("inputs", {}) if isinstance(node, Mapping) else {}
    if widget not in inputs:
        return None
    value = inputs[widget]
    if isinstance(value, (list, tuple, Mapping)):
        return None  # a link, or no plain value
    return _as_javascript(value)


def _node_id(name: str, prompt: Mapping[str, Any], workflow: Mapping[str, Any]) -> str | None:
    listed = workflow.get("nodes") if isinstance(workflow, Mapping) else None
    nodes = [
        node for node in (listed if isinstance(listed, list) else ()) if isinstance(node, Mapping)
    ]
    by_property = [
        node
        for node in nodes
        if isinstance(node.get("properties"), Mapping)
        and node["properties"].get("Node name for S&R") == name
    ]
    by_title = [node for node in nodes if node.get("title") == name]
    for found in (by_property, by_title):
        if found:
            return str(found[0].get("id"))
    for key, node in prompt.items():
        if not isinstance(node, Mapping):
            continue
        meta = node.get("_meta")
        if (
            node.get("class_type") == name
            or isinstance(meta, Mapping)
            and meta.get("title") == name
        ):
            return str(key)
    return None


def _as_javascript(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)


def local_now() -> datetime:
    """The time here, as both parts take it."""
    return datetime.fromtimestamp(time.time())
