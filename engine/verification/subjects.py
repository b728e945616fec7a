"""What is verified: a network, what of it is differentiated, and a point where.

Networks that take one picture are verified in the terms that pictures are made in: an objective and
its gradient with respect to the picture in [0, 1]. All others are graphs from tensors to a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from ..errors import InputError, LayerError, ModelError, nearest, nearest_or_listed
from ..gradient.differentiation import differentiate
from ..gradient.objective import append_objective, gradient_of_image
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..images import as_batch
from ..importer.opsets import LoadedModel
from ..importer.replay import replay
from ..network.inputs.given import as_input
from ..network.layers.lookups import lookups
from ..network.model import Model
from ..network.values import value_called
from ..objectives.algebra import Objective
from ..objectives.making import layer as layer_objective
from ..objectives.targets import resolve
from ..rules.table import RuleTable

VALUE = "verified.value"
"""The output of what is verified."""

# Integers that index nothing known are flags, masks or kinds: these numbers mean something in all.
_FLAGS = 2
_MOST_INDICES = 1000


@dataclass(frozen=True)
class Subject:
    """What is verified.

    Attributes:
        name: Of the model.
        target: What is differentiated, in words.
        forward: The network from its inputs to the output `VALUE`, every shape a number.
        point: The inputs of `forward`, by name.
        wrt: Those of them that it is differentiated with respect to.
        cotangent: What the value is weighted with, of its shape and type.
        gradient: From a table of rules to the gradient graph: its last outputs are the gradients,
            in the order of `wrt`, and its last input the cotangent where `seeded`.
        seeded: Whether the gradient graph takes the cotangent.
        lowered: Whether the gradient graph writes operators in faster forms first.
        redraw: Gives other random inputs; `None` where none are random.
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
    redraw: Callable[[np.random.Generator], dict[str, np.ndarray]] | None = None


def picture_subject(
    model: Model,
    target: str | Objective | None,
    *,
    picture: npt.ArrayLike | None,
    size: tuple[int, int] | None,
    rng: np.random.Generator,
) -> Subject:
    """An objective of a network that takes pictures.

    Args:
        model: The network; where it does not say what it expects, it gets RGB in [0, 1].
        target: An objective or target; by default all class scores, or the last main layer.
        picture: (H, W, 3) as `onnxscope.Gradient` takes it; by default a random one.
        size: Height and width of a random picture, by default the model's own.
        rng: Source of randomness.
    """
    model = model.on_plain_pictures()
    if isinstance(target, str):
        objective = resolve(model, target)
    else:
        objective = layer_objective(_last_layer(model)) if target is None else target
    if picture is None:
        batch = random_picture(rng, *(size or model.fixed_size or (model.size, model.size)))
    else:
        batch = as_batch(picture)
    if len(batch) != 1:
        raise InputError(f"a gradient is verified on one picture, not on {len(batch)}")
    _, _, height, width = batch.shape
    builder = Builder(opset=model.opset)
    image = builder.input("image", batch.shape, np.float32)
    builder.output(VALUE, append_objective(model, objective, image))
    return Subject(
        name=model.name,
        target=str(objective),
        forward=model_of(builder),
        point={"image": batch},
        wrt=("image",),
        cotangent=np.ones(1, np.float32),
        gradient=lambda rules: gradient_of_image(model, objective, (1, 3, height, width), rules),
        seeded=False,
        lowered=True,
        redraw=None
        if picture is not None
        else lambda rng: {"image": random_picture(rng, height, width)},
    )


def random_picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise with the spectrum of photographs, amplitudes falling as 1/f, (1, 3, H, W) in [0, 1]."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    spectrum = np.fft.rfft2(rng.standard_normal((3, height, width))) / frequency
    noise = np.fft.irfft2(spectrum, (height, width))
    noise = noise - noise.mean()
    picture = 0.5 + 0.2 * noise / max(float(noise.std()), 1e-12)
    return np.asarray(np.clip(picture, 0, 1)[None], np.float32)


