"""Two pictures of 2 s each that take 3 s to save: 10 s if the graph waits for the disk, 4 s if luna does.

Time is counted, not passed: the sampler and everything that encodes or writes move a clock by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_luna import FakeLuna
from multi_saver_run import ONE, files, save

from luna_nodes import picture_files
from luna_nodes.service import Service

pytestmark = pytest.mark.usefixtures("fixed_time")

GENERATE, SAVE = 2.0, 3.0
PICTURES = 2


class Workshop:
    """What the person's machine does, one thing after the other; luna's worker works beside it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.worker_is_free_at = 0.0

    def generate(self) -> None:
        self.now += GENERATE

    def save_here(self) -> None:
        self.now += SAVE

    def save_on_luna(self) -> None:
        self.worker_is_free_at = max(self.worker_is_free_at, self.now) + SAVE


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, luna: FakeLuna) -> Workshop:
    workshop = Workshop()
    encode, submit = picture_files.encode, luna.submit_async

    def slow_encode(*arguments: object) -> object:
        workshop.save_here()
        return encode(*arguments)

    def counted_submit(*arguments: object, **options: object) -> object:
        workshop.save_on_luna()
        return submit(*arguments, **options)

    monkeypatch.setattr(picture_files, "encode", slow_encode)
    monkeypatch.setattr(luna, "submit_async", counted_submit)
    return workshop


def run_graph(workshop: Workshop, *, daemon_save: bool) -> float:
    """The moment at which the person can go on."""
    for _ in range(PICTURES):
        workshop.generate()
        save(daemon_save=daemon_save, image_1=ONE, format_1="png")
    return workshop.now


def test_a_graph_that_saves_by_itself_waits_for_every_picture(
    service: Service, luna: FakeLuna, output: Path, workshop: Workshop
) -> None:
    assert run_graph(workshop, daemon_save=False) == PICTURES * (GENERATE + SAVE) == 10
    assert luna.of("submit_async") == []
    assert len(files(output)) == PICTURES


def test_a_graph_whose_pictures_luna_saves_waits_for_none(
    service: Service, luna: FakeLuna, writing: Path, workshop: Workshop
) -> None:
    assert run_graph(workshop, daemon_save=True) == PICTURES * GENERATE == 4
    assert len(luna.of("submit_async")) == PICTURES
    # the last one is there 3 s after it was submitted, or after the one before it
    assert workshop.worker_is_free_at == 2 + 3 + 3


def test_a_luna_that_is_down_costs_what_saving_here_costs(
    service: Service, luna: FakeLuna, writing: Path, workshop: Workshop
) -> None:
    luna.down()
    assert run_graph(workshop, daemon_save=True) == 10
    assert len(files(writing)) == PICTURES
