"""Gradient graphs that are evaluated at points, and how precisely they compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir

from ..errors import StraightThroughWarning, UnfaithfulWarning, ZeroGradientWarning
from ..rules.table import RuleTable
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import Provider, open_for
from .budget import Budget
from .double.rewrite import in_double, only
from .faults import Arrays
from .forward import is_real
from .subjects import Subject

# Relative precision of element types, and of the products of accelerators: TF32 or half.
PRECISION = {
    ir.DataType.DOUBLE: 2.0**-52,
    ir.DataType.FLOAT: 2.0**-23,
    ir.DataType.FLOAT16: 2.0**-10,
    ir.DataType.BFLOAT16: 2.0**-7,
}
ACCELERATED = 2.0**-10

Tables = Callable[[str], RuleTable]
"""From a provider's name to the rules for it."""


class GradientGraph:
    """A gradient graph, evaluated at points.

    Attributes:
        provider: Where it runs.
        rounding: What it passes straight through, in words: then it is no derivative.
        zero: Why it is zero everywhere, in words; empty where it is not.
    """

    def __init__(
        self,
        subject: Subject,
        table: Tables,
        provider: str | Provider,
        budget: Budget,
        change: Callable[[onnx.ModelProto], onnx.ModelProto] | None = None,
    ) -> None:
        """Write the graph and open it.

        Args:
            subject: What is differentiated.
            table: The rules.
            provider: Where it runs.
            budget: The time that there is.
            change: What the graph is made before it is opened.
        """
        budget.begin("writing the gradient")
        self._budget = budget
        self._inputs: list[str] = []
        self._exact = change is not None
        self.rounding = ""
        self.zero = ""

        def build(name: str) -> onnx.ModelProto:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                graph = subject.gradient(table(name))
            for warning in said:
                if issubclass(warning.category, StraightThroughWarning):
                    self.rounding = str(warning.message)
                elif issubclass(warning.category, ZeroGradientWarning):
                    self.zero = str(warning.message)
                elif not issubclass(warning.category, UnfaithfulWarning):
                    warnings.warn_explicit(
                        warning.message, warning.category, warning.filename, warning.lineno
                    )
            self._inputs = [value.name for value in graph.graph.input]
            check_memory(Footprint.of(graph, 1), Use.whole(1), name, "the gradient")
            return graph if change is None else change(graph)

        self._subject = subject
        self._session = open_for(build, provider)
        self.provider = self._session.provider

    def __call__(self, point: Arrays) -> Arrays:
        """Return the gradients at a point, by input, in double precision.

        Raises:
            OutOfTimeError: the time is up.
        """
        feeds = {name: point[name] for name in self._inputs if name in point}
        if self._subject.seeded:
            feeds[self._inputs[-1]] = self._subject.cotangent
        wrt = self._subject.wrt
        if self._exact:
            feeds = {n: np.asarray(a, np.float64) if is_real(a) else a for n, a in feeds.items()}
        self._budget.check()
        found = list(self._session.run(feeds, seconds=self._budget.left).values())[-len(wrt) :]
        return {n: np.asarray(array, np.float64) for n, array in zip(wrt, found, strict=True)}


def gradients_in_double(graph: onnx.ModelProto, count: int, *, rounded: bool) -> onnx.ModelProto:
    """Return a gradient graph in double precision, of its last outputs alone.

    Raises:
        OnnxscopeError: an operator has no form in it, or there is not the memory.
    """
    exact = only(
        in_double(graph, rounded=rounded), [value.name for value in graph.graph.output[-count:]]
    )
    check_memory(Footprint.of(exact, 1), Use.whole(1), "cpu")
    return exact


def coarsest(model: onnx.ModelProto) -> float:
    """Return the relative precision of the least precise element type of a network."""
    graph = ir.from_proto(model).graph
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    return max(PRECISION.get(value.dtype, 0.0) for value in values if value.dtype is not None)
