"""Files that an operator makes, and a task that saves a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pictures import numbered


def with_secret(config: Path, secret: Path) -> Path:
    config.write_text(
        config.read_text().replace('name = "test"', f'name = "test"\n secret-file = "{secret}"')
    )
    return config


def picture(name: str, **more: Any) -> dict[str, Any]:
    """A task that saves one picture under this name."""
    return {"filename": name, "images": [{"image": numbered(1)}], **more}


def make_secret(path: Path, text: str = "sixteen bytes are the least\n", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path
