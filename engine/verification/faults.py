"""Which operator's gradient is wrong: every node by itself, on what really flows through it.

Between two nearby points each value of the network moves, and the moves are known from two runs.
A node's rule is right where, for any cotangent, what it makes of the cotangent weighs the moves of
its inputs as the cotangent weighs those of its outputs. Nothing but this one node takes part, so
that a wrong rule elsewhere does not matter; and what cannot move, such as a zero behind a ReLU, is
not moved, so that ties between zeros are no kinks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from ..errors import OnnxscopeError
from ..gradient.lowering import lower
from ..gradient.passes import GradientPlan
from ..gradient.walk import backpropagate
from ..graph.builder import Builder
from ..graph.domains import version_of
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..rules.table import RuleTable
from ..runtime.session import Provider, open_session
from .budget import Budget
from .forward import Forward

Arrays = dict[str, np.ndarray]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]

_COTANGENTS = 2
_DIRECTIONS = 2
# Of the values of one run; of so many runs at once they are held.
_BYTES_AT_ONCE = 64 * 2**20

# How far the two sides may differ for rounding alone, as a part of the larger.
_EXACT, _ROUGH = 1e-3, 0.03


@dataclass(frozen=True)
class Fault:
    """A node whose gradient disagrees with differences.

    Attributes:
        op_type: Its operator.
        node: Its name.
        inputs: Names and shapes of its inputs; constants among them.
        outputs: Names and shapes of its outputs.
        attributes: As the node sets them.
        gradient: How a random cotangent weighs the outputs' moves by the rule.
        differences: How it really does.
        uncertainty: How far `differences` may be off.
        kind: `gradient`; `value` where the provider computes another value already; `refused` where
            the node's gradient cannot be computed at all.
        message: Why, for `refused`.
    """

    op_type: str
    node: str
    inputs: Shapes
    outputs: Shapes
    attributes: Mapping[str, Any]
    gradient: float
    differences: float
    uncertainty: float
    kind: str = "gradient"
    message: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What the nodes are checked with.

    Attributes:
        forward: The network's values.
        point: Its inputs.
        wrt: Those of them that are moved.
        directions: Where to, one array for each of `wrt`, in units of the steps.
        rules: The table of gradient rules.
        provider: Where the rules run.
        lowered: Whether operators are written in faster forms first.
    """

    forward: Forward
    point: Arrays
    wrt: tuple[str, ...]
    directions: Sequence[Arrays]
    rules: RuleTable
    provider: Provider
    lowered: bool


def find_faults(
    model: onnx.ModelProto, around: Surroundings, seed: int, budget: Budget
) -> Iterator[Fault]:
    """Check every node between the moved inputs and the output.

    Args:
        model: The network.
        around: What it is checked with.
        seed: Of the cotangents.
        budget: The time that there is.

    Yields:
        The nodes at fault, from the input to the output.

    Raises:
        OutOfTimeError: the time is up.
    """
    graph = ir.from_proto(model).graph
    rng = np.random.default_rng(seed)
    active = _active(graph, around.wrt)
    nodes = [node for node in graph if any(value in active for value in node.outputs)]
    checked = 0
    for part in _parts(nodes):
        moves = _Moves(part, around)
        for node in part:
            budget.begin(f"looking for the rule at fault, node {checked + 1} of {len(nodes)}")
            fault = _Node(node, active, moves, around).check(rng)
            checked += 1
            if fault is not None:
                yield fault


def _active(graph: ir.Graph, wrt: Sequence[str]) -> set[ir.Value]:
    """The real values on the way from the moved inputs to the output."""
    reached = {value for value in graph.inputs if value.name in wrt}
    for node in graph:
        if any(value in reached for value in node.inputs if value is not None):
            reached.update(v for v in node.outputs if v.dtype and v.dtype.is_floating_point())
    needed = set(graph.outputs)
    for node in reversed(graph):
        if any(value in needed for value in node.outputs):
            needed.update(value for value in node.inputs if value is not None)
    return reached & needed


def _parts(nodes: Sequence[ir.Node]) -> Iterator[list[ir.Node]]:
    """The nodes in groups whose values fit in memory, at each point that is visited."""
    part: list[ir.Node] = []
    size = 0
    for node in nodes:
        elements = sum(_elements(value) for value in (*node.inputs, *node.outputs) if value)
        if part and size + elements * 8 > _BYTES_AT_ONCE:
            yield part
            part, size = [], 0
        part.append(node)
        size += elements * 8
    if part:
        yield part


