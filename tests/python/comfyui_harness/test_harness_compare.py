from __future__ import annotations

import json
from pathlib import Path

import compare
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from tolerance import Limit

LIMIT = Limit(0.1)


def write(path: Path, value: np.ndarray, **rest: object) -> Path:
    save_file({"cond0": value.astype(np.float32)}, path, {"other": json.dumps(rest)})
    return path


def save(path: Path, value: np.ndarray) -> Path:
    Image.fromarray(value).save(path)
    return path


def test_equal_records_do_not_differ(tmp_path: Path) -> None:
    one = write(tmp_path / "stock.a.safetensors", np.ones((2, 3)), width=8)
    other = write(tmp_path / "luna.a.safetensors", np.ones((2, 3)), width=8)
    found = compare.records(one, other, LIMIT)
    assert [(d.what, d.value, d.right) for d in found] == [("a.cond0", 0.0, True)]


def test_the_largest_difference_counts_and_not_the_mean() -> None:
    expected = np.zeros(1000)
    got = expected.copy()
    got[7] = -0.2
    found = compare.tensors("x", expected, got, LIMIT)
    assert found.value == pytest.approx(0.2)
    assert not found.right


def test_a_limit_of_the_range_follows_the_tensor() -> None:
    expected = np.array([0.0, 50.0])
    assert compare.tensors("x", expected, expected + 0.04, Limit(of_range=1e-3)).right
    assert not compare.tensors("x", expected, expected + 0.06, Limit(of_range=1e-3)).right


@pytest.mark.parametrize("value", [np.ones((2, 4)), np.full((2, 3), np.nan)])
def test_another_shape_and_values_that_are_no_numbers_are_wrong(value: np.ndarray) -> None:
    found = compare.tensors("x", np.ones((2, 3)), value, Limit(1e9))
    assert not found.right
    assert found.problem


def test_what_is_no_tensor_must_be_equal_too(tmp_path: Path) -> None:
    one = write(tmp_path / "stock.a.safetensors", np.ones(2), dtype="torch.float32", width=8)
    other = write(tmp_path / "luna.a.safetensors", np.ones(2), dtype="torch.float16", width=8)
    problems = [d.problem for d in compare.records(one, other, LIMIT) if not d.right]
    assert problems == ["has dtype 'torch.float16', not 'torch.float32'"]


def test_a_record_that_was_not_written_is_told(tmp_path: Path) -> None:
    one = write(tmp_path / "stock.a.safetensors", np.ones(2))
    found = compare.records(one, tmp_path / "luna.a.safetensors", LIMIT)
    assert "luna.a.safetensors" in found[0].problem
    assert not found[0].right


def test_one_step_in_one_place_of_a_thousand_is_right_and_in_more_is_not(tmp_path: Path) -> None:
    picture = np.full((20, 50, 3), 100, np.uint8)  # 3000 places
    stock = save(tmp_path / "stock.png", picture)
    for places, right in ((3, True), (4, False)):
        changed = picture.copy()
        changed.reshape(-1)[:places] += 1
        assert compare.pictures("p", stock, save(tmp_path / "luna.png", changed)).right is right


def test_two_steps_are_wrong_in_a_single_place(tmp_path: Path) -> None:
    picture = np.full((50, 50, 3), 100, np.uint8)
    changed = picture.copy()
    changed[0, 0, 0] -= 2
    found = compare.pictures(
        "p", save(tmp_path / "a.png", picture), save(tmp_path / "b.png", changed)
    )
    assert not found.right
    assert "2 steps" in found.problem


def test_a_wrap_around_of_eight_bits_is_no_small_step(tmp_path: Path) -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    found = compare.pictures("p", save(tmp_path / "a.png", black), save(tmp_path / "b.png", white))
    assert "255 steps" in found.problem
