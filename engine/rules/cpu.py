"""Rules that are faster on ONNX Runtime's CPU provider, with the same result.

Another table for one provider: `standard_rules() | cpu_rules()`. The standard forms run everywhere
and stay what is exported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container

import numpy as np
import onnx_ir as ir

from ..graph.builder import Operators
from ..graph.passes.branches import fills_blocks
from ..graph.ranges import may_be_infinite
from ..graph.tensor import Tensor
from ..graph.window import Window, resolve_window
from ..graph.words import reshape_as
from .pooling import max_pool
from .scattering import scatter_add
from .slide import numbers
from .standard import standard_rules
from .table import RuleTable
from .vocabulary import positive_mask
from .winners import Windows, give_to_winners, winning_pixel

# Beyond this many taps, rows and columns together, MaxPool's Indices cost less.
_MOST_TAPS = 10

# What pads stand for. Not minus infinity, which times the zeros of a kernel is not a number.
_LOWEST = float(np.finfo(np.float32).min)

# By name, since these are about the range of the values, and about infinities at the border; what
# is not named costs an operator more.
#
# Operators that give numbers whatever a network computes before them, and those that pass on what
# they are given.
_FINITE = frozenset({"Conv", "Elu", "Gelu", "HardSwish", "LRN", "Relu", "Sigmoid"})
_CARRY = frozenset(
    {"AveragePool", "BatchNormalization", "Clip", "Concat", "GlobalAveragePool", "LeakyRelu"}
    | {"MaxPool", "Softplus", "Tanh", "Transpose"}
)

# How many operators back what is sure of a value is looked for.
_DEPTH = 16

# Integers up to this size are exact in float32.
_EXACT = 2**24


def cpu_rules() -> RuleTable:
    """Return the overriding rules, a new table at each call."""
    table = RuleTable(blocked=True)
    table.define("MaxPool", _max_pool)
    return table


def _max_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    ys: list[Tensor],
    table: RuleTable,
    wanted: Container[ir.Value],
    auto_pad: str,
    ceil_mode: int,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    storage_order: int,
    strides: list[int] | None,
) -> Tensor:
    """By the winners, found without MaxPool's Indices (see `winners`)."""
    # A batch may be open: it does not matter to the arithmetic.
    few = x.rank == 4 and 2 < sum(kernel_shape) <= _MOST_TAPS
    _, *sizes = numbers(x.sizes[1:]) or [0]
    outputs = numbers(ys[0].sizes[2:])
    if (
        x.dtype != np.float32
        or not few
        or not sizes
        or outputs is None
        or math.prod(sizes) >= _EXACT
        # What is infinite times the zeros of who did not win is no number.
        or may_be_infinite(dy)
    ):
        return max_pool(
            op,
            dy,
            x,
            ys=ys,
            auto_pad=auto_pad,
            ceil_mode=ceil_mode,
            dilations=dilations,
            kernel_shape=kernel_shape,
            pads=pads,
            storage_order=storage_order,
            strides=strides,
        )
    window = resolve_window(
        kernel_shape,
        sizes,
        outputs,
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    return _to_winners(Windows.over(op, window, x, ys[0]), dy, x, ys[0], _Origins(table, wanted))


def _to_winners(windows: Windows, dy: Tensor, x: Tensor, y: Tensor, origins: _Origins) -> Tensor:
    """The cotangent of a pool's input."""
    op, (batch, channels), (height, width) = windows.op, x.sizes[:2], windows.size
    corner = windows.corners()
    rectified = origins.say(_is_rectified, x.value)
    finite = rectified or origins.say(_is_finite, x.value)
    seen = x if finite else op.Max(x, op.constant(_LOWEST, x.dtype))
    if not _may_see_zeros(windows.window, rectified):
        windows, seen = windows.padded(seen, _LOWEST)
    elif windows.window.strides == (1, 1) and fills_blocks(x.value):
        return give_to_winners(windows, dy, seen, y)
    elif any(windows.window.before):
        # Where all is zero the border may seem to win: there is nothing to give.
        dy = dy * positive_mask(op, y)
    winner = winning_pixel(windows, seen, y, corner, width)
    # What is not a number wins nothing, and has no index.
    index = op.Clip(
        winner.astype(np.dtype(np.int32)),
        op.constant(0, np.int32),
        op.constant(height * width - 1, np.int32),
    ).reshape(batch, channels, -1)
    given = dy.reshape(batch, channels, -1)
    return reshape_as(scatter_add(op, given, [batch, channels, height * width], index, axis=2), x)


def _may_see_zeros(window: Window, rectified: bool) -> bool:
    """Whether windows may see zeros beyond the border, as convolutions do.

    Behind the last pixel they do no harm: of equal taps the first wins, and it lies within. Before
    the first one they win where there is nothing above zero; where nothing is below it either, as
    behind a ReLU, no gradient goes on from there.
    """
    if any(pad >= taps for pad, taps in zip(window.before * 2, window.kernel * 2, strict=True)):
        return False
    if any(pad >= taps for pad, taps in zip(window.after, window.kernel, strict=True)):
        return False
    return rectified or not any(window.before)


class _Origins:
    """What is sure of values by the operators that made them; far back nothing is looked for."""

    def __init__(self, table: RuleTable, wanted: Container[ir.Value]) -> None:
        self._table, self._standard = table, standard_rules()
        self._wanted = wanted
        self._known: dict[tuple[Question, ir.Node], bool] = {}

    def say(self, question: Question, value: ir.Value | None, depth: int = 0) -> bool:
        """The answer to a question about a value, each asked once; `False` where it is not sure."""
        node = None if value is None else value.producer()
        if node is None or node.domain != "" or value is not node.outputs[0] or depth > _DEPTH:
            return False
        key = (question, node)
        if key not in self._known:
            self._known[key] = question(self, node, depth + 1)
        return self._known[key]

    def of_all(self, question: Question, node: ir.Node, depth: int) -> bool:
        """Whether the answer is yes for all that a node reads."""
        return all(self.say(question, x, depth) for x in node.inputs)

    def is_passed(self, node: ir.Node) -> bool:
        """Whether all that counts of a node's cotangent is what its standard rule makes of it."""
        # This very rule has the standard one's result.
        unchanged = node.op_type == "MaxPool" or self._table.agrees(self._standard, node.op_type)
        return unchanged and node.outputs[0] not in self._wanted


Question = Callable[[_Origins, ir.Node, int], bool]


def _is_rectified(origins: _Origins, node: ir.Node, depth: int) -> bool:
    """Whether a value is not negative, and where it is zero, nothing that it is made of counts.

    Where another rule takes an activation's place, as redirected ReLU does, or where the cotangent
    of the value itself is asked for, that may count.
    """
    if not origins.is_passed(node):
        return False
    if node.op_type in ("Concat", "MaxPool", "AveragePool", "Identity"):
        return origins.of_all(_is_rectified, node, depth)
    if node.op_type == "Mul":
        x, y = node.inputs
        return any(
            origins.say(_is_rectified, a, depth) and origins.say(_is_not_negative, b, depth)
            for a, b in ((x, y), (y, x))
        )
    return node.op_type in ("Relu", "Sigmoid", "HardSigmoid")


def _is_not_negative(origins: _Origins, node: ir.Node, depth: int) -> bool:
    """Whether a value is sure to have no negative element, and where it is zero, as above."""
    if not origins.is_passed(node):
        return False
    if node.op_type in ("Mul", "Reciprocal"):
        return origins.of_all(_is_not_negative, node, depth)
    return node.op_type in ("Sqrt", "Exp", "Relu", "Sigmoid", "HardSigmoid", "Softplus", "Abs")


def _is_finite(origins: _Origins, node: ir.Node, depth: int) -> bool:
    """Whether a value is sure to hold no infinity, as far as its network computes with numbers.

    Exporters pad with minus infinity before a MaxPool of their own.
    """
    if node.op_type in _CARRY:
        return origins.say(_is_finite, node.inputs[0], depth) and (
            node.op_type != "Concat" or origins.of_all(_is_finite, node, depth)
        )
    return node.op_type in _FINITE
