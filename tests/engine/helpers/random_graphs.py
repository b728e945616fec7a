"""Random small graphs of differentiable operators, as a Hypothesis strategy.

Recipes, one for each operator, are in `random_recipes*`; they write to a `random_draft.Draft`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from graphs import session
from hypothesis import assume
from hypothesis import strategies as st
from onnx import TensorProto, defs, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel
from random_draft import RECIPES, Draft, UnwritableError, names_read

_REAL = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}

Dims = Sequence[int | str | None]


@dataclass(frozen=True)
class RandomGraph:
    """A graph, and a point to differentiate it at.

    Attributes:
        nodes: In topological order.
        inputs: Real inputs, float32.
        weights: Real initializers that are differentiated with respect to, float32.
        fed: Inputs of whole numbers or truth values; initializers in the closed form.
        constants: Initializers.
        single: Those of `constants` that stay in single precision in a graph of double precision.
        dims: Of each input in the open form.
        outputs: Names of all that nothing reads, `of` among them.
        of: What is differentiated.
        opset: Version of the standard operators.
    """

    nodes: tuple[onnx.NodeProto, ...]
    inputs: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    fed: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]
    single: frozenset[str]
    dims: dict[str, Dims]
    outputs: tuple[str, ...]
    of: str
    opset: int

    @property
    def wrt(self) -> list[str]:
        """What the gradient is taken with respect to."""
        return [*self.inputs, *self.weights]

    def __str__(self) -> str:
        """The operators in order, and the model as text, the numbers left out."""
        names = " → ".join(node.op_type for node in self.nodes)
        lines = [f"{names} (opset {self.opset}, derivative of {self.of})"]
        for kind, arrays in (
            ("input", self.inputs),
            ("weight", self.weights),
            ("fed", self.fed),
            ("constant", self.constants),
        ):
            for name, array in arrays.items():
                shown = f" = {array.tolist()}" if array.size <= 12 else ""
                opened = f" open {self.dims[name]}" if name in self.dims else ""
                lines.append(f"  {kind} {name}: {array.dtype} {array.shape}{opened}{shown}")
        lines += [f"  {onnx.printer.to_text(node)}" for node in self.nodes]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def operators(self) -> set[str]:
        """Which operators occur."""
        return {node.op_type for node in self.nodes}

    def feeds(self, dtype: type = np.float32, *, fed: bool = False) -> dict[str, np.ndarray]:
        """The inputs of the closed form, or of the open one."""
        real = {name: array.astype(dtype) for name, array in self.inputs.items()}
        return real | (self.fed if fed else {})

    def model(
        self, dtype: type = np.float32, *, opened: bool = False, free: bool = False
    ) -> onnx.ModelProto:
        """The graph as a model.

        Args:
            dtype: Of its real numbers.
            opened: Sizes of inputs are open as in `dims`, and `fed` are inputs.
            free: Weights are inputs.
        """
        inputs = self.inputs | (self.weights if free else {})
        declared = [
            helper.make_tensor_value_info(
                name, _REAL[np.dtype(dtype)], self.dims[name] if opened else array.shape
            )
            for name, array in inputs.items()
        ]
        constants = dict(self.constants)
        if opened:
            declared += [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), self.dims[name]
                )
                for name, array in self.fed.items()
            ]
        else:
            constants |= self.fed
        if not free:
            constants |= self.weights
        graph = helper.make_graph(
            [_in_type(node, dtype) for node in self.nodes],
            "random",
            declared,
            [helper.make_empty_tensor_value_info(name) for name in self.outputs],
            [
                numpy_helper.from_array(
                    array if name in self.single or array.dtype != np.float32
                    # The order of elements is not the array's business.
                    else np.ascontiguousarray(array.astype(dtype)).reshape(array.shape),
                    name,
                )
                for name, array in constants.items()
            ],
        )  # fmt: skip
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10
        )
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)


def _in_type(node: onnx.NodeProto, dtype: type) -> onnx.NodeProto:
    """The node with single precision, where it names one, as another."""
    if dtype == np.float32:
        return node
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    for attribute in changed.attribute:
        if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
            attribute.i = _REAL[np.dtype(dtype)]
        if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(attribute.t).astype(dtype)
            attribute.t.CopyFrom(numpy_helper.from_array(array))
    return changed


# The strategy ------------------------------------------------------------------------------------


def since(op_type: str) -> int:
    """The opset that an operator came with."""
    return _firsts()[op_type]


@cache
def _firsts() -> Mapping[str, int]:
    """The opset that each operator came with."""
    firsts: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            known = firsts.get(schema.name, schema.since_version)
            firsts[schema.name] = min(known, schema.since_version)
    return firsts


@st.composite
def graphs(
    draw: Callable,
    op_type: str,
    *,
    others: Sequence[str] | None = None,
    most: int = 4,
    opsets: Sequence[int] = (18, 19, 20, 21),
) -> RandomGraph:
    """Graphs in which an operator occurs.

    Args:
        draw: Of Hypothesis.
        op_type: The operator.
        others: What may stand before and behind it, by default all that have recipes.
        most: How many others at most on either side; what they need comes on top.
        opsets: Usual versions; one in eight is another.
    """
    opset = draw(st.sampled_from([*opsets, *opsets, *opsets, 0]))
    if not opset:
        opset = draw(st.sampled_from([13, 14, 15, 16, 17, 22, 23, 24, 25, 26]))
    opset = max(opset, _SINCE[op_type])
    draft = Draft(draw, opset)
    names = [name for name in (others or sorted(RECIPES)) if _SINCE[name] <= opset]
    before = draw(st.lists(st.sampled_from(names), max_size=most))
    behind = draw(st.lists(st.sampled_from(names), max_size=most))
    for name in [*before, op_type, *behind]:
        try:
            RECIPES[name](draft, name)
        except (NoKernel, UnwritableError):
            assume(False)
    return _finished(draft)


def _finished(draft: Draft) -> RandomGraph:
    read = {name for node in draft.nodes for name in names_read(node)}
    leaves = [name for node in draft.nodes for name in node.output if name and name not in read]
    leaves = [name for name in leaves if draft.values[name].dtype != object]
    real = [n for n in leaves if draft.values[n].dtype == np.float32 and draft.values[n].size]
    assume(real and draft.inputs)
    of = real[-1]
    if draft.flag():
        parts = []
        for name in real:
            weights = draft.constant(draft.normal(*draft.values[name].shape))
            part = draft.add("Mul", [name, weights], keep=())[0]
            parts.append(draft.add("ReduceSum", [part], keepdims=0, keep=())[0])
        of = draft.add("Sum", parts, keep=())[0]
        leaves = [name for name in leaves if name not in real] + [of]
    dims = {}
    for name, array in (draft.inputs | draft.fed).items():
        kind = 0 if name in draft.fed else draft.number(0, 3)
        dims[name] = [
            size if kind == 0 or (kind == 3 and draft.flag())
            else f"s{size}" if kind == 1 else None
            for size in array.shape
        ]  # fmt: skip
    graph = RandomGraph(
        tuple(draft.nodes),
        draft.inputs,
        draft.weights,
        draft.fed,
        draft.constants,
        frozenset(draft.single),
        dims,
        tuple(leaves),
        of,
        draft.opset,
    )
    try:
        session(graph.model())
    except Fail:
        # ONNX Runtime takes each node, and not all of them: its kernels count other windows than
        # its inference of shapes.
        assume(False)
    return graph


# Each family of operators has its recipes in a module of its own.
for _path in sorted(Path(__file__).parent.glob("random_recipes*.py")):
    importlib.import_module(_path.stem)

_SINCE: Mapping[str, int] = {name: since(name) for name in RECIPES}