def _last_layer(model: Model) -> str:
    """The class scores where there are some, otherwise the last layer that is no softmax."""
    try:
        return model.logits()
    except LayerError:
        layers = [layer for layer in model.layers.values() if layer.op_type != "Softmax"]
        main = [layer for layer in layers if layer.main] or layers
        if not main:
            reasons = list(model.layers.left_out.values())
            raise ModelError(
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
    rng: np.random.Generator,
) -> Subject:
    """A value of any network, with respect to its real inputs.

    Where it has none, taking tokens alone, it is differentiated with respect to the tables that
    they are looked up in.

    Args:
        loaded: The network.
        target: The name of a value, or what `onnxscope inspect` calls it, by default the first
            real output; `NAME:UNIT` is one unit of it, along the second axis.
        arrays: Inputs that are not to be random, by name.
        shapes: Of inputs whose shape the model leaves open.
        rng: Source of randomness.
    """
    graph = loaded.model.graph
    inputs = {v.name: v for v in graph.inputs if v.name and v.name not in graph.initializers}
    for name in {**arrays, **shapes}:
        if name not in inputs:
            hint = nearest_or_listed(name, inputs, "input", inputs)
            raise LayerError(f"the model has no input {name!r}{hint}")
    fixed = {name: as_input(inputs[name], a, shapes.get(name)) for name, a in arrays.items()}
    for name, array in fixed.items():
        _require_indices(inputs[name], array)
    bound = _bound_dimensions(inputs, fixed, shapes)
    point = {
        name: fixed[name] if name in fixed else _random_array(value, shapes.get(name), bound, rng)
        for name, value in inputs.items()
    }
    drawn = {name: value for name, value in inputs.items() if name not in arrays}
    real = [name for name, value in inputs.items() if _is_real(value)]
    of, unit = _find_value(graph, target)
    if not real:
        tables = _looked_up(graph, list(inputs.values()))
        real = list(tables)
        point |= tables
    builder = Builder(opset=loaded.opset)
    symbols = {n: builder.input(n, array.shape, array.dtype) for n, array in point.items()}
    value = replay(builder, graph, symbols, [of])[of]
    if not value.dtype.kind == "f":
        raise LayerError(f"{of!r} is {value.dtype}: only real numbers have a gradient")
    cotangent = _cotangent(of, unit, value.shape, rng).astype(value.dtype)
    builder.output(VALUE, value)
    model = loaded.model
    # What else the model gives is not verified, and need not have a gradient.
    graph.outputs[:] = [output for output in graph.outputs if output.name == of]
    sizes = {name: array.shape for name, array in point.items()}
    return Subject(
        name=loaded.origin,
        target=of if unit is None else f"{of}:{unit}",
        forward=model_of(builder),
        point=point,
        wrt=tuple(real),
        cotangent=cotangent,
        gradient=lambda rules: differentiate(model, of, real, shapes=dict(sizes), rules=rules),
        seeded=value.rank > 0,
        lowered=False,
        redraw=lambda rng: {
            name: _random_array(value, sizes[name], bound, rng) for name, value in drawn.items()
        },
    )


