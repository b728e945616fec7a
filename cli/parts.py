"""Parts of an ascent by name, or as calls of the functions that make them in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Calls
from ..errors import InputError

if TYPE_CHECKING:
    from ..parameterizations.base import Parameterization


def parse_parameterization(text: str, *, decorrelate: bool) -> Parameterization:
    """Return `maco`, or a call such as `start("dog.jpg", laplacian(levels=5))`, as it is meant.

    Args:
        text: What was given.
        decorrelate: Whether a kind's name means one of decorrelated colours.

    Raises:
        InputError: there is no such part, or it refuses its arguments.
    """
    from ..parameterizations.base import Parameterization
    from ..parameterizations.fourier import Fourier
    from ..parameterizations.maco import Maco, spectrum
    from ..parameterizations.masked import within
    from ..parameterizations.networks import Cppn
    from ..parameterizations.pixels import Pixels
    from ..parameterizations.pyramids import Laplacian, Shared
    from ..parameterizations.started import start
    from ..parameterizations.transparent import transparent

    def maco(photos: Any = None, **given: Any) -> Maco:
        return Maco(None if photos is None else spectrum(photos), **given)

    functions: Mapping[str, Callable[..., Any]] = {
        "fourier": Fourier,
        "pixels": Pixels,
        "laplacian": Laplacian,
        "shared": Shared,
        "cppn": Cppn,
        "maco": maco,
        "start": start,
        "within": within,
        "transparent": transparent,
    }
    if text in ("fourier", "pixels", "laplacian"):
        return functions[text](decorrelate=decorrelate)  # type: ignore[no-any-return]  # one of the three
    if not decorrelate:
        raise InputError(
            f"--no-decorrelate is for fourier, pixels and laplacian, not for {text}; in a call "
            "decorrelate=False says it"
        )
    if text.isidentifier():
        text += "()"
    made = Calls(
        text,
        functions,
        what="parameterization",
        made_of="calls such as maco() or start('dog.jpg')",
        error=InputError,
    ).read()
    if not isinstance(made, Parameterization):
        raise InputError(f"{text!r} is no parameterization such as maco() or start('dog.jpg')")
    return made


def parse_fixed(given: list[str]) -> dict[int, float | str]:
    """Return `3=nir.npy` as a channel and its file, `3=0.5` as a channel and its value.

    Raises:
        InputError: it is something else, or a channel is given twice.
    """
    from ..plain import from_digits

    found: dict[int, float | str] = {}
    for text in given:
        number, _, value = text.partition("=")
        if not number.isdecimal() or not value:
            raise InputError(
                "--fix is a channel and its file or value, such as 3=nir.npy or 3=0.5, not "
                f"{text!r}"
            )
        channel = from_digits("the channel of --fix", number)
        if channel in found:
            raise InputError(f"--fix gives channel {channel} twice")
        try:
            found[channel] = float(value)
        except ValueError:
            found[channel] = value
    return found
