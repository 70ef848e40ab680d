"""Names from templates, safe for every file system: the results are those of the server's own tests."""

from __future__ import annotations

from datetime import datetime

import pytest

from luna_nodes.prefix import expand_widgets
from luna_nodes.refusal import LunaRefusalError
from luna_nodes.safe_names import joined, safe_name, safe_path
from luna_nodes.templates import ModelName, Values, expand, stamp

NOW = datetime(2025, 12, 2, 23, 36, 42)
VALUES = Values(
    ModelName.of("Illustrious/3DCG/foo_v60.safetensors"), 7, NOW, width=640, height=480, number=3
)


@pytest.mark.parametrize(
    ("file", "path", "name", "folder"),
    [
        ("Illustrious/3DCG/foo_v60.safetensors", "Illustrious/3DCG/foo_v60", "foo_v60", "Illustrious/3DCG"),
        ("a\\b.CKPT", "a/b", "b", "a"),
        ("x.pt.pth", "x.pt", "x.pt", ""),
        ("plain", "plain", "plain", ""),
        ("", "", "UnknownModel", ""),
        (".safetensors", "", "UnknownModel", ""),
    ],
)  # fmt: skip
def test_a_models_name_has_three_parts(file: str, path: str, name: str, folder: str) -> None:
    assert ModelName.of(file) == ModelName(path, name, folder)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%model_path%/%index%", "Illustrious/3DCG/foo_v60/7"),
        ("%model_dir%/x", "Illustrious/3DCG/x"),
        ("%time:YYYY_mm_dd.HH.MM.SS%_%model_name%", "2025_12_02.23.36.42_foo_v60"),
        ("%time:YYYY-mm-dd_%index%", "2025-12-02_7"),
        ("%time:YYYY%%index%", "20257"),
        ("%time:mm%time:dd%", "1202"),
        ("%time:YY-m-d%", "YY-m-d"),
        ("%time:%", "%time:%"),
        ("%time:YYYY", "%time:YYYY"),
        ("%date:yyyy-MM-dd hh.mm.ss%", "2025-12-02 23.36.42"),
        ("%date:yy_%batch_num%", "25_3"),
        ("%width%x%height%_%year%%month%%day%%hour%%minute%%second%", "640x480_20251202233642"),
        ("%unknown%_100%", "%unknown%_100%"),
        ("%MODEL_NAME%", "%MODEL_NAME%"),
        ("a\\b/", "a/b"),
        ("/absolute", "/absolute"),
    ],
)
def test_variables_are_filled_in(pattern: str, expected: str) -> None:
    assert expand(pattern, VALUES) == expected


def test_an_empty_variable_in_front_leaves_no_slash() -> None:
    assert expand("%model_dir%/cats", Values(ModelName(), 0, NOW)) == "cats"


def test_the_stamp_is_the_old_one() -> None:
    assert stamp(NOW) == "2025_12_02_233642"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%KSampler.seed%", "5"),
        ("a_%KSampler.seed%_%index%", "a_5_%index%"),
        ("%time:YYYY_%KSampler.seed%", "%time:YYYY_%5"),
        ("%time:HH.MM%_%KSampler.seed%", "%time:HH.MM%_5"),
        ("%time:YYYY-mm-dd_%index%", "%time:YYYY-mm-dd_%index%"),
        ("100%KSampler.seed%", "1005"),
        ("%model_name%KSampler.seed%", "%model_name5"),
        ("50% of %KSampler.text%", "50% of a_b"),
        ("%KSampler.nothing%", "%KSampler.nothing%"),
        ("%", "%"),
    ],
)
def test_widgets_are_filled_in_beside_templates(text: str, expected: str) -> None:
    prompt = {"1": {"class_type": "KSampler", "inputs": {"seed": 5, "text": "a/b"}}}
    assert expand_widgets(text, prompt, None) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        ("tab\tand\x7f", "tab_and_"),
        (" .hidden. . ", ".hidden"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("COM1 .x", "_COM1 .x"),
        ("COM0", "COM0"),
        ("console", "console"),
        ("..", ""),
    ],
)
def test_names_are_made_safe(name: str, expected: str) -> None:
    assert safe_name(name) == expected


def test_paths_are_made_safe_part_by_part() -> None:
    assert safe_path("a//./b?\\ c /nul", "save_path") == "a/b_/c/_nul"
    assert safe_path("", "save_path") == ""
    assert joined("", "a", "", "b") == "a/b"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\\..\\b", "/etc", "\\x", "C:\\x", "c:/x"])
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(LunaRefusalError, match="save_path .* below ComfyUI's output folder"):
        safe_path(path, "save_path")


def test_a_name_that_no_file_system_takes_is_refused() -> None:
    with pytest.raises(LunaRefusalError, match="has 258 bytes"):
        safe_path("ä" * 129, "filename")
