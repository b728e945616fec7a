"""Values that users give for a model's inputs, in the types and shapes that the model says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ...errors import InputError
from ...plain import shown
from .image_input import describe


def as_input(
    value: ir.Value, given: npt.ArrayLike, shape: Sequence[int] | None = None
) -> np.ndarray:
    """Return what a user gives for an input, as the model takes it.

    A number fills the input; what the model leaves open has the size 1 then. Numbers in a row are
    laid out in the input's shape: of what is left open one size follows from how many there are,
    and the first of several, which is how many examples there are, is 1. Other arrays keep their
    shape.

    Args:
        value: The input.
        given: Its value.
        shape: Of the input, where the user says it.

    Raises:
        InputError: the value does not fit the input's type or shape.
    """
    try:
        array = np.array(given)
    except ValueError:
        raise InputError(_refusal(value, given)) from None
    dims = _dims(value) if shape is None else list(shape)
    array = _typed(value, array, given)
    return array if dims is None else _shaped(value, array, dims)


def _dims(value: ir.Value) -> list[int | None] | None:
    if value.shape is None:
        return None
    return [dim if isinstance(dim, int) else None for dim in value.shape]


def _typed(value: ir.Value, array: np.ndarray, given: npt.ArrayLike) -> np.ndarray:
    """In the input's type, which must hold the numbers: whole ones as they are, real ones rounded.

    Raises:
        InputError: it does not.
    """
    if value.dtype is None:
        return array
    if value.dtype is ir.DataType.STRING:
        if not all(isinstance(word, str) for word in array.flat):
            raise InputError(f"the input {describe(value)} takes text, not {shown(given)}")
        return array.astype(object)
    dtype = value.dtype.numpy()
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "biuf":
        raise InputError(_refusal(value, given))
    with np.errstate(all="ignore"):
        typed = array.astype(dtype)
        if value.dtype.is_floating_point():
            fits = np.isfinite(typed.astype(np.float64)) | ~np.isfinite(array)
        else:
            # Between signed and unsigned numbers, what wraps around comes back as it was.
            fits = (typed.astype(array.dtype) == array) & ((typed < 0) == (array < 0))
    if not np.all(fits):
        raise InputError(_refusal(value, given))
    return typed


def _refusal(value: ir.Value, given: npt.ArrayLike) -> str:
    kind = "numbers" if value.dtype is None else f"numbers of the type {str(value.dtype).lower()}"
    return f"the input {describe(value)} takes {kind}, not {shown(given)}"


def _shaped(value: ir.Value, array: np.ndarray, dims: Sequence[int | None]) -> np.ndarray:
    """In the input's shape.

    Raises:
        InputError: it has another.
    """
    if array.ndim == 0:
        return np.full([1 if dim is None else dim for dim in dims], array)
    if array.ndim == 1 and len(dims) > 1:
        row = _laid_out(array, dims)
        if row is None:
            raise InputError(
                f"the input {describe(value)} does not take {array.size} numbers in a row"
            )
        return row
    fits = array.ndim == len(dims) and all(
        dim in (None, size) for dim, size in zip(dims, array.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"input {value.name!r} has shape {_declared(value, dims)}, not {array.shape}"
        )
    return array


def _declared(value: ir.Value, dims: Sequence[int | None]) -> str:
    """A shape, open sizes by their names."""
    names = dims if value.shape is None or len(value.shape) != len(dims) else value.shape
    shown = [str(name if dim is None else dim) for name, dim in zip(names, dims, strict=True)]
    return f"({', '.join('?' if name == 'None' else name for name in shown)})"


def _laid_out(array: np.ndarray, dims: Sequence[int | None]) -> np.ndarray | None:
    """Numbers in a row in a shape; `None` where they do not fit, or in more ways than one."""
    sizes = list(dims)
    if sizes.count(None) > 1 and sizes[0] is None:
        sizes[0] = 1
    if sizes.count(None) > 1:
        return None
    known = math.prod(size for size in sizes if size is not None)
    if None in sizes and known and array.size % known == 0:
        sizes[sizes.index(None)] = array.size // known
    whole = [size for size in sizes if size is not None]
    if len(whole) < len(sizes) or math.prod(whole) != array.size:
        return None
    return array.reshape(whole)
