"""The values of one operator, in as many digits as anything on this machine computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..errors import InputError, OnnxscopeError, OperatorError
from ..graph.finish import model_of
from .forward import is_real
from .single_operator import (
    DOUBLE,
    REFERENCE,
    REFUSALS,
    RUNTIME,
    SINGLE,
    Operator,
    Point,
    Run,
    first_line,
    runner,
)

Function = Callable[..., object]
Way = tuple[str, Callable[[Point], list[np.ndarray]]]

# How far differences over the smallest steps are apart in double precision, as a part of the slope:
# where single precision computes inside, stairs of its rounding make them far more.
_STEADY = 1e-6
# How far two ways to compute a value may be apart in single precision, as a part of its length.
_ALIKE = 1e-3

# Steps at which differences make sense, falling, in units of the input's size.
_DOUBLE_STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_SINGLE_STEPS = tuple(2.0**-power for power in range(3, 10))


class Values:
    """The outputs of an operator, near its point.

    Attributes:
        double: Whether they are of double precision.
        by: What computes them.
        departure: In words, where `forward` gives other values than the operator.
        steps: The steps at which differences make sense, falling, in units of the input's size.
        epsilon: Of the precision.
    """

    def __init__(self, operator: Operator, forward: Function | None, seed: int) -> None:
        """Find what computes them best.

        Args:
            operator: The operator.
            forward: Computes the outputs from all inputs, in double precision.
            seed: Of nearby points, which show the precision.

        Raises:
            OperatorError: nothing runs the operator on these inputs.
            InputError: it gives what is not finite.
        """
        self._operator = operator
        refusals: list[str] = []
        single = self._single(refusals)
        self.departure = ""
        if forward is not None:
            given: Way = ("forward", lambda point: _called(operator, forward, point))
            exact: Way | None = given
            if single is not None:
                self.departure = _departure(operator, given, single)
        else:
            exact = next((w for w in self._ways(DOUBLE) if self._serves(w, single, seed)), None)
        chosen = exact or single
        if chosen is None:
            raise OperatorError(
                f"nothing here runs {operator.op_type} on these inputs "
                f"({'; '.join(refusals)}): give forward, a function that computes it with NumPy"
            )
        self.by, self._run = chosen
        self.double = exact is not None
        self.steps = _DOUBLE_STEPS if self.double else _SINGLE_STEPS
        self.epsilon = float(np.finfo(DOUBLE if self.double else SINGLE).eps)
        for number, array in enumerate(self(operator.point)):
            if is_real(array) and not np.isfinite(array).all():
                raise InputError(
                    f"output {number} of {operator.op_type} is not finite at these inputs: give "
                    "inputs where it has a derivative"
                )

    def __call__(self, point: Point) -> list[np.ndarray]:
        """Return the outputs, real ones in float64."""
        return _evaluated((self.by, self._run), point)

    def _single(self, refusals: list[str]) -> Way | None:
        """What computes the operator in single precision."""
        for way in self._ways(SINGLE):
            try:
                _evaluated(way, self._operator.point)
            except REFUSALS as error:
                refusals.append(f"{way[0]}: {first_line(error)}")
            else:
                return way
        return None

    def _ways(self, dtype: np.dtype[np.generic]) -> Iterator[Way]:
        """What may compute the operator in a precision."""
        operator = self._operator
        try:
            builder, _, outputs = operator.append(dtype)
        except OnnxscopeError as error:
            if dtype == DOUBLE:
                return
            raise OperatorError(
                f"nothing here runs {operator.op_type} on these inputs: {error}"
            ) from error
        names = [f"output {number}" for number in range(len(outputs))]
        for name, output in zip(names, outputs, strict=True):
            builder.output(name, output)
        model = model_of(builder)
        for by in (RUNTIME, REFERENCE):
            yield by, _way(operator, dtype, runner(by, model), names)

    def _serves(self, way: Way, single: Way | None, seed: int) -> bool:
        """Whether a way works in double precision, with all digits, and gives the same values."""
        rng = np.random.default_rng(seed)
        point = self._operator.point
        moves = {i: sized(rng.uniform(-1, 1, array.shape), array) for i, array in point.items()}
        try:
            outputs = _evaluated(way, point)
        except REFUSALS:
            return False
        if single is not None and _departure(self._operator, way, single):
            return False
        weights = [rng.standard_normal(array.shape) for array in outputs]

        def slope(step: float) -> tuple[float, float]:
            after, before = (
                _evaluated(way, {i: point[i] + t * moves[i] for i in point}) for t in (step, -step)
            )
            if any(x.shape != w.shape for x, w in zip((*after, *before), weights * 2, strict=True)):
                # The values say how many elements there are: whoever takes differences says so.
                return math.nan, math.nan
            changes = [
                (x - y) / (2 * step) if is_real(x) else x
                for x, y in zip(after, before, strict=True)
            ]
            size = weigh([w**2 for w in weights], [change**2 for change in changes])
            return weigh(weights, changes), float(np.sqrt(size))

        (wide, _), (coarse, _), (fine, size) = map(slope, _DOUBLE_STEPS[-3:])
        still = float(np.sqrt(weigh([w**2 for w in weights], [array**2 for array in outputs])))
        # What bends comes together as the steps shrink; stairs part.
        bends = 0.1 * abs(wide - coarse)
        allowed = max(_STEADY * max(size, 1e-3 * still), bends if np.isfinite(bends) else 0.0)
        # Beside the end of a domain there is no number, and nothing is told of the precision.
        return not abs(coarse - fine) > allowed


def _way(
    operator: Operator, dtype: np.dtype[np.generic], run: Run, names: Sequence[str]
) -> Callable[[Point], list[np.ndarray]]:
    def outputs(point: Point) -> list[np.ndarray]:
        found = run(operator.feeds(point, dtype))
        return [found[name] for name in names]

    return outputs


def weigh(weights: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> float:
    """Return the sum of all products of weights and real elements."""
    real = [(w, array) for w, array in zip(weights, arrays, strict=True) if is_real(array)]
    return float(sum(np.sum(w * array) for w, array in real))


def sized(direction: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return a direction in units of an array's size: the root of its mean square, or 1."""
    size = float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
    return direction * (size or 1.0)


