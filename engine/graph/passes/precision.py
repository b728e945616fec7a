"""The precision that the network and its gradient are computed in.

In half precision the network's convolutions, matrix products and what lies between them are
float16. The picture, its warp, the first convolution, whatever sums many numbers or squares them,
the objective and the optimizer stay float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ...errors import InputError, nearest
from ...plain import shown
from ..tensor import Tensor
from ..traits import Trait, operators_with

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..builder import Builder
    from .plan import Plan

Precision = Literal["float32", "tf32", "float16"]
"""`float32`: exact to rounding. `tf32`: CUDA's convolutions and matrix products may round what they
multiply to ten bits, as PyTorch's do; other providers compute in float32. `float16`: network and
gradient in half precision; for CUDA, elsewhere slower."""

LOSS_SCALE = 2.0**10
"""What gradients are multiplied by in half precision, where small ones would vanish (Micikevicius
et al. 2018, arXiv:1710.03740). A power of two: dividing by it again rounds nothing."""

_HALF = np.dtype(np.float16)
_SINGLE = np.dtype(np.float32)

# What starts a stretch of half precision, the products that devices have units for; but not the
# first product, whose inputs are colours: neighbouring pixels differ little, and rounded they would
# make other pixels win the pools. On SqueezeNet that is half of the whole error, and with three
# channels there is little to gain.
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})

# What continues it: nodes that move, compare, or add a few numbers. All others are computed in
# float32: sums over many, squares, exponentials, normalisations, products of two computed values;
# and MaxPool, whose gradient adds up where windows overlap, which ONNX Runtime does not in float16.
# By name, since that depends on their gradients and on the runtime's kernels as well: the gradient
# of Expand adds up many, and not all that moves elements has kernels in float16.
_CONTINUES = operators_with(Trait.RESHAPING) | {
    "Add", "AveragePool", "Clip", "Concat", "Gather", "Identity", "LeakyRelu", "Pad",
    "Relu", "Slice", "Split", "Sub", "Sum", "Transpose",
}  # fmt: skip


def check_precision(value: object) -> Precision:
    """Return a precision by name.

    Raises:
        InputError: there is none of that name.
    """
    every: tuple[Precision, ...] = get_args(Precision)
    for known in every:
        if isinstance(value, str) and value == known:
            return known
    names = ", ".join(every)
    hint = nearest(value, every) if isinstance(value, str) else ""
    raise InputError(f"precision must be one of {names}, not {shown(value)}{hint}")


def use_half(builder: Builder, plan: Plan) -> None:
    """Compute in half precision what lies behind the plan's `half` and may be.

    The graph's outputs keep their type.
    """
    if plan.half is not None:
        _Halving(builder).run(plan.half.value)
        builder.graph.sort()


class _Halving:
    """One pass over the graph: every value that is float16 has a float32 twin that is made late."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._halves: dict[ir.Value, Tensor] = {}
        self._singles: dict[ir.Value, Tensor] = {}

    def run(self, image: ir.Value) -> None:
        behind = {image}
        features: set[ir.Value] = set()
        for node in list(self._builder.graph):
            if not any(value in behind for value in node.inputs):
                continue
            behind.update(node.outputs)
            later = any(value in features for value in node.inputs)
            if later or node.op_type in _PRODUCTS:
                features.update(node.outputs)
            if later and self._is_half(node):
                self._write_half(node)
            else:
                self._read_single(node)

    def _is_half(self, node: ir.Node) -> bool:
        if node.domain != "" or any(_dtype(value) != _SINGLE for value in node.outputs[:1]):
            return False
        if any(value.is_graph_output() for value in node.outputs):
            return False
        continues = any(value in self._halves for value in node.inputs)
        return node.op_type in _PRODUCTS or (continues and _may_continue(node))

    def _write_half(self, node: ir.Node) -> None:
        outputs = self._builder.append(
            node.op_type,
            [None if value is None else self._half(value) for value in node.inputs],
            dict(node.attributes),
            outputs=len(node.outputs),
            names=[value.name for value in node.outputs],
            node_name=node.name,
        )
        self._halves.update(zip(node.outputs, outputs, strict=True))

    def _read_single(self, node: ir.Node) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None and value in self._halves:
                if value not in self._singles:
                    self._singles[value] = self._halves[value].astype(_SINGLE)
                node.replace_input_with(index, self._singles[value].value)

    def _half(self, value: ir.Value) -> Tensor:
        """A value for a node in half precision; what is no float stays what it is."""
        tensor = Tensor(self._builder, value)
        if value not in self._halves and _dtype(value) == _SINGLE:
            array = tensor.array
            if array is None:
                self._halves[value] = tensor.astype(_HALF)
            else:
                name = f"{value.name or 'constant'}_half"
                self._halves[value] = self._builder.constant(_rounded(array), _HALF, name)
        return self._halves.get(value, tensor)


def _may_continue(node: ir.Node) -> bool:
    if node.op_type in ("Div", "Mul", "PRelu"):
        # By a constant factor; the product of two computed values may leave the range.
        return sum(v is not None and v.const_value is None for v in node.inputs) == 1
    return node.op_type in _CONTINUES


def _rounded(array: np.ndarray) -> np.ndarray:
    """Within the range of float16."""
    largest = np.finfo(np.float16).max
    result: np.ndarray = np.clip(array, -largest, largest).astype(np.float16)
    return result


def _dtype(value: ir.Value) -> np.dtype[np.generic] | None:
    return None if value.dtype is None else value.dtype.numpy()
