"""Memory of processes as Linux counts it: what a process has alone, and its share of what several map."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_GIB = 1024.0**3


def proportional_bytes(pid: int) -> int:
    """PSS: pages of its own, plus its share of those that it has together with others."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss") * 1024


def resident_bytes(pid: int) -> int:
    """RSS: every page that is in memory for it, whoever else has it too."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_text(), "VmRSS") * 1024


def anonymous_bytes(pid: int) -> int:
    """Pages that no file backs: what the process has really taken."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_text(), "RssAnon") * 1024


def figures(pids: Iterable[int]) -> dict[str, float]:
    """Sums over several processes, in GiB."""
    pids = list(pids)
    return {
        "pss_gib": round(sum(map(proportional_bytes, pids)) / _GIB, 3),
        "rss_gib": round(sum(map(resident_bytes, pids)) / _GIB, 3),
        "anonymous_gib": round(sum(map(anonymous_bytes, pids)) / _GIB, 3),
    }


def _kilobytes(text: str, key: str) -> int:
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    if match is None:
        raise ValueError(f"there is no {key} in it")
    return int(match[1])