def _elements(value: ir.Value) -> int:
    if value.is_initializer() or value.shape is None:
        return 0
    return int(np.prod([dim for dim in value.shape if isinstance(dim, int)], dtype=np.int64))


class _Moves:
    """The values around some nodes at the point, and how they move."""

    def __init__(self, nodes: Sequence[ir.Node], around: Surroundings) -> None:
        computed = {
            value.name: None
            for node in nodes
            for value in (*node.inputs, *node.outputs)
            if value is not None and value.name and value.producer() is not None
        }
        self._names = [name for name in computed if name]
        self._around = around
        self.values = around.point | around.forward.run(around.point, self._names)
        coarse, fine = around.forward.steps[-2:]
        if not around.forward.double:
            # Rounding counts for more than curvature here: the middle of the steps.
            middle = len(around.forward.steps) // 2
            coarse, fine = around.forward.steps[middle - 1 : middle + 1]
        self.moves = [
            tuple(self._moved(direction, step) for step in (coarse, fine))
            for direction in around.directions[:_DIRECTIONS]
        ]

    def _moved(self, direction: Arrays, step: float) -> Arrays:
        ends = []
        for sign in (1, -1):
            at = dict(self._around.point)
            for name, array in direction.items():
                at[name] = np.asarray(at[name], np.float64) + sign * step * array
            ends.append({n: np.asarray(a, np.float64) for n, a in at.items() if n in direction})
            ends[-1] |= self._around.forward.run(at, self._names)
        after, before = ends
        return {
            name: _apart(np.asarray(after[name], np.float64), np.asarray(before[name], np.float64))
            / (2 * step)
            for name in after
            if after[name].dtype.kind not in "biuOSU"
        }


