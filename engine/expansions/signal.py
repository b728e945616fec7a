"""Fourier transforms as matrix products, which have gradients and run on every provider.

The matrices hold cosines and sines. A length with two factors takes two smaller products with a
rotation between them (Cooley and Tukey: An Algorithm for the Machine Calculation of Complex Fourier
Series, 1965), so that also long signals take little room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import count_up as _count
from .table import Call, Expansion

# Up to this length one product is fast enough.
_SHORT = 512

_INDEX = np.dtype(np.int64)


@dataclass(frozen=True)
class Complex:
    """A complex value in two parts; `None` for an imaginary part of zeros."""

    real: Tensor
    imaginary: Tensor | None

    def times(self, cosine: Tensor, sine: Tensor) -> Complex:
        """Multiply element by element with cosine + i · sine."""
        if self.imaginary is None:
            return Complex(self.real * cosine, self.real * sine)
        return Complex(
            self.real * cosine - self.imaginary * sine, self.real * sine + self.imaginary * cosine
        )

    def product(self, cosine: Tensor, sine: Tensor, *, left: bool = False) -> Complex:
        """Return the matrix product with cosine + i · sine from the right, or from the left."""

        def by(part: Tensor, matrix: Tensor) -> Tensor:
            return matrix @ part if left else part @ matrix

        real, other = self.real, self.imaginary
        if other is None:
            return Complex(by(real, cosine), by(real, sine))
        return Complex(by(real, cosine) - by(other, sine), by(real, sine) + by(other, cosine))


def expand_dft(call: Call) -> Sequence[Tensor | None]:
    """Write DFT, of opset 17 (axis an attribute) and 20 (an input).

    Raises:
        OperatorError: the axis is computed in the graph, or a size that it needs is open.
    """
    op, x = call.op, call.required(0)
    attributes = call.node.attributes
    inverse = attributes.get_int("inverse", 0) == 1
    one_sided = attributes.get_int("onesided", 0) == 1
    axis = attributes.get_int("axis", 1 if call.builder.opset < 20 else -2)
    given = call.input(2)
    if given is not None:
        if given.array is None:
            raise OperatorError(f"the axis of {call.where} must be a constant, and is computed")
        axis = int(given.array)
    axis %= x.rank
    parts = _parts(call, x)
    # The transformed axis goes to the end.
    order = [a for a in range(x.rank - 1) if a != axis]
    order.append(axis)
    pair = [x[..., part].transpose(*order) for part in range(parts)]
    length = _length(call, pair[0].sizes[-1], half=inverse and one_sided)
    if inverse and one_sided and isinstance(length, Tensor):
        raise OperatorError(
            f"{call.where} is the inverse of a one-sided transform, whose length has to be known"
            f"{call.shapes_to_give}"
        )
    fitted = [_fitted(op, part, length) for part in pair] if not (inverse and one_sided) else pair
    value = Complex(fitted[0], fitted[1] if parts == 2 else None)
    if inverse and one_sided:
        result = Complex(_real_inverse(op, value, length), None)
    else:
        result = transform(op, value, length, inverse=inverse)
        if one_sided:
            result = _first_half(result, length)
    back = [int(a) for a in np.argsort(order)]
    outputs = [
        op.Unsqueeze(part.transpose(*back), op.constant([x.rank - 1], np.int64))
        for part in (result.real, result.imaginary)
        if part is not None
    ]
    return [outputs[0] if len(outputs) == 1 else op.Concat(*outputs, axis=x.rank - 1)]


def expand_stft(call: Call) -> Sequence[Tensor | None]:
    """Write STFT: windows of the signal, each transformed.

    Raises:
        OperatorError: the length of the windows is missing, or the parts of a number are not known.
    """
    op, signal = call.op, call.required(0)
    window, given = call.input(2), call.input(3)
    step = _scalar(call.required(1))
    if window is not None:
        length: Size = window.sizes[0]
    elif given is not None:
        length = _scalar(given)
    else:
        raise OperatorError(f"{call.where} needs a window or a frame length")
    one_sided = call.node.attributes.get_int("onesided", 1) == 1
    parts = 1 if signal.rank == 2 else _parts(call, signal)
    pair = [signal if signal.rank == 2 else signal[..., part] for part in range(parts)]
    size = pair[0].sizes[1]
    room = size - length
    frames = (room / step if isinstance(room, Tensor) else _quotient(room, step)) + 1
    starts = _count(op, frames) * (step if isinstance(step, Tensor) else int(step))
    index = starts.reshape(-1, 1) + _count(op, length)
    framed = [op.Gather(part, index, axis=1) for part in pair]
    if window is not None:
        framed = [part * window for part in framed]
    value = Complex(framed[0], framed[1] if len(framed) == 2 else None)
    result = transform(op, value, length, inverse=False)
    if one_sided:
        result = _first_half(result, length)
    imaginary = result.imaginary
    if imaginary is None:
        imaginary = result.real * 0
    axis = op.constant([3], np.int64)
    return [op.Concat(op.Unsqueeze(result.real, axis), op.Unsqueeze(imaginary, axis), axis=3)]


def _parts(call: Call, x: Tensor) -> int:
    """How many parts the numbers of a signal have, which its last axis says.

    Raises:
        OperatorError: neither one nor two, or that is not known.
    """
    parts = x.dims[-1]
    if parts not in (1, 2):
        raise OperatorError(
            f"{call.where} takes numbers of one part or two, real and imaginary, not {parts}"
            + ("" if isinstance(parts, int) else call.shapes_to_give)
        )
    return int(parts)


def transform(op: Operators, x: Complex, length: Size, *, inverse: bool) -> Complex:
    """Return the transform of the last axis, of `length`; the inverse is divided by the length."""
    dtype = x.real.dtype
    first = 1 if isinstance(length, Tensor) or length <= _SHORT else _factor(length)
    if first == 1:
        result = x.product(*_rotations(op, length, length, length, dtype, inverse))
    else:
        assert not isinstance(length, Tensor)
        result = _in_two_steps(op, x, first, length // first, inverse)
    if not inverse:
        return result
    scale = 1 / length if not isinstance(length, Tensor) else 1 / length.astype(dtype)
    imaginary = None if result.imaginary is None else result.imaginary * scale
    return Complex(result.real * scale, imaginary)


def _in_two_steps(op: Operators, x: Complex, first: int, second: int, inverse: bool) -> Complex:
    """A transform of length first · second.

    Element second · a + b contributes to frequency c + first · d: a transform over a, a rotation by
    b · c, and a transform over b.
    """
    leading, dtype = x.real.sizes[:-1], x.real.dtype

    def shaped(value: Complex, *sizes: Size) -> Complex:
        imaginary = value.imaginary
        return Complex(
            value.real.reshape(*leading, *sizes),
            None if imaginary is None else imaginary.reshape(*leading, *sizes),
        )

    rows = shaped(x, first, second)
    rows = rows.product(*_rotations(op, first, first, first, dtype, inverse), left=True)
    rows = rows.times(*_rotations(op, first, second, first * second, dtype, inverse))
    columns = rows.product(*_rotations(op, second, second, second, dtype, inverse))
    rank = columns.real.rank
    turned = [
        part.transpose(*range(rank - 2), rank - 1, rank - 2)
        for part in (columns.real, columns.imaginary)
        if part is not None
    ]
    return shaped(Complex(turned[0], turned[1]), first * second)


def _factor(length: int) -> int:
    """The factor that is nearest to the square root from below."""
    return next(n for n in range(math.isqrt(length), 0, -1) if length % n == 0)


def _rotations(
    op: Operators,
    rows: Size,
    columns: Size,
    length: Size,
    dtype: np.dtype[np.generic],
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of ∓2π · row · column / length, as (rows, columns) matrices."""
    sign = 1 if inverse else -1
    if isinstance(rows, Tensor) or isinstance(columns, Tensor) or isinstance(length, Tensor):
        # Whole turns are taken away before anything is rounded.
        turns = op.Mod(_count(op, rows).reshape(-1, 1) * _count(op, columns), _vector(op, length))
        angle = turns.astype(dtype) * (sign * 2 * math.pi) / _vector(op, length).astype(dtype)
        return op.Cos(angle), op.Sin(angle)
    turned = np.outer(np.arange(rows), np.arange(columns)) % length
    radians = turned * (sign * 2 * math.pi / length)
    return op.constant(np.cos(radians), dtype), op.constant(np.sin(radians), dtype)


