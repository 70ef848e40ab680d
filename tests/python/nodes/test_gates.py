"""The quality gates: what passes, and with which score."""

from __future__ import annotations

import numpy as np
import pytest

from luna_nodes.gates import Verdict, judge

BLANK = np.full((8, 8, 3), 128, np.uint8)
HALVES = np.zeros((8, 8, 3), np.uint8)
HALVES[:, 4:] = 255
CHESS = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None].repeat(3, 2)


def test_without_a_gate_everything_passes_without_a_score() -> None:
    assert judge("disabled", 1.0, BLANK) == Verdict(True, None)


def test_a_blank_picture_has_nothing_to_see() -> None:
    for gate in ("variance", "edge_density", "both"):
        assert judge(gate, 0.3, BLANK) == Verdict(False, 0.0)
        assert judge(gate, 0.0, BLANK).passed, "a threshold of 0 takes all"


def test_the_scales_are_those_of_brightness_to_255_and_of_edges_to_1() -> None:
    # brightness 100 and 140: variance 400; one step of 40 in 7 columns, none in the rows
    soft = np.full((8, 8, 3), 100, np.uint8)
    soft[:, 4:] = 140
    assert judge("variance", 0.1, soft) == Verdict(True, pytest.approx(400 / 3000))
    assert judge("edge_density", 0.1, soft).score == pytest.approx(40 / 255 / 7 / 2 / 0.05)


def test_scores_end_at_one() -> None:
    assert judge("variance", 1.0, HALVES).score == 1.0
    assert judge("edge_density", 1.0, CHESS) == Verdict(True, 1.0)


def test_colours_count_as_bright_as_they_look() -> None:
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0, 0] = colours[0, 1, 1] = colours[1, 0, 2] = 255
    brightness = np.array([0.299, 0.587, 0.114, 0.0]) * 255
    assert judge("variance", 0.0, colours).score == pytest.approx(
        min(1, brightness.var() / 3000)
    )  # fmt: skip


def test_both_want_both_and_tell_the_mean() -> None:
    # large steps, far apart: much variance, few edges
    wide = np.zeros((64, 64, 3), np.uint8)
    wide[:, 32:] = 255
    edges = judge("edge_density", 0.0, wide).score
    assert edges is not None and edges < 0.9
    assert judge("variance", 0.9, wide).passed
    assert judge("both", 0.9, wide) == Verdict(False, pytest.approx((1 + edges) / 2))


def test_alpha_does_not_count_and_grey_does() -> None:
    alpha = np.concatenate([BLANK, HALVES[:, :, :1]], axis=2)
    assert judge("variance", 0.1, alpha).score == 0.0
    assert judge("variance", 0.1, HALVES[:, :, :1]).score == 1.0


def test_a_picture_of_one_row_or_one_pixel_is_judged() -> None:
    assert judge("edge_density", 0.1, HALVES[:1]).passed
    assert judge("both", 0.1, HALVES[:1, :1]).score == 0.0
