"""The line that Luna Daemon Command shows of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from luna_nodes.daemon_lines import line_of

STATE = {
    "running": True,
    "version": "0.1.0",
    "address": "127.0.0.1:19283",
    "status": "running",
    "uptime_seconds": 7300.2,
    "models_loaded": ["text: clip_l"],
    "request_count": 12,
    "vram_total_gb": 0,
}


@pytest.mark.parametrize(
    ("action", "answer", "line"),
    [
        (
            "status",
            STATE,
            "luna 0.1.0 runs at 127.0.0.1:19283, up 2 h, 1 model loaded, 12 requests",
        ),
        (
            "status",
            {
                **STATE,
                "status": "draining",
                "uptime_seconds": 5,
                "vram_total_gb": 24.0,
                "vram_used_gb": 3.5,
            },
            "luna 0.1.0 runs at 127.0.0.1:19283, state: draining, up 5 s, 1 model loaded, 12 requests,"
            " 3.5 of 24.0 GB of GPU memory used",
        ),
        ("status", {"running": False, "error": "cannot reach luna"}, "cannot reach luna"),
        (
            "start",
            {"success": True, "status": "luna was started at a:1"},
            "luna was started at a:1",
        ),
        ("stop", {"success": True, "status": "luna drains and stops"}, "luna drains and stops"),
        (
            "attention",
            {"success": False, "mode": "flash", "error": "cpu: no flash"},
            "cpu: no flash",
        ),
        ("attention", {"success": True, "mode": "split"}, "the attention mode is split"),
        (
            "unload",
            {"unloaded": ["a", "b"], "freed_bytes": {"cpu": 2_500_000}, "kept": ["c: in use"]},
            "2 models unloaded, 2 MB freed; 1 model kept, in use",
        ),
        (
            "reset",
            {"success": True, "cancelled": 1, "status": "connected to luna"},
            "connected to luna; 1 request cancelled",
        ),
    ],
)
def test_an_answer_in_one_line(action: str, answer: dict[str, Any], line: str) -> None:
    assert line_of(action, answer) == line
