"""The values of a network at any point, as exactly as this machine computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from ..errors import OnnxscopeError
from ..runtime.session import Session, open_session
from .double.rewrite import in_double
from .subjects import VALUE

# What single precision gets wrong of a value is far less; a form that is not the operator's, more.
_ALIKE = 0.01

DOUBLE_STEPS = (1e-6, 1e-7, 1e-8, 1e-9)
SINGLE_STEPS = tuple(2.0**-power for power in range(3, 10))


class Forward:
    """A network in double precision where its operators allow, otherwise as it is, on the CPU.

    Attributes:
        double: Whether it runs in double precision.
        reason: Why not; empty where it does.
        steps: The steps at which differences make sense, falling, in units of the input's scale.
        epsilon: Of the precision.
    """

    def __init__(self, model: onnx.ModelProto, point: Mapping[str, np.ndarray]) -> None:
        """Open the network.

        Args:
            model: With shapes that are all numbers, and one output, `VALUE`.
            point: Its inputs; there both precisions must give about the same.
        """
        exposed = _with_all_outputs(model)
        self._types = {name: array.dtype for name, array in point.items()}
        self.reason = ""
        single = open_session(exposed, "cpu")
        expected = np.asarray(single.run(point, [VALUE])[VALUE], np.float64)
        try:
            self._session: Session = open_session(in_double(model), "cpu")
            self.double = True
            found = self.run(point, [VALUE])[VALUE]
        except OnnxscopeError as error:
            self.reason = str(error)
        else:
            apart = float(np.linalg.norm(found - expected))
            # Where single precision gives no number, double precision may well.
            if apart > _ALIKE * float(np.linalg.norm(expected)) + 1e-30:
                self.reason = "it gives another value in double precision than in single"
        if self.reason:
            self.double = False
            self._session = single
        self.steps = DOUBLE_STEPS if self.double else SINGLE_STEPS
        self.epsilon = float(np.finfo(np.float64 if self.double else np.float32).eps)

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values of the network by name.

        Args:
            feeds: Its inputs; real ones in any precision.
            names: Outputs of its nodes.
        """
        given = {
            name: np.asarray(array, np.float64 if self.double else self._types[name])
            if is_real(array)
            else array
            for name, array in feeds.items()
        }
        return self._session.run(given, names)


def is_real(array: np.ndarray) -> bool:
    """Whether the elements are real numbers, in whatever precision."""
    return array.dtype.kind not in "biuOSU"


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
