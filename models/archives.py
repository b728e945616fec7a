"""Zip archives in memory; whatever is wrong with one, a `ModelError` says it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from ..errors import ModelError

# What zipfile raises on damaged archives; BadZipFile is only one of them.
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    OverflowError,
)


def open_zip(data: bytes, source: str) -> zipfile.ZipFile:
    """Return the archive's directory.

    Raises:
        ModelError: the archive is damaged.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _ERRORS as error:
        raise ModelError(f"{source} is a damaged or truncated zip archive: {error}") from error


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str, most: int) -> bytes:
    """Return the content of one file in the archive, which claims no more than `most` bytes.

    More than it claims is never unpacked.

    Raises:
        ModelError: it is damaged, encrypted, or claims more.
    """
    name = info.filename[:80]
    if info.file_size > most:
        raise ModelError(f"{source} claims {info.file_size:,} bytes for {name!r}: too many")
    try:
        return archive.read(info)
    except _ERRORS as error:
        raise ModelError(f"{source} is damaged at {name!r}: {error}") from error
