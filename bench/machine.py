"""What is said of the machine beside a figure: what luna-bench says, for scripts that do not need it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """The processor, its load now, and the date."""
    return {
        "cpu": value_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(value_of("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20), 2),
        "kernel": f"{os.uname().sysname} {os.uname().release.partition('-')[0]}",
        "load": [round(x, 2) for x in os.getloadavg()],
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def value_of(path: str, key: str) -> str:
    """The value of the first line "key : value" of a file of /proc."""
    lines = Path(path).read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(key))


def report(measurement: str, figures: dict[str, Any], target: str, met: bool) -> int:
    """Prints the line of a measurement. -> the status of its program."""
    line = {"measurement": measurement, **figures, "target": target, "met": met}
    print(json.dumps({**line, "machine": describe_machine()}), flush=True)
    return 0 if met else 1
