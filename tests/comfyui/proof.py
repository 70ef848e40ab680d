"""The program behind ``scripts/test-comfyui``: sets up, runs what is wanted, prints a table, ends what it started."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import daemon_nodes
import input_pictures
import multi_saver
import pairs
import promised_names
import proof_models
import refusals
import scenarios
import two_processes
import workflows
from comfyui_process import Comfy, Installation, model_paths
from graphs import LOADERS
from luna_server import LunaError, LunaServer, find_program
from processes import ProofError, is_free
from report import Result, json_lines, table

_SAVE, _TWO = "save", "two_processes"
#: On one ComfyUI, in this order.
SCENARIOS = {
    **multi_saver.SCENARIOS,
    **promised_names.SCENARIOS,
    **refusals.SCENARIOS,
    **scenarios.SCENARIOS,
    **daemon_nodes.SCENARIOS,
}


def names() -> list[str]:
    """Everything that can be run, in the order in which it is."""
    return [*(one.name for one in workflows.ALL), _SAVE, *SCENARIOS, _TWO]


def main() -> int:
    options = _options()
    # a proof that is told to end must end what it started: raise, so that every `finally` runs
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        return _prove(options)
    except ProofError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test-comfyui")
    parser.add_argument("comfyui", type=Path, metavar="DIR")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--models", type=Path, default=_default_models())
    parser.add_argument("--only", action="append", default=[], choices=names(), metavar="NAME")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _default_models() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "luna" / "comfyui-models"


def _prove(options: argparse.Namespace) -> int:
    installation = Installation.at(options.comfyui.absolute(), options.python)
    program = find_program()
    wanted = options.only or names()
    proof_models.ensure(options.models.absolute())
    folder = Path(tempfile.mkdtemp(prefix="luna-comfyui-"))
    print(f"ComfyUI {installation.version} with {program}", flush=True)
    results: list[Result] = []
    try:
        run = Run(installation, program, folder, options.models.absolute())
        for result in run.results(wanted):
            results.append(result)
            print(table([result]).partition("\n")[2], flush=True)
            _write(options.json, results, installation)  # a run may be ended before its end
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(results))
    passed = sum(result.passed for result in results)
    print(f"{passed} passed, {len(results) - passed} failed")
    return 0 if passed == len(results) else 1


def _write(path: Path | None, results: list[Result], installation: Installation) -> None:
    if path is not None:
        path.write_text(json_lines(results, {"comfyui": installation.version}))


class Run:
    """One installation, one luna-node, one temporary folder."""

    def __init__(self, installation: Installation, program: Path, folder: Path, models: Path):
        self._installation, self._program = installation, program
        self._folder, self._models = folder, models

    def results(self, wanted: list[str]) -> Iterator[Result]:
        """Runs what is wanted, one after the other."""
        if any(name != _TWO for name in wanted):
            with self.bench() as bench:
                yield from _on_bench(bench, wanted)
        if _TWO in wanted:
            luna = self._luna("luna-two", [])
            yield _guarded(_TWO, lambda: two_processes.run(self._comfy, self._folder, luna))
            _check_free(luna.port)

    @contextlib.contextmanager
    def bench(self) -> Iterator[pairs.Bench]:
        base, state = self._folder / "comfyui", self._folder / "state"
        luna = self._luna("luna", [base / "output"])
        (base / "output").mkdir(parents=True)
        comfy = None
        try:
            luna.start()
            own = {"LUNA_NODE": str(self._program), "XDG_STATE_HOME": str(state)}
            comfy = self._comfy(base, {**luna.environment, **own})
            yield pairs.Bench(comfy, luna, state)
        finally:
            if comfy is not None:
                comfy.stop()
                _check_free(comfy.port)
            luna.stop()
            _check_free(luna.port)

    def _comfy(self, base: Path, env: dict[str, str]) -> Comfy:
        """Starts a ComfyUI; ends it again if it does not come up with the pack."""
        comfy = Comfy(self._installation, base, self._models, env=env)
        try:
            input_pictures.write(base / "input")
            comfy.wait_ready()
            missing = set(LOADERS.values()) - comfy.node_names()
            if missing:
                raise ProofError(comfy.story(f"does not know {', '.join(sorted(missing))}"))
        except BaseException:
            comfy.kill()
            raise
        return comfy

    def _luna(self, name: str, outputs: list[Path]) -> LunaServer:
        folder = self._folder / name
        folder.mkdir()
        paths = folder / "extra_model_paths.yaml"
        paths.write_text(model_paths(self._models))
        return LunaServer(self._program, folder, paths, outputs)


def _on_bench(bench: pairs.Bench, wanted: list[str]) -> Iterator[Result]:
    for workflow in workflows.ALL:
        if workflow.name in wanted:
            yield _guarded(workflow.name, lambda one=workflow: pairs.run_pair(bench, one))
    if _SAVE in wanted:
        batch = next(one for one in workflows.ALL if one.name == "batch_of_four")
        yield _guarded(_SAVE, lambda: pairs.run_save(bench, batch))
    for name, scenario in SCENARIOS.items():
        if name in wanted:
            yield _guarded(name, lambda one=scenario: one(bench))


def _guarded(name: str, run: Callable[[], Result]) -> Result:
    """What could not be run at all is a failed result, and the next one still runs."""
    try:
        return run()
    except (ProofError, LunaError) as problem:
        return Result(name, [str(problem)])


def _check_free(port: int) -> None:
    if not is_free(port):
        raise ProofError(f"something still listens on port {port}")


if __name__ == "__main__":
    sys.exit(main())
