"""What is asked of ComfyUI: with its modules played by small stand-ins, of an old and of a new version."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from luna_nodes import linked
from luna_nodes.host import Host


class Tensor:
    """Remembers where it was put."""

    def __init__(self, **place: Any) -> None:
        self.place = place

    def to(self, **place: Any) -> Tensor:
        return Tensor(**place)

    def detach(self) -> Tensor:
        return self


class Folders(ModuleType):
    def __init__(self) -> None:
        super().__init__("folder_paths")
        self.folder_names_and_paths = {
            "vae": (["/m/vae", "/x/vae"], {".safetensors"}),
            "checkpoints": (["/m/checkpoints"], set()),
            "custom_nodes": (["/c"], set()),
        }

    def get_filename_list(self, folder: str) -> list[str]:
        self.folder_names_and_paths[folder]
        return ["a.safetensors"]

    def get_full_path(self, folder: str, name: str) -> str | None:
        paths, _ = self.folder_names_and_paths[folder]
        return f"{paths[0]}/{name}" if name == "a.safetensors" else None

    def get_full_path_or_raise(self, folder: str, name: str) -> str:
        return f"/m/{folder}/{name}"

    def get_folder_paths(self, folder: str) -> list[str]:
        return [f"/m/{folder}"]

    def get_output_directory(self) -> str:
        return "/m/../out"


class Stock:
    """A stock node: remembers what it was asked."""

    asked: list[Any] = []

    def load_clip(self, *names: str, **options: str) -> tuple[str]:
        Stock.asked.append((type(self).__name__, names, options))
        return ("CLIP",)


class CLIPLoader(Stock):
    @staticmethod
    def INPUT_TYPES() -> dict[str, Any]:
        return {
            "required": {"type": (["stable_diffusion", "sd3"],)},
            "optional": {"device": (["default"], {})},
        }


class DualCLIPLoader(Stock):
    @staticmethod
    def INPUT_TYPES() -> dict[str, Any]:
        return {"required": {"type": ("COMBO", {"options": ["sdxl", "flux"]})}}


class SaveImage:
    RETURN_TYPES: tuple[str, ...] = ()


@pytest.fixture(autouse=True)
def comfyui(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of a ComfyUI of the oldest version; tests add what newer ones have."""
    Stock.asked = []
    management = ModuleType("comfy.model_management")
    management.intermediate_device = lambda: "gpu"  # type: ignore[attr-defined]
    comfy, torch, nodes, sd = (ModuleType(name) for name in ("comfy", "torch", "nodes", "comfy.sd"))
    comfy.model_management, comfy.sd = management, sd  # type: ignore[attr-defined]
    torch.float32 = "float32"  # type: ignore[attr-defined]
    nodes.NODE_CLASS_MAPPINGS = {  # type: ignore[attr-defined]
        "CLIPLoader": CLIPLoader,
        "DualCLIPLoader": DualCLIPLoader,
        "SaveImage": SaveImage,
    }
    folders = Folders()
    loaded: list[Any] = []

    def load(path: str, **options: Any) -> tuple[str, str, str, None]:
        loaded.append((path, options))
        return ("MODEL", "CLIP", "VAE", None)

    sd.load_checkpoint_guess_config = load  # type: ignore[attr-defined]
    for module in (comfy, management, torch, nodes, sd, folders):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return SimpleNamespace(management=management, folders=folders, nodes=nodes, loaded=loaded)


def test_conditioning_changes_its_place_and_not_its_type() -> None:
    assert Host().conditioning(Tensor()).place == {"device": "gpu"}


def test_vae_results_are_float32_where_the_version_has_no_choice(comfyui: SimpleNamespace) -> None:
    assert Host().intermediate(Tensor()).place == {"device": "gpu", "dtype": "float32"}
    comfyui.management.intermediate_dtype = lambda: "float16"
    assert Host().intermediate(Tensor()).place == {"device": "gpu", "dtype": "float16"}


def test_tensors_are_sent_as_float32_of_main_memory() -> None:
    assert Host().float32(Tensor()).place == {"device": "cpu", "dtype": "float32"}


def test_a_folder_that_this_version_lacks_is_empty() -> None:
    assert Host().filenames("vae") == ["a.safetensors"]
    assert Host().filenames("vae_approx") == []
    assert Host().full_path("vae", "a.safetensors") == "/m/vae/a.safetensors"
    assert Host().full_path("vae", "b.safetensors") is None
    assert Host().full_path("vae_approx", "b.safetensors") is None


def test_all_model_folders_are_told_and_those_of_nodes_are_not() -> None:
    assert Host().model_folders() == {
        "vae": ["/m/vae", "/x/vae"],
        "checkpoints": ["/m/checkpoints"],
    }


def test_choices_are_read_in_both_forms_that_versions_have() -> None:
    assert Host().input_options("CLIPLoader", "type") == ["stable_diffusion", "sd3"]
    assert Host().input_options("CLIPLoader", "device") == ["default"]
    assert Host().input_options("DualCLIPLoader", "type") == ["sdxl", "flux"]


def test_the_stock_loaders_make_comfyuis_own_clip() -> None:
    assert Host().load_clip(["l"], "sd3", "cpu") == "CLIP"
    assert Host().load_clip(["l", "g"], "sdxl", "default") == "CLIP"
    assert Stock.asked == [
        ("CLIPLoader", ("l",), {"type": "sd3", "device": "cpu"}),
        ("DualCLIPLoader", ("l", "g"), {"type": "sdxl", "device": "default"}),
    ]


def test_only_the_wanted_part_of_a_checkpoint_is_loaded(comfyui: SimpleNamespace) -> None:
    assert Host().load_checkpoint("a", model=True) == ("MODEL", "CLIP", "VAE")
    assert comfyui.loaded == [
        (
            "/m/checkpoints/a",
            {
                "output_vae": False,
                "output_clip": False,
                "output_model": True,
                "embedding_directory": ["/m/embeddings"],
            },
        )
    ]


def test_images_pass_where_the_versions_saver_passes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Host().save_image_passes() is False
    monkeypatch.setattr(SaveImage, "RETURN_TYPES", ("IMAGE",))
    assert Host().save_image_passes() is True
    assert Host().output_folder() == "/out"


def test_the_running_prompt_is_found_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    context: list[Any] = [SimpleNamespace(prompt_id="b", node_id="1")]
    queue = SimpleNamespace(
        mutex=nullcontext(),
        currently_running={0: (1, "a", {"1": "first"}), 1: (2, "b", {"1": "second"}, {}, [])},
    )
    execution, utils, server = (
        ModuleType(name) for name in ("comfy_execution", "comfy_execution.utils", "server")
    )
    utils.get_executing_context = lambda: context[0]  # type: ignore[attr-defined]
    server.PromptServer = SimpleNamespace(instance=SimpleNamespace(prompt_queue=queue))  # type: ignore[attr-defined]
    for module in (execution, utils, server):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert linked.running_prompt() == {"1": "second"}
    context[0] = SimpleNamespace(prompt_id="gone", node_id="1")
    assert linked.running_prompt() is None
    context[0] = None
    assert linked.running_prompt() is None
