"""Finished graphs on disk, so that each is built and differentiated once.

The folder can be deleted at any time. An entry is named after its key (see `identity`). Its large
parts, the weights, are files of their own, named after their content: the entries of a model's many
units share them. What is read is checked against its digests; what is damaged counts as not there,
and so does a cache that cannot be read or written: then a graph is built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import OutputError
from .files import cache_folder, write_bytes
from .plain import turned_off

VARIABLE = "ONNXSCOPE_GRAPH_CACHE"
"""The environment variable that turns the cache off: `off`, `no`, `false` or `0`."""

LIMIT = 2**30
"""How many bytes the cache may take; then what was used least recently goes."""

_LARGE = 2**14
_DIGEST = 32


def graph_cache() -> GraphCache | None:
    """Return the user's cache of graphs; `None` where `ONNXSCOPE_GRAPH_CACHE` turns it off."""
    if turned_off(VARIABLE):
        return None
    return GraphCache(graph_folder())


def graph_folder() -> Path:
    """Return where the user's cache of graphs is, whether it is turned on or not."""
    return cache_folder() / "graphs"


@dataclass(frozen=True)
class GraphCache:
    """Byte strings by key.

    Attributes:
        folder: Where they are; made when the first is put in.
        limit: How many bytes all files may take together.
    """

    folder: Path
    limit: int = LIMIT

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key; `None` where there is nothing, or it is damaged."""
        path = self._entry(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            pieces = list(self._pieces(key, data))
        except (ValueError, LookupError, TypeError):
            _remove(path)
            return None
        except OSError:
            # A part is not there, or cannot be read: the entry is of no use until it is made again.
            return None
        _touch(path)
        return b"".join(pieces)

    def put(self, key: str, data: bytes, parts: Iterable[bytes] = ()) -> None:
        """Keep `data` under a key, as far as the disk allows it.

        Args:
            key: Hexadecimal digits.
            data: What to keep.
            parts: Byte strings that occur in `data` in this order and may occur in other entries as
                well. Large ones are stored once for all entries.
        """
        if len(data) > self.limit:
            return
        pieces = _cut(data, parts)
        head = json.dumps([[size, digest] for size, digest, _ in pieces]).encode()
        inline = b"".join(piece for _, digest, piece in pieces if not digest)
        body = len(head).to_bytes(8, "little") + head + inline
        # Space, rights and other processes' doings decide whether there is a cache; a picture does
        # not depend on it.
        with contextlib.suppress(OSError, OutputError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for size, digest, piece in pieces:
                if digest and _size(self._part(digest)) != size:
                    write_bytes(self._part(digest), piece, own=True)
            write_bytes(self._entry(key), _entry_digest(key, body) + body, own=True)
            self._trim()

    def size(self) -> int:
        """Return how many bytes all files take."""
        return sum(size for _, size, _ in self._files())

    def clear(self) -> None:
        """Remove all files.

        Raises:
            OutputError: one cannot be removed.
        """
        for path, _, _ in self._files():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error

    def _pieces(self, key: str, data: bytes) -> Iterator[bytes]:
        """The pieces of an entry's content, each checked.

        Raises:
            ValueError: the entry or one of its parts is damaged; the part is removed.
            OSError: a part cannot be read.
        """
        body = memoryview(data)[_DIGEST:]
        if _entry_digest(key, body) != data[:_DIGEST]:
            raise ValueError("damaged")
        start = 8 + int.from_bytes(body[:8], "little")
        for size, digest in json.loads(bytes(body[8:start])):
            if not digest:
                yield bytes(body[start : start + size])
                start += size
                continue
            path = self._part(digest)
            piece = path.read_bytes()
            if hashlib.sha256(piece).hexdigest() != digest:
                _remove(path)
                raise ValueError("damaged")
            _touch(path)
            yield piece

    def _trim(self) -> None:
        """Remove what was used least recently until the limit is kept."""
        files = sorted(self._files(), key=lambda file: file[2])
        excess = sum(size for _, size, _ in files) - self.limit
        for path, size, _ in files:
            if excess <= 0:
                return
            _remove(path)
            excess -= size

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        """All files with their sizes and when they were used; other processes may remove some."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as found:
            for file in found:
                with contextlib.suppress(OSError):
                    if file.is_file(follow_symlinks=False):
                        facts = file.stat(follow_symlinks=False)
                        yield Path(file.path), facts.st_size, facts.st_mtime_ns

    def _entry(self, key: str) -> Path:
        return self.folder / f"{key}.graph"

    def _part(self, digest: str) -> Path:
        return self.folder / f"{digest}.part"


def _cut(data: bytes, parts: Iterable[bytes]) -> list[tuple[int, str, bytes]]:
    """`data` in pieces: size, the digest of what is stored apart or an empty string, and content.

    A part is cut out where it is first found behind the one before it. That may be another place
    with the same bytes: joined, the pieces are `data` all the same.
    """
    pieces: list[tuple[int, str, bytes]] = []
    position = 0
    for part in parts:
        start = data.find(part, position) if len(part) >= _LARGE else -1
        if start < 0:
            continue
        if start > position:
            pieces.append((start - position, "", data[position:start]))
        pieces.append((len(part), hashlib.sha256(part).hexdigest(), part))
        position = start + len(part)
    pieces.append((len(data) - position, "", data[position:]))
    return pieces


def _entry_digest(key: str, body: bytes | memoryview) -> bytes:
    """Of an entry's content and its key, so that a file under another name is noticed as well."""
    state = hashlib.sha256(key.encode())
    state.update(body)
    return state.digest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _touch(path: Path) -> None:
    """Note that a file was used; where that cannot be noted, it may go earlier than others."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _remove(path: Path) -> None:
    """Remove a file, unless another process has or holds it."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