def _first_half(x: Complex, length: Size) -> Complex:
    """The frequencies of a real signal that are not the conjugates of others."""
    kept = length / 2 + 1 if isinstance(length, Tensor) else length // 2 + 1
    parts = [None if part is None else part[..., 0:kept] for part in (x.real, x.imaginary)]
    assert parts[0] is not None
    return Complex(parts[0], parts[1])


def _real_inverse(op: Operators, x: Complex, length: Size) -> Tensor:
    """From half of the frequencies to the real signal that has them and their conjugates."""
    assert not isinstance(length, Tensor)
    half, dtype = length // 2 + 1, x.real.dtype
    fitted = [_fitted(op, part, half) for part in (x.real, x.imaginary) if part is not None]
    weight = np.full((half, 1), 2.0)
    weight[0] = 1
    if length % 2 == 0:
        weight[-1] = 1
    angle = np.outer(np.arange(half), np.arange(length)) % length * (2 * math.pi / length)
    result = fitted[0] @ op.constant(weight * np.cos(angle) / length, dtype)
    if len(fitted) == 1:
        return result
    return result - fitted[1] @ op.constant(weight * np.sin(angle) / length, dtype)


def _length(call: Call, size: Size, *, half: bool) -> Size:
    """How long the transform is: as given, or as the signal."""
    given = call.input(1)
    if given is not None:
        return _scalar(given)
    return (size - 1) * 2 if half else size


