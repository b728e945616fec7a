"""What a choice behind passes over: its slope does not count, be it infinite or no number.

In `Where(x > 0, Log(x), 0)` the logarithm has no say where x is 0, and the cotangent that arrives
there is zero. That a cotangent is zero does not say as much: in 1 / (1 / x) it is zero at 0 because
the value between is infinite, and the slope of the whole is 1. So the choice itself is asked, and
so is what takes some elements and leaves others, such as Gather and ReduceMax (see `taken`).

A factor that is 0 is such a choice where its own slope is finite: the slope of a product f·w is
f·w' where w is 0, whatever the slope of f, for (f(x+h) w(x+h) − 0) / h comes to f(x) w'(x) for
every f that is continuous there. Where both slopes may be infinite, as in √x · √x, that tells
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import reduce

import onnx_ir as ir

from ..graph.ranges import may_be_no_number, range_of_value
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has
from ..graph.words import ones_like
from .table import RuleTable
from .taken import brings_through, leaves_out, taken
from .vocabulary import sum_to_shape

_KEY = "onnxscope.passed_over"
_CUTTING = frozenset({"Relu", "Clip", "Max", "Min"})
"""Each element of the result is one of an input, bounds among them, or zero."""

_GENTLE = frozenset(
    {"Relu", "LeakyRelu", "Clip", "Max", "Min", "Where", "Abs", "Sign", "Floor", "Ceil", "Round"}
    | {"Add", "Sub", "Sum", "Mean", "Neg", "Mul", "Cast", "CastLike", "Identity", "Softmax"}
    | {"Sigmoid", "HardSigmoid", "Tanh", "Exp", "Sin", "Cos", "Atan", "Erf", "Softplus", "Elu"}
    | {"MatMul", "Gemm", "Conv", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"}
)
"""The slopes of these are finite wherever their values are."""

_PLAIN = frozenset(
    {"Add", "Sub", "Sum", "Mean", "Neg", "Cast", "CastLike", "Identity", "Where", "Max", "Min"}
)
"""The slopes of these are finite even where their values are no numbers."""

_MOST_NODES = 64
"""So many nodes are looked at to see that a slope is finite."""

Places = Callable[[Tensor], Tensor]
"""Appends the nodes that say where a value, which is given, is passed over."""


def note_choices(
    nodes: Sequence[ir.Node],
    seeds: Collection[ir.Value],
    rules: RuleTable,
    standard: RuleTable,
) -> None:
    """Note at the values of a graph where choices pass over them.

    It is to be called before a gradient is appended: whoever reads a value then belongs to it.

    Args:
        nodes: Those that the differentiated values depend on, in topological order.
        seeds: The differentiated values, which count wherever they are.
        rules: The table of gradient rules.
        standard: The standard rules: an operator that has another chooses as that one says.
    """
    readers = _Readers(set(nodes), set(seeds), rules, standard)
    for node in reversed(nodes):
        for value in node.outputs:
            found = readers.passing_over(value)
            if found is None:
                value.meta.pop(_KEY, None)
            else:
                value.meta[_KEY] = _once(found)


def _once(places: Places) -> Places:
    """Write where one value is passed over once, however many ask: each has several before it."""
    written: list[Tensor] = []

    def kept(y: Tensor) -> Tensor:
        if not written:
            written.append(places(y))
        return written[0]

    return kept


def unless_passed_over(y: Tensor, dx: Tensor) -> Tensor:
    """Return a cotangent that is zero where a choice behind passes over what it is made by.

    Args:
        y: The output of the node, each element of which is made of one element.
        dx: What becomes of its cotangent, of the same shape.
    """
    places: Places | None = y.value.meta.get(_KEY)
    if places is None:
        return dx
    return dx.op.Where(places(y), dx.op.constant(0, dx.dtype), dx)


def unless_all_passed_over(y: Tensor, dx: Tensor, axis: int) -> Tensor:
    """Return a cotangent that is zero where a choice behind passes over all that it is made by.

    Args:
        y: The output of the node, each element of which is made of all along an axis.
        dx: What becomes of its cotangent, of the same shape.
        axis: The axis.
    """
    places: Places | None = y.value.meta.get(_KEY)
    if places is None:
        return dx
    counts = _counting(places, y).sum(axis, keepdims=True)
    none = y.op.Equal(counts, y.op.constant(0, counts.dtype))
    return dx.op.Where(none, dx.op.constant(0, dx.dtype), dx)


def given_to(node: ir.Node, index: int | None, y: Tensor, dx: Tensor) -> Tensor:
    """Return a cotangent that is zero where a choice behind passes over a node.

    Only where the node's slope may be infinite or no number for what it reads: zero times that is
    no zero. A slope that is infinite for a finite number is a matter of the operator's rule.

    Args:
        node: One that computes each element of its own.
        index: Of the input; `None` where the node is the last of several that are taken for one.
        y: The output of the node.
        dx: What the rule gives the input.
    """
    if _KEY not in y.value.meta or dx.dims != y.dims or node.op_type in _PLAIN:
        return dx
    if not (has(node, Trait.POINTWISE) or has(node, Trait.BROADCASTING)):
        return dx
    read = node.inputs
    if node.op_type == "Mul" and index is not None:
        # The slope of a product is the other factor.
        read = read[1 - index : 2 - index]
    if not any(value is not None and may_be_no_number(Tensor(y.builder, value)) for value in read):
        return dx
    return unless_passed_over(y, dx)


class _Readers:
    """What reads the values of a graph that is differentiated."""

    def __init__(
        self,
        counted: Collection[ir.Node],
        seeds: Collection[ir.Value],
        rules: RuleTable,
        standard: RuleTable,
    ) -> None:
        self._counted, self._seeds, self._rules = counted, seeds, rules
        self._standard = standard

    def passing_over(self, value: ir.Value) -> Places | None:
        """Return where all that reads a value passes over it; `None` where something does not."""
        if value in self._seeds or not _is_real(value):
            return None
        found = []
        for node, index in self._of(value):
            places = self._by_reader(value, node, index)
            if places is None:
                return None
            found.append(places)
        return _joined("And", found) if found else None

    def _of(self, value: ir.Value) -> list[tuple[ir.Node, int]]:
        """What gives a value a gradient, and as which input."""
        return [
            (node, index)
            for node, index in value.uses()
            if node in self._counted and not _is_question(node)
        ]

    def _by_reader(self, value: ir.Value, node: ir.Node, index: int) -> Places | None:
        """Where one that reads a value passes over it, or what is behind does."""
        if has(node, Trait.POINTWISE) or has(node, Trait.BROADCASTING):
            as_usual = self._rules.agrees(self._standard, node.op_type)
            places = _by_element(value, node, index, cuts=as_usual)
            if places is None or _is_of_its_shape(value, node):
                return places
            if index and not has(node, Trait.BROADCASTING):
                return None  # each in its own way, such as the scale of a BatchNormalization
            return _everywhere_of(places, node.outputs[0])
        if not brings_through(node) or node.op_type not in self._rules:
            return None
        unread = [
            not _is_real(v) or (v not in self._seeds and not self._of(v)) for v in node.outputs
        ]
        behind = any(_KEY in v.meta for v in node.outputs)
        left = any(u and _is_real(v) for u, v in zip(unread, node.outputs, strict=True))
        if not (behind or left or (leaves_out(node) and index == 0)):
            return None
        # Read now: what is noted at values is of the gradient that is being written.
        noted: list[Places | None] = [v.meta.get(_KEY) for v in node.outputs]

        def not_taken(y: Tensor) -> Tensor:
            counts = [
                None if is_unread else _counting(places_of, Tensor(y.builder, output))
                for is_unread, places_of, output in zip(unread, noted, node.outputs, strict=True)
            ]
            found = taken(y, node, index, counts, self._rules)
            return y.op.Equal(found, y.op.constant(0, found.dtype))

        return not_taken


def _counting(places: Places | None, result: Tensor) -> Tensor:
    """One where a value counts, else zero."""
    ones = ones_like(result.op, result)
    if places is None:
        return ones
    return result.op.Where(places(result), result.op.constant(0, result.dtype), ones)


def _everywhere_of(places: Places, result: ir.Value) -> Places:
    """Where a value is passed over that is repeated: in all its places."""

    def all_of(y: Tensor) -> Tensor:
        counts = _counting(places, Tensor(y.builder, result))
        found = sum_to_shape(counts, y)
        return y.op.Equal(found, y.op.constant(0, found.dtype))

    return all_of


def _is_real(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


def _is_question(node: ir.Node) -> bool:
    """Whether a node gives no numbers that have a gradient."""
    return all(
        value.dtype is not None and not value.dtype.is_floating_point() for value in node.outputs
    )


def _by_element(value: ir.Value, node: ir.Node, index: int, *, cuts: bool) -> Places | None:
    """Where one that reads a value element by element passes over it, or what is behind does.

    The places are those of the result, for the value itself where that has the same shape.

    Args:
        value: The value.
        node: That reads it.
        index: As which of its inputs.
        cuts: Whether its rule gives nothing where the operator takes nothing: in a `deconvnet` a
            Relu does.
    """
    result = node.outputs[0]
    found = []
    behind: Places | None = result.meta.get(_KEY)
    if behind is not None:
        found.append(_of_result(behind, result))
    if not cuts:
        return found[0] if found else None
    if node.op_type == "Where" and index:
        found.append(_not_chosen(node.inputs[0], chosen_if=index == 1))
    elif node.op_type in _CUTTING and _is_of_its_shape(value, node):
        found.append(_replaced_by(result))
    elif node.op_type == "Mul":
        factor = node.inputs[1 - index]
        if factor is not value and _may_be_zero(factor) and _is_gentle(factor):
            found.append(_where_zero(factor))
    return _joined("Or", found) if found else None


def _is_of_its_shape(value: ir.Value, node: ir.Node) -> bool:
    """Whether each element of a value is read by that at the same place of the result alone."""
    shape, made = value.shape, node.outputs[0].shape
    if shape is None or made is None or len(shape) != len(made):
        return False
    return all(
        a == b and (isinstance(a, int) or a.value is not None)
        for a, b in zip(shape, made, strict=True)
    )


def _of_result(places: Places, result: ir.Value) -> Places:
    return lambda y: places(Tensor(y.builder, result))


def _not_chosen(condition: ir.Value | None, *, chosen_if: bool) -> Places:
    def places(y: Tensor) -> Tensor:
        assert condition is not None  # Where has three inputs
        chosen = Tensor(y.builder, condition)
        return y.op.Not(chosen) if chosen_if else chosen

    return places


def _replaced_by(result: ir.Value) -> Places:
    """Where the result is another number: not what is no number itself."""

    def places(y: Tensor) -> Tensor:
        other = Tensor(y.builder, result)
        return y.op.Or(y.op.Less(y, other), y.op.Greater(y, other))

    return places


def _may_be_zero(factor: ir.Value | None) -> bool:
    low, high = range_of_value(factor)
    return low <= 0 <= high


def _is_gentle(factor: ir.Value | None) -> bool:
    """Whether the slope of a factor is surely finite."""
    left, seen = [factor], set[ir.Node]()
    while left:
        value = left.pop()
        node = None if value is None else value.producer()
        if node is None or node in seen or _is_question(node):
            continue
        known = node.op_type in _GENTLE or has(node, Trait.MOVING)
        if node.domain != "" or not known or len(seen) == _MOST_NODES:
            return False
        seen.add(node)
        left.extend(node.inputs)
    return True


def _where_zero(factor: ir.Value | None) -> Places:
    def places(y: Tensor) -> Tensor:
        assert factor is not None  # Mul has two inputs
        other = Tensor(y.builder, factor)
        return y.op.Equal(other, y.op.constant(0, other.dtype))

    return places


def _joined(by: str, found: Sequence[Places]) -> Places:
    def places(y: Tensor) -> Tensor:
        join = y.op.And if by == "And" else y.op.Or
        return reduce(join, [each(y) for each in found])

    return found[0] if len(found) == 1 else places
