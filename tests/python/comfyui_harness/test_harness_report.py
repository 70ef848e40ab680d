from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from compare import Difference
from pairs import _who_worked, fallback_lines
from report import Result, json_lines, table
from workflows import Workflow

GOOD, BAD = Difference("a.cond0", 1e-5, 1e-4), Difference("a.pooled", 2e-4, 1e-4)


def test_a_result_passes_with_every_difference_within_its_limit_and_no_problem() -> None:
    assert Result("a", differences=[GOOD]).passed
    assert not Result("a", differences=[GOOD, BAD]).passed
    assert not Result("a", ["nobody worked"], [GOOD]).passed


def test_the_worst_difference_is_the_one_that_strains_its_limit_most() -> None:
    large = Difference("image", 1e-2, 1.0)
    assert Result("a", differences=[large, GOOD]).worst() is GOOD
    shape = Difference("image", 0.0, 0.0, "has another shape")
    assert Result("a", differences=[BAD, shape]).worst() is shape


def test_the_table_says_what_is_wrong_below_its_line() -> None:
    lines = table(
        [Result("one", differences=[GOOD]), Result("two", ["it broke"], [BAD])]
    ).splitlines()
    assert "passed" in lines[1]
    assert "FAILED" in lines[2]
    assert lines[3].strip() == "! it broke"
    assert lines[4].strip() == "! a.pooled differs by 0.0002; 0.0001 is right"


def test_the_json_has_a_line_a_result_with_the_machine() -> None:
    text = json_lines(
        [Result("one", differences=[GOOD], figures={"luna_s": 1.5})], {"comfyui": "0.33.0"}
    )
    (line,) = text.splitlines()
    found = json.loads(line)
    assert found["measurement"] == "comfyui_one"
    assert found["met"] is True
    assert found["differences"] == {"a.cond0": {"value": 1e-5, "limit": 1e-4}}
    assert (found["luna_s"], found["comfyui"]) == (1.5, "0.33.0")
    assert set(found["machine"]) >= {"cpu", "cores", "memory_gib", "load", "date"}


def workflow(served: tuple[str, ...] = ("vae",), line: str = "") -> Workflow:
    return Workflow("w", dict, {}, served, line)


def test_a_pool_that_did_nothing_is_a_problem() -> None:
    problems = _who_worked(
        workflow(("text", "vae")), {"text": 1, "vae": 4}, {"text": 1, "vae": 5}, []
    )
    assert problems == ["luna's text pool did nothing"]


def test_work_done_by_comfyui_without_being_expected_is_a_problem() -> None:
    line = "[luna] ComfyUI does the decode of x itself: luna is down"
    problems = _who_worked(workflow(), {"vae": 1}, {"vae": 2}, [line])
    assert problems == [f"ComfyUI did it itself: {line}"]


def test_work_that_comfyui_is_to_do_needs_its_line_and_only_one() -> None:
    line = "[luna] ComfyUI does the text of x itself: a LoRA changes it"
    lora = workflow((), "LoRA")
    assert _who_worked(lora, {}, {}, [line]) == []
    assert len(_who_worked(lora, {}, {}, [])) == 1
    assert len(_who_worked(lora, {}, {}, [line, line])) == 1


def test_the_line_that_the_pack_logs_is_the_one_that_is_looked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from luna_nodes.fallback import Fallback

    settings = SimpleNamespace(local_work=True)
    host = SimpleNamespace(running_node=lambda: None)
    service = SimpleNamespace(host=host, settings=settings, on_back=lambda _: None)
    model = Fallback(service, "vae.safetensors", "vae", "vae.safetensors", load=object)
    with caplog.at_level(logging.WARNING):
        model.locally("the decode", "luna is down", lambda _: None, down=True)
    assert len(fallback_lines(caplog.text)) == 1
