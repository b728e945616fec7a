"""Whether a file is the published one: its length and checksum, or those of a file inside it."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ..errors import DownloadError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """A checksum as hexadecimal digits; perhaps only its first ones, where no more is published."""

    algorithm: Literal["sha256", "md5"]
    value: str

    @property
    def whole(self) -> bool:
        """Whether all digits are known."""
        return len(self.value) == {"sha256": 64, "md5": 32}[self.algorithm]

    def check(self, stream: IO[bytes], name: str) -> None:
        """Compare with the content of a file.

        Raises:
            DownloadError: it has another checksum; both are named.
        """
        found = _hexdigest(stream, self.algorithm)
        if not found.startswith(self.value):
            expected = self.value if self.whole else f"{self.value}…"
            raise DownloadError(
                f"{name} has the {self.algorithm.upper()} {found}, expected {expected}"
            )


@dataclass(frozen=True)
class Expected:
    """What is known of a published file.

    Attributes:
        size: Its length in bytes, where that is known exactly.
        digest: Its checksum.
        member: For an archive without a known checksum: the file inside that has one, and that.
    """

    size: int | None = None
    digest: Digest | None = None
    member: tuple[str, Digest] | None = None

    @property
    def checkable(self) -> bool:
        """Whether a wrong content would be noticed."""
        return self.digest is not None or self.member is not None

    def check(self, path: Path) -> None:
        """Compare a file with what is known.

        Raises:
            DownloadError: it is another one; says what was expected and what was found.
        """
        length = path.stat().st_size
        if self.size is not None and length != self.size:
            raise DownloadError(f"{path.name} has {length:,} bytes, expected {self.size:,}")
        if self.digest is not None:
            with path.open("rb") as stream:
                self.digest.check(stream, path.name)
        if self.member is not None:
            self._check_member(path, *self.member)

    def _check_member(self, path: Path, name: str, digest: Digest) -> None:
        # Imported here: most starts find that a file was checked before.
        import tarfile

        try:
            with tarfile.open(path, "r:*") as archive:
                for info in archive:
                    stream = archive.extractfile(info) if Path(info.name).name == name else None
                    if stream is not None:
                        digest.check(stream, f"{path.name}, {name}")
                        return
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            raise DownloadError(f"{path.name} is no readable archive: {error}") from error
        raise DownloadError(f"{path.name} has no file {name!r} inside")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return _hexdigest(stream, "sha256")


def _hexdigest(stream: IO[bytes], algorithm: str) -> str:
    state = hashlib.new(algorithm, usedforsecurity=False)
    while chunk := stream.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()
