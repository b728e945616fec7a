"""What can go wrong, in words for people.

Every error that a user can cause is an `OnnxscopeError`: one sentence that names what was wrong and
what was expected. The command line prints it and exits with code 2; a library user catches it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class OnnxscopeError(ValueError):
    """Base of all errors that the user's input can cause."""


class ModelError(OnnxscopeError):
    """A model or weights file that is missing, damaged, of another kind, or not supported."""


class NoPictureError(ModelError):
    """A network none of whose inputs takes pictures.

    Attributes:
        loaded: The network, an `importer.opsets.LoadedModel`, for what does without pictures;
            `None` where only a graph was asked.
    """

    # Not by its type: what everything stands on knows nothing of what stands on it.
    loaded: Any = None


class RowsError(ModelError):
    """A value of a network of pictures that has not one row for each of them."""


class EmptyError(ModelError):
    """An operator that would give a tensor without elements, such as a pool on too few pixels."""


class LayerError(OnnxscopeError):
    """A layer, branch, channel or position that the model does not have."""


class TargetError(OnnxscopeError):
    """A target or objective that cannot be read or does not fit the layer."""


class OperatorError(OnnxscopeError):
    """An operator, or an attribute of it, that no gradient rule handles."""


class InputError(OnnxscopeError):
    """A picture, size, preprocessing or parameter that does not fit."""


class MemoryShortageError(InputError):
    """More pictures at once, or larger ones, than there is memory for.

    Attributes:
        fitting: How many of these pictures fit, perhaps none.
    """

    def __init__(self, message: str, fitting: int) -> None:
        super().__init__(message)
        self.fitting = fitting


class OutOfTimeError(TimeoutError):
    """A run that was stopped because its time was up: whoever set the limit catches it."""


class ProviderError(OnnxscopeError):
    """An execution provider that is not there, or does not work."""


class StepError(ModelError):
    """A step that could not be made: a node failed, or what it gave is not finite."""


class AscentError(ModelError):
    """An ascent that failed on the way, such as for want of memory.

    Attributes:
        picture: What there was before: the pictures after the last good step, with their recipe,
            an `onnxscope.Picture`.
    """

    def __init__(self, message: str, picture: Any) -> None:
        super().__init__(message)
        self.picture = picture


class DownloadError(OnnxscopeError):
    """A published file that could not be fetched or does not have the expected content."""


class OutputError(OnnxscopeError):
    """A file or folder that cannot be written."""


class OnnxscopeWarning(UserWarning):
    """Something about a model that its user should know."""


class StraightThroughWarning(OnnxscopeWarning):
    """A gradient passes a rounding as if there were none."""


class ZeroGradientWarning(OnnxscopeWarning):
    """A gradient that is zero everywhere: no differentiable path leads to what it is taken by."""


class UnfaithfulWarning(OnnxscopeWarning):
    """A network that, as it is read, is not what ONNX Runtime makes of it, or does not run."""


def spelt_alike(word: str, words: Iterable[str], count: int, least: float) -> list[str]:
    """Return the words that are spelt most like one, the closest first.

    Args:
        word: What was written.
        words: What may be meant.
        count: How many at most.
        least: How similar they have to be, in [0, 1]; 1 is the same.
    """
    # Imported here: a start in which nothing is misspelt does without.
    from difflib import get_close_matches

    return get_close_matches(word, list(words), n=count, cutoff=least)


def nearest(name: str, names: Iterable[str], count: int = 3) -> str:
    """Return a clause that suggests the names closest to a misspelt one.

    Returns:
        `"; did you mean 'mixed4a' or 'mixed4b'?"`, or an empty string where nothing is close.
    """
    candidates = list(names)
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = spelt_alike(name.casefold(), by_folded, count, 0.5)
    quoted = [repr(by_folded[match]) for match in close]
    if not quoted:
        return ""
    listed = quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
    return f"; did you mean {listed}?"


def nearest_or_listed(name: str, names: Iterable[str], kind: str, listed: Iterable[str]) -> str:
    """Return `nearest`; where nothing is close a clause that says what there is.

    Returns:
        Such as `"; its inputs are image, mask"`, five names at most.
    """
    shown = list(listed)
    more = ", …" if len(shown) > 5 else ""
    are = "are" if len(shown) > 1 else "is"
    return nearest(name, names) or (
        f"; its {kind}{'s' if len(shown) > 1 else ''} {are} {', '.join(shown[:5])}{more}"
        if shown
        else ""
    )
