"""The table of cases: for every operator with a gradient rule, nodes that could go wrong.

A case is one node with its inputs. Floating-point arrays are differentiated with respect to, but
for those wrapped in `Const`, which become initializers as integers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import window_adjoints
from graphs import model
from onnx import TensorProto, helper

Exact = Callable[..., Sequence[np.ndarray]]

_rng = np.random.default_rng(20)
_AT_FIRST = _rng.bit_generator.state


@dataclass(frozen=True)
class Const:
    """An input that is an initializer."""

    array: np.ndarray


@dataclass(frozen=True)
class Fed:
    """An input of whole numbers that is not known before the graph runs.

    Attributes:
        array: What it is.
        sized: Its size is known even where those of other inputs are not.
    """

    array: np.ndarray
    sized: bool = False


@dataclass(frozen=True)
class Case:
    """One node, and how its gradient can be known.

    Attributes:
        op: Operator.
        label: What is special about it.
        inputs: Arrays, `Const`s, `Fed`s, and `None` for an input left out.
        attributes: Of the node.
        exact: The gradients in NumPy, from (inputs, cotangent, **attributes); by default onnx-ad
            is the second oracle.
        finite: Whether differences make sense (not at a kink).
        outputs: Names of the node's outputs.
        tail: Nodes from these outputs to `y`, where the node's output is not `y`.
        runtime: "onnxruntime", or "reference" where it refuses the operator.
        opset: Version of the standard operators.
    """

    op: str
    label: str
    inputs: tuple[np.ndarray | Const | Fed | None, ...]
    attributes: dict[str, object] = field(default_factory=dict)
    exact: Exact | None = None
    finite: bool = True
    outputs: tuple[str, ...] = ("y",)
    tail: tuple[onnx.NodeProto, ...] = ()
    runtime: str = "onnxruntime"
    opset: int = 18

    def __str__(self) -> str:
        return f"{self.op}-{self.label}".replace(" ", "_")

    @property
    def positions(self) -> list[int]:
        """Inputs that the case differentiates with respect to."""
        return [
            i
            for i, array in enumerate(self.inputs)
            if isinstance(array, np.ndarray) and array.dtype.kind == "f"
        ]

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """The graph's inputs."""
        return {
            f"x{i}": array.array if isinstance(array, Fed) else array
            for i, array in enumerate(self.inputs)
            if isinstance(array, Fed)
            or (isinstance(array, np.ndarray) and array.dtype.kind in "fb")
        }

    @property
    def arrays(self) -> list[np.ndarray | None]:
        """All inputs as arrays."""
        return [a.array if isinstance(a, Const | Fed) else a for a in self.inputs]

    def model(self, *, open_shapes: bool = False) -> onnx.ModelProto:
        """The node as a model from `x0`, `x1`, … to `y`; inputs may have no known size."""
        names = ["" if array is None else f"x{i}" for i, array in enumerate(self.inputs)]
        node = helper.make_node(self.op, names, list(self.outputs), **self.attributes)
        constants = {
            name: array
            for name, array in zip(names, self.arrays, strict=True)
            if array is not None and name not in self.feeds
        }
        sized = {
            f"x{i}" for i, array in enumerate(self.inputs) if isinstance(array, Fed) and array.sized
        }
        inputs = {
            name: (array.dtype, [None] * array.ndim) if open_shapes and name not in sized else array
            for name, array in self.feeds.items()
        }
        return model([node, *self.tail], inputs, ["y"], constants, opset=self.opset)


CASES: list[Case] = []


def case(op: str, label: str, *inputs: object, dtypes: str = "d", **options: object) -> None:
    """Add a case for each of `dtypes` ("d" for double, "f" for single precision).

    Options are fields of `Case`; what is not is an attribute. Random numbers begin anew for the
    next case, so that no case depends on which others there are.
    """
    fields = {k: options.pop(k) for k in list(options) if k in Case.__dataclass_fields__}
    for dtype in dtypes:
        given = tuple(_converted(array, np.dtype(dtype)) for array in inputs)
        name = label if dtype == "d" else f"{label} float32"
        CASES.append(Case(op, name, given, dict(options), **fields))
    _rng.bit_generator.state = _AT_FIRST


