"""Inputs that have a value in the file: initializers that it lists among its inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ...errors import nearest_or_listed
from ...graph.advice import called
from ...graph.builder import as_tensor
from ...graph.walks import with_defaults
from .given import as_input


def take_defaults(graph: ir.Graph, given: dict[str, npt.ArrayLike]) -> Mapping[str, np.ndarray]:
    """Write other values of such inputs into a network's graph, in place, as its weights.

    Args:
        graph: The network.
        given: What inputs are given, by name, in place: those that have a value are taken out.

    Returns:
        The values of each, by name.

    Raises:
        InputError: a value does not fit its input.
    """
    found: dict[str, np.ndarray] = {}
    for value in with_defaults(graph).values():
        name = value.name or ""
        if name not in given:
            continue
        found[name] = as_input(value, given.pop(name))
        graph.initializers[name].const_value = as_tensor(found[name])
    return found


def no_input(graph: ir.Graph, name: str, takes: Collection[str]) -> str:
    """Return what to say of a name that is not that of an input.

    Args:
        graph: The network.
        name: What a shape or value is given for.
        takes: The names of the inputs that have no value in the file.
    """
    if name in with_defaults(graph):
        return (
            f"the input {name!r} has a value in the file, and with it a shape: give another value, "
            f"such as {called('inputs')}={{{name!r}: array}} (--input {name}=VALUE)"
        )
    if name in graph.initializers:
        return (
            f"{name!r} is a weight of the model, which its file does not list among its inputs: "
            "it is the same in every run"
        )
    known = [*takes, *with_defaults(graph)]
    return f"the model has no input {name!r}{nearest_or_listed(name, known, 'input', known)}"
