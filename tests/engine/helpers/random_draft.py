"""Writes a random graph node by node, for recipes.

Each node is run where it is written: so a recipe knows the shapes and values that it goes on from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx
from graphs import session
from hypothesis import assume
from hypothesis import strategies as st
from onnx import defs, helper, numpy_helper

# Larger values are scaled down before they are used again, smaller ones up.
_LARGE, _SMALL = 30.0, 0.02
_MOST_ELEMENTS = 400


class Draft:
    """A graph under construction.

    Attributes:
        values: All values so far, by name, as they are at the point.
        reals: Names of the real ones that may be used.
    """

    def __init__(self, draw: Callable, opset: int) -> None:
        self.opset = opset
        self.values: dict[str, np.ndarray] = {}
        self.reals: list[str] = []
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: dict[str, np.ndarray] = {}
        self.weights: dict[str, np.ndarray] = {}
        self.fed: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.single: set[str] = set()
        self.draw = draw
        self._rng = np.random.default_rng(draw(st.integers(0, 999)))

    # Choices ------------------------------------------------------------------------------------

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self.draw(st.integers(low, high))

    def flag(self) -> bool:
        """A truth value."""
        return self.draw(st.booleans())

    def choice(self, options: Sequence):
        """One of several."""
        return self.draw(st.sampled_from(list(options)))

    def order(self, count: int) -> list[int]:
        """A permutation."""
        return list(self.draw(st.permutations(range(count))))

    def numbers(self, count: int, low: int, high: int) -> list[int]:
        """Whole numbers."""
        return [self.number(low, high) for _ in range(count)]

    def sizes(self, low: int = 0, high: int = 4) -> tuple[int, ...]:
        """A shape of so many axes."""
        return tuple(self.numbers(self.number(low, high), 1, 4))

    def subset(self, rank: int, *, least: int = 1) -> list[int]:
        """Some axes, in any order, some counted from the end."""
        count = self.number(min(least, rank), rank)
        return [self.signed(axis, rank) for axis in self.order(rank)[:count]]

    def signed(self, axis: int, rank: int) -> int:
        """An axis, counted from the front or from the end."""
        return axis - rank if self.flag() else axis

    def axis(self, x: str) -> int:
        """An axis of a value."""
        rank = self.values[x].ndim
        return self.signed(self.number(0, rank - 1), rank)

    def some(self, **options: object) -> dict[str, object]:
        """Some of these attributes; the others are left to their defaults."""
        return {name: value for name, value in options.items() if value is not None and self.flag()}

    def has(self, op_type: str) -> bool:
        """Whether the opset has an operator."""
        return defs.has(op_type, self.opset, "")

    # Values -------------------------------------------------------------------------------------

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Random numbers."""
        return np.asarray(self._rng.normal(size=shape) * scale, np.float32)

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Random numbers between two others."""
        return np.asarray(self._rng.uniform(low, high, shape), np.float32)

    def fresh(self, shape: Sequence[int], array: np.ndarray | None = None) -> str:
        """A new input, weight or constant."""
        array = self.normal(*shape) if array is None else array
        kind = self.number(0, 5)
        if kind == 5 and self.inputs:
            return self.constant(array)
        home, name = (
            (self.weights, f"w{len(self.weights)}")
            if kind == 4 and self.inputs
            else (self.inputs, f"x{len(self.inputs)}")
        )
        home[name] = self.values[name] = array
        self.reals.append(name)
        return name

    def constant(self, array: object, dtype: type = np.float32, *, single: bool = False) -> str:
        """An initializer."""
        name = f"c{len(self.constants)}"
        self.constants[name] = self.values[name] = np.asarray(array, dtype)
        if single:
            self.single.add(name)
        return name

    def ints(self, numbers: object, dtype: type = np.int64) -> str:
        """Whole numbers or truth values: a constant, or an input of the open form."""
        array = np.asarray(numbers, dtype)
        kind = self.number(0, 3)
        if kind == 3:
            name = f"n{len(self.fed)}"
            self.fed[name] = self.values[name] = array
            return name
        if kind == 2:
            value = numpy_helper.from_array(array)
            return self.add("Constant", [], value=value)[0]
        return self.constant(array, dtype)

    def vector(self, numbers: Sequence[int]) -> str:
        """A shape: as `ints`, or measured on a value that has it."""
        for name in self.reals[-6:]:
            if self.values[name].shape == tuple(numbers) and self.flag():
                return self.add("Shape", [name])[0]
        return self.ints(list(numbers))

    def value(self, low: int = 0, high: int = 4, fits: Callable | None = None) -> str:
        """A real value of so many axes, one that is there or a new one."""
        found = [
            name
            for name in self.reals
            if low <= self.values[name].ndim <= high and (fits is None or fits(self.values[name]))
        ]
        if found and self.number(0, 4):
            # The last ones first: chains rather than bushes.
            return found[-1 - self.number(0, min(3, len(found) - 1))]
        shape = self.sizes(low, high)
        assume(fits is None or fits(np.empty(shape)))
        return self.fresh(shape)

    def shaped(self, shape: Sequence[int]) -> str:
        """A real value of one shape: there already, new, or made of another one."""
        shape = tuple(shape)
        kind = self.number(0, 3)
        same = [name for name in self.reals if self.values[name].shape == shape]
        if same and kind == 1:
            return same[-1 - self.number(0, min(2, len(same) - 1))]
        if kind >= 2 and self.reals:
            return self._refitted(
                self.reals[-1 - self.number(0, min(3, len(self.reals) - 1))], shape
            )
        return self.fresh(shape)

    def _refitted(self, x: str, shape: tuple[int, ...]) -> str:
        """The elements of a value in another shape, repeated or cut off as it takes."""
        wanted, size = math.prod(shape), self.values[x].size
        flat = self.add("Reshape", [x, self.ints([-1])])[0]
        if size < wanted:
            repeats = -(-wanted // size)
            flat = self.add("Tile", [flat, self.ints([repeats])])[0]
        if size > wanted or wanted % size:
            flat = self.add("Slice", [flat, self.ints([0]), self.ints([wanted])])[0]
        return self.add("Reshape", [flat, self.vector(shape)])[0]

    def beside(self, x: str) -> str:
        """A value that is broadcast with another, to either side."""
        shape = self.values[x].shape
        cut = shape[self.number(0, len(shape)) :]
        wanted = [1 if self.number(0, 2) == 2 else size for size in cut]
        if self.number(0, 3) == 3:
            free = [
                self.number(1, 3) if own == 1 else size
                for own, size in zip(cut, wanted, strict=True)
            ]
            larger = [*self.sizes(0, len(shape) == len(cut) and 4 - len(shape)), *free]
            if math.prod(np.broadcast_shapes(tuple(larger), shape)) <= _MOST_ELEMENTS:
                wanted = larger
        return self.shaped(wanted)

    def positive(self, x: str) -> str:
        """A value made greater than zero by some way."""
        if self.values[x].min(initial=1) > 0.2:
            return x
        kind = self.number(0, 2)
        if kind == 0:
            return self.add("Add", [self.add("Mul", [x, x])[0], self.constant(0.3)])[0]
        if kind == 1:
            return self.add("Add", [self.add("Abs", [x])[0], self.constant(0.25)])[0]
        return self.add("Add", [self.add("Softplus", [x])[0], self.constant(0.2)])[0]

    def within(self, x: str, limit: float) -> str:
        """A value whose elements are kept between −limit and limit."""
        if np.abs(self.values[x]).max(initial=0) < limit:
            return x
        return self.add("Mul", [self.add("Tanh", [x])[0], self.constant(limit)])[0]

    def nonzero(self, x: str) -> str:
        """A value without elements near zero."""
        if np.abs(self.values[x]).min(initial=1) > 0.1:
            return x
        return self.positive(x)

    # Nodes --------------------------------------------------------------------------------------

    def add(
        self,
        op_type: str,
        inputs: Sequence[str | None],
        outputs: int = 1,
        *,
        keep: Sequence[int] | None = None,
        **attributes: object,
    ) -> list[str]:
        """Append a node.

        Args:
            op_type: Operator.
            inputs: Values; `None` leaves one out.
            outputs: How many it has.
            keep: Outputs that may be used again, by default all; an output that is not kept is
                still one of the graph's.
            attributes: Of the node.

        Returns:
            The outputs; those that may be used again, scaled where they are far from 1.
        """
        given = ["" if name is None else name for name in inputs]
        while given and not given[-1]:
            given.pop()
        names = [f"v{len(self.values) + i}" for i in range(outputs)]
        node = helper.make_node(op_type, given, names, **attributes)
        results = self._run(node)
        self.nodes.append(node)
        for name, result in zip(names, results, strict=True):
            self.values[name] = result
        usable = range(outputs) if keep is None else keep
        return [self._usable(name) if i in usable else name for i, name in enumerate(names)]

    def _usable(self, name: str) -> str:
        result = self.values[name]
        if result.dtype != np.float32:
            return name
        assume(np.isfinite(result).all() and result.size <= 8 * _MOST_ELEMENTS)
        if not result.size:
            return name
        size = float(np.abs(result).max())
        assume(size < 1e12)
        if size > _LARGE or 0 < size < _SMALL:
            scale = 2.0 ** -round(math.log2(size))
            return self.add("Mul", [name, self.constant(scale)])[0]
        self.reals.append(name)
        return name

    def _run(self, node: onnx.NodeProto) -> list[np.ndarray]:
        used = {name for name in names_read(node) if name}
        feeds = {name: self.values[name] for name in used}
        # What may be an attribute's worth of numbers must be known to some kernels.
        known = {n: a for n, a in feeds.items() if n in self.constants}
        graph = helper.make_graph(
            [node],
            "node",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in feeds.items()
                if name not in known
            ],
            [helper.make_empty_tensor_value_info(name) for name in node.output],
            [numpy_helper.from_array(array, name) for name, array in known.items()],
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10
        )
        opened = session(proto)
        return opened.run(None, {n: a for n, a in feeds.items() if n not in known})


def names_read(node: onnx.NodeProto) -> list[str]:
    """What a node reads, its subgraphs included."""
    names = list(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            inner = attribute.g
            own = {v.name for v in inner.input} | {t.name for t in inner.initializer}
            own.update(name for n in inner.node for name in n.output)
            names += [name for n in inner.node for name in names_read(n) if name not in own]
            names += [value.name for value in inner.output if value.name not in own]
    return names


class UnwritableError(Exception):
    """What the recipe wants cannot be written at this opset."""


# Recipes ---

Recipe = Callable[[Draft, str], object]
RECIPES: dict[str, Recipe] = {}
"""By operator: writes one node of it, and what the node needs."""


def recipe(*op_types: str) -> Callable[[Recipe], Recipe]:
    """Register a recipe for operators."""

    def register(function: Recipe) -> Recipe:
        for op_type in op_types:
            if op_type in RECIPES:
                raise ValueError(f"{op_type} has a recipe already")
            RECIPES[op_type] = function
        return function

    return register
