"""Files that are either complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

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


class Watcher(Protocol):
    """Who is asked before a file is written, and told when one is replaced."""

    def check(self, target: Path) -> None:
        """See that a file, or anything in a folder, may be written.

        Raises:
            OutputError: it may not.
        """

    def replaces(self, target: Path) -> None:
        """Take note that a file of the user's, which is there, gives way to a new one."""


_watchers: list[Watcher] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher of all files that are written in the block, in whichever thread."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def check_allowed(target: Path) -> None:
    """See with the watchers whether a file, or anything in a folder, may be written.

    Raises:
        OutputError: it may not.
    """
    for watcher in _watchers:
        watcher.check(target)


@contextmanager
def atomic_path(
    target: str | os.PathLike[str], folder: Path | None = None, *, own: bool = False
) -> Iterator[Path]:
    """Give a temporary path, renamed to `target` when the block ends well.

    The temporary file keeps the target's suffix, since writers choose formats by it. When the block
    raises, the temporary file is removed and an older `target` stays as it was.

    Args:
        target: The file.
        folder: Where the temporary file is, on the same file system; by default beside `target`.
        own: Whether the file is kept for this program's sake, so that no user minds what was there.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or a watcher objects.
    """
    target = Path(target)
    check_allowed(target)
    # Imported here, as below: a start that writes nothing does without.
    import tempfile

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
        if not own and target.exists():
            for watcher in _watchers:
                watcher.replaces(target)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(target: str | os.PathLike[str]) -> None:
    """See that `target` can be written, before long work is done for it.

    Raises:
        OutputError: it is a folder or device, its folder is missing or not writable, or a watcher
            objects.
    """
    target = Path(target)
    import tempfile

    try:
        if target.exists() and not target.is_file():
            kind = "a folder" if target.is_dir() else "no ordinary file"
            raise OutputError(f"cannot write {target}: it is {kind}")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {target}: {_reason(error, target.parent)}") from error
    check_allowed(target)


def _reason(error: OSError, folder: Path) -> str:
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"there is no folder {folder}"
    return error.strerror or str(error)


def write_bytes(
    target: str | os.PathLike[str], data: bytes, folder: Path | None = None, *, own: bool = False
) -> None:
    """Write `data` to `target` whole or not at all (see `atomic_path`)."""
    with atomic_path(target, folder, own=own) as temporary:
        temporary.write_bytes(data)
