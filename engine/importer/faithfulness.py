"""Does a network, as it is read here, compute what ONNX Runtime computes of the file as it is?

A network is rewritten before anything is differentiated: brought to another opset, its functions
inlined, operators expanded, constants folded. A gradient can be right for what came out and wrong
for the file. So all values of both are computed at one point and compared, node by node.

Rounding is told from another meaning by the node alone. Where a value differs by more than its
inputs explain, the node is computed once more by itself, on ONNX Runtime's inputs and on ours. If
it gives ONNX Runtime's result for the former and ours for the latter, it has only passed on, or
amplified, what came in, as a rounding to integers or a difference of nearly equal numbers does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ..errors import ModelError, OnnxscopeError
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..runtime.apart import EndedError, Feeds, prepare
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import open_session
from .as_it_is import comparable, computed_by_file, is_random, reads, where_it_ends
from .integers import as_integers
from .opsets import LoadedModel
from .replay import replay
from .tolerances import coarseness, difference, rounding

# By how much a node may amplify the differences of its inputs before it is looked at by itself.
_AMPLIFIED = 30
# Domains whose operators ONNX Runtime brings itself.
# After so many nodes that had to be looked at by themselves the rest is left.
_MOST_LOOKED_AT = 64


@dataclass(frozen=True)
class Departure:
    """The first node whose result is another than ONNX Runtime's for the file as it is.

    Attributes:
        op_type: Its operator, such as `LSTM`.
        node: Its name in the file; empty where it has none.
        value: The name of its output.
        apart: The largest difference of an element, over the largest element; infinite where the
            shapes differ, or one of both is no number.
    """

    op_type: str
    node: str
    value: str
    apart: float

    def __str__(self) -> str:
        where = f"{self.op_type} (node {self.node!r})" if self.node else self.op_type
        far = f"by {self.apart:.2g} of its largest element" if np.isfinite(self.apart) else "wholly"
        return f"{where} gives {self.value!r}, which differs {far}"


@dataclass(frozen=True)
class Faithfulness:
    """How a network as it is read compares with the file as it is.

    Attributes:
        compared: How many values were compared.
        departure: The first node that differs; `None` where none does.
        left_out: Values that could not be compared, each with the reason.
        reason: Why nothing could be compared; empty where something was.
        refused: Why ONNX Runtime runs neither the file nor the network as it is read, on the CPU;
            empty where it runs either, or was not asked.
    """

    compared: int = 0
    departure: Departure | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    refused: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"its values could not be compared with the file's: {self.reason}"
        if self.departure is not None:
            return f"it is another network than the file's: {self.departure}"
        left = f", {len(self.left_out)} could not be compared" if self.left_out else ""
        return f"its {self.compared} values are those of the file{left}"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        departure = None if self.departure is None else vars(self.departure)
        return {**vars(self), "departure": departure, "left_out": dict(self.left_out)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Faithfulness:
        """Read back what `to_json` wrote."""
        departure = data["departure"]
        return Faithfulness(
            data["compared"],
            None if departure is None else Departure(**departure),
            data["left_out"],
            data["reason"],
            data["refused"],
        )


def compare_with_file(
    loaded: LoadedModel,
    point: Mapping[str, np.ndarray],
    stored: Feeds | None = None,
    known: Collection[str] = (),
) -> Faithfulness:
    """Compare all values of a network with those that ONNX Runtime gives for the file as it is.

    What cannot be written here, such as a loop of a billion rounds, is not run there either.

    Args:
        loaded: The network as it is read.
        point: Inputs of the file, by name.
        stored: The others, which the network has as constants or weights: sequences of tensors, and
            initializers that have another value than in the file.
        known: The names of inputs whose values are given, not drawn: constants of the network where
            something of it cannot be written otherwise.
    """
    path = loaded.original.path
    folder = None if path is None else path.resolve().parent
    try:
        original = loaded.original.read()
    except OnnxscopeError as error:
        return Faithfulness(reason=str(error))
    nodes = [node for node in original.graph.node if not is_random(node)]
    wanted = comparable(original)
    if not wanted:
        return Faithfulness(reason="all that it computes depends on random numbers of the run")
    prepare()
    point = _as_taken(original, point)
    reading = _Reading(loaded, point, known)
    fed: Feeds = {**point, **(stored or {})}
    try:
        written = reading.written(wanted)
        # Of either all values are there at once.
        check_memory(Footprint.of(written.model, 1), Use.whole(1), "cpu", "comparing all values")
    except OnnxscopeError as error:
        return Faithfulness(reason=str(error))
    if not written.names:
        return Faithfulness(left_out=written.left_out, reason=next(iter(written.left_out.values())))
    there = set(written.names.values()) - _of_no_use(original)
    wanted = [name for name in wanted if name in there]
    try:
        theirs = computed_by_file(original, wanted, fed, folder)
    except EndedError as error:
        return Faithfulness(
            reason=f"{error} on this file{where_it_ends(original, wanted, fed, folder)}"
        )
    except OnnxscopeError as error:
        refused = _refusal(written.model, error)
        return Faithfulness(reason=f"ONNX Runtime does not run the file: {error}", refused=refused)
    ours, left_out = reading.values(written, theirs)
    left_out |= {name: "ONNX Runtime does not give it" for name in wanted if name not in theirs}
    apart: dict[str, float] = {}
    looked_at = 0
    for node in nodes:
        inherited = max((apart.get(name, 0.0) for name in reads(node)), default=0.0)
        for name in node.output:
            if name not in ours:
                continue
            apart[name] = difference(theirs[name], ours[name])
            if theirs[name].size and written.shapes.get(name) not in (None, theirs[name].shape):
                # Both are run by ONNX Runtime, but the gradient counts on another shape.
                departure = Departure(node.op_type, node.name, name, np.inf)
                return Faithfulness(len(ours), departure, left_out)
            # ONNX Runtime leaves out casts to fewer digits and back.
            limit = max(
                rounding(theirs[other]) for other in (name, *reads(node)) if other in theirs
            )
            limit = max(limit, coarseness(node))
            if apart[name] <= max(limit, _AMPLIFIED * inherited) and np.isfinite(apart[name]):
                continue
            if looked_at == _MOST_LOOKED_AT:
                left_out[name] = "too many nodes differ by more than rounding"
                continue
            looked_at += 1
            if not reading.explains(node, name, limit, theirs, ours):
                departure = Departure(node.op_type, node.name, name, apart[name])
                return Faithfulness(len(ours), departure, left_out)
    return Faithfulness(len(ours), None, left_out)


def _as_taken(
    original: onnx.ModelProto, point: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """Inputs rounded to the digits that a file takes them in, where the network takes more."""
    coarse = {
        value.name
        for value in original.graph.input
        if value.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16
    }
    dtype = helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16)
    return {n: a.astype(dtype).astype(a.dtype) if n in coarse else a for n, a in point.items()}


def _of_no_use(original: onnx.ModelProto) -> set[str]:
    """Second results of nodes that nobody reads, such as the mask of a Dropout."""
    nodes = original.graph.node
    used = {name for node in nodes for name in reads(node)}
    used.update(value.name for value in original.graph.output)
    return {name for node in nodes for name in node.output[1:]} - used


def _refusal(model: onnx.ModelProto, of_file: OnnxscopeError) -> str:
    """Why ONNX Runtime opens no session of a network, where it has refused its file as well."""
    try:
        open_session(model, "cpu")
    except ModelError:
        return str(of_file)
    return ""


@dataclass(frozen=True)
class _Written:
    """A graph of the network that gives its values.

    Attributes:
        model: The graph.
        names: From its outputs to the values' names.
        shapes: The shapes by inference of the values, by name, as far as they are known.
        left_out: Values that it does not give, each with the reason.
    """

    model: onnx.ModelProto
    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, str]


class _Reading:
    """The network as it is read, at one point."""

    def __init__(
        self, loaded: LoadedModel, point: Mapping[str, np.ndarray], known: Collection[str]
    ) -> None:
        self._loaded = loaded
        self._point = point
        self._known = frozenset(known)
        self._constants: frozenset[str] = frozenset()

    def written(self, wanted: Sequence[str]) -> _Written:
        """The graph that gives these values, and why others are missing."""
        found = self._written(wanted)
        if found.left_out and self._known:
            # Such as what comes out of a loop whose rounds are given.
            self._constants = self._known
            more = self._written(wanted)
            if len(more.names) > len(found.names):
                return more
            self._constants = frozenset()
        return found

    def _written(self, wanted: Sequence[str]) -> _Written:
        graph = self._loaded.model.graph
        there = {value.name for node in graph for value in node.outputs if value.name}
        left_out = {name: "it is not there any more" for name in wanted if name not in there}
        failures: dict[str, OnnxscopeError] = {}

        def write(builder: Builder) -> dict[str, Tensor]:
            inputs = {
                n: builder.constant(a, name=n)
                if n in self._constants
                else builder.input(n, a.shape, a.dtype)
                for n, a in self._given().items()
            }
            names = [name for name in wanted if name in there]
            return replay(builder, graph, inputs, names, failures=failures)

        model, names = self._model(write)
        left_out |= {name: str(error) for name, error in failures.items()}
        shapes = {
            names[output.name]: tuple(dim.dim_value for dim in output.type.tensor_type.shape.dim)
            for output in model.graph.output
            if all(dim.HasField("dim_value") for dim in output.type.tensor_type.shape.dim)
            and output.type.tensor_type.HasField("shape")
        }
        return _Written(model, names, shapes, left_out)

    def values(
        self, written: _Written, theirs: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Those of the values that the file gives as well, and why others are missing."""
        names = {key: name for key, name in written.names.items() if name in theirs}
        try:
            found = self._run(written.model, names, self._given())
        except OnnxscopeError as error:
            return {}, {**written.left_out, **dict.fromkeys(names.values(), str(error))}
        return found, dict(written.left_out)

    def explains(
        self,
        node: onnx.NodeProto,
        name: str,
        limit: float,
        theirs: Mapping[str, np.ndarray],
        ours: Mapping[str, np.ndarray],
    ) -> bool:
        """Whether a node by itself gives their output for their inputs, and ours for ours.

        Args:
            node: In the file.
            name: Of its output.
            limit: By how much they may differ (see `rounding`).
            theirs: Values of the file, by name.
            ours: Those of the network as it is read.
        """
        read = [other for other in dict.fromkeys(reads(node)) if other in ours]
        for values in (theirs, ours):
            given = self._given() | {other: values[other] for other in read}
            try:
                found = self._alone(name, {other: ours[other] for other in read}, given)
            except OnnxscopeError:
                return False
            if not difference(values[name], found) <= limit:
                return False
        return True

    def _alone(
        self, name: str, alike: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """One value, computed from others in the types that they have here."""
        graph = self._loaded.model.graph
        fed = {n: a.astype(alike[n].dtype) if n in alike else a for n, a in given.items()}

        def write(builder: Builder) -> dict[str, Tensor]:
            # Shapes, axes and the like have to be known; they are what both have alike.
            inputs = {
                n: builder.constant(a, a.dtype)
                if n in self._constants or (n in alike and a.dtype.kind in "bi")
                else builder.input(n, a.shape, a.dtype)
                for n, a in fed.items()
            }
            return replay(builder, graph, inputs, [name])

        model, names = self._model(write)
        return self._run(model, names, fed)[name]

    def _given(self) -> dict[str, np.ndarray]:
        return dict(self._point)

    def _model(
        self, write: Callable[[Builder], Mapping[str, Tensor]]
    ) -> tuple[onnx.ModelProto, dict[str, str]]:
        """A graph, and the values that its outputs are, by name."""
        builder = Builder(opset=self._loaded.opset)
        written = write(builder)
        names: dict[str, str] = {}
        for number, (name, tensor) in enumerate(written.items()):
            names[f"compared.{number}"] = name
            kept = builder.integers.get(tensor.value)
            if kept is not None and not kept.is_integer():
                # ONNX Runtime gives numbers of eight bits as these bits.
                tensor = as_integers(builder, tensor)
            # Itself, where it can be: of thousands of copies ONNX Runtime rids itself in minutes.
            builder.output(f"compared.{number}", tensor)
        return model_of(builder), names

    def _run(
        self, model: onnx.ModelProto, names: Mapping[str, str], feeds: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Compute some outputs of a graph, by the names of the values that they are."""
        if not names:
            return {}
        taken = {value.name for value in model.graph.input}
        session = open_session(model, "cpu")
        results = session.run({n: a for n, a in feeds.items() if n in taken}, list(names))
        return {names[key]: np.asarray(array) for key, array in results.items()}
