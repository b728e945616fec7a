"""One operator by itself, as a graph, and what its gradient rule makes of cotangents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from onnx import defs

from ..errors import OnnxscopeError, OperatorError
from ..gradient.walk import backpropagate
from ..graph.builder import AttributeValue, Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..importer.opsets import load_graph
from ..importer.replay import replay
from ..rules.table import RuleTable
from ..runtime.session import open_session
from .forward import is_real

Point = Mapping[int, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]

DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)

RUNTIME, REFERENCE = "ONNX Runtime", "ONNX's reference evaluator"

# What the reference evaluator is known to raise where it lacks an operator, a type or an attribute.
REFUSALS = (
    OnnxscopeError, ArithmeticError, RuntimeError, ValueError, TypeError, LookupError,
    AttributeError,
)  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """An operator and what it is checked on.

    Attributes:
        op_type: Its name in ONNX's own domain.
        arrays: Its inputs; `None` for one left out. Real ones hold numbers of single precision.
        attributes: As the node sets them.
        outputs: How many outputs the node has.
        opset: Version of the standard operators.
        wrt: Inputs that it is differentiated with respect to, by position.
        fed: Other inputs that are known only when the graph runs.
        rules: The table of gradient rules.
    """

    op_type: str
    arrays: tuple[np.ndarray | None, ...]
    attributes: Mapping[str, AttributeValue]
    outputs: int
    opset: int
    wrt: tuple[int, ...]
    fed: frozenset[int]
    rules: RuleTable

    @property
    def point(self) -> dict[int, np.ndarray]:
        """The inputs that it is differentiated with respect to, in double precision."""
        return {i: np.asarray(self.arrays[i], np.float64) for i in self.wrt}

    @property
    def schema(self) -> defs.OpSchema:
        """What ONNX says of it."""
        return defs.get_schema(self.op_type, self.opset)

    def append(
        self, dtype: np.dtype[np.generic], *, open_sizes: bool = False
    ) -> tuple[Builder, list[Tensor | None], tuple[Tensor, ...]]:
        """Write the node into a graph of its own.

        Args:
            dtype: Of the real inputs.
            open_sizes: Whether real inputs that are no constants have no known size.

        Returns:
            The graph, the node's inputs and its outputs.

        Raises:
            OnnxscopeError: the inputs or attributes do not fit the operator.
        """
        builder = Builder(opset=self.opset)
        inputs: list[Tensor | None] = []
        for number, array in enumerate(self.arrays):
            if array is None:
                inputs.append(None)
                continue
            typed = array.astype(dtype) if is_real(array) else array
            if number not in self.wrt and number not in self.fed:
                inputs.append(builder.constant(typed))
                continue
            is_open = open_sizes and typed.dtype.kind in "fb"
            dims = [None] * typed.ndim if is_open else list(typed.shape)
            inputs.append(builder.input(f"input {number}", dims, typed.dtype))
        outputs = builder.append(
            self.op_type, inputs, dict(self.attributes), outputs=self.outputs, node_name="checked"
        )
        return builder, inputs, outputs

    def imported(
        self, dtype: np.dtype[np.generic], *, open_sizes: bool = False
    ) -> tuple[Builder, list[Tensor | None], list[Tensor]]:
        """Write the node as networks have it: as `append` does, with what the importer makes of it.

        Args:
            dtype: Of the real inputs.
            open_sizes: Whether real inputs that are no constants have no known size.

        Raises:
            OnnxscopeError: the inputs or attributes do not fit the operator.
        """
        alone, _, outputs = self.append(dtype, open_sizes=open_sizes)
        names = [f"output {number}" for number in range(len(outputs))]
        for name, output in zip(names, outputs, strict=True):
            alone.output(name, output)
        loaded = load_graph(model_of(alone))
        builder = Builder(opset=loaded.opset)
        given = {
            str(value.name): builder.input(str(value.name), _dims(value), value.dtype.numpy())
            for value in loaded.model.graph.inputs
            if value.dtype is not None and value.name not in loaded.model.graph.initializers
        }
        # Apart: else a rule would not be asked where an output is an input by another name.
        values = replay(builder, loaded.model.graph, given, names, apart=names)
        inputs = [given.get(f"input {number}") for number in range(len(self.arrays))]
        return builder, inputs, [values[name] for name in names]

    def feeds(self, point: Point, dtype: np.dtype[np.generic]) -> dict[str, np.ndarray]:
        """Return what the graph of `append` is fed with."""
        feeds = {f"input {i}": np.asarray(array, dtype) for i, array in point.items()}
        for number in self.fed:
            array = self.arrays[number]
            if array is not None:
                feeds[f"input {number}"] = array.astype(dtype) if is_real(array) else array
        return feeds


class GradientGraph:
    """What the rule makes of an operator's cotangents, as one graph.

    Attributes:
        by: What runs it; empty before it has run.
    """

    def __init__(
        self,
        operator: Operator,
        dtype: np.dtype[np.generic],
        seeded: Sequence[int],
        asked: Sequence[int],
        *,
        open_sizes: bool = False,
    ) -> None:
        """Write the graph.

        Args:
            operator: The operator.
            dtype: Of its real inputs.
            seeded: Outputs that have a cotangent.
            asked: Inputs whose gradient is asked for.
            open_sizes: Whether the inputs have no known size.

        Raises:
            OnnxscopeError: the rule refuses, or builds what does not fit.
        """
        self._operator, self._dtype = operator, dtype
        self._seeded, self._asked = seeded, asked
        self._open_sizes = open_sizes
        self._whole = self._written(whole=True)
        self._run: Run | None = None
        self.by = ""

    def __call__(
        self, point: Point, outputs: Sequence[np.ndarray], cotangents: Mapping[int, np.ndarray]
    ) -> dict[int, np.ndarray]:
        """Return the gradients by input.

        Args:
            point: The inputs that it is differentiated with respect to.
            outputs: The operator's outputs there.
            cotangents: By output.

        Raises:
            OperatorError: nothing runs the graph.
        """
        feeds = self._operator.feeds(point, self._dtype)
        for number, array in cotangents.items():
            feeds[f"cotangent {number}"] = np.asarray(array, self._dtype)
        for number, array in enumerate(outputs):
            feeds[f"output {number}"] = array.astype(self._dtype) if is_real(array) else array
        results = self._run(feeds) if self._run is not None else self._first_run(feeds)
        return {number: results[f"gradient {number}"] for number in self._asked}

    def _first_run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        reasons = []
        # The second without the operator itself, which one may lack that has all of the rule's.
        models = [self._whole]
        for by, whole in ((RUNTIME, True), (RUNTIME, False), (REFERENCE, True), (REFERENCE, False)):
            if not whole and len(models) == 1:
                models.append(self._written(whole=False))
            run = runner(by, models[0 if whole else 1])
            try:
                results = run(feeds)
            except REFUSALS as error:
                reasons.append(f"{by}: {first_line(error)}")
            else:
                self._run, self.by = run, by
                return results
        raise OperatorError(
            f"nothing here runs the gradient of {self._operator.op_type} in {self._dtype}: "
            f"{'; '.join(dict.fromkeys(reasons))}"
        )

    def _written(self, *, whole: bool) -> onnx.ModelProto:
        operator = self._operator
        builder, inputs, outputs = operator.imported(self._dtype, open_sizes=self._open_sizes)
        seeds = {
            outputs[number]: builder.input(
                f"cotangent {number}", outputs[number].dims, outputs[number].dtype
            )
            for number in self._seeded
        }
        wrt = [tensor for i in self._asked if (tensor := inputs[i]) is not None]
        gradients = backpropagate(builder, seeds, wrt, operator.rules)
        for number, gradient in zip(self._asked, gradients, strict=True):
            builder.output(f"gradient {number}", gradient)
        if not whole:
            for number, output in enumerate(outputs):
                if output.value.producer() is None:
                    continue
                given = builder.input(f"output {number}", output.dims, output.dtype)
                output.value.replace_all_uses_with(given.value, replace_graph_outputs=True)
        return model_of(builder)


def _dims(value: ir.Value) -> list[int | str | None]:
    return [dim if isinstance(dim, int) else dim.value for dim in value.shape or ()]


def runner(by: str, model: onnx.ModelProto) -> Run:
    """Return what runs a model: it takes from its feeds what the model reads.

    Nothing is opened before the first run, in which all errors are raised.

    Args:
        by: `RUNTIME` or `REFERENCE`.
        model: The model.
    """
    names = [value.name for value in model.graph.input]
    opened: list[Run] = []

    def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not opened:
            opened.append(_by_runtime(model) if by == RUNTIME else _by_reference(model))
        return opened[0]({name: feeds[name] for name in names})

    return run


def _by_runtime(model: onnx.ModelProto) -> Run:
    return open_session(model, "cpu").run


def _by_reference(model: onnx.ModelProto) -> Run:
    # Imported here: it takes time to load, and hardly any operator needs it.
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    outputs = [value.name for value in model.graph.output]

    def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        # Where a function has no value there is no number, which is looked at later.
        with np.errstate(all="ignore"):
            results = evaluator.run(None, dict(feeds))
        return dict(zip(outputs, map(np.asarray, results), strict=True))

    return run


def first_line(error: Exception) -> str:
    """Return what an error says first."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