def _converted(array: object, dtype: np.dtype) -> np.ndarray | Const | Fed | None:
    if isinstance(array, Fed):
        return array
    if isinstance(array, Const):
        return Const(_converted(array.array, dtype))
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return array.astype(dtype)
    return None if array is None else np.asarray(array)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(_rng.normal(size=shape))


def positive(*shape: int) -> np.ndarray:
    return np.asarray(_rng.uniform(0.3, 2, shape))


def away(*shape: int, kinks: Sequence[float] = (0,), scale: float = 1) -> np.ndarray:
    """Normal numbers, none closer than 0.1 to a kink."""
    x = normal(*shape) * scale
    for kink in kinks:
        near = np.abs(x - kink) < 0.1
        x = np.where(near, kink + np.where(x < kink, -0.1, 0.1), x)
    return x


def distinct(*shape: int) -> np.ndarray:
    """Numbers in random order, no two closer than 0.1."""
    size = math.prod(shape)
    return (_rng.permutation(size) - size / 2).reshape(shape) * 0.1


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def number(value: float) -> Const:
    return Const(np.array(value, float))


# Arithmetic -------------------------------------------------------------------------------------

for shapes in (
    [(2, 3, 4), (2, 3, 4)],
    [(2, 3, 4), (3, 1)],
    [(4,), (2, 3, 4)],
    [(2, 1, 4), (1, 3, 1)],
    [(), (2, 3)],
    [(1, 1, 1), (3,)],
):
    label = " and ".join(str(shape) for shape in shapes)
    for op in ("Add", "Sub", "Mul"):
        case(op, label, *(normal(*shape) for shape in shapes))
    case("Div", label, *(positive(*shape) for shape in shapes))
    case("Pow", label, *(positive(*shape) for shape in shapes))
    case("Sum", label, *(normal(*shape) for shape in shapes))
    values = iter(distinct(sum(math.prod(shape) for shape in shapes)))
    unequal = [np.array([next(values) for _ in range(math.prod(s))]).reshape(s) for s in shapes]
    case("Max", label, *unequal)
    case("Min", label, *unequal)
case("Div", "negative denominator", normal(3, 4), -positive(3, 4))
for op in ("Sum", "Max", "Min"):
    case(op, "one", distinct(2, 3))
    parts = np.split(distinct(4, 2, 3), 4)
    case(op, "four", parts[0], parts[1], parts[2][0], parts[3][0, 0])


def _first_extreme(choose):
    def exact(inputs, cotangent):
        full = np.stack(np.broadcast_arrays(*inputs))
        winner = choose(full, axis=0)
        return [cotangent * (winner == i) for i in range(len(inputs))]

    return exact


_ties = [np.array([1.0, 2, 3, 0]), np.array([1.0, 3, 2, 0]), np.array([1.0, 3, 3, -1])]
case("Max", "ties", *_ties, exact=_first_extreme(np.argmax), finite=False, dtypes="df")
case("Min", "ties", *_ties, exact=_first_extreme(np.argmin), finite=False, dtypes="df")


def _power(inputs, cotangent):
    x, p = inputs
    p = np.broadcast_to(np.asarray(p, float), x.shape)
    slope = np.where(p == 0, 0, p * np.power(x, np.where(p == 0, 1, p - 1)))
    return [cotangent * slope]


_through_zero = np.array([[0.0, 1.5, -2], [-0.3, 0, 1]])
for p in (0, 1, 2, 3):
    case("Pow", f"constant {p}", _through_zero, number(p), exact=_power, dtypes="df")
    case("Pow", f"integer {p}", _through_zero, np.array([p]), exact=_power)
for p in (0.5, -1, -0.75, 2.5):
    case("Pow", f"constant {p}", positive(2, 3), number(p), exact=_power, dtypes="df")
