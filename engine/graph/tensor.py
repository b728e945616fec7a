"""Symbolic values: write ONNX as one writes NumPy.

A `Tensor` is a value of a graph under construction. Its operators append nodes to that graph:
`((layer[:, 11] - 1) ** 2).mean()` is a graph, and nothing has been computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EmptyError, InputError, ModelError
from ..plain import flag, listed, shown, whole
from .advice import shapes_to_give

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx_ir as ir

    from .builder import Builder, Operators

Operand = int | float | np.ndarray
Index = int | slice | EllipsisType

INT64_MAX = int(np.iinfo(np.int64).max)
INT64_MIN = int(np.iinfo(np.int64).min)


class Tensor:
    """A symbolic value with NumPy's operators.

    Attributes:
        builder: The graph under construction that the value belongs to.
        value: The value in onnx-ir's terms.
    """

    __slots__ = ("builder", "value")
    # NumPy must not take `array * tensor` apart element by element.
    __array_ufunc__ = None

    def __init__(self, builder: Builder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def __repr__(self) -> str:
        shape = self.value.shape
        dims = "?" if shape is None else ", ".join(str(dim) for dim in shape)
        return f"Tensor({self.value.name}, {self.value.dtype}, ({dims}))"

    # What is known ------------------------------------------------------------------------------

    @property
    def op(self) -> Operators:
        """The operators of the graph that the value belongs to."""
        return self.builder.op

    @property
    def name(self) -> str:
        """The value's name in the graph."""
        return self.value.name or ""

    @property
    def dims(self) -> tuple[int | str | None, ...]:
        """The shape; a symbolic dimension is its name, an unknown one `None`.

        Raises:
            ModelError: not even the rank is known.
        """
        if self.value.shape is None:
            raise ModelError(
                f"the rank of {self.name!r} is unknown{shapes_to_give(self.builder.graph)}"
            )
        return tuple(dim if isinstance(dim, int) else dim.value for dim in self.value.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, where every dimension is a number.

        Raises:
            ModelError: a dimension is symbolic or unknown.
        """
        dims = self.dims
        known = tuple(dim for dim in dims if isinstance(dim, int))
        if len(known) != len(dims):
            shown = ", ".join("?" if dim is None else str(dim) for dim in dims)
            raise ModelError(
                f"the shape of {self.name!r} is needed and is only known as ({shown})"
                f"{shapes_to_give(self.builder.graph)}"
            )
        return known

    def number(self, axis: int) -> int:
        """Return one size, where it is a number; the others may be open.

        Raises:
            ModelError: it is symbolic or unknown.
        """
        axis = whole("axis", axis, -self.rank, self.rank - 1)
        dim = self.dims[axis]
        return dim if isinstance(dim, int) else self.shape[axis]

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The shape for computing with: numbers, and one-element int64 vectors for open sizes.

        `dy.reshape(x.sizes[0], -1)` works on every shape; only numbers cost nothing at run time.
        """
        return tuple(
            dim if isinstance(dim, int) else self.builder.size_of(self, axis)
            for axis, dim in enumerate(self.dims)
        )

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        shape = self.value.shape
        return len(self.dims) if shape is None else shape.rank()

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The element type.

        Raises:
            ModelError: it is unknown.
        """
        if self.value.dtype is None:
            raise ModelError(f"the element type of {self.name!r} is unknown")
        return self.value.dtype.numpy()

    @property
    def array(self) -> np.ndarray | None:
        """The data, where the value is a constant; otherwise `None`."""
        constant = self.value.const_value
        return None if constant is None else constant.numpy()

    # Arithmetic ---------------------------------------------------------------------------------

    def _like(self, other: Tensor | Operand) -> Tensor:
        if isinstance(other, Tensor):
            return other
        numbers = _numbers(other)
        try:
            return self.builder.constant(numbers, self.dtype)
        except OverflowError as error:
            raise InputError(
                f"the other operand is too large for the {self.dtype} of {self!r}: {shown(other)}"
            ) from error

    def __add__(self, other: Tensor | Operand) -> Tensor:
        return self.op.Add(self, self._like(other))

    def __radd__(self, other: Operand) -> Tensor:
        return self.op.Add(self._like(other), self)

    def __sub__(self, other: Tensor | Operand) -> Tensor:
        return self.op.Sub(self, self._like(other))

    def __rsub__(self, other: Operand) -> Tensor:
        return self.op.Sub(self._like(other), self)

    def __mul__(self, other: Tensor | Operand) -> Tensor:
        return self.op.Mul(self, self._like(other))

    def __rmul__(self, other: Operand) -> Tensor:
        return self.op.Mul(self._like(other), self)

    def __truediv__(self, other: Tensor | Operand) -> Tensor:
        return self.op.Div(self, self._like(other))

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self.op.Div(self._like(other), self)

    def __pow__(self, exponent: Tensor | Operand) -> Tensor:
        if isinstance(exponent, int) and exponent == 2:
            return self * self
        return self.op.Pow(self, self._like(exponent))

    def __matmul__(self, other: Tensor | np.ndarray) -> Tensor:
        return self.op.MatMul(self, self._like(other))

    def __rmatmul__(self, other: np.ndarray) -> Tensor:
        return self.op.MatMul(self._like(other), self)

    def __neg__(self) -> Tensor:
        return self.op.Neg(self)

    def __abs__(self) -> Tensor:
        return self.op.Abs(self)

    def greater(self, other: Operand) -> Tensor:
        """Return where the value is greater than a number, as truth values."""
        return self.op.Greater(self, self._like(other))

    def less(self, other: Operand) -> Tensor:
        """Return where the value is less than a number, as truth values."""
        return self.op.Less(self, self._like(other))

    # Reductions and shape -----------------------------------------------------------------------

    def _reduce(self, op_type: str, axes: int | Sequence[int] | None, keepdims: bool) -> Tensor:
        wanted = None
        if axes is not None:
            wanted = self.builder.constant(self._axes(axes), np.int64)
        keep = int(flag("keepdims", keepdims))
        return self.builder.append(op_type, [self, wanted], {"keepdims": keep})[0]

    def _axes(self, axes: int | Sequence[int]) -> list[int]:
        """Axes as a list, one by itself as one of them.

        Raises:
            InputError: one is no axis of the value.
        """
        single = not isinstance(axes, Sequence | np.ndarray | range)
        many = (axes,) if single else listed("axes", axes, "whole numbers such as (1, 2)")
        return [whole("each of axes", axis, -self.rank, self.rank - 1) for axis in many]

    def mean(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Return the mean over `axes`, by default over all.

        Raises:
            InputError: there is no such axis.
        """
        return self._reduce("ReduceMean", axes, keepdims)

    def sum(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Return the sum over `axes`, by default over all.

        Raises:
            InputError: there is no such axis.
        """
        return self._reduce("ReduceSum", axes, keepdims)

    def sqrt(self) -> Tensor:
        """Return the square root, element by element."""
        return self.op.Sqrt(self)

    def reshape(self, *shape: Size) -> Tensor:
        """Return the same elements in another shape; one dimension may be −1.

        A size may be 0, known or at run time: 0 is no request to keep what was there.

        Raises:
            InputError: a size is neither a whole number nor a `Tensor`.
        """
        for size in shape:
            if not isinstance(size, Tensor):
                whole("each size of the shape", size, -1, INT64_MAX)
        sizes = self._without_minus_one(shape)
        numbers = [size for size in sizes if _is_int(size)]
        open_sizes = len(sizes) - len(numbers)
        if open_sizes == 1 and not any(number in (0, -1) for number in numbers):
            # The one size that is open follows from the others.
            target = self.builder.vector([size if _is_int(size) else -1 for size in sizes])
        else:
            target = self.builder.vector(sizes)
        # ONNX forbids a size that is 0 beside −1, which could be anything then.
        allowzero = -1 not in numbers and (open_sizes > 1 or 0 in numbers)
        reshaped = self.op.Reshape(self, target, allowzero=1 if allowzero else None)
        return self.builder.named(reshaped, sizes)

    def _without_minus_one(self, shape: Sequence[Size]) -> Sequence[Size]:
        """A shape with −1 spelled out beside open sizes, as any of them may be 0 when it runs.

        Possible where all other sizes are sizes of the value, or 1.
        """
        wanted = [self._dim(size) for size in shape]
        if wanted.count(-1) != 1 or all(isinstance(dim, int) and dim != 0 for dim in wanted):
            return shape
        at = wanted.index(-1)
        dims, joined = self.dims, list(range(self.rank))
        for dim in wanted:
            if dim not in (1, -1):
                axis = next((axis for axis in joined if dims[axis] == dim), None)
                if axis is None:
                    return shape
                joined.remove(axis)
        rest = math.prod(self.builder.size_of(self, axis) for axis in joined)
        return [*shape[:at], rest, *shape[at + 1 :]]

    def _dim(self, size: Size) -> int | str | None:
        """A size as it stands in a shape."""
        if not isinstance(size, Tensor):
            return int(size)
        elements = self.builder.elements(size)
        return elements[0] if elements else None

    def transpose(self, *axes: int) -> Tensor:
        """Return the axes in another order.

        Raises:
            InputError: they are not every axis once.
        """
        if sorted(self._axes(axes)) != list(range(self.rank)):
            raise InputError(f"axes must be each of 0 to {self.rank - 1} once, not {shown(axes)}")
        return self.op.Transpose(self, perm=axes)

    def astype(self, dtype: np.dtype[np.generic]) -> Tensor:
        """Return the elements in another type; the value itself where it has that type.

        Raises:
            InputError: ONNX has no such type.
        """
        if isinstance(dtype, np.dtype) and self.dtype == dtype:
            return self
        import onnx

        expected = "dtype must be a type of NumPy's that ONNX has, such as numpy.float32"
        try:
            wanted = np.dtype(dtype)
            code = onnx.helper.np_dtype_to_tensor_dtype(wanted)
        except (TypeError, ValueError) as error:
            raise InputError(f"{expected}, not {shown(dtype)}") from error
        # None is float64 to NumPy, and any class that it does not know is object.
        if dtype is None or wanted.kind == "O":
            raise InputError(f"{expected}, not {shown(dtype)}")
        return self if self.dtype == wanted else self.op.Cast(self, to=code)

    def __getitem__(self, key: Index | tuple[Index, ...]) -> Tensor:
        """NumPy's basic indexing: numbers, slices with steps, and `...`."""
        cuts, dropped = self._parse_index(key if isinstance(key, tuple) else (key,))
        result = self
        if cuts:
            starts, ends, axes, steps = zip(*cuts, strict=True)
            const = self.builder.constant
            result = self.op.Slice(
                self,
                self.builder.vector(starts),
                self.builder.vector(ends),
                const(axes, np.int64),
                const(steps, np.int64),
            )
            if 0 in result.dims and 0 not in self.dims:
                raise EmptyError(f"Slice leaves nothing of {self!r}")
        if dropped:
            result = self.op.Squeeze(result, self.builder.constant(dropped, np.int64))
        return result

    def _parse_index(
        self, items: tuple[Index, ...]
    ) -> tuple[list[tuple[Size, Size, int, int]], list[int]]:
        """Cuts as (start, end, axis, step), and the axes that a number removes."""
        dims = self.dims
        if Ellipsis in items:
            at = items.index(Ellipsis)
            fill = (slice(None),) * (len(dims) - len(items) + 1)
            items = items[:at] + fill + items[at + 1 :]
        if len(items) > len(dims):
            raise InputError(f"{self!r} has {len(dims)} axes, and is given {len(items)} indices")
        cuts: list[tuple[Size, Size, int, int]] = []
        dropped: list[int] = []
        for axis, item in enumerate(items):
            size = dims[axis]
            if isinstance(item, slice):
                if item == slice(None):
                    continue
                step = 1 if item.step is None else int(item.step)
                first, last = (0, INT64_MAX) if step > 0 else (INT64_MAX, INT64_MIN)
                start = first if item.start is None else _as_size(item.start)
                cuts.append((start, last if item.stop is None else _as_size(item.stop), axis, step))
            elif isinstance(item, int | np.integer):
                at = int(item)
                if isinstance(size, int) and not -size <= at < size:
                    raise InputError(
                        f"index {at} is out of range: axis {axis} of {self.name!r} has {size}"
                    )
                cuts.append((at, at + 1 if at != -1 else INT64_MAX, axis, 1))
                dropped.append(axis)
            else:
                raise InputError(f"{item!r} is not an index: use numbers, slices and '...'")
        return cuts, dropped


Size = int | Tensor
"""A size for computing with: a number, or a one-element int64 vector where it is open."""


def _numbers(other: object) -> npt.ArrayLike:
    """What is computed with, which is numbers or flags.

    Raises:
        InputError: it is something else.
    """
    if isinstance(other, int | float):
        return other
    try:
        array = np.asarray(other)
    except ValueError:
        array = None
    if array is None or array.dtype.kind in "OSUcmM":
        raise InputError(
            f"the other operand must be numbers, an array of them or a Tensor, not {shown(other)}"
        )
    return array


def _is_int(size: Size) -> bool:
    return isinstance(size, int | np.integer)


def _as_size(size: Size) -> Size:
    return size if isinstance(size, Tensor) else int(size)
