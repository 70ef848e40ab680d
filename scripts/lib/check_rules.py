"""The project's rules that no ready-made linter knows.

Prints one line a finding; the status is 1 if there is one. A line that begins with "note:" is
no finding.

- who may include whom (docs/architecture.md): arrows go one way, CAF and libtorch stay where
  they belong
- messages/ forward-declares no type of a folder above it; the private parts of an actor
  (`*_parts.hpp`) stay in its folder
- files of at most 400 lines (a note for tests), `#pragma once` in every header
- a README.md in every folder of the first level, and in every folder of actors/ and models/
- actors/ has no source file but in a folder
- modules of a Python package do not import each other in a circle, not even for their types
- no pickle, no paths of one person's machine
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400

LEAVES = ("protocol", "models", "imaging", "storage", "tls")
# A folder's own headers and those of these folders may be included.
MAY_INCLUDE = {
    "base": (),
    "messages": ("base",),
    **dict.fromkeys(LEAVES, ("base",)),
    "actors": ("base", "messages", *LEAVES),
    "nodes": ("base", "messages", *LEAVES, "actors"),
    "bench": ("base", "messages", *LEAVES, "actors"),
}
WITH_SUBFOLDERS = ("actors", "models")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
CAF = r"caf/"
TORCH = r"(torch|ATen|c10)/"
DECLARED = re.compile(r"^(?:struct|class|enum class) (\w+)[^;{]*;", re.MULTILINE)
DEFINED = re.compile(r"^(?:struct|class|enum class) (\w+)[^;{]*\{", re.MULTILINE)
TOO_LARGE = ("torch/torch.h", "torch/script.h", "torch/all.h")
PACKAGES = ("comfyui/luna_client", "comfyui/luna_nodes")
IMPORT = re.compile(r"^[ ]*from \.(\w*) import (.+)$", re.MULTILINE)
SOURCE_SUFFIXES = (".cpp", ".hpp", ".py", ".sh")
# Spelled in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join(("/" + "work/", "/" + "tmp/b-", "/" + r"home/[a-z]+/")))


def project_files() -> list[Path]:
    """Files that git knows or would add, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [Path(line) for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


@cache
def text_of(path: Path) -> str:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""  # data


@cache
def includes(path: Path) -> tuple[tuple[bool, str], ...]:
    """(is it a project header?, name) of each include."""
    return tuple((mark == '"', name) for mark, name in INCLUDE.findall(text_of(path)))


@cache
def reached(header: str, what: str) -> str:
    """The project header through which `header` includes a system header of `what`, or ""."""
    path = Path(header)
    if not (ROOT / path).is_file():
        return ""
    for own, name in includes(path):
        if not own and re.match(what, name):
            return header
        if own and (through := reached(name, what)):
            return through
    return ""


def check_includes(path: Path) -> Iterator[str]:
    folder = path.parts[0]
    if folder not in MAY_INCLUDE:
        return
    for own, name in includes(path):
        target = name.split("/")[0]
        if own and target != folder:
            if target not in MAY_INCLUDE[folder]:
                allowed = " ".join(MAY_INCLUDE[folder]) or "nothing else"
                yield f'{path}: includes "{name}"; {folder} may use {allowed}'
            if folder in (*LEAVES, "base") and (through := reached(name, CAF)):
                yield f'{path}: includes "{name}", which brings CAF in through {through}'
            if through := reached(name, TORCH):
                yield f'{path}: includes "{name}", which brings libtorch in through {through}'
        if not own and folder in (*LEAVES, "base") and re.match(CAF, name):
            yield f"{path}: includes <{name}>; {folder} knows no CAF"
        if own and name.endswith("_parts.hpp") and Path(name).parent not in path.parents:
            yield f'{path}: includes "{name}", which is private to {Path(name).parent}/'
        if not own and re.match(TORCH, name):
            if folder != "models":
                yield f"{path}: includes <{name}>; libtorch belongs into models/ alone"
            elif name in TOO_LARGE:
                yield f"{path}: includes <{name}>; take <ATen/ops/...> headers, that one costs 25 s"


def check_file(path: Path) -> Iterator[str]:
    text = text_of(path)
    is_script = path.suffix in SOURCE_SUFFIXES or text.startswith("#!")
    if is_script and (lines := text.count("\n")) > MAX_LINES:
        is_test = path.parts[0] == "tests" or "testing" in path.parts
        yield f"{'note: ' if is_test else ''}{path}: {lines} lines, {MAX_LINES} at most"
    if path.suffix == ".hpp" and "#pragma once" not in text:
        yield f"{path}: no #pragma once"
    if path.suffix == ".hpp" and "using namespace" in text:
        yield f"{path}: `using namespace` in a header"
    if path.suffix == ".py" and re.search(r"^\s*(import|from) pickle\b", text, re.MULTILINE):
        yield f"{path}: imports pickle"
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATHS.search(line):
            yield f"{path}:{number}: a path of one machine: {line.strip()[:80]}"


def check_declarations(paths: list[Path]) -> Iterator[str]:
    headers = [p for p in paths if p.suffix == ".hpp" and p.parts[0] in ("base", "messages")]
    known = {name for p in headers for name in DEFINED.findall(text_of(p))}
    for path in headers:
        for name in DECLARED.findall(text_of(path)):
            if name not in known:
                yield f"{path}: declares {name}, which neither messages/ nor base/ defines"


def imported(module: Path) -> set[str]:
    """The modules of its own package that a module imports."""
    names = set()
    for source, what in IMPORT.findall(text_of(module)):
        names |= {source} if source else set(re.findall(r"\w+", what))
    return names


def check_circles(package: Path) -> Iterator[str]:
    graph = {p.stem: imported(p) for p in (ROOT / package).glob("*.py")}
    while ready := [name for name, uses in graph.items() if not uses & graph.keys()]:
        for name in ready:
            del graph[name]
    if graph:
        yield f"{package}: these modules import each other in a circle: {' '.join(sorted(graph))}"


def check_folders(paths: list[Path]) -> Iterator[str]:
    folders = {Path(p.parts[0]) for p in paths if len(p.parts) > 1}
    folders |= {p.parent for p in paths if p.parts[0] in WITH_SUBFOLDERS}
    for folder in sorted(folders):
        if not folder.name.startswith(".") and not (ROOT / folder / "README.md").is_file():
            yield f"{folder}/: no README.md"
    for path in paths:
        if path.parts[0] == "actors" and len(path.parts) == 2 and path.suffix in (".cpp", ".hpp"):
            yield f"{path}: belongs into a folder of actors/"


def main() -> int:
    paths = project_files()
    findings = [*check_folders(paths), *check_declarations(paths)]
    for package in PACKAGES:
        findings += check_circles(Path(package))
    for path in paths:
        findings += check_includes(path)
        findings += check_file(path)
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if any(not line.startswith("note: ") for line in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
