"""Fetch one published file: resumed where it broke off, checked, and complete or not there.

While it is fetched, the file is `<name>.part` beside the target. A part that an earlier run left is
continued only where a checksum will tell whether the two ends fit together. Processes that want the
same file take turns; the second finds it there.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..errors import DownloadError, OutputError
from ..locks import locked
from .verification import Expected

Progress = Callable[[int, int | None], object]
"""Called with the bytes that are there and the bytes in all, `None` where the server is silent."""

_CHUNK = 1 << 18
_MOST = 4 << 30  # no published weights here come near; a server that sends on and on is stopped
_WAIT_FOR_OTHERS = 3600.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Attempts:
    """How patient to be.

    Attributes:
        count: How often to try in all.
        timeout: Seconds without a byte after which a connection counts as lost.
        pause: Seconds before the second try; doubled before each further one.
        sleep: For tests.
    """

    count: int = 4
    timeout: float = 30.0
    pause: float = 1.0
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)


class _TransientError(Exception):
    """This try failed in a way that another may not."""


def download(
    url: str,
    target: Path,
    expected: Expected | None = None,
    progress: Progress | None = None,
    attempts: Attempts | None = None,
) -> Path:
    """Fetch `url` to `target`, unless it is there already and is what was expected.

    Proxies are those of the environment, as `urllib` reads it.

    Args:
        url: An http or https address.
        target: Where the file goes; its folder is made.
        expected: What the file is checked against.
        progress: Called as bytes arrive, beginning with those of an earlier run.
        attempts: How patient to be.

    Returns:
        The target.

    Raises:
        DownloadError: it cannot be fetched, or is another file; says where to put one fetched
            elsewhere.
        OutputError: it cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} is no http or https address")
    expected = expected or Expected()
    try:
        if _is_there(target, expected):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{target.name}.lock"), _WAIT_FOR_OTHERS) as alone:
            if not _is_there(target, expected):
                own = "" if alone else f"-{os.getpid()}"
                part = target.with_name(f"{target.name}.part{own}")
                transfer = _Transfer(url, target, part, expected, progress)
                transfer.run(attempts or Attempts())
                os.replace(part, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _is_there(target: Path, expected: Expected) -> bool:
    if not target.exists():
        return False
    try:
        expected.check(target)
    except DownloadError:
        return False  # damaged, or another file; it is replaced once the right one is complete
    return True


@dataclass
class _Transfer:
    """One file on its way, over as many connections as it takes."""

    url: str
    target: Path
    part: Path
    expected: Expected
    progress: Progress | None
    total: int | None = None
    version: str = ""  # the server's name for this state of the file

    def run(self, attempts: Attempts) -> None:
        """Make the part file complete and checked."""
        if not self.expected.checkable:
            self.part.unlink(missing_ok=True)
        resumed = self.part.exists()
        self._complete(attempts)
        try:
            self._check()
        except DownloadError:
            if not resumed:
                raise
            # What the earlier run left may be what is wrong; it is gone now.
            self._complete(attempts)
            self._check()

    def _complete(self, attempts: Attempts) -> None:
        last: _TransientError | None = None
        for number in range(attempts.count):
            if number:
                attempts.sleep(attempts.pause * 2 ** (number - 1))
            try:
                self._continue(attempts.timeout)
            except _TransientError as error:
                last = error
            else:
                return
        raise self._failed(f"{last} (tried {attempts.count} times)") from last

    def _check(self) -> None:
        try:
            self.expected.check(self.part)
        except DownloadError as error:
            self.part.unlink(missing_ok=True)
            raise self._failed(
                str(error).replace(self.part.name, "the file there")
                + "; the server has another file, or something on the way changed it"
            ) from error

    def _failed(self, reason: str) -> DownloadError:
        now = ", in place of the damaged or wrong one there" if self.target.exists() else ""
        return DownloadError(
            f"cannot fetch {self.url}: {reason}. A copy fetched elsewhere works too: "
            f"put it at {self.target}{now}"
        )

    def _continue(self, timeout: float) -> None:
        """One connection: ask for what is missing and append it."""
        done = self.part.stat().st_size if self.part.exists() else 0
        if self.expected.size is not None and done >= self.expected.size:
            if done == self.expected.size:
                return
            done = 0
        headers = {"User-Agent": "onnxscope", "Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
            if self.version:
                headers["If-Range"] = self.version
        request = urllib.request.Request(self.url, headers=headers)
        # An opener of its own reads the environment's proxies now, not at the process's first use.
        opener = urllib.request.build_opener()
        try:
            response = opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, done)
            return
        except (http.client.HTTPException, OSError) as error:
            raise self._lost(error) from error
        with response:
            self._receive(response, done)

    def _refused(self, error: urllib.error.HTTPError, done: int) -> None:
        """Sort out a status that is no success; return where the file turns out complete."""
        if error.code == 416 and done:
            length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if length and int(length[1]) == done:
                return
            self.part.unlink(missing_ok=True)
            raise _TransientError("the server cannot continue the part that is here")
        reason = f"the server answers {error.code} {error.reason}"
        if error.code in _AGAIN:
            raise _TransientError(reason)
        raise self._failed(reason)

    def _lost(self, error: Exception) -> Exception:
        """What a failed connection means: worth another try, or not."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, socket.gaierror):
            return self._failed(f"this computer is offline, or the name is unknown ({cause})")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self._failed(f"the server's certificate is not trusted ({cause})")
        if isinstance(cause, TimeoutError):
            return _TransientError("the server stopped answering")
        return _TransientError(f"the connection failed ({cause or type(cause).__name__})")

    def _receive(self, response: http.client.HTTPResponse, done: int) -> None:
        start = 0
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if response.status == 206:
            span = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")
            )
            if span is None or int(span[1]) != done:
                self.part.unlink(missing_ok=True)
                raise _TransientError("the server continues at another place")
            start = done
            total = None if span[2] == "*" else int(span[2])
        self.total = total
        self.version = self._version(response)
        if self.expected.size is not None and total not in (None, self.expected.size):
            self.part.unlink(missing_ok=True)
            raise self._failed(
                f"the server offers {total:,} bytes, expected {self.expected.size:,}"
            )
        done = self._append(response, start)
        if total is not None and done < total:
            raise _TransientError(f"the connection broke off at {done:,} of {total:,} bytes")

    @staticmethod
    def _version(response: http.client.HTTPResponse) -> str:
        etag = response.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            return str(etag)
        return str(response.headers.get("Last-Modified", ""))

    def _append(self, response: http.client.HTTPResponse, start: int) -> int:
        """Write what arrives behind the first `start` bytes; the length that there is then."""
        limit = self.expected.size or self.total or _MOST
        done = start
        try:
            with self.part.open("r+b" if start else "wb", buffering=0) as file:
                file.seek(start)
                file.truncate()
                self._report(done)
                while chunk := self._read(response):
                    _write(file, chunk)
                    done += len(chunk)
                    self._report(done)
                    if done > limit:
                        break
        except OSError:
            # A full disk is no place for a part; everything else there needs the room as well.
            self.part.unlink(missing_ok=True)
            raise
        if done > limit:
            self.part.unlink(missing_ok=True)
            raise self._failed(f"the server sends more than {limit:,} bytes")
        return done

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK)
        except (http.client.HTTPException, OSError) as error:
            raise self._lost(error) from error

    def _report(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done, self.total if self.total is not None else self.expected.size)


def _write(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
