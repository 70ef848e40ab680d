"""A running ComfyUI as a user of its HTTP API sees it."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import Program, ProofError, free_port

HERE = Path(__file__).resolve().parent
PACK = HERE.parents[1] / "comfyui"
#: A graph in ComfyUI's API format: node id -> {"class_type", "inputs"}.
Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Installation:
    """A ComfyUI on disk and the Python that it runs with."""

    folder: Path
    python: Path

    @property
    def version(self) -> str:
        """What its ``comfyui_version.py`` says."""
        text = (self.folder / "comfyui_version.py").read_text()
        return text.rpartition("__version__")[2].strip(" =\"'\n")

    @staticmethod
    def at(folder: Path, python: Path | None = None) -> Installation:
        """The ComfyUI in this folder.

        Raises:
            ProofError: it is none, or no Python of its own is found.
        """
        if not (folder / "main.py").is_file() or not (folder / "comfy").is_dir():
            raise ProofError(f"{folder} is no ComfyUI: there is no main.py with a folder comfy")
        beside = [
            folder / ".venv",
            folder / "venv",
            folder.parent / ".venv",
            folder.parent / "venv",
        ]
        candidates = [python] if python else [venv / "bin" / "python" for venv in beside]
        for candidate in candidates:
            if candidate and candidate.is_file():
                return Installation(folder, candidate.absolute())
        raise ProofError(f"{folder} has no venv; name the Python that it runs with: --python")


@dataclass
class Outcome:
    """How one prompt ended.

    Attributes:
        status: ``success``, ``error`` or ``interrupted``.
        seconds: from posting it to its end.
        outputs: node id -> what it showed.
        message: of an error: the node and its sentence.
        ended: when ComfyUI noted its end, in seconds since 1970; 0 where it does not say.
    """

    status: str
    seconds: float
    outputs: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    ended: float = 0.0

    def images(self, node: str) -> list[str]:
        """The names that a saving node showed, subfolders included."""
        shown = self.outputs.get(node, {}).get("images", ())
        return [str(Path(one.get("subfolder", "")) / one["filename"]) for one in shown]

    def awaits_pictures(self) -> bool:
        """Whether luna has promised pictures that are not shown yet."""
        return any(
            len(shown.get("images", ())) < len(shown.get("luna_promised", ()))
            for shown in self.outputs.values()
        )


class Comfy(Program):
    """One headless ComfyUI on a free port, with a base folder of its own, the pack and the recorder."""

    def __init__(
        self,
        installation: Installation,
        folder: Path,
        models: Path,
        *,
        env: Mapping[str, str] | None = None,
        with_pack: bool = True,
        arguments: Sequence[str] = (),
    ) -> None:
        self.installation = installation
        self.base = folder
        self.records = folder / "records"
        for name in ("input", "output", "temp", "models", "custom_nodes", "user", "records"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "custom_nodes" / "luna_proof_recorder").symlink_to(HERE / "recorder")
        if with_pack:
            (folder / "custom_nodes" / "luna").symlink_to(PACK)
        self.model_paths = folder / "extra_model_paths.yaml"
        self.model_paths.write_text(model_paths(models))
        self.port = free_port()
        command = [installation.python, "-s", installation.folder / "main.py"]
        command += ["--cpu", "--port", str(self.port), "--disable-auto-launch"]
        command += ["--disable-api-nodes", "--base-directory", folder]
        command += ["--extra-model-paths-config", self.model_paths]
        command += ["--database-url", "sqlite:///:memory:", *arguments]
        super().__init__(
            "ComfyUI",
            command,
            folder / "comfyui.log",
            cwd=installation.folder,
            env={"LUNA_PROOF_RECORDS": str(self.records), "PYTHONUNBUFFERED": "1", **(env or {})},
        )

    def wait_ready(self, seconds: float = 900.0) -> Comfy:
        self.wait_until(self._answers, seconds, "it answered")
        return self

    def _answers(self) -> bool:
        try:
            self.ask("/queue")
        except (OSError, urllib.error.URLError):
            return False
        return True

    # -- HTTP ------------------------------------------------------------------------------------

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """GET, or POST with a body. -> the JSON answer, None where there is none.

        Raises:
            ProofError: ComfyUI refuses; with its own words.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            words = error.read().decode("utf-8", "replace")
            raise ProofError(f"ComfyUI answers {error.code} to {path}: {words}") from None
        return json.loads(text) if text.strip() else None

    def node_names(self) -> set[str]:
        """Every node class that it knows."""
        return set(self.ask("/object_info"))

    def post(self, graph: Graph, workflow: Any = None) -> str:
        """Queues a graph. -> its id."""
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow is not None else {}
        # without a client ComfyUI does not note which node it executes
        body = {"prompt": graph, "client_id": "luna-proof", "extra_data": extra}
        return self.ask("/prompt", body)["prompt_id"]

    def run(self, graph: Graph, seconds: float = 3600.0, workflow: Any = None) -> Outcome:
        """Queues a graph and waits for its end, whichever it is."""
        began = time.monotonic()
        return self.wait_end(self.post(graph, workflow), began, seconds)

    def wait_end(self, prompt: str, began: float, seconds: float = 3600.0) -> Outcome:
        """Waits until this prompt has ended. ``began``: when its time began (``time.monotonic``)."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.ask(f"/history/{prompt}"))
            return prompt in found

        self.wait_until(ended, seconds, "a prompt ended")
        outcome = _outcome(found[prompt], time.monotonic() - began)
        # luna's pictures are added to the history when they are written
        while outcome.awaits_pictures() and time.monotonic() - began < outcome.seconds + 30.0:
            threading.Event().wait(0.02)
            ended()
            outcome.outputs = found[prompt].get("outputs", {})
        return outcome

    def interrupt(self) -> None:
        """What the button of the interface does."""
        self.ask("/interrupt", {})

    def executing(self) -> str | None:
        """The id of the node that is executed now."""
        return self.ask("/luna_proof/state")["node"]

    def wait_executing(self, node: str, seconds: float = 600.0) -> None:
        """Waits until this node is executed."""
        self.wait_until(lambda: self.executing() == node, seconds, f"node {node} was executed")


def model_paths(models: Path) -> str:
    """``extra_model_paths.yaml`` for a folder that is laid out as ComfyUI's ``models``."""
    kinds = ("checkpoints", "text_encoders", "vae", "loras", "embeddings")
    lines = [f"  {kind}: {kind}\n" for kind in kinds]
    return f"luna_proof:\n  base_path: {models}\n" + "".join(lines)


def _outcome(entry: Mapping[str, Any], seconds: float) -> Outcome:
    """Reads a history entry."""
    status = entry.get("status") or {}
    good = status.get("status_str", "success") == "success"
    found = Outcome("success" if good else "error", seconds, entry.get("outputs", {}))
    for kind, what in status.get("messages", ()):
        found.ended = what.get("timestamp", 0) / 1000  # the last message is that of the end
        if kind == "execution_interrupted":
            found.status = "interrupted"
        if kind == "execution_error":
            node = f"{what.get('node_type')} ({what.get('node_id')})"
            words = f"{what.get('exception_type')}: {what.get('exception_message')}"
            found.status, found.message = "error", f"{node}: {words.strip()}"
    return found
