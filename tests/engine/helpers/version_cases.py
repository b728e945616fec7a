"""Every version of every standard operator, as small models written in that version.

Inputs and attributes are those of the cases of rules, of the node tests that the onnx package
ships, and of forms that only early versions have. What a later version takes as an input an earlier
one has as an attribute; apart from that an example is written in a version as it is, and is one
where that version's checker says so.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from all_rule_cases import CASES
from node_suite import node_tests
from onnx import defs, helper, numpy_helper

NEWEST = 26


@dataclass(frozen=True)
class Example:
    """One node with its inputs.

    Attributes:
        op: Operator.
        inputs: Arrays, `None` for an input left out.
        attributes: By name.
        outputs: Of the node, "" for one left out.
        source: Where it is from.
        versions: First and last version of the operator that it is an example of.
        outer: What subgraphs read of the graph around them.
    """

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)
    source: str = "here"
    versions: tuple[int, int] = (1, NEWEST)
    outer: Mapping[str, np.ndarray] = field(default_factory=dict)


# Inputs that were attributes before some version: by position, the attribute.
_MOVED: Mapping[str, Sequence[tuple[int, Mapping[int, str]]]] = {
    "Clip": [(11, {1: "min", 2: "max"})],
    "Dropout": [(12, {1: "ratio"})],
    "Pad": [(2, {1: "paddings", 2: "value"}), (11, {1: "pads", 2: "value"})],
    "Reshape": [(5, {1: "shape"})],
    "Slice": [(10, {1: "starts", 2: "ends", 3: "axes"})],
    "Split": [(13, {1: "split"})],
    "Squeeze": [(13, {1: "axes"})],
    "ReduceSum": [(13, {1: "axes"})],
    "TopK": [(10, {1: "k"})],
    "Unsqueeze": [(13, {1: "axes"})],
    "Upsample": [(9, {1: "scales"})],
    **{
        f"Reduce{name}": [(18, {1: "axes"})]
        for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
    },
}


# Inputs, by position, that have to be known before a graph runs.
_CONSTANT: Mapping[str, Sequence[int]] = {
    "If": (0,),
    "Loop": (0, 1),
    "Resize": (1, 2, 3),
    "Tile": (1, 2),
    "Upsample": (1,),
}


@functools.cache
def schemas() -> Mapping[str, Mapping[int, defs.OpSchema]]:
    """The schemas of the standard domain by operator and version."""
    found: dict[str, dict[int, defs.OpSchema]] = defaultdict(dict)
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= NEWEST:
            found[schema.name][schema.since_version] = schema
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def versions() -> Iterator[tuple[str, int]]:
    """All operators and their versions."""
    for name, by_version in schemas().items():
        for version in by_version:
            yield name, version


@functools.cache
def examples() -> Mapping[str, Sequence[Example]]:
    """All examples by operator, the simplest first."""
    from version_examples import EXAMPLES

    found: dict[str, list[Example]] = defaultdict(list)
    for example in (*EXAMPLES, *of_rules(), *_of_node_tests()):
        found[example.op].append(example)
    for name, by_version in schemas().items():
        first = by_version[min(by_version)]
        if "consumed_inputs" in first.attributes:
            found[name] += [
                replace(
                    example,
                    attributes={**example.attributes, "consumed_inputs": [0] * len(example.inputs)},
                )
                for example in found[name][:12]
                if "consumed_inputs" not in example.attributes
            ]
    return found


def of_rules() -> Iterator[Example]:
    """The cases of rules that ONNX Runtime runs."""
    for case in CASES:
        if case.runtime == "onnxruntime":
            arrays = tuple(_single(array) for array in case.arrays)
            outputs = ("y",) if case.outputs == ("y",) else case.outputs
            yield Example(case.op, arrays, case.attributes, outputs, f"rule case {case.label}")


def _of_node_tests() -> Iterator[Example]:
    for name, test in node_tests().items():
        graph = test.model.graph
        if len(graph.node) != 1 or not test.data_sets:
            continue
        (node,) = graph.node
        given = dict(zip((value.name for value in graph.input), test.data_sets[0][0], strict=False))
        arrays = [given.get(n) if n else None for n in node.input]
        if any(a is None for a, n in zip(arrays, node.input, strict=True) if n):
            continue
        if not all(isinstance(a, np.ndarray | np.generic) for a in given.values()):
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        yield Example(
            node.op_type,
            tuple(None if a is None else _single(np.asarray(a)) for a in arrays),
            attributes,
            tuple(f"y{i}" if n else "" for i, n in enumerate(node.output)),
            name,
        )


def _single(array: np.ndarray | None) -> np.ndarray | None:
    """The array in single precision, which the runtime has most kernels for."""
    if array is None or array.dtype != np.float64:
        return array
    return array.astype(np.float32)


def unusual(example: Example, schema: defs.OpSchema) -> set[str]:
    """The attributes that an example gives another value than the default."""
    found = set()
    for name, value in example.attributes.items():
        declared = schema.attributes[name]
        default = declared.default_value
        usual = helper.get_attribute_value(default) if default.name else None
        usual = usual.decode() if isinstance(usual, bytes) else usual
        value = value.decode() if isinstance(value, bytes) else value
        same = usual is not None and type(usual) is type(value) and np.all(usual == value)
        if declared.required or not same:
            found.add(name)
    return found


def in_version(example: Example, version: int) -> Example | None:
    """The example as a version has it, `None` where that cannot express it."""
    schema = schemas()[example.op][version]
    if not example.versions[0] <= version <= example.versions[1]:
        return None
    inputs, attributes = list(example.inputs), dict(example.attributes)
    moves = next((move for first, move in _MOVED.get(example.op, ()) if version < first), {})
    for index in sorted(moves, reverse=True):
        if index >= len(inputs):
            continue
        array = inputs.pop(index)
        if array is None:
            continue
        kind = schema.attributes[moves[index]].type if moves[index] in schema.attributes else None
        if kind is None:
            return None
        many = kind in (defs.OpSchema.AttrType.INTS, defs.OpSchema.AttrType.FLOATS)
        attributes[moves[index]] = array.ravel().tolist() if many else array.ravel()[0].item()
    while inputs and inputs[-1] is None:
        inputs.pop()
    fits = schema.min_input <= len(inputs) <= schema.max_input
    fits &= schema.min_output <= len(example.outputs) <= schema.max_output
    if not fits or any(name not in schema.attributes for name in attributes):
        return None
    return Example(
        example.op, tuple(inputs), attributes, example.outputs, example.source, example.versions,
        example.outer,
    )  # fmt: skip


def model_of(example: Example, version: int) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one node, and its inputs: all real numbers; other things are constants.

    Where no real number goes in, everything is an input. The types of outputs may be missing.
    """
    names = ["" if array is None else f"x{i}" for i, array in enumerate(example.inputs)]
    given = {n: np.asarray(a) for n, a in zip(names, example.inputs, strict=True) if n}
    fixed = {f"x{i}" for i in _CONSTANT.get(example.op, ())}
    real = {n: a for n, a in given.items() if a.dtype.kind == "f" and n not in fixed}
    fed = (real or {n: a for n, a in given.items() if n not in fixed}) | dict(example.outer)
    node = helper.make_node(example.op, names, list(example.outputs), **example.attributes)
    declared = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in fed.items()
    ]
    kept = {n: a for n, a in given.items() if n not in fed}
    graph = helper.make_graph(
        [node],
        "test",
        declared,
        [helper.make_empty_tensor_value_info(name) for name in example.outputs if name],
        [numpy_helper.from_array(a, n) for n, a in kept.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10
    )
    return onnx.shape_inference.infer_shapes(model), dict(fed)
