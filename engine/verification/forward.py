"""The values of a network at any point, as exactly as this machine computes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from ..errors import ModelError, OnnxscopeError
from ..runtime.memory import Footprint, Use, amount, available_memory
from ..runtime.session import Session, open_session
from .budget import Budget
from .double.rewrite import in_double, only
from .subjects import VALUE

# What single precision gets wrong of a value is far less; a form that is not the operator's, more.
_ALIKE = 0.01

# Double precision does without more memory than so many bytes, or than half of what is free.
_MOST_BYTES = 2 * 2**30

_REAL = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)

DOUBLE_STEPS = (1e-6, 1e-7, 1e-8, 1e-9)
SINGLE_STEPS = tuple(2.0**-power for power in range(3, 10))


class Forward:
    """A network in double precision where its operators allow, otherwise as it is, on the CPU.

    Attributes:
        double: Whether it runs in double precision.
        reason: Why not; empty where it does.
        too_large: Whether that is for want of memory.
        seconds: How long a run takes.
        steps: The steps at which differences make sense, falling, in units of the input's scale.
        epsilon: Of the precision.
    """

    def __init__(
        self, model: onnx.ModelProto, point: Mapping[str, np.ndarray], budget: Budget
    ) -> None:
        """Open the network.

        Args:
            model: With one output, `VALUE`.
            point: Its inputs; there both precisions must give about the same.
            budget: The time that there is.

        Raises:
            ModelError: ONNX Runtime gives another shape than follows from the operators.
            OutOfTimeError: it is up.
        """
        self._budget = budget
        self._types = {name: array.dtype for name, array in point.items()}
        self._single = _with_all_outputs(model)
        self._model, self.double, self.reason = self._single, False, ""
        self._open([VALUE])
        expected = np.asarray(self.run(point, [VALUE])[VALUE], np.float64)
        _check_shape(model, expected)
        self.too_large = False
        try:
            self._take_double(model, point, expected)
        except OnnxscopeError as error:
            self.reason = str(error)
        if self.reason:
            self.take_single(self.reason)
        else:
            self._set_steps()
        began = time.monotonic()
        self.run(point, [VALUE])
        self.seconds = time.monotonic() - began

    def take_single(self, reason: str) -> None:
        """Go on in the network's own precision.

        Args:
            reason: Why double precision does not serve.
        """
        self._model, self.double, self.reason = self._single, False, reason
        self._open([VALUE])
        self._set_steps()

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
        """Compute values of the network by name.

        Args:
            feeds: Its inputs; real ones in any precision.
            names: Outputs of its nodes.

        Raises:
            OutOfTimeError: the time is up.
        """
        self._budget.check()
        given = {
            name: np.asarray(array, np.float64 if self.double else self._types[name])
            if is_real(array)
            else array
            for name, array in feeds.items()
        }
        if list(names) != self._opened:
            self._open(list(names))
        return self._session.run(given, names, seconds=self._budget.left)

    def overflows(self, point: Mapping[str, np.ndarray]) -> bool:
        """Return whether a value is finite in double precision alone.

        Args:
            point: The inputs.

        Raises:
            OutOfTimeError: the time is up.
        """
        if not self.double:
            return False
        real = {name: is_real(array) for name, array in point.items()}
        largest = []
        for model, dtype in ((self._single, None), (self._model, np.float64)):
            session = open_session(_with_largest(model), "cpu")
            given = {
                name: np.asarray(array, dtype or self._types[name]) if real[name] else array
                for name, array in point.items()
            }
            largest.append(session.run(given, seconds=self._budget.left))
        single, double = largest
        return any(
            np.isfinite(double[name]) and not np.isfinite(value.astype(np.float64))
            for name, value in single.items()
            if name in double
        )

    def _open(self, names: list[str]) -> None:
        """Open a session for these values alone: outputs stay in memory to the end of a run."""
        self._session: Session = open_session(only(self._model, names), "cpu")
        self._opened = names

    def _take_double(
        self, model: onnx.ModelProto, point: Mapping[str, np.ndarray], expected: np.ndarray
    ) -> None:
        """Go on in double precision, or say in `reason` why not.

        Raises:
            OnnxscopeError: an operator has no form in it.
        """
        exact = in_double(model)
        needed = Footprint.of(only(exact, [VALUE]), 1).total(Use.whole(1))
        free = available_memory()
        limit = _MOST_BYTES if free is None else min(_MOST_BYTES, free // 2)
        if needed > limit:
            self.too_large = True
            self.reason = f"double precision would take about {amount(needed)} of memory"
            return
        self._model, self.double = exact, True
        self._open([VALUE])
        apart = _distance(self.run(point, [VALUE])[VALUE], expected)
        # Where single precision gives no number, double precision may well.
        if not apart > _ALIKE * float(np.linalg.norm(expected)) + 1e-30:
            return
        # Either the forms are those of another function, or single precision rounds so much away.
        self._model = in_double(model, rounded=True)
        self._open([VALUE])
        rounded = _distance(self.run(point, [VALUE])[VALUE], expected)
        if not np.isfinite(rounded) or rounded > apart / 2:
            self.reason = "it gives another value in double precision than in single"
            return
        self._model = exact
        self._open([VALUE])

    def _set_steps(self) -> None:
        self.steps = DOUBLE_STEPS if self.double else SINGLE_STEPS
        self.epsilon = float(np.finfo(np.float64 if self.double else np.float32).eps)


def _check_shape(model: onnx.ModelProto, value: np.ndarray) -> None:
    [shape] = [o.type.tensor_type.shape for o in model.graph.output if o.name == VALUE]
    inferred = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in shape.dim)
    if len(inferred) != value.ndim or any(
        size not in (None, there) for size, there in zip(inferred, value.shape, strict=True)
    ):
        raise ModelError(
            f"ONNX Runtime gives a value of the shape {value.shape}, where {inferred} follows from "
            "the operators of the network: its gradient cannot be right"
        )


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return np.inf
    return float(np.linalg.norm(np.asarray(found, np.float64) - expected))


def is_real(array: np.ndarray) -> bool:
    """Return whether the elements are real numbers, in whatever precision."""
    return array.dtype.kind not in "biuOSU"


def _with_largest(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that gives of each real value, instead of the value, its largest size."""
    known = {info.name: info.type.tensor_type for info in model.graph.value_info}
    known |= {info.name: info.type.tensor_type for info in model.graph.output}
    names = [
        name
        for node in model.graph.node
        for name in node.output
        if name in known and known[name].elem_type in _REAL
    ]
    outputs = [onnx.helper.make_empty_tensor_value_info(f"largest {name}") for name in names]
    largest = onnx.ModelProto()
    largest.CopyFrom(model)
    del largest.graph.output[:]
    largest.graph.output.extend(outputs)
    for name in names:
        size = f"size {name}"
        largest.graph.node.append(onnx.helper.make_node("Abs", [name], [size]))
        largest.graph.node.append(
            onnx.helper.make_node("ReduceMax", [size], [f"largest {name}"], keepdims=0)
        )
    return largest


def _with_all_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {output.name for output in exposed.graph.output}
    for node in exposed.graph.node:
        for name in node.output:
            if name and name not in known:
                exposed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
                known.add(name)
    return exposed
