"""A lock between processes that a dying process gives up by itself."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(
    path: Path, timeout: float, sleep: Callable[[float], object] = time.sleep
) -> Iterator[bool | None]:
    """Hold the lock of `path`, an empty file that stays there.

    The operating system frees the lock when the process ends, however it ends, so that no stale
    lock has to be told from a real one.

    Args:
        path: The lock file.
        timeout: Seconds to wait for another process.
        sleep: For tests.

    Yields:
        Whether the lock is held: not, where another process kept it for `timeout`, or where the
        file was removed meanwhile; `None`, where the file system has no locks.
    """
    with path.open("a+b") as file:
        yield _acquired(file, timeout, sleep) and _is_there(path, file)


def _is_there(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is still that of its path: who locks a removed one is alone with it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _acquired(file: IO[bytes], timeout: float, sleep: Callable[[float], object]) -> bool | None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            _try_lock(file)
        except (BlockingIOError, PermissionError):
            # PermissionError is how Windows says that another process has it.
            if time.monotonic() >= deadline:
                return False
            sleep(0.1)
        except OSError:
            return None
        else:
            return True