def _is_real(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


def _dtype(value: ir.Value) -> np.dtype[np.generic]:
    if value.dtype is None:
        raise ModelError(f"the input {value.name!r} has no type")
    return value.dtype.numpy()


def _dims(value: ir.Value) -> list[int | str | None] | None:
    if value.shape is None:
        return None
    return [dim if isinstance(dim, int) else dim.value for dim in value.shape]


def _bound_dimensions(
    inputs: Mapping[str, ir.Value],
    arrays: Mapping[str, npt.ArrayLike],
    shapes: Mapping[str, Sequence[int]],
) -> dict[str, int]:
    """Open dimensions by name, as far as the given arrays and shapes tell them."""
    bound: dict[str, int] = {}
    given = {name: tuple(shape) for name, shape in shapes.items()}
    given |= {name: np.shape(array) for name, array in arrays.items()}
    for name, shape in given.items():
        declared = _dims(inputs[name])
        if declared is None:
            continue
        if 0 in shape:
            raise InputError(
                f"input {name!r} of shape {shape} is empty, and nothing moves to verify; give "
                "sizes of 1 or more"
            )
        fits = len(declared) == len(shape) and all(
            n > 0 and (not isinstance(dim, int) or dim == n)
            for dim, n in zip(declared, shape, strict=True)
        )
        if not fits:
            raise InputError(f"input {name!r} has shape ({_shown(declared)}), not {shape}")
        for dim, n in zip(declared, shape, strict=True):
            if isinstance(dim, str) and bound.setdefault(dim, n) != n:
                raise InputError(f"the dimension {dim!r} of input {name!r} is {bound[dim]} and {n}")
    return bound


def _shown(dims: Sequence[int | str | None]) -> str:
    return ", ".join("?" if dim is None else str(dim) for dim in dims)


def _random_array(
    value: ir.Value,
    shape: Sequence[int] | None,
    bound: Mapping[str, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Plausible random numbers of an input's type and shape."""
    dtype = _dtype(value)
    dims = _random_dims(value, bound) if shape is None else tuple(shape)
    if _is_real(value):
        return np.asarray(rng.standard_normal(dims)).astype(dtype)
    if dtype.kind not in "iub":
        raise InputError(f"the input {value.name!r} is {value.dtype}, which cannot be made up")
    return np.asarray(rng.integers(0, _index_range(value), dims)).astype(dtype)


def _random_dims(value: ir.Value, bound: Mapping[str, int]) -> tuple[int, ...]:
    declared = _dims(value)
    sizes = [bound.get(dim, dim) if isinstance(dim, str) else dim for dim in declared or ()]
    if sizes and not isinstance(sizes[0], int):
        # The first dimension is how many examples there are.
        sizes[0] = 1
    known = tuple(size for size in sizes if isinstance(size, int))
    if declared is None or len(known) < len(sizes):
        example = ",".join(str(size) if isinstance(size, int) else "8" for size in sizes) or "1,8"
        raise InputError(
            f"the shape ({_shown(declared or ())}) of input {value.name!r} is open; give it, such "
            f"as shapes={{{value.name!r}: ({example})}} (--shape {value.name}={example})"
        )
    return known


def _tables(value: ir.Value) -> Iterator[tuple[ir.Value, int]]:
    """The tables that a value indexes, each with the number of its entries."""
    for node in lookups(value):
        table = node.inputs[0]
        dims = [] if table is None else _dims(table) or []
        axis = node.attributes.get_int("axis", 0)
        if table is not None and -len(dims) <= axis < len(dims):
            size = dims[axis]
            if isinstance(size, int):
                yield table, size


def _require_indices(value: ir.Value, array: np.ndarray) -> None:
    """Refuse indices that are outside of their table."""
    for table, size in _tables(value):
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise InputError(
                f"input {value.name!r} holds {outside.flat[0]}, and the table {table.name!r} that "
                f"it is looked up in has the entries 0 to {size - 1}"
            )


def _index_range(value: ir.Value) -> int:
    """How many different numbers an input of integers may hold."""
    sizes = [size for _, size in _tables(value)]
    return min([*sizes, _MOST_INDICES]) if sizes else _FLAGS


def _looked_up(graph: ir.Graph, inputs: Sequence[ir.Value]) -> dict[str, np.ndarray]:
    """The real tables that inputs index, which become inputs of the graph themselves."""
    tables: dict[str, np.ndarray] = {}
    for value in inputs:
        for table, _ in _tables(value):
            data = table.const_value
            if table.name in graph.initializers and data is not None and _is_real(table):
                tables[str(table.name)] = np.array(data.numpy())
                del graph.initializers[str(table.name)]
                table.const_value = None
                graph.inputs.append(table)
    if not tables:
        listed = ", ".join(f"{value.name} ({value.dtype})" for value in inputs) or "none"
        raise InputError(
            f"the model has no real input to differentiate with respect to, and looks none of its "
            f"inputs up in a table: {listed}"
        )
    return tables


def _find_value(graph: ir.Graph, target: str | None) -> tuple[str, int | None]:
    """The value that a target names, and the unit of it."""
    if target is None:
        for value in graph.outputs:
            if value.name and (value.dtype is None or _is_real(value)):
                return value.name, None
        raise ModelError("the model has no real output; give a target")
    names = [v.name for node in graph for v in node.outputs if v.name]
    name, _, unit = target.rpartition(":")
    readings: list[tuple[str, int | None]] = [(target, None)]
    if name and unit.isdecimal():
        readings.append((name, int(unit)))
    for called, number in readings:
        found = called if called in names else value_called(graph, called)
        if found in names:
            return found, number
    raise LayerError(f"the model has no value {target!r}{nearest(target, names)}")


def _cotangent(
    name: str, unit: int | None, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Random weights of a value's elements; for a unit, those of the unit alone."""
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
