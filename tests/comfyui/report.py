"""What the proof found, as a table for people and as JSON lines for ``bench/results``."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compare import Difference


@dataclass
class Result:
    """How one workflow or scenario went.

    Attributes:
        problems: sentences; none means that it went well.
        differences: what was compared.
        figures: what was measured, by name.
    """

    name: str
    problems: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.problems and all(one.right for one in self.differences)

    def sentences(self) -> list[str]:
        """What is wrong, a line each."""
        wrong = [one for one in self.differences if not one.right]
        return [*self.problems, *(_sentence(one) for one in wrong)]

    def worst(self) -> Difference | None:
        """The difference that comes nearest to its limit, or is furthest beyond it."""
        return max(self.differences, key=_strain, default=None)


def table(results: Iterable[Result]) -> str:
    """One line a result, what is wrong below it."""
    lines = [f"  {'workflow':24} {'result':7} {'tensors':>7}  nearest to its limit"]
    for result in results:
        verdict = "passed" if result.passed else "FAILED"
        worst = result.worst()
        text = f"{worst.what} {worst.value:.2g} of {worst.limit:.2g}" if worst else ""
        figures = ", ".join(f"{key} {value}" for key, value in result.figures.items())
        text = "; ".join(part for part in (text, figures) if part)
        lines.append(f"  {result.name:24} {verdict:7} {len(result.differences):>7}  {text}")
        lines += [f"      ! {sentence}" for sentence in result.sentences()]
    return "\n".join(lines)


def json_lines(results: Iterable[Result], facts: dict[str, Any]) -> str:
    """One object a result, with what was run and on which machine."""
    about = {**facts, "machine": machine()}
    return "".join(json.dumps({**_as_json(result), **about}) + "\n" for result in results)


def machine() -> dict[str, Any]:
    """The machine as the other results describe it."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    now = datetime.datetime.now(datetime.UTC)
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 1024**2, 2) if memory else 0,
        "kernel": f"{platform.system()} {platform.release()}",
        "load": [round(value, 2) for value in os.getloadavg()],
        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "measurement": f"comfyui_{result.name}",
        "met": result.passed,
        "problems": result.sentences(),
        "differences": {
            one.what: {"value": float(f"{one.value:.4g}"), "limit": float(f"{one.limit:.4g}")}
            for one in result.differences
        },
        **result.figures,
    }


def _sentence(one: Difference) -> str:
    if one.problem:
        return f"{one.what} {one.problem}"
    return f"{one.what} differs by {one.value:.3g}; {one.limit:.3g} is right"


def _strain(one: Difference) -> float:
    if one.problem:
        return float("inf")
    return one.value / one.limit if one.limit else one.value * 1e30