def _apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far values are apart; those that masks make infinite are not, where they are the same."""
    with np.errstate(invalid="ignore"):
        return np.where(x == y, 0, x - y)


class _Node:
    """One node, alone in a graph."""

    def __init__(
        self, node: ir.Node, active: set[ir.Value], moves: _Moves, around: Surroundings
    ) -> None:
        self._node = node
        self._moves = moves
        self._around = around
        given = {value: None for value in node.inputs if value is not None and value in active}
        self._inputs = [str(value.name) for value in given]
        self._outputs = [str(value.name) for value in node.outputs if value in active]
        self._names = [*self._inputs, *self._outputs]

    def check(self, rng: np.random.Generator) -> Fault | None:
        """The fault, if there is one."""
        outputs = {name: self._moves.values[name] for name in self._outputs}
        try:
            session = open_session(self._graph(), self._around.provider)
            results = []
            for _ in range(_COTANGENTS):
                cotangents = {
                    # Nothing comes back from what a mask has made infinite.
                    name: np.where(np.isfinite(array), rng.standard_normal(array.shape), 0).astype(
                        self._type(name)
                    )
                    for name, array in outputs.items()
                }
                feeds = {f"cotangent {n}": array for n, array in cotangents.items()}
                feeds |= {n: self._moves.values[n].astype(self._type(n)) for n in self._inputs}
                results.append((cotangents, session.run(feeds)))
        except OnnxscopeError as error:
            return self._fault(0, 0, 0, "refused", str(error))
        exact = self._around.forward.double and self._around.provider.name == "cpu"
        tolerance = _EXACT if exact else _ROUGH
        for name, array in outputs.items():
            computed = results[0][1][f"value {name}"].astype(np.float64)
            apart = np.linalg.norm(_apart(computed, np.asarray(array, np.float64)))
            length = np.linalg.norm(array[np.isfinite(array)])
            if not apart <= max(tolerance, 0.01) * length + 1e-30:
                return self._fault(float(apart), 0, float(length), "value")
        return self._worst(results, tolerance)

    def _worst(self, results: Sequence[tuple[Arrays, Arrays]], tolerance: float) -> Fault | None:
        """A fault where more than half of the comparisons fail, with the numbers of one."""
        coarse, fine = (
            _stacked(moves, self._names) for moves in zip(*self._moves.moves, strict=True)
        )
        weights = _stacked([cotangents for cotangents, _ in results], self._outputs)
        ruled = {
            name: np.stack([answers[f"gradient {name}"].ravel() for _, answers in results])
            for name in self._inputs
        }
        ruled = {name: np.asarray(array, np.float64) for name, array in ruled.items()}

        def weigh(factors: Arrays, moves: Arrays) -> np.ndarray:
            """By cotangent and direction."""
            return np.asarray(sum(factors[name] @ moves[name].T for name in factors))

        by_rule, real = weigh(ruled, fine), weigh(weights, fine)
        bending = by_rule - real - (weigh(ruled, coarse) - weigh(weights, coarse))
        # Sums of many terms of random signs: as large as the root of the sum of their squares.
        sizes = np.sqrt(sum(np.sum(fine[name] ** 2, axis=1) for name in self._outputs))
        terms = np.sqrt(weigh(_squared(ruled), _squared(fine)))
        limit = np.maximum(6 * abs(bending), tolerance * np.maximum(sizes, terms))
        # Not a number is no agreement.
        wrong = np.argwhere(~(abs(by_rule - real) <= limit))
        if 2 * len(wrong) <= by_rule.size:
            return None
        at = tuple(wrong[0])
        return self._fault(float(by_rule[at]), float(real[at]), float(limit[at]))

    def _graph(self) -> onnx.ModelProto:
        """The node and its rule: inputs and cotangents to outputs and gradients."""
        node, values = self._node, self._moves.values
        opset = node.graph.opset_imports[""] if isinstance(node.graph, ir.Graph) else 18
        builder = Builder(opset=opset)
        tensors: dict[ir.Value, Tensor] = {}
        for value in node.inputs:
            if value is None or value in tensors:
                continue
            name = str(value.name)
            if name in self._inputs:
                tensors[value] = builder.input(name, values[name].shape, self._type(name))
            elif value.const_value is not None:
                tensors[value] = builder.initializer(value.const_value, name)
            else:
                tensors[value] = builder.constant(values[name].astype(self._type(name)))
        outputs = builder.append(
            node.op_type,
            [None if value is None else tensors[value] for value in node.inputs],
            dict(node.attributes),
            outputs=len(node.outputs),
            domain=node.domain,
            version=version_of(node),
            node_name=node.name,
        )
        if self._around.lowered:
            lower(builder, GradientPlan(rules=self._around.rules))
            # The one node's other form, with a value and a gradient of its own.
            outputs = tuple(Tensor(builder, value) for value in builder.composites) or outputs
        by_name = {str(v.name): t for v, t in zip(node.outputs, outputs, strict=False)}
        seeds = {
            by_name[name]: builder.input(f"cotangent {name}", values[name].shape, self._type(name))
            for name in self._outputs
        }
        wrt = [tensors[value] for value in tensors if str(value.name) in self._inputs]
        gradients = backpropagate(builder, seeds, wrt, self._around.rules)
        for name in self._outputs:
            builder.output(f"value {name}", by_name[name])
        for tensor, gradient in zip(wrt, gradients, strict=True):
            builder.output(f"gradient {tensor.name}", gradient)
        return model_of(builder)

    def _type(self, name: str) -> np.dtype[np.generic]:
        """The type that a value of the node has in the network itself."""
        for value in (*self._node.inputs, *self._node.outputs):
            if value is not None and value.name == name and value.dtype is not None:
                return value.dtype.numpy()
        return self._moves.values[name].dtype

    def _fault(
        self,
        gradient: float,
        differences: float,
        uncertainty: float,
        kind: str = "gradient",
        message: str = "",
    ) -> Fault:
        node = self._node
        return Fault(
            op_type=f"{node.domain}::{node.op_type}" if node.domain else node.op_type,
            node=node.name or self._outputs[0],
            inputs=tuple(self._described(value) for value in node.inputs if value is not None),
            outputs=tuple(self._described(value) for value in node.outputs),
            attributes={name: _plain(a) for name, a in node.attributes.items()},
            gradient=gradient,
            differences=differences,
            uncertainty=uncertainty,
            kind=kind,
            message=message,
        )

    def _described(self, value: ir.Value) -> tuple[str, tuple[int, ...]]:
        known = self._moves.values.get(str(value.name))
        if known is not None:
            return str(value.name), known.shape
        dims = () if value.shape is None else value.shape
        return str(value.name), tuple(dim for dim in dims if isinstance(dim, int))


def _stacked(arrays: Sequence[Arrays], names: Sequence[str]) -> Arrays:
    """By name, the arrays as rows."""
    return {
        name: np.stack([np.asarray(each[name], np.float64).ravel() for each in arrays])
        for name in names
    }


def _squared(arrays: Arrays) -> Arrays:
    return {name: array**2 for name, array in arrays.items()}


def _plain(attribute: ir.Attr) -> Any:
    value = attribute.value
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