def _evaluated(way: Way, point: Point) -> list[np.ndarray]:
    return [
        np.asarray(array, np.float64) if is_real(array) else array
        for array in map(np.asarray, way[1](point))
    ]


def _departure(operator: Operator, way: Way, other: Way) -> str:
    """Say, in words, where two ways to compute the operator give different values."""
    op_type, point = operator.op_type, operator.point
    found, expected = _evaluated(way, point), _evaluated(other, point)
    if len(found) != len(expected):
        return f"{way[0]} gives {len(found)} of {op_type}'s {len(expected)} outputs"
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if ours.shape != theirs.shape:
            return (
                f"{way[0]} gives output {number} of {op_type} in shape {ours.shape}, {other[0]} in "
                f"{theirs.shape}"
            )
        if not is_real(theirs):
            continue
        with np.errstate(invalid="ignore"):
            apart = np.where(ours == theirs, 0, ours - theirs)
        if not np.linalg.norm(apart) <= _ALIKE * np.linalg.norm(theirs) + 1e-30:
            return (
                f"{way[0]} gives another output {number} of {op_type} than {other[0]}, up to "
                f"{np.max(np.abs(apart)):.3g} apart"
            )
    return ""


def _called(operator: Operator, forward: Function, point: Point) -> list[np.ndarray]:
    """What a function of the user's makes of the inputs, in double precision."""
    arrays: list[np.ndarray | None] = []
    for number, array in enumerate(operator.arrays):
        if array is not None:
            array = point.get(number, array.astype(DOUBLE) if is_real(array) else array)
        arrays.append(array)
    found = forward(*arrays)
    return [np.asarray(each) for each in (found if isinstance(found, tuple) else (found,))]