_exponents = Const(np.array([[0.0, 0, 1], [2, 1, 0]]))
case("Pow", "constant tensor", _through_zero, _exponents, exact=_power)
case(
    "Pow",
    "zero base",
    np.array([0.0, 0, 0, 2]),
    np.array([0.0, 1, 2, 0]),
    exact=lambda inputs, dy: [dy * [0, 1, 0, 0], dy * [0, 0, 0, math.log(2)]],
    finite=False,
)
case(
    "Pow",
    "exponent of a constant",
    Const(np.array([[0.0, 0.5, 2]])),
    positive(4, 3),
    exact=lambda inputs, dy: [dy * inputs[0] ** inputs[1] * np.log([[1, 0.5, 2]])],
)

case("Neg", "plain", normal(2, 3))
case("Abs", "plain", away(3, 4))
case("Abs", "at zero", np.array([0.0, 1, -1]), exact=lambda i, dy: [dy * [0, 1, -1]], finite=False)
case("Reciprocal", "plain", away(3, 4))
case("Sqrt", "plain", positive(3, 4))
case("Exp", "plain", normal(3, 4))
case("Log", "plain", positive(3, 4))
case("Sin", "plain", normal(3, 4) * 3)
case("Cos", "plain", normal(3, 4) * 3)

_condition = np.array([[True, False, True], [False, False, True]])
case("Where", "plain", _condition, normal(2, 3), normal(2, 3))
case("Where", "broadcast", _condition[:, :1], normal(3), normal(4, 1, 1))
case("Where", "a chosen number", _condition, Const(normal()), normal(2, 3))
case("Where", "masked", _condition, normal(2, 3), number(-3))

# Activations ------------------------------------------------------------------------------------

case("Relu", "plain", away(3, 4), dtypes="df")
_zero_one = np.array([0.0, -0.0, 1, -1, 1e-30, -1e-30, 1e30, -1e30, 1e4])
case("Relu", "at zero", _zero_one, dtypes="df", finite=False, exact=lambda i, dy: [dy * (i[0] > 0)])


def _clip(inputs, cotangent):
    x, low, high = (*inputs, None)[:3]
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    y = np.clip(x, low, high)
    return [cotangent * ((y > low) & (y < high))]


for low, high in (
    (0, 6), (0, None), (None, 0), (None, 6), (-1.5, 0.7), (0, 1e30), (-1e30, 2), (-1e10, 1e10),
    (-3.4028234e38, 3.4028234e38), (-np.inf, 1), (0, np.inf), (1e-9, 1), (1, -1), (-6, -1e-30),
):  # fmt: skip
    bounds = [None if bound is None else number(bound) for bound in (low, high)]
    x = away(3, 5, kinks=[k for k in (low, high) if k is not None], scale=4)
    case("Clip", f"{low} to {high}", x, *bounds, exact=_clip, dtypes="df")
    edges = [k for k in (low, high) if k is not None and abs(k) < 1e20]
    if edges:
        # The next normal numbers: a steep step in single precision is not exact below those.
        beside = [float(np.nextafter(np.float32(k), np.float32(s))) for k in edges for s in (-9, 9)]
        x = np.array([*edges, *(b if abs(b) > 1e-37 else b * 1e8 for b in beside), 0.5])
        case("Clip", f"{low} to {high} ends", x, *bounds, exact=_clip, dtypes="df", finite=False)
case("Clip", "no bounds", normal(2, 3), exact=lambda i, dy: [dy])
case("Clip", "low behind", normal(2, 3), None, None, exact=lambda i, dy: [dy])
case(
    "Clip",
    "bounds differentiated",
    away(5, 6, kinks=(-0.5, 0.75)),
    np.array(-0.5),
    np.array(0.75),
    exact=lambda i, dy: [
        dy * ((i[0] > i[1]) & (i[0] < i[2])),
        (dy * (i[0] < i[1])).sum(),
        (dy * (i[0] > i[2])).sum(),
    ],
    dtypes="df",
)

case("LeakyRelu", "default", away(3, 4), dtypes="df",
     exact=lambda i, dy: [dy * np.where(i[0] > 0, 1, np.float64(np.float32(0.01)))])  # fmt: skip
for alpha in (0.0, 0.2, 1.0, 1.5, -0.5):
    case("LeakyRelu", f"alpha {alpha}", away(3, 4), alpha=alpha, dtypes="df")
case("Sigmoid", "plain", normal(3, 4) * 3)
case("Tanh", "plain", normal(3, 4) * 2)


