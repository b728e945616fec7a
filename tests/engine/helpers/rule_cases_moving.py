"""Cases of plain reductions, and of what moves elements: shapes, axes, pieces."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from rule_cases import Const, case, ints, normal, number

# Reductions -------------------------------------------------------------------------------------

for op in ("ReduceSum", "ReduceMean"):
    for keep in (0, 1):
        case(op, f"all keepdims {keep}", normal(2, 3, 4), keepdims=keep)
        for axes in ((1,), (0, 2), (-1,), (-3, 1), (0, 1, 2)):
            label = f"{axes} keepdims {keep}"
            case(op, label, normal(2, 3, 4), ints(*axes), keepdims=keep)
        case(op, f"noop keepdims {keep}", normal(2, 3), noop_with_empty_axes=1, keepdims=keep)
    case(op, "default keepdims", normal(2, 3, 4), ints(1))
    case(op, "size 1", normal(2, 1, 4), ints(1), keepdims=0)
    case(op, "noop with axes", normal(2, 3), ints(-1), noop_with_empty_axes=1)
case("ReduceSum", "empty axes", normal(2, 3), ints())
case("ReduceMean", "empty axes", normal(2, 3), ints(),
     exact=lambda i, dy: [dy * np.full((2, 3), 1 / 6)])  # fmt: skip


# Moving elements --------------------------------------------------------------------------------

case("Reshape", "minus one", normal(2, 3, 4), ints(4, -1))
case("Reshape", "zero keeps", normal(2, 3, 4), ints(0, -1))
case("Reshape", "to scalar", normal(1, 1), ints())
case("Reshape", "allowzero", normal(2, 3), ints(3, 2), allowzero=1)
for axis in (0, 1, 2, 3, -1):
    case("Flatten", f"axis {axis}", normal(2, 3, 4), axis=axis)
case("Flatten", "default", normal(2, 3, 4))
case("Squeeze", "all", normal(1, 3, 1))
case("Squeeze", "axes", normal(1, 3, 1, 2), ints(-2))
case("Unsqueeze", "axes", normal(3, 2), ints(0, -1))
case("Unsqueeze", "inner", normal(3, 2), ints(1))
case("Transpose", "default", normal(2, 3, 4))
for perm in ([1, 2, 0], [2, 0, 1], [0, 2, 1]):
    case("Transpose", f"perm {perm}", normal(2, 3, 4), perm=perm)
for axis in (0, 1, -1):
    sizes = [[4 if a == axis % 2 else 3 for a in range(2)] for _ in range(2)]
    case("Concat", f"axis {axis}", *(normal(*s) for s in sizes), axis=axis)
case("Concat", "one", normal(2, 3), axis=1)
case("Concat", "many uneven", *(normal(2, n, 2) for n in (1, 4, 2, 3, 1, 5)), axis=-2)
case("Concat", "with a constant", normal(2, 3), Const(normal(2, 1)), normal(2, 2), axis=1)


def _split_tail(*used: str) -> tuple[onnx.NodeProto, ...]:
    squares = [helper.make_node("Mul", [name, name], [f"{name}2"]) for name in used]
    sums = [helper.make_node("ReduceSum", [f"{name}2"], [f"{name}s"]) for name in used]
    return (*squares, *sums, helper.make_node("Sum", [f"{name}s" for name in used], ["y"]))


_abc = ("a", "b", "c")
case("Split", "equal", normal(2, 6), axis=1, num_outputs=3, outputs=_abc, tail=_split_tail(*_abc))
case("Split", "uneven", normal(7, 2), num_outputs=3, outputs=_abc, tail=_split_tail(*_abc))
case("Split", "sizes", normal(2, 6), ints(1, 3, 2), axis=-1, outputs=_abc, tail=_split_tail(*_abc))
for used in ("a", "b", "c", "ac"):
    case(
        "Split",
        f"only {used} used",
        normal(6, 2),
        ints(1, 3, 2),
        outputs=_abc,
        tail=_split_tail(*used),
    )
case("Split", "one part", normal(2, 3), num_outputs=1)


def _slice(inputs, cotangent):
    x, starts, ends, axes, steps = (*inputs, None, None)[:5]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    dx = np.zeros_like(x)
    dx[tuple(index)] = cotangent
    return [dx]


for label, x, *cuts in (
    ("plain", normal(5, 4), [1], [3]),
    ("axes", normal(2, 5, 4), [1, 0], [4, 2], [1, 2]),
    ("negative axis", normal(2, 5, 4), [1], [3], [-1]),
    ("negative ends", normal(7, 4), [-5], [-1], [0]),
    ("clipped", normal(5, 4), [-100, 1], [100, 1000], [0, 1]),
    ("whole", normal(3, 4), [0], [2**63 - 1], [1]),
    ("stride 2", normal(7, 4), [0], [7], [0], [2]),
    ("stride 3 offset", normal(8, 4), [1], [100], [0], [3]),
    ("reversed", normal(5, 4), [-1], [-(2**63)], [0], [-1]),
    ("backwards", normal(9, 4), [7], [1], [0], [-2]),
    ("backwards to the first", normal(9, 4), [100], [-100], [0], [-3]),
    ("both strided", normal(7, 8), [1, -1], [6, 0], [0, 1], [2, -3]),
    ("mixed", normal(7, 8, 3), [1, -2, 2], [6, 0, 3], [0, 1, 2], [2, -3, 1]),
    ("without axes", normal(4, 6), [1, 2], [3, 5]),
):
    case("Slice", label, x, *(ints(*cut) for cut in cuts), exact=_slice)
    if len(cuts) < 4:
        case("Slice", f"{label} onnx-ad", x, *(ints(*cut) for cut in cuts))
case("Slice", "int32", normal(5, 4), np.array([1], np.int32), np.array([3], np.int32))
case("Slice", "steps without axes", normal(6, 4), ints(0, 3), ints(6, 0), None, ints(2, -1),
     exact=_slice)  # fmt: skip

for label, index, axis in (
    ("plain", [2, 0], 0),
    ("repeated", [1, 1, 0, 1], 0),
    ("negative", [-1, 0, -4], 1),
    ("matrix", [[0, 3], [3, 1]], 1),
    ("negative axis", [1, 1, 0], -1),
):
    case("Gather", label, normal(3, 4, 2), np.array(index), axis=axis)
case("Gather", "scalar", normal(3, 4), np.array(-2), axis=1)
case("Gather", "scalar of vector", normal(3), np.array(1))
case("Gather", "int32", normal(3, 4), np.array([2, 2], np.int32))

case("Pad", "plain", normal(2, 3), ints(1, 0, 0, 2))
case("Pad", "value", normal(2, 3), ints(1, 2, 3, 4), number(1.5))
case("Pad", "axes", normal(2, 3, 4), ints(1, 0, 2, 3), None, ints(-1, 1))
case("Pad", "one axis", normal(2, 3, 4), ints(0, 2), number(0), ints(0))
case("Pad", "nothing", normal(2, 3), ints(0, 0, 0, 0))
case(
    "Pad",
    "value differentiated",
    normal(2, 3),
    ints(1, 0, 0, 2),
    normal(),
    exact=lambda i, dy: [dy[1:, :3], dy.sum() - dy[1:, :3].sum()],
)
case("Expand", "adds axes", normal(3, 1), ints(2, 3, 4))
case("Expand", "both ways", normal(2, 1, 4), ints(3, 1))
case("Expand", "nothing", normal(2, 3), ints(2, 3))
case("Expand", "scalar", normal(), ints(2, 3))
