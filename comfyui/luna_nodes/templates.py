"""File names from templates, with the results that luna's server gets: the saver works with and without it.

luna's own: ``%model_path%``, ``%model_name%``, ``%model_dir%``, ``%index%``, ``%time:FORMAT%``; ComfyUI's:
``%date:FORMAT%``, ``%width%``, ``%height%``, ``%batch_num%``, ``%year%`` ... ``%second%``. What is none of these stays
as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .prefix import format_date

_EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
_TIMES = ("%time:", "%date:")


@dataclass(frozen=True)
class ModelName:
    """``path`` "Illustrious/3DCG/foo", ``name`` "foo", ``dir`` "Illustrious/3DCG"; without a model "UnknownModel"."""

    path: str = ""
    name: str = "UnknownModel"
    dir: str = ""

    @classmethod
    def of(cls, file: str) -> ModelName:
        """The parts of a model's file name as ComfyUI lists it; its extension goes."""
        path = file.replace("\\", "/")
        for extension in _EXTENSIONS:
            if path.lower().endswith(extension):
                path = path[: -len(extension)]
                break
        if not path:
            return cls()
        folder, _, name = path.rpartition("/")
        return cls(path, name, folder)


@dataclass(frozen=True)
class Values:
    """What the variables stand for; one moment for all pictures of a node's run.

    Attributes:
        number: the picture's place in its batch, from 0.
    """

    model: ModelName
    index: int
    now: datetime
    width: int = 0
    height: int = 0
    number: int = 0

    def plain(self) -> dict[str, str]:
        """The variables without a format."""
        now = self.now
        return {
            "%model_path%": self.model.path,
            "%model_name%": self.model.name,
            "%model_dir%": self.model.dir,
            "%index%": str(self.index),
            "%width%": str(self.width),
            "%height%": str(self.height),
            "%batch_num%": str(self.number),
            "%year%": f"{now.year:04}",
            "%month%": f"{now.month:02}",
            "%day%": f"{now.day:02}",
            "%hour%": f"{now.hour:02}",
            "%minute%": f"{now.minute:02}",
            "%second%": f"{now.second:02}",
        }


def stamp(now: datetime) -> str:
    """``2026_11_22_100000``: the form of ``save_timestamp``."""
    return format_time("YYYY_mm_dd_HHMMSS", now)


def format_time(pattern: str, now: datetime) -> str:
    """YYYY, mm (month), dd, HH, MM (minute), SS; the rest stays."""
    parts = {
        "YYYY": f"{now.year:04}",
        "mm": f"{now.month:02}",
        "dd": f"{now.day:02}",
        "HH": f"{now.hour:02}",
        "MM": f"{now.minute:02}",
        "SS": f"{now.second:02}",
    }
    for token, value in parts.items():
        pattern = pattern.replace(token, value)
    return pattern


def expand(pattern: str, values: Values) -> str:
    r"""The variables filled in, ``\`` made ``/``, slashes at the end gone.

    A ``%`` that closes a ``%time:`` or ``%date:`` and begins a known variable counts for both:
    ``%time:YYYY-mm-dd_%index%`` is ``2025-12-02_7``. A slash in front that only an empty variable left there goes; one
    that was written stays.
    """
    plain = values.plain()
    out, at = "", 0
    while at < len(pattern):
        length, text = _variable(pattern, at, plain, values.now)
        out += text if length else pattern[at]
        at += length or 1
    out = out.replace("\\", "/").rstrip("/")
    return out if pattern[:1] in ("/", "\\") else out.lstrip("/")


def _variable(pattern: str, at: int, plain: Mapping[str, str], now: datetime) -> tuple[int, str]:
    """The variable that starts here: the length of its text, 0 if there is none, and its value."""
    if pattern[at] != "%":
        return 0, ""
    name = _plain_at(pattern, at, plain)
    if name:
        return len(name), plain[name]
    if not pattern.startswith(_TIMES, at):
        return 0, ""
    begin = at + len(_TIMES[0])
    close = pattern.find("%", begin)
    if close <= begin:
        return 0, ""
    shared = bool(_plain_at(pattern, close, plain)) or _is_time(pattern, close)
    write = format_time if pattern.startswith(_TIMES[0], at) else format_date
    return close - at + (0 if shared else 1), write(pattern[begin:close], now)


def _plain_at(pattern: str, at: int, plain: Mapping[str, str]) -> str:
    return next((name for name in plain if pattern.startswith(name, at)), "")


def _is_time(pattern: str, at: int) -> bool:
    return pattern.startswith(_TIMES, at) and "%" in pattern[at + len(_TIMES[0]) :]
