"""What all sites share: templates, the files beside them, and data that open from a file system.

Browsers let a page of the file system load neither modules nor data, but scripts and pictures: so
data are scripts that call or assign.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import InputError, OutputError
from ..files import write_bytes

if TYPE_CHECKING:
    from jinja2 import Environment


_LONGEST_SLUG = 80
_DEVICES = (
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789"),
)
_RESERVED = frozenset({"index", *_DEVICES})
"""What no page is called: the first one is `index`, and Windows has devices of the other names."""


def check_jinja() -> None:
    """See that what fills in templates is installed.

    Raises:
        InputError: it is not; says how to install it.
    """
    if find_spec("jinja2") is None:
        raise InputError("pages need Jinja2: pip install 'onnxscope[pages]'")


def page(template: str, **values: object) -> str:
    """Return a template filled in; what is filled in is text, and never markup.

    Args:
        template: Its name.
        values: By name.

    Raises:
        InputError: Jinja2 is not installed.
    """
    check_jinja()
    return _environment().get_template(template).render(version=__version__, **values)


@cache
def _environment() -> Environment:
    """Where templates are; it keeps those that are compiled."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__package__ or "onnxscope.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def model_called(name: str) -> str:
    """Return what pages call a model: of a file's path its last part.

    Folders are nobody's business that a page is shown to.
    """
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def write_text(folder: Path, name: str, text: str) -> Path:
    """Write a text of a site.

    Raises:
        OutputError: it cannot be written.
    """
    write_bytes(folder / name, text.encode(), own=True)
    return folder / name


def write_assets(folder: Path, names: list[str]) -> None:
    """Copy scripts and styles into `assets/` of a site.

    Raises:
        OutputError: they cannot be written.
    """
    made(folder / "assets")
    for name in names:
        content = files(__package__ or "onnxscope.pages").joinpath("assets", name).read_bytes()
        write_bytes(folder / "assets" / name, content, own=True)


def made(folder: Path) -> Path:
    """Make a folder with all that it is in.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def script(start: str, data: Any, end: str = ";") -> str:
    """Return data as a script.

    Args:
        start: What comes before them, such as `window.data = `.
        data: Plain data, without NaN.
        end: What comes behind.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    # Nothing that would end a script, wherever it is put.
    return f"{start}{text.replace('<', chr(92) + 'u003c')}{end}\n"


def packed(values: np.ndarray) -> str:
    """Return an array's bytes, little-endian and in rows, as base64."""
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def scaled_to_bytes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values (N, …) as (N, …) int8 and their scales (N,) float32: each row has its own."""
    flat = values.reshape(len(values), -1)
    most = np.abs(flat).max(axis=1, initial=0)
    scales = np.where(most > 0, most / 127, 1).astype(np.float32)
    whole = np.rint(flat / scales[:, None]).astype(np.int8)
    return whole.reshape(values.shape), scales


def slug(name: str, taken: set[str], nameless: str) -> str:
    """Return a name as a part of addresses that no other has, and note it.

    Args:
        name: Of any letters and length.
        taken: Those that are given away.
        nameless: What that is called whose name has no letter of the Latin alphabet and no digit.
    """
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_SLUG].rstrip("-")
    stem = stem or nameless
    found, number = stem, 1
    while found in taken or found in _RESERVED:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found
