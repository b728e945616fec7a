"""What is verified: a network, what of it is differentiated, and a point where.

Networks that take one picture are verified in the terms that pictures are made in: an objective and
its gradient with respect to the picture in [0, 1]. All others are graphs from tensors to a tensor.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from ..errors import (
    InputError,
    LayerError,
    ModelError,
    RowsError,
    UnfaithfulWarning,
    nearest,
)
from ..gradient.differentiation import differentiate
from ..gradient.objective import append_objective, gradient_of_image
from ..graph.builder import Builder
from ..graph.domains import numbers_of
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..graph.walks import computed_from
from ..importer.faithfulness import Faithfulness, compare_with_file
from ..importer.opsets import LoadedModel
from ..importer.replay import replay
from ..network.inputs.defaults import no_input, take_defaults
from ..network.inputs.drawing import (
    bound_dimensions,
    is_real,
    random_array,
    random_picture,
    require_indices,
    tables_of,
)
from ..network.inputs.given import as_input
from ..network.inputs.sequences import take_sequences
from ..network.model import Model
from ..network.values import value_called
from ..objectives.algebra import Objective
from ..objectives.making import layer as layer_objective
from ..objectives.targets import resolve
from ..plain import from_digits
from ..planes import as_planes
from ..rules.table import RuleTable
from ..runtime.apart import Feeds
from ..runtime.memory import require_memory
from ..runtime.session import open_session

# A network of pictures sees little in fewer rows.
_SMALLEST = 32

# Of an element of what is verified: its weight as it is drawn, and in the value's type.
_ELEMENT_BYTES = 12

VALUE = "verified.value"
"""The output of what is verified."""


@dataclass(frozen=True)
class Subject:
    """What is verified.

    Attributes:
        name: Of the model.
        target: What is differentiated, in words.
        forward: The network from its inputs to the output `VALUE`, every shape a number but such as
            depend on the numbers that are computed.
        point: The inputs of `forward`, by name.
        wrt: Those of them that it is differentiated with respect to.
        cotangent: What the value is weighted with, of its shape and type.
        gradient: From a table of rules to the gradient graph: its last outputs are the gradients,
            in the order of `wrt`, and its last input the cotangent where `seeded`.
        seeded: Whether the gradient graph takes the cotangent.
        lowered: Whether the gradient graph writes operators in faster forms first.
        faithfulness: How the network compares with the file as it is.
        redraw: Gives other random inputs; `None` where none are random.
        smaller: Gives the same on a random picture half as wide and high, or `None` where the
            network takes none so small; `None` where the picture is given or its size is.
    """

    name: str
    target: str
    forward: onnx.ModelProto
    point: dict[str, np.ndarray]
    wrt: tuple[str, ...]
    cotangent: np.ndarray
    gradient: Callable[[RuleTable], onnx.ModelProto]
    seeded: bool
    lowered: bool
    faithfulness: Faithfulness
    redraw: Callable[[np.random.Generator], dict[str, np.ndarray]] | None = None
    smaller: Callable[[np.random.Generator], Subject | None] | None = None


def picture_subject(
    model: Model,
    target: str | Objective | None,
    *,
    picture: npt.ArrayLike | None,
    size: tuple[int, int] | None,
    rng: np.random.Generator,
) -> Subject:
    """Return an objective of a network that takes pictures.

    Args:
        model: The network; where it does not say what it expects, it gets RGB in [0, 1].
        target: An objective or target; by default all class scores, or the last main layer.
        picture: (H, W, 3) as `onnxscope.Gradient` takes it; by default a random one.
        size: Height and width of a random picture, by default the model's own.
        rng: Source of randomness.

    Raises:
        InputError: there are several pictures, or they do not fit.
        RowsError: what is verified has not one row for each picture.
    """
    model = model.on_plain_pictures()
    if isinstance(target, str):
        objective = resolve(model, target)
    else:
        objective = layer_objective(_last_layer(model)) if target is None else target
    if picture is None:
        batch = random_picture(rng, *(size or model.usual_size), model.form.planes)
    else:
        batch = as_planes(picture, model.form)
    if len(batch) != 1:
        raise InputError(
            f"verify looks at one picture, and at holds {len(batch)}: give one of them"
        )
    _, planes, height, width = batch.shape
    open_size = picture is None and size is None and model.fixed_size is None
    builder = Builder(opset=model.opset)
    image = builder.input("image", batch.shape, np.float32)
    with warnings.catch_warnings():
        # It is found out here whether the network is the file's.
        warnings.simplefilter("ignore", UnfaithfulWarning)
        builder.output(VALUE, append_objective(model, objective, image))
    return Subject(
        name=model.name,
        target=str(objective),
        forward=model_of(builder),
        point={"image": batch},
        wrt=("image",),
        cotangent=np.ones(1, np.float32),
        gradient=lambda rules: gradient_of_image(
            model, objective, (1, planes, height, width), rules
        ),
        seeded=False,
        lowered=True,
        faithfulness=model.faithfulness,
        redraw=None
        if picture is not None
        else lambda rng: {"image": random_picture(rng, height, width, planes)},
        smaller=(lambda rng: _halved(model, objective, (height, width), rng))
        if open_size
        else None,
    )


def _halved(
    model: Model, objective: Objective, size: tuple[int, int], rng: np.random.Generator
) -> Subject | None:
    """The same on a picture of half the size; `None` where that is too small."""
    height, width = (side // 2 for side in size)
    if min(height, width) < _SMALLEST:
        return None
    try:
        half = picture_subject(model, objective, picture=None, size=(height, width), rng=rng)
    except InputError:
        # Its cells would be gone.
        return None
    return replace(half, smaller=lambda rng: _halved(model, objective, (height, width), rng))


def _last_layer(model: Model) -> str:
    """The class scores where there are some, otherwise the last layer that is no softmax."""
    try:
        return model.logits()
    except LayerError:
        layers = [layer for layer in model.layers.values() if layer.op_type != "Softmax"]
        main = [layer for layer in layers if layer.main] or layers
        if not main:
            reasons = list(model.layers.left_out.values())
            raise RowsError(
                f"{model.name} has no layers to verify" + (f": {reasons[0]}" if reasons else "")
            ) from None
        return main[-1].name


# Tensors -----------------------------------------------------------------------------------------


def tensor_subject(
    loaded: LoadedModel,
    target: str | None,
    *,
    arrays: Mapping[str, npt.ArrayLike],
    shapes: Mapping[str, Sequence[int]],
    wrt: Sequence[str] = (),
    rng: np.random.Generator,
    examples: int = 1,
) -> Subject:
    """Return a value of any network, with respect to its real inputs.

    Where it has none, taking tokens alone, it is differentiated with respect to the tables that
    they, or what is computed from them, are looked up in.

    Args:
        loaded: The network.
        target: The name of a value, or what `onnxscope inspect` calls it, by default the first
            real output; `NAME:UNIT` is one unit of it, along the second axis.
        arrays: Inputs that are not to be random, by name. Those that it is not differentiated with
            respect to are constants of the network, so that what follows from them alone is known,
            such as the branch that an `If` takes.
        shapes: Of inputs whose shape the model leaves open.
        wrt: Inputs, weights or values on the way that it is differentiated with respect to
            instead, as `onnxscope.differentiate` takes them.
        rng: Source of randomness.
        examples: How many there are, where the first axis of an input is open.

    Raises:
        OnnxscopeError: there is no such value, input or shape.
    """
    graph, arrays = loaded.model.graph, dict(arrays)
    stored: Feeds = {**take_sequences(graph, arrays), **take_defaults(graph, arrays)}
    inputs = {v.name: v for v in graph.inputs if v.name and v.name not in graph.initializers}
    for name in {**arrays, **shapes}:
        if name not in inputs:
            raise LayerError(no_input(graph, name, inputs))
    fixed = {name: as_input(inputs[name], a, shapes.get(name)) for name, a in arrays.items()}
    for name, array in fixed.items():
        require_indices(inputs[name], array)
    bound = bound_dimensions(inputs, fixed, shapes)
    point = {
        name: fixed[name]
        if name in fixed
        else random_array(value, shapes.get(name), bound, rng, examples)
        for name, value in inputs.items()
    }
    drawn = {name: value for name, value in inputs.items() if name not in arrays}
    real = [name for name, value in inputs.items() if is_real(value)]
    of, unit = _find_value(graph, target)
    # Before tables are made inputs, which they are not in the file.
    faithfulness = compare_with_file(loaded, point, stored, known=fixed)
    if wrt:
        wanted = [wrt] if isinstance(wrt, str) else list(dict.fromkeys(wrt))
        real = [_named(graph, name) for name in wanted]
    elif not real:
        real = _tables(graph, list(inputs.values()))
    constants = {name: point.pop(name) for name in fixed if name not in real}
    point |= _as_inputs(graph, real, point, constants, loaded.opset)
    builder, symbols = _begun(point, constants, loaded.opset)
    value = replay(builder, graph, symbols, [of])[of]
    if not value.dtype.kind == "f":
        raise LayerError(f"{of!r} is {value.dtype}: only real numbers have a gradient")
    builder.output(VALUE, value)
    forward = model_of(builder)
    known = value.value.shape is not None and all(isinstance(dim, int) for dim in value.dims)
    # How many different numbers there are, or which are not zero, only a run can tell.
    shape = value.shape if known else open_session(forward, "cpu").run(point)[VALUE].shape
    cotangent = _cotangent(of, unit, shape, rng).astype(value.dtype)
    model = loaded.model
    # What else the model gives is not verified, and need not have a gradient.
    graph.outputs[:] = [output for output in graph.outputs if output.name == of]
    sizes = {name: array.shape for name, array in point.items()}
    return Subject(
        name=loaded.origin,
        target=of if unit is None else f"{of}:{unit}",
        forward=forward,
        point=point,
        wrt=tuple(real),
        cotangent=cotangent,
        gradient=lambda rules: differentiate(
            model, of, real, shapes=dict(sizes), inputs=constants, rules=rules, compare=False
        ),
        seeded=bool(shape),
        lowered=False,
        faithfulness=faithfulness,
        # Elsewhere there may be more or fewer of them.
        redraw=(
            lambda rng: {
                name: random_array(value, sizes[name], bound, rng) for name, value in drawn.items()
            }
        )
        if known
        else None,
    )


def _tables(graph: ir.Graph, inputs: Sequence[ir.Value]) -> list[str]:
    """The names of the real tables that inputs, or integers computed from them, index.

    Raises:
        InputError: there are none.
    """
    direct = [table for value in inputs for table, _ in tables_of(value)]
    # A mask may be multiplied with the tokens before they are looked up.
    computed = [
        node.inputs[0]
        for node in computed_from(graph, *inputs)
        if node.op_type == "Gather" and node.domain == ""
    ]
    tables = dict.fromkeys(
        table.name
        for table in direct or [table for table in computed if table is not None]
        if table.name in graph.initializers and is_real(table)
    )
    if not tables:
        listed = ", ".join(f"{value.name} ({value.dtype})" for value in inputs) or "none"
        raise InputError(
            f"the model has no real input to differentiate with respect to, and looks none of its "
            f"inputs up in a table: {listed}; name a weight or a real value on the way as "
            "wrt=['NAME'] (--wrt NAME)"
        )
    return [name for name in tables if name]


def _named(graph: ir.Graph, name: str) -> str:
    """The name in the file of the value that a user calls so.

    Raises:
        LayerError: there is none, or it is known not to be real.
    """
    known = _by_name(graph)
    found = name if name in known else value_called(graph, name)
    if found not in known:
        raise LayerError(f"the model has no value {name!r}{nearest(name, known)}")
    if known[found].dtype is not None and not is_real(known[found]):
        raise LayerError(f"{name!r} is {known[found].dtype}: only real numbers have a gradient")
    return found


def _by_name(graph: ir.Graph) -> dict[str, ir.Value]:
    values = [*graph.inputs, *graph.initializers.values()]
    values += [value for node in graph for value in node.outputs]
    return {value.name: value for value in values if value.name}


def _begun(
    point: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray], opset: int
) -> tuple[Builder, dict[str, Tensor]]:
    """A graph of these inputs and constants, with both by name."""
    builder = Builder(opset=opset)
    symbols = {n: builder.input(n, array.shape, array.dtype) for n, array in point.items()}
    return builder, symbols | {n: builder.constant(a, name=n) for n, a in constants.items()}


def _as_inputs(
    graph: ir.Graph,
    names: Sequence[str],
    point: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
    opset: int,
) -> dict[str, np.ndarray]:
    """Make weights and values on the way inputs of the graph; gives what they are at the point."""
    found: dict[str, np.ndarray] = {}
    known = _by_name(graph)
    inner = [name for name in names if known[name].producer() is not None]
    if inner:
        builder, symbols = _begun(point, constants, opset)
        for name, tensor in replay(builder, graph, symbols, inner).items():
            if not is_real(tensor.value):
                raise LayerError(f"{name!r} is {tensor.dtype}: only real numbers have a gradient")
            builder.output(f"at {name}", tensor)
        given = {value.name: point[value.name] for value in builder.graph.inputs if value.name}
        results = open_session(model_of(builder), "cpu").run(given)
        found |= {name: results[f"at {name}"] for name in inner}
    for name in names:
        value = known[name]
        held = value.const_value
        if name in graph.initializers and held is not None:
            found[name] = np.array(held.numpy())
            del graph.initializers[name]
            value.const_value = None
            if not value.is_graph_input():
                graph.inputs.append(value)
        elif name in inner:
            value.name = f"{name} as computed"
            kind = ir.TensorType(ir.DataType.from_numpy(found[name].dtype))
            free = ir.Value(name=name, type=kind, shape=ir.Shape(found[name].shape))
            value.replace_all_uses_with(free, replace_graph_outputs=True)
            graph.inputs.append(free)
    return found


def _find_value(graph: ir.Graph, target: str | None) -> tuple[str, int | None]:
    """The value that a target names, and the unit of it."""
    if target is None:
        for value in graph.outputs:
            numbers = numbers_of(value)
            if numbers is not None and numbers.name:
                return numbers.name, None
            if value.name and (value.dtype is None or is_real(value)):
                return value.name, None
        there = ", ".join(value.name for value in graph.outputs if value.name)
        raise ModelError(
            f"no output of the model holds real numbers ({there or 'it has none'}): name a value "
            "that does as the target"
        )
    names = [v.name for node in graph for v in node.outputs if v.name]
    name, _, unit = target.rpartition(":")
    readings: list[tuple[str, int | None]] = [(target, None)]
    if name and unit.isdecimal():
        readings.append((name, from_digits("the unit", unit, LayerError)))
    for called, number in readings:
        found = called if called in names else value_called(graph, called)
        if found in names:
            return found, number
    if target in {value.name for value in graph.inputs}:
        raise LayerError(f"{target!r} is an input of the model: name a value that it computes")
    raise LayerError(f"the model has no value {target!r}{nearest(target, names)}")


def _cotangent(
    name: str, unit: int | None, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Random weights of a value's elements; for a unit, those of the unit alone.

    Raises:
        MemoryShortageError: there is not the memory for them.
    """
    require_memory(math.prod(shape) * _ELEMENT_BYTES, f"{name!r} of the shape {shape}")
    weights = np.asarray(rng.standard_normal(shape)) if shape else np.ones(())
    if unit is None:
        return weights
    axis = min(1, len(shape) - 1)
    if axis < 0 or unit >= shape[axis]:
        units = shape[axis] if shape else 0
        raise LayerError(f"{name} has the shape {shape}: there is no unit {unit} of {units}")
    chosen = np.zeros_like(weights)
    at = (slice(None),) * axis + (unit,)
    chosen[at] = weights[at]
    return chosen
