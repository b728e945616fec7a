"""Where fetched and converted files are kept, so that each is made once.

The folder can be deleted at any time. A converted model is named after what it was made from (the
weights, the class names and the code of this package) and after its own checksum, so that a change
of either makes a new one, a damaged one is noticed, and one rename puts it in place.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from ..errors import OutputError
from ..files import CACHE_VARIABLE as VARIABLE
from ..files import cache_folder as folder
from ..files import write_bytes
from ..identity import source

__all__ = ["VARIABLE", "find_converted", "folder", "keep_converted", "weights_path"]

_DIGITS = 16


def weights_path(file_name: str) -> Path:
    """Return where a downloaded weights file is, or goes."""
    return folder() / "weights" / file_name


def find_converted(name: str, made_from: str) -> Path | None:
    """Return the converted model, where there is one that is undamaged; damaged ones are removed.

    Args:
        name: Its name in the catalogue.
        made_from: Checksums of all that it is made from, the code of this package excepted.

    Raises:
        OutputError: one is there and cannot be read.
    """
    start = _converted_start(name, made_from)
    for path in sorted(_converted_folder().glob(f"{start}-*.onnx")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # another process removed it, as damaged
        except OSError as error:
            raise OutputError(f"cannot read the cached {path}: {error}") from error
        if path.name == _converted_name(start, data):
            return path
        path.unlink(missing_ok=True)
    return None


def keep_converted(name: str, made_from: str, data: bytes) -> Path:
    """Store a converted model (see `find_converted`).

    Raises:
        OutputError: the cache cannot be written.
    """
    start = _converted_start(name, made_from)
    path = _converted_folder() / _converted_name(start, data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the cache folder {path.parent}: {error.strerror}; "
            f"set {VARIABLE} to a folder that can be written"
        ) from error
    write_bytes(path, data, own=True)
    return path


def _converted_folder() -> Path:
    return folder() / "onnx"


def _converted_start(name: str, made_from: str) -> str:
    key = hashlib.sha256(f"{made_from} {_converter()}".encode()).hexdigest()
    return f"{name}-{key[:_DIGITS]}"


def _converted_name(start: str, data: bytes) -> str:
    return f"{start}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.onnx"


@cache
def _converter() -> str:
    """A checksum of the code that converts, and of the engine, whose graphs it writes."""
    state = hashlib.sha256(source().encode())
    package = Path(__file__).parent
    for module in sorted(package.glob("*.py")):
        state.update(module.name.encode())
        state.update(module.read_bytes())
    return state.hexdigest()
