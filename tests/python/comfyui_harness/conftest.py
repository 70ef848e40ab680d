"""The harness of ``scripts/test-comfyui`` lies in ``tests/comfyui``; its parts are tested here without any ComfyUI."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "comfyui"), str(TESTS)]
