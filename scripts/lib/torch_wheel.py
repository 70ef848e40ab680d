"""libtorch out of a torch wheel: unpack, check, or adopt a folder that is there.

    torch_wheel.py unpack WHEEL FOLDER VERSION KNOWN
        FOLDER/torch/{include,lib}, each file checked against the wheel's RECORD; tells when the
        wheel's SHA-256 is not KNOWN
    torch_wheel.py stamp FOLDER VERSION FLAVOUR
        records what pip installed into FOLDER
    torch_wheel.py verify FOLDER [--full]
        is it what was unpacked? sizes and times; --full: every byte
    torch_wheel.py adopt DIR DEPS VERSION
        DEPS/torch-VERSION-FLAVOUR/torch -> DIR; prints the flavour

Only the standard library is used. A problem is one sentence on standard error and status 1.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
import zipfile
from pathlib import Path

LIBRARIES = ("libtorch_cpu.so", "libtorch.so", "libc10.so", "libgomp.so.1")
CUDA_LIBRARIES = (
    "libtorch_cpu.so",
    "libtorch.so",
    "libc10.so",
    "libtorch_cuda.so",
    "libc10_cuda.so",
)
STAMP = "luna-unpacked.json"


class Problem(Exception):
    """One sentence for the person who runs scripts/setup."""


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header_version(torch: Path) -> str:
    """The version that the headers in `torch` say, e.g. "2.13.0"."""
    header = torch / "include/torch/headeronly/version.h"
    if not header.is_file():
        raise Problem(f"{torch} is no libtorch: include/torch/headeronly/version.h is missing")
    found = re.findall(r"#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header.read_text())
    return ".".join(found)


def flavour_of(torch: Path) -> str:
    return "cuda" if (torch / "lib/libtorch_cuda.so").exists() else "cpu"


def check_version(torch: Path, wanted: str) -> None:
    version = header_version(torch)
    if version != wanted:
        raise Problem(f"{torch} is libtorch {version}, luna is built with {wanted}")


def write_stamp(folder: Path, version: str, flavour: str, source: str) -> None:
    """Records size, time and digest of the libraries in `folder`/torch/lib."""
    library_names = CUDA_LIBRARIES if flavour == "cuda" else LIBRARIES
    files = {}
    for name in library_names:
        path = folder / "torch/lib" / name
        if not path.is_file():
            raise Problem(f"{path} is missing: this is no {flavour} build of libtorch")
        status = path.stat()
        files[name] = {
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": digest(path),
        }
    stamp = {"version": version, "flavour": flavour, "source": source, "libraries": files}
    (folder / STAMP).write_text(json.dumps(stamp, indent=2) + "\n")


def recorded_digests(wheel: zipfile.ZipFile) -> dict[str, str]:
    """The wheel's RECORD: path -> SHA-256, hexadecimal."""
    name = next(n for n in wheel.namelist() if n.endswith(".dist-info/RECORD"))
    digests = {}
    for path, value, _ in csv.reader(io.StringIO(wheel.read(name).decode())):
        if value.startswith("sha256="):
            raw = value.removeprefix("sha256=")
            digests[path] = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).hex()
    return digests


def unpack(wheel_path: Path, folder: Path, version: str, known: str) -> None:
    """Headers and libraries into `folder`/torch. `folder` appears whole or not at all."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    wanted = {f"torch/lib/{name}" for name in LIBRARIES}
    with zipfile.ZipFile(wheel_path) as wheel:
        names = set(wheel.namelist())
        if "torch/lib/libtorch_cuda.so" in names:
            raise Problem(
                f"{wheel_path.name} is a CUDA build, and this is a CPU set-up: "
                "name a CPU build with --torch DIR"
            )
        if absent := sorted(wanted - names):
            raise Problem(f"{wheel_path.name} lacks {', '.join(absent)}")
        digests = recorded_digests(wheel)
        for name in sorted(names):
            if name.endswith("/") or not (name in wanted or name.startswith("torch/include/")):
                continue
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with wheel.open(name) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            written = time.mktime((*wheel.getinfo(name).date_time, 0, 0, -1))
            os.utime(target, (written, written))  # unpacked again, nothing is compiled again
            if digest(target) != digests.get(name):
                raise Problem(
                    f"{name} of {wheel_path.name} is not what its RECORD says: a damaged download"
                )
    check_version(part / "torch", version)
    for name in LIBRARIES:
        (part / "torch/lib" / name).chmod(0o755)
    wheel_digest = digest(wheel_path)
    if wheel_digest != known:
        note = f"not the wheel that luna was tested with (sha256 {wheel_digest[:16]}...)"
        print(f"  {'':<18} note: {note}")
    write_stamp(part, version, "cpu", f"{wheel_path.name} sha256:{wheel_digest}")
    if folder.is_symlink() or folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)


def verify(folder: Path, full: bool) -> None:
    """Raises a Problem unless the libraries are those of the stamp."""
    stamp_path = folder / STAMP
    if not stamp_path.is_file():
        raise Problem(f"{folder} holds no libtorch that scripts/setup unpacked")
    stamp = json.loads(stamp_path.read_text())
    check_version(folder / "torch", stamp["version"])
    for name, entry in stamp["libraries"].items():
        path = folder / "torch/lib" / name
        if not path.is_file():
            raise Problem(f"{path} is missing")
        status = path.stat()
        if status.st_size != entry["bytes"]:
            raise Problem(f"{path} has {status.st_size} bytes instead of {entry['bytes']}")
        if (full or status.st_mtime_ns != entry["mtime_ns"]) and digest(path) != entry["sha256"]:
            raise Problem(f"{path} has changed since it was unpacked")


def adopt(given: Path, deps: Path, version: str) -> str:
    """Links `given` into `deps` and returns its flavour."""
    torch = given / "torch" if (given / "torch/lib/libtorch_cpu.so").exists() else given
    torch = torch.resolve()
    if not (torch / "lib/libtorch_cpu.so").is_file():
        raise Problem(f"{given} is no libtorch: lib/libtorch_cpu.so is missing")
    check_version(torch, version)
    flavour = flavour_of(torch)
    folder = deps / f"torch-{version}-{flavour}"
    link = folder / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    if link.resolve() == torch and (folder / STAMP).is_file():
        verify(folder, full=False)
        return flavour
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.symlink_to(torch)
    write_stamp(folder, version, flavour, str(torch))
    return flavour


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["unpack", wheel, folder, version, known]:
                unpack(Path(wheel), Path(folder), version, known)
            case ["stamp", folder, version, flavour]:
                check_version(Path(folder) / "torch", version)
                write_stamp(Path(folder), version, flavour, "pip")
            case ["verify", folder]:
                verify(Path(folder), full=False)
            case ["verify", folder, "--full"]:
                verify(Path(folder), full=True)
            case ["adopt", given, deps, version]:
                print(adopt(Path(given), Path(deps), version))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Problem as problem:
        prefix = "" if arguments[0] == "verify" else "error: "
        print(f"{prefix}{problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"error: {problem.strerror}: {problem.filename or os.getcwd()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
