"""What the running node says while it waits, and sentences that are said once."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost, InterruptedByPerson

from luna_nodes.notes import Once
from luna_nodes.watch import watched
from manual_clock import ManualClock


def lines(host: FakeHost) -> list[str]:
    assert {(data["node"], data["kind"]) for _, data, _ in host.sent} <= {("5", "busy")}
    return [data["text"] for _, data, _ in host.sent]


def test_a_long_load_is_told_in_megabytes(host: FakeHost, clock: ManualClock) -> None:
    def work(tell: Any, _stop: Any) -> None:
        tell(13824, 351_130_524, "load")  # may be over in a moment: nothing flickers
        clock.time += 1.0
        tell(14_000_000, 351_130_524, "load")
        tell(14_900_000, 351_130_524, "load")
        tell(3, 9, "tile")

    watched(host, work, clock)
    assert lines(host)[-3:] == [
        "luna loads the model: 14 of 351 MB",
        "luna works in tiles: 3 of 9",
        "",
    ]


def test_a_short_request_says_nothing(host: FakeHost, clock: ManualClock) -> None:
    watched(host, lambda tell, _stop: tell(1, 2, "decode"), clock)
    assert lines(host) == []


@pytest.mark.parametrize("problem", [ValueError("refused"), InterruptedByPerson()])
def test_the_line_goes_when_the_request_ends_badly(
    problem: BaseException, host: FakeHost, clock: ManualClock
) -> None:
    def work(tell: Any, _stop: Any) -> None:
        clock.time += 5.0
        tell(1, 2, "decode")
        raise problem

    with pytest.raises(type(problem)):
        watched(host, work, clock)
    assert lines(host) == ["luna decodes: 1 of 2", ""]


def test_what_was_said_is_said_again_only_after_it_was_over() -> None:
    once = Once()
    assert not once.again()
    assert [once.first("a"), once.first("a"), once.first("b")] == [True, False, True]
    assert once.again()
    assert once.first("a")
