"""What a model's inputs are given on the command line: values and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class AboutInputs:
    """What was said of a model's inputs.

    Attributes:
        shapes: Each `NAME=1,3,224,224`.
        inputs: Their values, each `NAME=VALUE`.
    """

    shapes: Sequence[str] = ()
    inputs: Sequence[str] = ()

    @property
    def words(self) -> list[str]:
        """The options, to be typed again."""
        given = [("--shape", text) for text in self.shapes]
        given += [("--input", text) for text in self.inputs]
        return [word for words in given for word in words]

    @property
    def parsed_shapes(self) -> dict[str, Sequence[int]]:
        """The shapes by name.

        Raises:
            InputError: one is something else.
        """
        return parse_shapes(self.shapes)

    @property
    def values(self) -> dict[str, npt.ArrayLike]:
        """The values by name.

        Raises:
            InputError: one is something else.
        """
        return parse_inputs(self.inputs)


def parse_inputs(given: Sequence[str] | None) -> dict[str, npt.ArrayLike]:
    """Return `gain=0.5`, `tokens=101,7,102` or `mask=mask.npy` as a name and a value.

    Several files, `parts=a.npy,b.npy`, are a sequence of arrays.

    Whether a value fits its input is for whoever knows the model.

    Raises:
        InputError: one is something else, a file cannot be read, or a name comes twice.
    """
    values: dict[str, npt.ArrayLike] = {}
    for text in given or ():
        name, separator, value = text.partition("=")
        if not name or not separator or not value:
            raise InputError(_expected(text))
        if name in values:
            raise InputError(f"--input gives {name!r} twice")
        files = value.split(",")
        if all(file.endswith(".npy") for file in files):
            arrays = [_read(file) for file in files]
            # Several files are a sequence of arrays of any shapes.
            values[name] = arrays[0] if len(arrays) == 1 else arrays  # type: ignore[assignment]
        else:
            values[name] = _numbers(value, text)
    return values


def _numbers(value: str, text: str) -> npt.ArrayLike:
    parts = [part.strip() for part in value.split(",")]
    numbers = [_number(part) for part in parts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise InputError(_expected(text))
    return known[0] if len(known) == 1 else known


def _number(text: str) -> bool | int | float | None:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _read(path: str) -> npt.ArrayLike:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays; expected one, as numpy.save writes it")
    return array


def _expected(text: str) -> str:
    return (
        "--input is a name and a number, numbers with commas between them, or a .npy file, such as "
        f"gain=0.5, tokens=101,7,102 or mask=mask.npy, not {text!r}"
    )


def parse_shapes(given: Sequence[str] | None) -> dict[str, Sequence[int]]:
    """Return `tokens=1,16` as a name and a shape.

    Raises:
        InputError: one is something else.
    """
    return dict(_parse_shape(text) for text in given or ())


def _parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, separator, numbers = text.rpartition("=")
    parts = numbers.lower().replace("x", ",").split(",") if numbers else []
    if not separator or not name or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--shape is a name and numbers such as image=1,3,224,224, not {text!r}")
    from ..plain import from_digits

    return name, tuple(from_digits("a size of --shape", part.strip()) for part in parts)