def _hard_sigmoid(inputs, cotangent, *, alpha=0.2, beta=0.5):
    alpha, beta = float(np.float32(alpha)), float(np.float32(beta))
    inside = np.abs(alpha * inputs[0] + beta - 0.5) < 0.5
    return [cotangent * inside * alpha]


for kinks, attributes in (
    ((-2.5, 2.5), {}),
    ((-3, 3), {"alpha": 1 / 6}),
    ((-3, 3), {"alpha": 1 / 6, "beta": 0.5}),
    ((-0.6, 1.4), {"alpha": -0.5, "beta": 0.7}),
):
    case("HardSigmoid", f"{attributes}", away(4, 5, kinks=kinks, scale=3), dtypes="df",
         exact=_hard_sigmoid, **attributes)  # fmt: skip
case("Softplus", "plain", normal(3, 4) * 3)
case(
    "Erf",
    "plain",
    normal(3, 4),
    dtypes="f",
    exact=lambda i, dy: [dy * 2 / math.sqrt(math.pi) * np.exp(-(i[0].astype(float) ** 2))],
)
for op in ("Softmax", "LogSoftmax"):
    case(op, "default axis", normal(2, 3, 4))
    for axis in (0, 1, -2):
        case(op, f"axis {axis}", normal(2, 3, 4), axis=axis)
    case(op, "large", normal(2, 5) * 30, axis=1)

case("Identity", "plain", normal(2, 3))


def _same(inputs, cotangent, **attributes):
    return [cotangent]


case("Cast", "to double", normal(2, 3), dtypes="f", to=TensorProto.DOUBLE, exact=_same)
case("Cast", "to float", normal(2, 3), to=TensorProto.FLOAT, exact=_same)
case("Cast", "saturate", normal(2, 3), to=TensorProto.FLOAT, saturate=1, exact=_same, opset=19)
case("Dropout", "plain", normal(2, 3))
case("Dropout", "seed", normal(2, 3), seed=3)
case("Dropout", "ratio", normal(2, 3), number(0.7))
case("Dropout", "not training", normal(2, 3), number(0.7), Const(np.array(False)))
case("Dropout", "with mask", normal(2, 3), outputs=("y", "mask"), exact=_same)

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

# Matrix products --------------------------------------------------------------------------------

for a, b in (
    [(3,), (3,)],
    [(3,), (3, 4)],
    [(2, 3), (3,)],
    [(3,), (5, 3, 4)],
    [(5, 2, 3), (3,)],
    [(2, 3), (3, 4)],
    [(5, 2, 3), (3, 4)],
    [(2, 3), (5, 3, 4)],
    [(5, 1, 2, 3), (6, 3, 4)],
    [(1, 2, 3), (5, 3, 4)],
    [(2, 1, 2, 3), (1, 5, 3, 2)],
    [(1, 1), (1, 1)],
):
    case("MatMul", f"{a} and {b}", normal(*a), normal(*b))
for trans_a in (0, 1):
    for trans_b in (0, 1):
        a = normal(3, 2) if trans_a else normal(2, 3)
        b = normal(4, 3) if trans_b else normal(3, 4)
        label = f"{'T' if trans_a else 'N'}{'T' if trans_b else 'N'}"
        for c in ((), (4,), (1, 4), (2, 1), (2, 4), (1,)):
            case(
                "Gemm", f"{label} bias {c}", a, b, normal(*c),
                transA=trans_a, transB=trans_b, alpha=0.5, beta=-1.25,
            )  # fmt: skip
        case("Gemm", f"{label} no bias", a, b, transA=trans_a, transB=trans_b, alpha=1.5)
case("Gemm", "defaults", normal(2, 3), normal(3, 4), normal(4))

# Convolution ------------------------------------------------------------------------------------

