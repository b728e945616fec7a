"""Files that are either complete or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

CACHE_VARIABLE = "ONNXSCOPE_CACHE"
"""The environment variable that moves the cache elsewhere."""


def cache_folder() -> Path:
    """Return the cache's folder: `ONNXSCOPE_CACHE`, or the platform's place for caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("onnxscope"))


@contextmanager
def atomic_path(target: str | os.PathLike[str], folder: Path | None = None) -> Iterator[Path]:
    """Give a temporary path, renamed to `target` when the block ends well.

    The temporary file keeps the target's suffix, since writers choose formats by it. When the block
    raises, the temporary file is removed and an older `target` stays as it was.

    Args:
        target: The file.
        folder: Where the temporary file is, on the same file system; by default beside `target`.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    target = Path(target)
    try:
        handle, name = tempfile.mkstemp(
            dir=folder or target.parent, prefix=f".{target.stem}-", suffix=target.suffix
        )
    except OSError as error:
        raise OutputError(f"cannot write {target}: {_reason(error, target.parent)}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes files private; a finished file gets what the user's umask gives.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(target: str | os.PathLike[str]) -> None:
    """See that `target` can be written, before long work is done for it.

    Raises:
        OutputError: it is a folder or device, or its folder is missing or not writable.
    """
    target = Path(target)
    try:
        if target.exists() and not target.is_file():
            kind = "a folder" if target.is_dir() else "no ordinary file"
            raise OutputError(f"cannot write {target}: it is {kind}")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {target}: {_reason(error, target.parent)}") from error


def _reason(error: OSError, folder: Path) -> str:
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"there is no folder {folder}"
    return error.strerror or str(error)


def write_bytes(target: str | os.PathLike[str], data: bytes, folder: Path | None = None) -> None:
    """Write `data` to `target` whole or not at all (see `atomic_path`)."""
    with atomic_path(target, folder) as temporary:
        temporary.write_bytes(data)
