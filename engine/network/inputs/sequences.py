"""Inputs that are sequences of tensors: which they are has to be known before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ...errors import InputError
from ...graph.advice import called
from ...plain import shown


def take_sequences(
    graph: ir.Graph, given: dict[str, npt.ArrayLike], *, needed: bool = True
) -> Mapping[str, list[np.ndarray]]:
    """Write sequences that are inputs of a network into its graph, in place, as constants.

    Args:
        graph: The network, which has none of them among its inputs then.
        given: What inputs are given, by name, in place: sequences are taken out.
        needed: Whether all of them have to be given.

    Returns:
        The tensors of each, by name.

    Raises:
        InputError: one is not given, or is given something else.
    """
    found: dict[str, list[np.ndarray]] = {}
    for value in list(graph.inputs):
        name = value.name
        if not name or not is_sequence(value) or (name not in given and not needed):
            continue
        if name not in given:
            raise InputError(to_be_given(value))
        found[name] = _tensors(value, given.pop(name))
        _replace(graph, value, found[name])
    return found


def is_sequence(value: ir.Value) -> bool:
    """Return whether a value is a sequence of tensors."""
    return isinstance(value.type, ir.SequenceType)


def to_be_given(value: ir.Value) -> str:
    """Return what to do about an input that is a sequence and is not given."""
    return (
        f"the input {value.name!r} is a sequence of tensors, and how many there are has to be "
        f"known: give them, such as {called('inputs')}={{{value.name!r}: [array, array]}} "
        f"(--input {value.name}=first.npy,second.npy)"
    )


def _tensors(value: ir.Value, given: object) -> list[np.ndarray]:
    """What is given for a sequence, in the type of its tensors.

    Raises:
        InputError: it is none.
    """
    kind = value.dtype
    dtype = None if kind is None else kind.numpy()
    try:
        if not isinstance(given, list | tuple):
            raise TypeError
        tensors = [np.asarray(item, dtype) for item in given]
    except (TypeError, ValueError):
        tensors = None
    if tensors is None or any(tensor.dtype.kind not in "biuf" for tensor in tensors):
        raise InputError(
            f"the input {value.name!r} takes a list of arrays, for it is a sequence of tensors, "
            f"not {shown(given)}"
        )
    return tensors


def _replace(graph: ir.Graph, value: ir.Value, tensors: list[np.ndarray]) -> None:
    """Put a sequence of constants in the place of an input."""
    weights = []
    for number, tensor in enumerate(tensors):
        held = ir.tensor(tensor)
        weight = ir.Value(
            name=f"{value.name}.{number}",
            shape=ir.Shape(tensor.shape),
            type=ir.TensorType(held.dtype),
            const_value=held,
        )
        graph.register_initializer(weight)
        weights.append(weight)
    graph.inputs.remove(value)
    name, value.name = value.name, f"{value.name} as given"
    kind = "SequenceConstruct" if weights else "SequenceEmpty"
    dtype = ir.DataType.FLOAT if value.dtype is None else value.dtype
    attributes = [] if weights else [ir.AttrInt64("dtype", int(dtype))]
    node = ir.Node("", kind, weights, attributes, num_outputs=1, name=name)
    node.outputs[0].name, node.outputs[0].type = name, value.type
    value.replace_all_uses_with(node.outputs[0], replace_graph_outputs=True)
    first = next(iter(graph), None)
    if first is None:
        graph.append(node)
    else:
        graph.insert_before(first, node)
