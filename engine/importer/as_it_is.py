"""Values of a file as it is, computed by ONNX Runtime from the file alone, or from a part of it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import onnx

from ..errors import OnnxscopeError
from ..graph.traits import Trait, operators_with
from ..runtime.apart import EndedError, Feeds, run_apart
from .checking import is_sorted, shown
from .outputs import cut_behind


def computed_by_file(
    original: onnx.ModelProto,
    wanted: Sequence[str],
    fed: Feeds,
    folder: Path | None,
) -> dict[str, np.ndarray]:
    """Compute values of a file by ONNX Runtime, and nothing that these do not need.

    Args:
        original: The file.
        wanted: The names of the values.
        fed: The file's inputs.
        folder: Where weights are that it has in files of their own.

    Raises:
        ModelError: ONNX Runtime does not run it.
    """
    try:
        return _exposed(original, wanted, fed, folder)
    except OnnxscopeError:
        # Some values may be of no type that a graph can give; its own outputs always are.
        outputs = [output.name for output in original.graph.output]
        return _exposed(original, [name for name in outputs if name in wanted], fed, folder)


def _exposed(
    original: onnx.ModelProto,
    wanted: Sequence[str],
    fed: Feeds,
    folder: Path | None,
) -> dict[str, np.ndarray]:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(original)
    known = {output.name for output in exposed.graph.output}
    for name in wanted:
        if name not in known:
            exposed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    if not {*comparable(original)}.issubset(wanted) and is_sorted(original.graph):
        # What nobody asks for may take any time.
        cut_behind(exposed, wanted)
    _with_weights(exposed, fed)
    inputs = {value.name for value in exposed.graph.input}
    feeds = {name: array for name, array in fed.items() if name in inputs}
    return run_apart(exposed.SerializeToString(), feeds, list(wanted), folder)


def _with_weights(exposed: onnx.ModelProto, fed: Feeds) -> None:
    """Put other values in the place of weights that the file lists among its inputs.

    Before IR 4 ONNX Runtime takes no other value for them.
    """
    graph = exposed.graph
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {sparse.values.name for sparse in graph.sparse_initializer}
    others = {name: value for name, value in fed.items() if name in weights}
    if not others:
        return
    for field, names in (
        (graph.initializer, [tensor.name for tensor in graph.initializer]),
        (graph.sparse_initializer, [sparse.values.name for sparse in graph.sparse_initializer]),
        (graph.input, [value.name for value in graph.input]),
    ):
        for place in reversed(range(len(names))):
            if names[place] in others:
                del field[place]
    for name, value in others.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    exposed.ir_version = max(exposed.ir_version, 4)


def where_it_ends(
    original: onnx.ModelProto, wanted: Container[str], fed: Feeds, folder: Path | None
) -> str:
    """Say at which node ONNX Runtime ends the process; empty where no node by itself is to blame.

    Found by halves: the first nodes of the file alone, as many of them as it still runs.

    Args:
        original: The file.
        wanted: The names of the values that it was to give.
        fed: The file's inputs.
        folder: Where weights are that it has in files of their own.
    """
    if not is_sorted(original.graph):
        return ""
    fewest, most = 0, len(original.graph.node)
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if _ends(original, middle, wanted, fed, folder):
            most = middle
        else:
            fewest = middle
    if most == len(original.graph.node) and not _ends(original, most, wanted, fed, folder):
        return ""
    return f", at {shown(original.graph.node[most - 1])}"


def _ends(
    original: onnx.ModelProto,
    count: int,
    wanted: Container[str],
    fed: Feeds,
    folder: Path | None,
) -> bool:
    """Whether ONNX Runtime ends the process on the first nodes of a file."""
    part = onnx.ModelProto()
    part.CopyFrom(original)
    del part.graph.node[count:]
    del part.graph.output[:]
    try:
        _exposed(part, [name for name in comparable(part) if name in wanted], fed, folder)
    except EndedError:
        return True
    except OnnxscopeError:
        return False
    return False


def comparable(original: onnx.ModelProto) -> list[str]:
    """Return the values of a file that do not depend on random numbers of the run."""
    random: set[str] = set()
    wanted: list[str] = []
    for node in original.graph.node:
        if is_random(node) or random.intersection(reads(node)):
            random.update(node.output)
        else:
            wanted += [name for name in node.output if name]
    return wanted


def is_random(node: onnx.NodeProto) -> bool:
    """Return whether what a node gives is drawn anew in each run."""
    return node.op_type in operators_with(Trait.RANDOM)


def reads(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, its subgraphs included."""
    read = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                read += reads(inner)
            read += [output.name for output in graph.output]
    return read