for x, w, attributes in (
    ((1, 2, 5, 6), (3, 2, 3, 3), {}),
    ((2, 2, 5, 6), (3, 2, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((2, 2, 5, 6), (3, 2, 3, 3), {"pads": [2, 0, 1, 2]}),
    ((1, 2, 5, 5), (3, 2, 3, 2), {"pads": [3, 4, 3, 2]}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {"strides": [2, 2]}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {"strides": [3, 2], "pads": [1, 0, 2, 1]}),
    ((1, 2, 7, 8), (3, 2, 3, 3), {"strides": [2, 2]}),
    ((1, 2, 8, 8), (3, 2, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 2, 8, 9), (2, 2, 3, 3), {"strides": [3, 2], "pads": [0, 1, 2, 0]}),
    ((1, 2, 9, 9), (2, 2, 2, 2), {"strides": [3, 3]}),
    ((1, 2, 8, 9), (2, 2, 3, 3), {"dilations": [2, 2]}),
    ((1, 2, 8, 9), (2, 2, 3, 2), {"dilations": [2, 3], "pads": [2, 1, 0, 3]}),
    ((1, 2, 9, 9), (2, 2, 3, 3), {"dilations": [2, 1], "strides": [2, 3], "pads": [1, 2, 0, 1]}),
    ((1, 4, 6, 6), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ((2, 4, 7, 6), (6, 2, 3, 3), {"group": 2, "strides": [2, 2], "pads": [0, 1, 0, 1]}),
    ((2, 3, 6, 6), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    ((1, 3, 6, 7), (6, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    ((1, 3, 7, 8), (3, 1, 5, 5), {"group": 3, "strides": [2, 2], "pads": [2, 2, 2, 2]}),
    ((1, 2, 7), (3, 2, 3), {"pads": [1, 1]}),
    ((2, 2, 8), (3, 2, 4), {"strides": [3], "pads": [1, 2]}),
    ((1, 2, 4, 5, 4), (2, 2, 3, 2, 3), {"pads": [1, 0, 1, 1, 1, 1]}),
    ((1, 2, 5, 4, 5), (2, 2, 2, 2, 2), {"strides": [2, 1, 2]}),
    ((1, 2, 3, 3), (4, 2, 3, 3), {}),
    ((1, 2, 7, 8), (2, 2, 3, 3), {"auto_pad": "VALID"}),
    ((1, 2, 7, 8), (2, 2, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    *(
        ((1, 2, *sizes), (2, 2, *kernel), {"auto_pad": same, "strides": strides})
        for same in ("SAME_UPPER", "SAME_LOWER")
        for sizes, kernel, strides in (
            ((6, 7), (3, 3), [1, 1]),
            ((6, 7), (2, 4), [1, 1]),
            ((6, 7), (3, 3), [2, 2]),
            ((7, 8), (2, 4), [2, 3]),
            ((8, 7), (5, 1), [3, 2]),
        )
    ),
):
    label = f"{x} {w} {attributes}"
    case("Conv", label, normal(*x), normal(*w), normal(w[0]), dtypes="f",
         exact=window_adjoints.conv, **attributes)  # fmt: skip
case("Conv", "no bias", normal(1, 2, 5, 5), normal(3, 2, 3, 3), dtypes="f", kernel_shape=[3, 3],
     exact=window_adjoints.conv)  # fmt: skip
case("Conv", "onnx-ad", normal(2, 4, 6, 7), normal(6, 4, 3, 3), normal(6), dtypes="f",
     pads=[1, 1, 1, 1])  # fmt: skip

# Pooling ----------------------------------------------------------------------------------------

_windows = (
    ((5, 6), (2, 2), {}),
    ((5, 6), (2, 2), {"strides": [2, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((6, 7), (3, 3), {"pads": [1, 1, 1, 1]}),
    ((6, 7), (3, 2), {"strides": [3, 1], "pads": [2, 0, 1, 1]}),
    ((6, 7), (3, 3), {"pads": [2, 1, 0, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2], "ceil_mode": 1}),
    ((6, 8), (3, 2), {"strides": [2, 3], "ceil_mode": 1, "pads": [1, 0, 1, 1]}),
    ((7, 7), (2, 2), {"strides": [3, 3], "ceil_mode": 1}),
    ((7, 7), (2, 2), {"strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}),
    ((5, 6), (1, 1), {"strides": [2, 2]}),
    ((5, 6), (5, 6), {}),
    ((6, 7), (3, 3), {"auto_pad": "SAME_UPPER"}),
    ((6, 7), (2, 2), {"auto_pad": "SAME_UPPER"}),
    ((6, 7), (2, 2), {"auto_pad": "SAME_LOWER"}),
    ((6, 7), (3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((6, 7), (3, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    ((6, 7), (3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
)
for sizes, kernel, attributes in _windows:
    label = f"{sizes} {kernel} {attributes}"
    case("MaxPool", label, distinct(2, 2, *sizes), kernel_shape=kernel, dtypes="df",
         exact=window_adjoints.max_pool, **attributes)  # fmt: skip
    for include in (0, 1):
        case("AveragePool", f"{label} include {include}", normal(2, 2, *sizes), dtypes="f",
             kernel_shape=kernel, count_include_pad=include, exact=window_adjoints.average_pool,
             **attributes)  # fmt: skip
for sizes, kernel, attributes in (
    ((7, 8), (3, 2), {"dilations": [2, 3]}),
    ((7,), (3,), {"strides": [2], "pads": [1, 1]}),
    ((5, 4, 5), (2, 3, 2), {"strides": [2, 1, 2]}),
):
    label = f"{sizes} {kernel} {attributes}"
    case("MaxPool", label, distinct(1, 2, *sizes), kernel_shape=kernel, dtypes="df",
         exact=window_adjoints.max_pool, **attributes)  # fmt: skip
_plateau = np.round(normal(1, 2, 6, 6))
case("MaxPool", "ties", _plateau, kernel_shape=(3, 3), strides=[2, 2], dtypes="df", finite=False,
     exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "all equal", np.zeros((1, 1, 5, 5)), kernel_shape=(3, 3), pads=[1] * 4, dtypes="df",
     finite=False, exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "storage order", distinct(2, 2, 5, 5), kernel_shape=(2, 2), storage_order=1,
     dtypes="df", exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "onnx-ad", distinct(2, 2, 6, 6), kernel_shape=(2, 2), strides=[2, 2])
for sizes, kernel, attributes in (
    ((7,), (3,), {"pads": [1, 1]}),
    ((7,), (2,), {}),
    ((4, 5, 4), (2, 3, 2), {"pads": [1, 1, 0, 0, 1, 1]}),
):
    label = f"{sizes} {kernel} {attributes}"
    case("AveragePool", label, normal(1, 2, *sizes), kernel_shape=kernel, dtypes="f",
         exact=window_adjoints.average_pool, **attributes)  # fmt: skip
for strides in ([1, 1], [2, 3]):
    case("AveragePool", f"dilations strides {strides}", normal(1, 2, 7, 8), kernel_shape=(3, 2),
         dilations=[2, 3], strides=strides, pads=[1, 1, 0, 1], opset=19, dtypes="f",
         exact=window_adjoints.average_pool)  # fmt: skip
case("AveragePool", "onnx-ad", normal(2, 2, 6, 6), kernel_shape=(2, 2), strides=[2, 2], dtypes="f")
for shape in ((2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)):
    case("GlobalAveragePool", f"{shape}", normal(*shape), dtypes="f")

# Normalisation ----------------------------------------------------------------------------------


def _lrn(inputs, cotangent, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    x, alpha = inputs[0].astype(float), float(np.float32(alpha))
    channels = x.shape[1]
    window = [
        range(max(0, c - (size - 1) // 2), min(channels, c + math.ceil((size - 1) / 2) + 1))
        for c in range(channels)
    ]
    dx = np.zeros_like(x)
    for c in range(channels):
        s = bias + alpha / size * (x[:, list(window[c])] ** 2).sum(1)
        dx[:, c] += cotangent[:, c] * s**-beta
        for other in window[c]:
            slope = -beta * s ** (-beta - 1) * alpha / size * 2 * x[:, other]
            dx[:, other] += cotangent[:, c] * x[:, c] * slope
    return (dx,)


for size in (1, 3, 5, 11):
    case("LRN", f"size {size}", normal(2, 7, 3, 2) * 2, size=size, alpha=0.9, beta=0.75, bias=1.5,
         dtypes="f", exact=_lrn)  # fmt: skip
for beta in (0.5, 0.6, 1.0):
    case("LRN", f"beta {beta}", normal(1, 5, 2, 2), size=3, alpha=2.0, beta=beta, bias=0.7,
         dtypes="f", exact=_lrn)  # fmt: skip
case("LRN", "defaults", normal(1, 6, 2, 2) * 50, size=5, dtypes="f", exact=_lrn)
for size in (2, 4):
    # The reference runs over channels as many as there are pictures.
    case("LRN", f"even size {size}", normal(7, 7, 2, 2), size=size, alpha=0.9, beta=0.75, bias=1.5,
         exact=_lrn, runtime="reference")  # fmt: skip


def _batch_normalization(inputs, cotangent, *, epsilon=1e-5, momentum=0):
    x = inputs[0]
    by_channel = (1, -1, *([1] * (x.ndim - 2)))
    scale, bias, mean, variance = (array.reshape(by_channel) for array in inputs[1:])
    r = (variance + np.float32(epsilon).astype(float)) ** -0.5
    slopes = (
        scale * r,
        (x - mean) * r,
        np.ones_like(bias),
        -scale * r,
        scale * (x - mean) * -0.5 * r**3,
    )
    others = tuple(axis for axis in range(x.ndim) if axis != 1)
    dx, *rest = (cotangent * slope for slope in slopes)
    return [dx, *(gradient.sum(axis=others) for gradient in rest)]


for shape in ((2, 3, 4, 4), (4, 3), (2, 3, 5)):
    case("BatchNormalization", f"{shape}", normal(*shape), positive(3), normal(3), normal(3),
         positive(3), dtypes="df", exact=_batch_normalization)  # fmt: skip
case("BatchNormalization", "epsilon", normal(2, 3, 2, 2), positive(3), normal(3), normal(3),
     positive(3), epsilon=0.3, momentum=0.5, exact=_batch_normalization)  # fmt: skip
case("BatchNormalization", "onnx-ad", normal(2, 3, 2, 2),
     *(Const(positive(3)) for _ in range(4)))  # fmt: skip

# Sampling ---------------------------------------------------------------------------------------


def _grid_sample(inputs, cotangent, *, align_corners=0, mode="", padding_mode=""):
    x, grid = (array.astype(float) for array in inputs)
    height, width = x.shape[2:]
    dx = np.zeros_like(x)
    for n, i, j in np.ndindex(*grid.shape[:3]):
        u, v = grid[n, i, j]
        if align_corners:
            column, row = (u + 1) / 2 * (width - 1), (v + 1) / 2 * (height - 1)
        else:
            column, row = ((u + 1) * width - 1) / 2, ((v + 1) * height - 1) / 2
        for r in (math.floor(row), math.floor(row) + 1):
            for c in (math.floor(column), math.floor(column) + 1):
                if 0 <= r < height and 0 <= c < width:
                    weight = (1 - abs(row - r)) * (1 - abs(column - c))
                    dx[n, :, r, c] += weight * cotangent[n, :, i, j]
    return (dx,)


for align in (0, 1):
    for label, grid in (
        ("inside", _rng.uniform(-0.9, 0.9, (2, 3, 4, 2))),
        ("out of range", _rng.uniform(-2.5, 2.5, (2, 5, 4, 2))),
        ("far away", _rng.uniform(-1e6, 1e6, (1, 2, 2, 2))),
        ("corners", np.array([[[[-1.0, -1], [1, 1]], [[-1, 1], [0, 0]]]])),
    ):
        case("GridSample", f"{label} align {align}", normal(len(grid), 2, 5, 6), Const(grid),
             align_corners=align, dtypes="f", exact=_grid_sample)  # fmt: skip
case("GridSample", "attributes", normal(1, 1, 3, 4), Const(_rng.uniform(-1, 1, (1, 2, 2, 2))),
     mode="bilinear", padding_mode="zeros", dtypes="f", exact=_grid_sample)  # fmt: skip
case("GridSample", "opset 20", normal(1, 1, 3, 4), Const(_rng.uniform(-1, 1, (1, 2, 2, 2))),
     mode="linear", opset=20, dtypes="f", exact=_grid_sample)  # fmt: skip
