"""Between which numbers a value is whatever the inputs are, by the way it is made.

A square is never negative, a sigmoid is between 0 and 1, what is clipped between its bounds. Where
a value ends at the edge of what a function takes, as a sum of squares under a root does, it is at
an extremum of its own there, and its slope is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from .alike import FREE, is_at_least, is_same, is_size_of
from .tensor import Tensor
from .traits import Trait, has

Range = tuple[float, float]
"""The least and the largest number that an element may be, both of them possible."""

ALL: Range = (-math.inf, math.inf)
_UNSIGNED: Range = (0.0, math.inf)

# So far back a value is followed, and so many numbers of a constant are looked at.
_DEPTH = 16
_MOST_NUMBERS = 2**16


def set_free(values: Iterable[ir.Value], *, free: bool = True) -> None:
    """Say of values that they may be anything, however they are made: what is differentiated by."""
    for value in values:
        if free:
            value.meta[FREE] = True
        else:
            value.meta.pop(FREE, None)


def range_of(tensor: Tensor) -> Range:
    """Return between which numbers the elements of a value are, those that are numbers at all."""
    return range_of_value(tensor.value)


def range_of_value(value: ir.Value | None) -> Range:
    """Return what `range_of` does, of a value of a graph."""
    return _Ranges().of(value, _DEPTH)


def may_be_infinite(tensor: Tensor) -> bool:
    """Return whether finite inputs of ordinary size may make an element of a value infinite."""
    return _may_be(_is_infinite, _hands_on, tensor.value, _DEPTH)


def may_be_no_number(tensor: Tensor) -> bool:
    """Return whether they may make an element infinite, or what is no number, such as √−1."""
    return _may_be(_is_no_number, _hands_on_all, tensor.value, _DEPTH)


class _Ranges:
    """The ranges of the values that one of them is computed from."""

    def __init__(self) -> None:
        self._known: dict[ir.Value, Range] = {}

    def of(self, value: ir.Value | None, depth: int) -> Range:
        if value is None or not _is_real(value) or FREE in value.meta:
            return ALL
        if value not in self._known:
            found = self._found(value, depth)
            self._known[value] = _in_type(value, found)
        return self._known[value]

    def _found(self, value: ir.Value, depth: int) -> Range:
        if value.const_value is not None:
            return _of_constant(value.const_value)
        node = value.producer()
        if node is None or node.domain != "" or not depth or value is not node.outputs[0]:
            return ALL
        if node.op_type in _FIXED:
            return _FIXED[node.op_type]
        given = [self.of(v, depth - 1) for v in node.inputs]
        if node.op_type in _BY_RANGES:
            return _BY_RANGES[node.op_type](given)
        if node.op_type in _BY_NODES:
            return _BY_NODES[node.op_type](node, given)
        if has(node, Trait.MOVING) and given:
            return _hull(given[0], _fill(node, given)) if node.op_type in _FILLING else given[0]
        return ALL


def _is_real(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


def _in_type(value: ir.Value, found: Range) -> Range:
    """A range as the value's type has it: what is too small for it is zero there."""
    tiny = 1e-300 if value.dtype is ir.DataType.DOUBLE else 1e-37
    if value.dtype is ir.DataType.FLOAT16:
        tiny = 1e-7
    low, high = (0.0 if abs(bound) < tiny else bound for bound in found)
    return (low, high) if low <= high else ALL


