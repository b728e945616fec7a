"""Names of classes, from a file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ...errors import InputError

# ImageNet's own lists have the synset before the name: `n01440764 tench, Tinca tinca`.
_SYNSET = re.compile(r"n\d{8}\s+")


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of classes, in the order of their scores.

    Args:
        path: A text with one name a line, a JSON list of names, or a JSON object of names by
            number.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the labels {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read the labels {path}: it is no UTF-8 text") from error
    names = _from_json(path, text) if text.lstrip()[:1] in ("[", "{") else text.rstrip().split("\n")
    if not text.strip() or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} names no classes; expected one name a line, or a JSON list")
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise InputError(f"{path} has no name for class {number - 1}, in line {number}")
    return tuple(_SYNSET.sub("", name.strip(), count=1) for name in names)


def _from_json(path: Path, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if isinstance(found, dict):
        numbers = {str(number): name for number, name in found.items()}
        wanted = [str(number) for number in range(len(numbers))]
        if set(numbers) != set(wanted):
            raise InputError(f"{path} does not name the classes 0 to {len(numbers) - 1}, each once")
        found = [numbers[number] for number in wanted]
    return list(found)
