"""What a case of a rule is, and the table of them: each family has a module of its own.

A case is one node with its inputs. Floating-point arrays are differentiated with respect to, but
for those wrapped in `Const`, which become initializers as integers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from graphs import model
from onnx import helper

Exact = Callable[..., Sequence[np.ndarray]]

rng = np.random.default_rng(20)
_AT_FIRST = rng.bit_generator.state


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
    rng.bit_generator.state = _AT_FIRST


def _converted(array: object, dtype: np.dtype) -> np.ndarray | Const | Fed | None:
    if isinstance(array, Fed):
        return array
    if isinstance(array, Const):
        return Const(_converted(array.array, dtype))
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return array.astype(dtype)
    return None if array is None else np.asarray(array)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(rng.normal(size=shape))


def positive(*shape: int) -> np.ndarray:
    return np.asarray(rng.uniform(0.3, 2, shape))


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
    return (rng.permutation(size) - size / 2).reshape(shape) * 0.1


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def number(value: float) -> Const:
    return Const(np.array(value, float))
