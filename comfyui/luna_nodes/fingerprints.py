"""Telling ComfyUI that a node has to run again."""

from __future__ import annotations


def always_new() -> float:
    """A fingerprint that equals no other: the node runs in each prompt.

    A fresh NaN each time: ComfyUI compares fingerprints within tuples, where an object equals itself, NaN or not.
    """
    return float("nan")