def _of_constant(tensor: ir.TensorProtocol) -> Range:
    if not 0 < tensor.size <= _MOST_NUMBERS:
        return ALL
    numbers = np.asarray(tensor.numpy(), np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    return ALL if math.isnan(low) else (low, high)


def _hull(*ranges: Range) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


# Arithmetic --------------------------------------------------------------------------------------


def _sum(ranges: list[Range]) -> Range:
    low, high = (sum(bounds) for bounds in zip(*ranges, strict=True))
    return (-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)


def _added(node: ir.Node, given: list[Range]) -> Range:
    low, high = _sum(given)
    first, second = node.inputs
    if is_size_of(first, second) or is_size_of(second, first):
        return max(low, 0.0), high
    return low, high


def _subtracted(node: ir.Node, given: list[Range]) -> Range:
    low, high = _sum([given[0], _negated(given[1])])
    first, second = node.inputs
    if is_same(first, second):
        return 0.0, 0.0
    if is_at_least(first, second):
        return max(low, 0.0), high
    if is_at_least(second, first):
        return low, min(high, 0.0)
    return low, high


def _cast(node: ir.Node, given: list[Range]) -> Range:
    kind = None if node.inputs[0] is None else node.inputs[0].dtype
    if kind is ir.DataType.BOOL:
        return 0.0, 1.0
    return (
        _UNSIGNED if kind is not None and kind.is_integer() and not kind.is_signed() else given[0]
    )


def _product(a: Range, b: Range) -> Range:
    # Zero times a bound that is not there is zero: the numbers themselves are finite.
    corners = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(corners), max(corners)


def _inverse(a: Range) -> Range:
    low, high = a
    if low > 0 or high < 0:
        return 1 / high, 1 / low
    return _UNSIGNED if low >= 0 else ALL


def _square(a: Range) -> Range:
    low, high = a
    sizes = sorted((abs(low), abs(high)))
    return (0.0 if low <= 0 <= high else sizes[0] * sizes[0]), sizes[1] * sizes[1]


def _times(node: ir.Node, given: list[Range]) -> Range:
    if is_same(node.inputs[0], node.inputs[1]):
        return _square(given[0])
    return _product(given[0], given[1])


def _quotient(given: list[Range]) -> Range:
    return _product(given[0], _inverse(given[1]))


def _power(node: ir.Node, given: list[Range]) -> Range:
    exponent = None if node.inputs[1] is None else node.inputs[1].const_value
    if exponent is None or exponent.size != 1:
        return ALL
    p, (low, high) = float(exponent.numpy().reshape(())), given[0]
    if p > 0 and p % 2 == 0:
        sizes = sorted((abs(low), abs(high)))
        return (0.0 if low <= 0 <= high else _raised(sizes[0], p)), _raised(sizes[1], p)
    if p > 0 and low >= 0:
        return _raised(low, p), _raised(high, p)
    return _UNSIGNED if low >= 0 or p % 2 == 0 else ALL


def _raised(x: float, p: float) -> float:
    try:
        return float(x**p)
    except OverflowError:
        return math.inf


def _negated(a: Range) -> Range:
    return -a[1], -a[0]


def _clipped(node: ir.Node, given: list[Range]) -> Range:
    (low, high), *bounds = given
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        low, high = max(low, bounds[0][0]), max(high, bounds[0][1])
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        low, high = min(low, bounds[1][0]), min(high, bounds[1][1])
    return low, high


def _fill(node: ir.Node, given: list[Range]) -> Range:
    """What a node fills with: zero, where it is not given."""
    is_given = node.op_type == "Pad" and len(node.inputs) > 2 and node.inputs[2] is not None
    return given[2] if is_given else (0.0, 0.0)


# Functions ---------------------------------------------------------------------------------------


def _exponential(x: float) -> float:
    return math.inf if x > 700 else math.exp(x)


def _root(x: float) -> float:
    return math.sqrt(x)


def _logarithm(x: float) -> float:
    return -math.inf if x <= 0 else math.log(x)


def _rising(
    function: Callable[[float], float], least: float = -math.inf
) -> Callable[[list[Range]], Range]:
    """The rule of a function that rises, of numbers of at least so much."""

    def rule(given: list[Range]) -> Range:
        low, high = given[0]
        # Where the input may be outside, the edge is not one that it turns back at.
        return ALL if low < least else (function(low), function(high))

    return rule


# Sums and weights --------------------------------------------------------------------------------


def _signed(given: list[Range]) -> Range:
    """Of sums of elements, perhaps of none: the sign alone."""
    low, high = given[0]
    return (0.0 if low >= 0 else -math.inf), (0.0 if high <= 0 else math.inf)


def _weighted(node: ir.Node, given: list[Range]) -> Range:
    """Of sums of products: nothing negative of what is not, nor where each product is a square.

    Of what is not negative nothing is less than what is added at last.
    """
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    if alpha < 0 or beta < 0:
        return ALL  # Gemm's factors
    there = [a for a, value in zip(given, node.inputs, strict=True) if value is not None]
    if not all(low >= 0 for low, _ in there):
        return _UNSIGNED if _is_square(node) else ALL
    added = (
        there[2][0] * beta
        if node.op_type in ("Conv", "ConvTranspose", "Gemm") and there[2:]
        else 0.0
    )
    return added, math.inf


def _is_square(node: ir.Node) -> bool:
    """Whether a product of values multiplies each element with itself alone."""
    if len(node.inputs) != 2 or not is_same(node.inputs[0], node.inputs[1]):
        return False
    if node.op_type == "MatMul":
        shape = None if node.inputs[0] is None else node.inputs[0].shape
        return shape is not None and shape.rank() == 1
    equation = node.attributes.get_string("equation", "") or ""
    first, _, second = equation.replace(" ", "").partition("->")[0].partition(",")
    return node.op_type == "Einsum" and first == second != ""


# With padding, which is zero.
_FILLING = frozenset({"Pad", "CenterCropPad", "MaxUnpool", "Trilu"})

_FIXED: Mapping[str, Range] = {
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Softmax", "Hardmax"), (0.0, 1.0)),
    **dict.fromkeys(("Tanh", "Erf", "Softsign", "Sin", "Cos"), (-1.0, 1.0)),
    **dict.fromkeys(("ReduceSumSquare", "ReduceL1", "ReduceL2", "LpPool"), _UNSIGNED),
    **dict.fromkeys(("GlobalLpPool", "Softplus"), _UNSIGNED),
    "Atan": (-math.pi / 2, math.pi / 2),
}

_BY_RANGES: Mapping[str, Callable[[list[Range]], Range]] = {
    "Abs": lambda given: _hull(
        *((abs(bound), abs(bound)) for bound in given[0]),
        *([(0.0, 0.0)] if given[0][0] <= 0 <= given[0][1] else []),
    ),
    "Sum": lambda given: _sum(given),
    "Mean": lambda given: _hull(*given),
    "Neg": lambda given: _negated(given[0]),
    "Div": _quotient,
    "Reciprocal": lambda given: _inverse(given[0]),
    "Max": lambda given: (max(a for a, _ in given), max(b for _, b in given)),
    "Min": lambda given: (min(a for a, _ in given), min(b for _, b in given)),
    "Relu": lambda given: (max(given[0][0], 0.0), max(given[0][1], 0.0)),
    "Exp": _rising(_exponential),
    "Sqrt": _rising(_root, 0.0),
    "Log": _rising(_logarithm, 0.0),
    "Where": lambda given: _hull(*given[1:]),
    "Concat": lambda given: _hull(*given),
    **dict.fromkeys(("ReduceSum", "CumSum"), _signed),
    "ReduceProd": lambda given: _UNSIGNED if given[0][0] >= 0 else ALL,
    **dict.fromkeys(
        ("ReduceMean", "ReduceMax", "ReduceMin", "MaxPool", "GlobalMaxPool", "GlobalAveragePool"),
        lambda given: given[0],
    ),
    "AveragePool": lambda given: _hull(given[0], (0.0, 0.0)),
}

_BY_NODES: Mapping[str, Callable[[ir.Node, list[Range]], Range]] = {
    "Add": _added,
    "Sub": _subtracted,
    "Cast": _cast,
    "Mul": _times,
    "Pow": _power,
    "Clip": _clipped,
    **dict.fromkeys(("MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"), _weighted),
}

# What makes infinities of numbers of ordinary size, and what hands them on.
_EXPLODING = frozenset({"Exp", "Div", "Reciprocal", "Log", "Pow", "Sinh", "Cosh", "Tan", "Atanh"})
_LOW_POWER = 8
_DIVIDING = ("Div", "Reciprocal")
# Outside of these the functions have no real value; what may be infinite is above.
_DOMAINS: Mapping[str, Range] = {
    "Sqrt": _UNSIGNED,
    "Asin": (-1.0, 1.0),
    "Acos": (-1.0, 1.0),
    "Acosh": (1.0, math.inf),
}
_BY_ELEMENT = (Trait.POINTWISE, Trait.BROADCASTING, Trait.SELECTING, Trait.POOLING)
_HANDING_ON = frozenset({"Add", "Sub", "Sum", "Neg", "Mul", "Where", "Max", "Min", "Abs", "Sqrt"})


def _may_be(
    by_itself: Callable[[ir.Value, int], bool],
    hands_on: Callable[[ir.Node], bool],
    value: ir.Value | None,
    depth: int,
) -> bool:
    # Level by level, and each value once: sums of sums lead back to the same in many ways.
    level, seen = [value], {value}
    while level:
        behind: list[ir.Value | None] = []
        for one in level:
            node = None
            if one is not None and _is_real(one):
                if by_itself(one, depth):
                    return True
                node = one.producer() if depth and one.const_value is None else None
            if node is not None and hands_on(node):
                behind.extend(v for v in dict.fromkeys(node.inputs) if v not in seen)
                seen.update(node.inputs)
        level, depth = behind, depth - 1
    return False


def _is_infinite(value: ir.Value, depth: int) -> bool:
    """Whether a value may be infinite by the node that makes it."""
    if value.const_value is not None:
        return any(math.isinf(bound) for bound in _of_constant(value.const_value))
    node = value.producer()
    if node is None or node.domain != "" or not depth or node.op_type not in _EXPLODING:
        return False
    found = _Ranges().of(value, depth)
    # The largest number of single precision.
    bounded = found[0] > -3e38 and found[1] < 3e38
    return not (bounded or _divides_well(node, depth) or _is_low_power(node))


def _hands_on(node: ir.Node) -> bool:
    return node.domain == "" and (node.op_type in _HANDING_ON or has(node, Trait.MOVING))


def _is_no_number(value: ir.Value, depth: int) -> bool:
    """Whether a value may be infinite or no number by the node that makes it."""
    node = value.producer()
    if value.const_value is None and node is not None and depth and node.domain == "":
        least, most = _UNSIGNED if _takes_roots(node) else _DOMAINS.get(node.op_type, ALL)
        low, high = ALL if (least, most) == ALL else _Ranges().of(node.inputs[0], depth)
        if not (least <= low and high <= most):
            return True
    return _is_infinite(value, depth)


def _takes_roots(node: ir.Node) -> bool:
    """Whether a node raises to a power that may be no whole number."""
    if node.op_type != "Pow" or node.inputs[1] is None:
        return False
    exponent = node.inputs[1].const_value
    if exponent is None or exponent.size > _MOST_NUMBERS:
        return True
    return bool(np.any(exponent.numpy() % 1 != 0))


def _hands_on_all(node: ir.Node) -> bool:
    """Whether an element of a node's result is no number where one of its inputs is none."""
    return _hands_on(node) or any(has(node, trait) for trait in _BY_ELEMENT)


def _is_low_power(node: ir.Node) -> bool:
    """Whether a node raises to a positive power that is not high."""
    exponent = None if len(node.inputs) < 2 or node.inputs[1] is None else node.inputs[1]
    held = None if exponent is None else exponent.const_value
    low, high = ALL if held is None else _of_constant(held)
    return node.op_type == "Pow" and low > 0 and high <= _LOW_POWER


def _divides_well(node: ir.Node, depth: int) -> bool:
    """Whether a division is by what stays away from zero, of what is finite."""
    if node.op_type not in _DIVIDING:
        return False
    low, high = _Ranges().of(node.inputs[-1], depth - 1)
    return (low > 0 or high < 0) and not _may_be(_is_infinite, _hands_on, node.inputs[0], depth - 1)
