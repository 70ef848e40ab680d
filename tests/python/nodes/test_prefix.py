"""The names of saved pictures: what the browser and the server part of ComfyUI make of a prefix."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from luna_nodes.prefix import format_date, resolve
from luna_nodes.refusal import LunaRefusalError

NOW = datetime(2026, 3, 4, 5, 6, 7)
PROMPT = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 42, "cfg": 7.0, "denoise": 0.5, "model": ["4", 0]},
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512}, "_meta": {"title": "Canvas"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a/b: c?\n", "on": True}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "second"}},
}
WORKFLOW = {
    "nodes": [
        {"id": 6, "title": "Positive", "properties": {"Node name for S&R": "Prompt"}},
        {"id": 7, "title": "Prompt", "properties": {}},
    ]
}


def names(prefix: str, **options: Any) -> str:
    given = {
        "width": 640,
        "height": 480,
        "output": "/out",
        "prompt": PROMPT,
        "workflow": WORKFLOW,
        "now": NOW,
    }
    return resolve(prefix, **{**given, **options})[0]


@pytest.mark.parametrize(
    ("prefix", "expanded"),
    [
        ("ComfyUI", "ComfyUI"),
        ("%width%x%height%", "640x480"),
        ("%year%-%month%-%day% %hour%.%minute%.%second%", "2026-03-04 05.06.07"),
        ("%date:yyyy-MM-dd%/x", "2026-03-04/x"),
        ("%date:d.M.yy hh_mm_ss%", "4.3.26 05_06_07"),
        ("%KSampler.seed%", "42"),
        ("%KSampler.cfg%_%KSampler.denoise%", "7_0.5"),
        ("%Canvas.width%", "512"),
        ("%CLIPTextEncode.on%", "true"),
        ("%100%", "%100%"),
        ("100% of %width%", "100% of 640"),
        ("%batch_num%", "%batch_num%"),
    ],
)
def test_tokens_are_expanded(prefix: str, expanded: str) -> None:
    assert names(prefix) == expanded


def test_a_node_is_found_by_its_name_for_search_and_replace_before_its_title() -> None:
    assert names("%Prompt.text%") == "a_b_ c__"
    assert names("%Positive.text%") == "a_b_ c__"
    assert names("%Prompt.text%", workflow=None) == "%Prompt.text%"


@pytest.mark.parametrize(
    "token", ["%KSampler.model%", "%KSampler.nothing%", "%Nobody.seed%", "%a.b.c%", "%seed%"]
)
def test_what_names_no_value_stays(token: str) -> None:
    assert names(token) == token


def test_a_widgets_value_stays_one_name() -> None:
    prompt = {"1": {"class_type": "A", "inputs": {"v": '../x<>:"|?*\\y'}}}
    assert names("%A.v%", prompt=prompt) == ".._x________y"


def test_dates_are_written_as_in_the_browser() -> None:
    assert format_date("yyyyMMdd_hhmmss", NOW) == "20260304_050607"
    assert format_date("yyy y", NOW) == "yyy y"


def test_a_prefix_may_name_folders() -> None:
    _, found = resolve("a//b/./c_%batch_num%", width=1, height=1, output="/out", now=NOW)
    assert (found.subfolder, found.stem) == ("a/b", "c_%batch_num%")
    assert found.stem_of(3) == "c_3"


@pytest.mark.parametrize("prefix", ["../x", "/etc/x", "a/../../x", "../output2/x"])
def test_a_prefix_cannot_leave_the_output_folder(prefix: str) -> None:
    with pytest.raises(LunaRefusalError, match="leads out"):
        resolve(prefix, width=1, height=1, output="/out/output", now=NOW)


@pytest.mark.parametrize("workflow", [None, 1, [], {"nodes": 5}, {"nodes": [1]}, {}])
def test_a_workflow_of_another_form_is_no_error(workflow: Any) -> None:
    assert names("%KSampler.seed%", workflow=workflow) == "42"
