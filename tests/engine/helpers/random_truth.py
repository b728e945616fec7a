"""The value of a random graph in the highest precision that something computes it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from graphs import session
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.importer.opsets import load_graph
from onnxscope.importer.replay import replay
from onnxscope.verification.differences import (
    Difference,
    derivative,
    independent_spacing,
    rounding_noise,
)
from onnxscope.verification.double.rewrite import in_double
from onnxscope.verification.forward import DOUBLE_STEPS, SINGLE_STEPS
from random_graphs import RandomGraph

Arrays = Mapping[str, np.ndarray]


class Evaluator:
    """A model opened once, run many times; inputs that it does not have are passed over."""

    def __init__(self, proto: onnx.ModelProto, *, reference: bool = False) -> None:
        self.names = [output.name for output in proto.graph.output]
        self._types = {
            value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            for value in proto.graph.input
        }
        if reference:
            self._evaluator = ReferenceEvaluator(proto)
        else:
            self._evaluator = session(proto)
            known = {value.name for value in self._evaluator.get_inputs()}
            self._types = {n: t for n, t in self._types.items() if n in known}

    def __call__(self, feeds: Arrays) -> dict[str, np.ndarray]:
        given = {name: np.asarray(feeds[name], dtype) for name, dtype in self._types.items()}
        with np.errstate(all="ignore"):
            return dict(zip(self.names, self._evaluator.run(self.names, given), strict=True))


class Truth:
    """The graph's value in the highest precision there is, and its differences.

    Attributes:
        kind: "rewritten" (by `in_double`), "kernels" (ONNX Runtime's own), "reference" (the onnx
            package's evaluator) or "single".
    """

    def __init__(self, graph: RandomGraph, y: np.ndarray, point: Arrays) -> None:
        self._of = graph.of
        for kind, build in (
            ("rewritten", lambda: Evaluator(in_double(standard(graph)))),
            ("kernels", lambda: Evaluator(graph.model(np.float64, free=True))),
            ("reference", lambda: Evaluator(graph.model(np.float64, free=True), reference=True)),
        ):
            # Each of the three raises a dozen unrelated kinds of errors for what it does not know.
            try:
                evaluate = build()
                found = evaluate(point)[self._of]
            except Exception:
                continue
            size = max(float(np.abs(y).max(initial=0)), 1e-3)
            same = found.shape == y.shape and np.abs(found - y).max(initial=0) <= 1e-4 * size
            if same and _is_smooth(evaluate, point, graph.of):
                self.kind, self._evaluate = kind, evaluate
                break
        else:
            self.kind, self._evaluate = "single", Evaluator(graph.model(free=True))

    @property
    def steps(self) -> Sequence[float]:
        """For differences."""
        return SINGLE_STEPS if self.kind == "single" else DOUBLE_STEPS

    def slope(
        self, point: Arrays, cotangent: np.ndarray, name: str, direction: np.ndarray, scale: float
    ) -> Difference:
        """The derivative along a direction."""
        epsilon = float(np.finfo(np.float32 if self.kind == "single" else np.float64).eps)
        start = np.asarray(point[name], np.float64)

        def value(t: float) -> np.ndarray:
            return self._evaluate({**point, name: start + t * direction})[self._of]

        def along(t: float) -> float:
            try:
                y = value(t)
            except Fail:
                # So far away a Range has another length, which nothing behind it fits.
                return np.nan
            if y.shape != cotangent.shape:
                return np.nan
            return float(np.vdot(y.astype(np.float64), cotangent))

        # A small sum may be one of large parts, and a few points of a line may round alike.
        parts = float(np.linalg.norm(value(0).astype(np.float64) * cotangent))
        spacings = [factor * independent_spacing(epsilon) for factor in (1.0, 0.37, 2.9)]
        noise = max(epsilon * parts, *(rounding_noise(along, s, epsilon) for s in spacings))
        return derivative(along, self.steps, noise, scale)


def _is_smooth(evaluate: Evaluator, point: Arrays, of: str) -> bool:
    """Whether the value has no steps: some kernels compute in single precision inside."""
    rng = np.random.default_rng(4)
    weights = None
    for name, array in point.items():
        direction = np.asarray(rng.uniform(-1, 1, array.shape))

        def along(t: float, name: str = name, direction: np.ndarray = direction) -> float:
            nonlocal weights
            y = evaluate({**point, name: point[name] + t * direction})[of]
            weights = rng.uniform(0.5, 1, y.shape) if weights is None else weights
            return float((y * weights).sum()) if y.shape == weights.shape else np.nan

        value = along(0)
        noise, far, near = rounding_noise(along, 1e-6, 1e-16), along(6e-6), along(1e-8)
        slope = (far - value) / 6e-6
        rough = noise > max(1e-13 * max(abs(value), 1e-3), 1e-10 * abs(slope))
        steps = abs((near - value) / 1e-8 - slope) > 0.01 * abs(slope) + 1e-5 * max(abs(value), 1)
        if rough or steps or not np.isfinite(noise):
            return False
    return True


def standard(graph: RandomGraph) -> onnx.ModelProto:
    """The graph in the operators that have rules, weights as inputs, the value alone."""
    loaded = load_graph(graph.model(free=True))
    builder = Builder(opset=min(loaded.opset, 21))
    inputs = {
        n: builder.input(n, a.shape, a.dtype) for n, a in (graph.inputs | graph.weights).items()
    }
    values = replay(builder, loaded.model.graph, inputs, [graph.of])
    builder.output(graph.of, builder.op.Identity(values[graph.of]))
    return model_of(builder)
