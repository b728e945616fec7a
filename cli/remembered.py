"""What the user said of a file's pictures, remembered for it by the hash of its content."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..files import write_bytes

VARIABLE = "ONNXSCOPE_CONFIG"
"""The environment variable that moves the folder elsewhere."""


def folder() -> Path:
    """Return where it is kept: `ONNXSCOPE_CONFIG`, or the platform's place for settings."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("onnxscope"))


def recall(sha256: str) -> dict[str, Any]:
    """Return what is remembered of a file, as `onnxscope.load` takes it; empty for nothing.

    Raises:
        InputError: what was written down is damaged.
    """
    path = _path(sha256)
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"what is remembered in {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"what is remembered in {path} is damaged; delete it")
    return found


def remember(sha256: str, said: dict[str, Any]) -> Path:
    """Write down what a file's pictures and classes are, and return where.

    Raises:
        OutputError: it cannot be written.
    """
    path = _path(sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    write_bytes(path, json.dumps(said, indent=2, ensure_ascii=False).encode(), own=True)
    return path


def forget(sha256: str) -> bool:
    """Forget a file, and return whether anything was remembered of it.

    Raises:
        OutputError: it cannot be removed.
    """
    path = _path(sha256)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror}") from error
    return True


def _path(sha256: str) -> Path:
    return folder() / "preprocessing" / f"{sha256}.json"