def _scalar(tensor: Tensor) -> Size:
    """A size that is one number: as a number where it is known."""
    if tensor.array is not None:
        return int(tensor.array.ravel()[0])
    known = tensor.builder.elements(tensor)
    if known is not None and len(known) == 1 and isinstance(known[0], int):
        return known[0]
    return tensor.astype(_INDEX).reshape(1)


def _fitted(op: Operators, x: Tensor, length: Size) -> Tensor:
    """The last axis cut off or filled with zeros to a length."""
    size = x.sizes[-1]
    if x.dims[-1] == _name(length):
        return x
    if isinstance(size, Tensor) or isinstance(length, Tensor):
        cut = x[..., 0:length]
        missing = op.Max(_vector(op, length) - size, op.constant([0], np.int64))
        none = [0] * (x.rank - 1)
        padded = op.Pad(cut, op.vector([*none, 0, *none, missing]))
        return x.builder.named(padded, [*x.sizes[:-1], length])
    if size > length:
        return x[..., 0:length]
    none = [0] * (x.rank - 1)
    return op.Pad(x, op.constant([*none, 0, *none, length - size], np.int64))


def _name(size: Size) -> int | str | None:
    if not isinstance(size, Tensor):
        return size
    known = size.builder.elements(size)
    return known[0] if known else None


def _vector(op: Operators, size: Size) -> Tensor:
    return op.vector([size])


def _quotient(room: int, step: Size) -> Size:
    return room // step if not isinstance(step, Tensor) else step.op.vector([room]) / step


EXPANSIONS: dict[tuple[str, str], Expansion] = {("", "DFT"): expand_dft, ("", "STFT"): expand_stft}
