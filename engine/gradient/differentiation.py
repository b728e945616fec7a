"""`differentiate`: the bare graph transform, ONNX in, ONNX with gradients out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir

from ..cache import graph_cache
from ..errors import (
    InputError,
    LayerError,
    ModelError,
    OnnxscopeError,
    OnnxscopeWarning,
    OperatorError,
    ZeroGradientWarning,
    nearest_or_listed,
)
from ..graph.advice import zero_is_zero
from ..graph.builder import Builder
from ..graph.domains import numbers_of
from ..graph.finish import model_of
from ..graph.names import Names
from ..graph.tensor import Tensor
from ..graph.walks import computed_from, with_defaults
from ..importer.integers import as_integers
from ..importer.opsets import ModelSource, load_graph
from ..importer.replay import own_tensor, replay
from ..network.comparison import compare_tensors, is_on, warn_of
from ..network.inputs.defaults import no_input, take_defaults
from ..network.inputs.given import as_input
from ..network.inputs.sequences import take_sequences
from ..network.layers.lookups import lookups
from ..network.values import value_called
from ..plain import by_name, flag, of_kind, text, texts
from ..plain import shapes as plain_shapes
from ..rules.standard import standard_rules
from ..rules.table import RuleTable
from ..runtime.apart import Feeds
from .obstacles import obstacles
from .walk import backpropagate, zero_everywhere

if TYPE_CHECKING:
    import numpy.typing as npt


def differentiate(
    model: ModelSource,
    of: str,
    wrt: Sequence[str],
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: Mapping[str, npt.ArrayLike] | None = None,
    rules: RuleTable | None = None,
    compare: bool = True,
) -> onnx.ModelProto:
    """Return the bare graph transform: ONNX in, ONNX with gradients out.

    The result keeps the model's inputs and outputs and adds an output `grad_<name>` for each name
    in `wrt`. Where `of` is not a scalar, an input `grad_<of>` of its shape takes the cotangent.
    Where the model has an input or output of such a name already, being a gradient itself, a number
    follows: `grad_<name>_2`. Open sizes are called as in the model, or by how they follow from the
    inputs'. Initializers that the model lists among its inputs are weights, of another value where
    `inputs` gives one; from IR 4 on, those of `wrt` stay inputs of the result, with their value as
    the default. An output that the gradient does not need and that cannot be written in standard
    operators, such as one behind an operator of another domain, is left out.

    Where a framework was told to let no gradient through (`detach`, `stop_gradient`), exporters
    leave no trace of it. The gradient is that of the function in the file: of a straight-through
    estimator, `z + (q - z).detach()`, it is that of `q`.

    Args:
        model: What `onnxscope.load` takes, but for catalogue names.
        of: The value to differentiate, any value of the graph. Of a network that takes no pictures
            it may also be called as `onnxscope inspect` does, and so may those of `wrt`.
        wrt: What to differentiate with respect to: inputs, initializers, or real values on the way,
            such as what tokens were looked up as. With none, the result is the network alone, in
            standard operators.
        shapes: Shapes of inputs whose shape the model leaves open.
        inputs: Values of inputs, by name, as `onnxscope.load` takes them. They become constants of
            the result, so that what follows from them alone is known: the branch that an `If`
            takes, the rounds of a `Loop`, the length of a `DFT`. Of an input that is a sequence of
            tensors they are a list of arrays, which has to be given.
        rules: Gradient rules; by default the standard ones.
        compare: Whether the network's values are compared with those that ONNX Runtime gives for
            the file as it is, once on a machine; `ONNXSCOPE_COMPARE=off` does without everywhere.

    Raises:
        LayerError: a name is not there.
        OperatorError: an operator on the way has no gradient rule.
        InputError: an argument is of another kind, or a given value does not fit its input.
        ModelError: a shape that a rule needs, or the rank of an input, is unknown; give `shapes`.

    Warns:
        OnnxscopeWarning: an output is left out.
        StraightThroughWarning: a gradient passes a rounding as if there were none.
        UnfaithfulWarning: a node of the network is another than ONNX Runtime makes of the file.
        ZeroGradientWarning: no differentiable path leads from `of` to one of `wrt`.
    """
    of = text("of", of, "the name of a value", LayerError)
    wrt = texts("wrt", wrt, "names of values, such as ['x']")
    shapes, inputs = plain_shapes("shapes", shapes), by_name("inputs", inputs, "{'mask': 1}")
    table = (
        standard_rules()
        if rules is None
        else of_kind("rules", rules, RuleTable, "standard_rules()")
    )
    compare = flag("compare", compare)
    loaded = load_graph(model)
    graph, inputs = loaded.model.graph, dict(inputs)
    stored: Feeds = {**take_sequences(graph, inputs), **take_defaults(graph, inputs)}
    if compare and is_on():
        warn_of(
            compare_tensors(
                loaded, arrays=inputs, stored=stored, shapes=shapes, cache=graph_cache()
            ),
            loaded.origin,
        )
    builder = Builder(graph.name or "gradient", opset=loaded.opset)
    entries: dict[str, Tensor] = {}
    given, constants = dict(shapes), dict(inputs)
    sizes = _sizes_of(graph, constants)
    for value in graph.inputs:
        if value.name in graph.initializers or not value.name or value.dtype is None:
            continue
        if value.name in wrt and not value.dtype.is_floating_point():
            raise LayerError(f"{_no_gradient(value)}{_instead(graph, value)}")
        if value.name in constants:
            array = as_input(value, constants.pop(value.name), given.pop(value.name, None))
            if value.name in wrt:
                raise LayerError(
                    f"{value.name!r} is given a value, and so a constant of the gradient's graph: "
                    "leave it out of the inputs or of wrt"
                )
            entries[value.name] = builder.constant(array, name=value.name)
            continue
        dims = _input_dims(value, given.pop(value.name, None))
        dims = [dim if isinstance(dim, int) else sizes.get(dim, dim) for dim in dims]
        entries[value.name] = builder.input(value.name, dims, value.dtype.numpy())
    for name in (*given, *constants):
        raise LayerError(no_input(graph, name, entries))
    weights: dict[ir.Value, ir.TensorProtocol] = {}
    optional = with_defaults(graph) if loaded.ir_version >= 4 else {}
    known = [*entries, *graph.initializers]
    known += [value.name for node in graph for value in node.outputs if value.name]
    of, *wrt = (name if name in known else value_called(graph, name) for name in (of, *wrt))
    for name in wrt:
        held = graph.initializers[name].const_value if name in graph.initializers else None
        if name not in entries and held is not None:
            data = own_tensor(held)
            entries[name] = builder.initializer(data, name)
            weights[entries[name].value] = data
            if name in optional:
                builder.graph.inputs.append(entries[name].value)
            # No constant while the graph is written: what is computed from it must not be folded.
            entries[name].value.const_value = None
        if name not in known:
            hint = nearest_or_listed(name, known, "input", entries)
            raise LayerError(f"the model has no value {name!r}{hint}")
        if name in entries:
            _require_float(entries[name])
    if len(set(wrt)) != len(wrt):
        raise LayerError(f"wrt names a value twice: {', '.join(wrt)}")
    outputs = [value.name for value in graph.outputs if value.name]
    if of not in [*known, *(value.name for value in graph.inputs)]:
        hint = nearest_or_listed(of, known, "output", outputs)
        raise LayerError(f"the model has no value {of!r}{hint}")
    names = Names([*entries, *outputs])
    inner = [name for name in wrt if name not in entries]
    failures: dict[str, OnnxscopeError] = {}
    values = entries | replay(
        builder, graph, entries, [*outputs, of, *inner], apart=inner, failures=failures
    )
    for name, error in failures.items():
        if name in (of, *inner) or not isinstance(error, OperatorError):
            raise error
    for name, error in failures.items():
        warnings.warn(
            f"the output {name!r} is left out, which the gradient does not need: {error}",
            OnnxscopeWarning,
            stacklevel=2,
        )
    target = values[of]
    for name in (of, *inner):
        _require_float(values[name])
    if target.rank == 0:
        cotangent = builder.constant(1, target.dtype)
    else:
        cotangent = builder.input(names.take(f"grad_{of}"), target.dims, target.dtype)
    absent: list[Tensor] = []
    nodes = list(builder.graph)
    gradients = backpropagate(
        builder, {target: cotangent}, [values[name] for name in wrt], table, absent=absent
    )
    unreached = {tensor.value for tensor in absent}
    flat = [repr(name) for name in wrt if values[name].value in unreached]
    if flat:
        why = obstacles(nodes, unreached, target.value, table)
        what = zero_everywhere(repr(of), ", ".join(flat), why)
        warnings.warn(what, ZeroGradientWarning, stacklevel=2)
    symbols = {dim for tensor in entries.values() for dim in tensor.dims if isinstance(dim, str)}
    for value in graph.outputs:
        if value.name in values:
            written = _output(builder, value.name, as_integers(builder, values[value.name]))
            _name_sizes(written, value, symbols)
            if value.name == of:
                _name_sizes(cotangent, value, symbols)
    for name, gradient in zip(wrt, gradients, strict=True):
        written = builder.output(names.take(f"grad_{name}"), gradient)
        _name_sizes(written, values[name].value, symbols)
    for value, data in weights.items():
        value.const_value = data
    return model_of(builder, loaded.props)


def _instead(graph: ir.Graph, value: ir.Value) -> str:
    """What to differentiate with respect to instead of an input of integers, in words."""
    looked_up = [node.outputs[0].name for node in lookups(value)]
    if looked_up:
        return f"; what it is looked up as has one: {looked_up[0]!r}"
    for node in computed_from(graph, value):
        result = node.outputs[0]
        known = result.dtype
        if node.op_type == "Cast":
            known = ir.DataType(node.attributes.get_int("to", int(ir.DataType.UNDEFINED)))
        if result.name and known is not None and known.is_floating_point():
            return f"; what is made of it has one: {result.name!r}"
    return ""


def _sizes_of(graph: ir.Graph, constants: Mapping[str, npt.ArrayLike]) -> dict[str | None, int]:
    """Return the sizes that given values have where the model has a name for them."""
    found: dict[str | None, int] = {}
    for value in graph.inputs:
        if value.name and value.name in constants and value.shape is not None:
            shape = as_input(value, constants[value.name]).shape
            for dim, size in zip(value.shape, shape, strict=False):
                if not isinstance(dim, int) and dim.value is not None:
                    found[dim.value] = size
    return found


def _output(builder: Builder, name: str, tensor: Tensor) -> Tensor:
    """Declare an output of the model, which may be one of its inputs, as it is."""
    if not (tensor.value.is_graph_input() and tensor.value.name == name):
        return builder.output(name, tensor)
    builder.graph.outputs.append(tensor.value)
    return tensor


def _input_dims(value: ir.Value, given: Sequence[int] | None) -> Sequence[int | str | None]:
    """The shape of an input, with what the model leaves open as given."""
    if value.shape is None and given is None:
        raise ModelError(
            f"the model does not say how many axes its input {value.name!r} has: give its shape, "
            f"such as shapes={{{value.name!r}: (1, 8)}} (--shape {value.name}=1,8)"
        )
    dims = [dim if isinstance(dim, int) else dim.value for dim in value.shape or ()]
    if given is None:
        return dims
    fits = value.shape is None or len(given) == len(dims)
    if not fits or any(isinstance(d, int) and d != n for d, n in zip(dims, given, strict=False)):
        declared = ", ".join("?" if dim is None else str(dim) for dim in dims)
        raise InputError(
            f"input {value.name!r} has shape ({declared}), not {tuple(given)}{zero_is_zero(value)}"
        )
    return given


def _name_sizes(tensor: Tensor, declared: ir.Value, symbols: set[str]) -> None:
    """Call sizes that only the run knows what the declaration calls them.

    A size that is computed from those of the inputs says so, which is more than its name would.
    """
    if declared.shape is None or tensor.value.shape is None:
        return
    if len(declared.shape) != len(tensor.value.shape):
        return
    sizes: list[int | ir.SymbolicDim] = list(tensor.value.shape)
    for axis, size in enumerate(sizes):
        name = declared.shape[axis]
        if isinstance(size, int) or isinstance(name, int) or name.value is None:
            continue
        if symbols.isdisjoint(re.findall(r"\w+", size.value or "")):
            sizes[axis] = name
    tensor.value.shape = ir.Shape(sizes)


def _require_float(tensor: Tensor) -> None:
    if tensor.value.dtype is None or not tensor.value.dtype.is_floating_point():
        raise LayerError(_no_gradient(tensor.value))


def _no_gradient(value: ir.Value) -> str:
    numbers = numbers_of(value)
    if numbers is not None:
        return (
            f"{value.name!r} is made of maps from classes to numbers, and only real numbers have a "
            f"gradient: {numbers.name!r}, which are the numbers in them"
        )
    dtype = "" if value.dtype is None else value.dtype.numpy()
    return f"{value.name!r} is {dtype}: only real numbers have a gradient"
