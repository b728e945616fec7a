"""Nodes as the schemas of ONNX allow them to be written, made of the examples of all versions.

Optional inputs are left out, in the middle or behind the last; attributes are left to their
defaults; axes are counted from behind; optional outputs are asked for, or have no name.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import defs
from onnxscope.graph.traits import Trait, operators_with
from version_cases import Example, examples, in_version, of_rules, schemas

# So many examples of an operator are written in other ways.
_TAKEN = 2
# So many of them, each, in two other ways at once.
_SEVERAL = 4

_OPTIONAL = defs.OpSchema.FormalParameterOption.Optional
_VARIADIC = defs.OpSchema.FormalParameterOption.Variadic


@functools.cache
def written(op: str) -> dict[str, tuple[Example, int]]:
    """Examples of an operator in other ways, by what was done, each with its version."""
    found: dict[str, tuple[Example, int]] = {}
    if op in operators_with(Trait.RANDOM):
        return found
    version = max(v for v, schema in schemas()[op].items() if not schema.deprecated or v == 1)
    schema = schemas()[op][version]
    rng = np.random.default_rng(zlib.crc32(op.encode()))
    taken = 0
    for example in _examples_of(op):
        base = in_version(example, version)
        if base is None:
            continue
        ways = list(_others(base, schema))
        for how, other in ways:
            found.setdefault(f"{taken}: {how}", (other, version))
        for _ in range(_SEVERAL if len(ways) > 1 else 0):
            how, other = ways[rng.integers(len(ways))]
            more = list(_others(other, schema))
            if more:
                then, both = more[rng.integers(len(more))]
                found.setdefault(f"{taken}: {how}, {then}", (both, version))
        taken += 1
        if taken == _TAKEN:
            break
    return found


def _examples_of(op: str) -> Iterator[Example]:
    """Those that are at hand first: the node tests take seconds to read."""
    from version_examples import EXAMPLES

    yield from (example for example in (*EXAMPLES, *of_rules()) if example.op == op)
    yield from (example for example in examples().get(op, ()) if example.source.startswith("test_"))


def plain(example: Example) -> Example:
    """The same without what has no name at the end, on which ONNX Runtime may end the process."""
    inputs, outputs = list(example.inputs), list(example.outputs)
    while inputs and inputs[-1] is None:
        inputs.pop()
    while len(outputs) > 1 and not outputs[-1]:
        outputs.pop()
    return replace(example, inputs=tuple(inputs), outputs=tuple(outputs))


def _others(base: Example, schema: defs.OpSchema) -> Iterator[tuple[str, Example]]:
    yield from _without_inputs(base, schema)
    for name, attribute in schema.attributes.items():
        if name in base.attributes and not attribute.required:
            kept = {n: value for n, value in base.attributes.items() if n != name}
            yield f"without {name}", replace(base, attributes=kept)
    yield from _from_behind(base, schema)
    yield from _other_outputs(base, schema)


def _without_inputs(base: Example, schema: defs.OpSchema) -> Iterator[tuple[str, Example]]:
    if schema.name == "Loop":
        return  # without a count ONNX Runtime does not end
    optional = [
        place
        for place, array in enumerate(base.inputs)
        if place < len(schema.inputs)
        and schema.inputs[place].option == _OPTIONAL
        and array is not None
    ]
    for place in optional:
        given = [None if i == place else array for i, array in enumerate(base.inputs)]
        yield f"without input {place}", replace(base, inputs=tuple(given))
    if len(optional) > 1:
        given = [None if i in optional else array for i, array in enumerate(base.inputs)]
        yield "without optional inputs", replace(base, inputs=tuple(given))
    if len(base.inputs) < len(schema.inputs) and not _is_variadic(schema.inputs):
        yield "a nameless input more", replace(base, inputs=(*base.inputs, None))


def _from_behind(base: Example, schema: defs.OpSchema) -> Iterator[tuple[str, Example]]:
    rank = np.ndim(base.inputs[0]) if base.inputs and base.inputs[0] is not None else 0
    for name in ("axis", "axes"):
        value: Any = base.attributes.get(name)
        if value is not None and rank:
            turned = _turned(np.asarray(value), rank).tolist()
            yield f"{name} from behind", replace(base, attributes={**base.attributes, name: turned})
        for place, formal in enumerate(schema.inputs):
            array = base.inputs[place] if place < len(base.inputs) else None
            if formal.name == name and array is not None and rank and array.dtype.kind == "i":
                given = list(base.inputs)
                given[place] = _turned(array, rank)
                yield f"input {name} from behind", replace(base, inputs=tuple(given))


def _turned(axes: np.ndarray, rank: int) -> np.ndarray:
    """Axes counted from behind where they were from the front, and the other way round."""
    return np.asarray(np.where(axes < 0, axes + rank, axes - rank), axes.dtype)


def _other_outputs(base: Example, schema: defs.OpSchema) -> Iterator[tuple[str, Example]]:
    if _is_variadic(schema.outputs):
        return
    names = [f"z{place}" for place in range(len(schema.outputs))]
    names[: len(base.outputs)] = base.outputs
    if len(names) > len(base.outputs):
        yield "all outputs", replace(base, outputs=tuple(names))
        nameless = ("",) * (len(names) - len(base.outputs))
        yield "nameless outputs", replace(base, outputs=(*base.outputs, *nameless))
    if len(names) > 2:
        yield "last output", replace(base, outputs=(names[0], *[""] * (len(names) - 2), names[-1]))
    if len(base.outputs) > 1 and len(schema.outputs) > 1:
        yield "first output", replace(base, outputs=base.outputs[:1])


def _is_variadic(formals: Any) -> bool:
    return bool(formals) and formals[-1].option == _VARIADIC
