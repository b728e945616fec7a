"""Nobody keeps lists of operators beside their traits, but for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import defs

ROOT = Path(__file__).resolve().parents[3]
KNOWN = {schema.name for schema in defs.get_all_schemas_with_history() if not schema.domain}

# Where operators stand by name, and why that is not about the operators alone.
BY_NAME = {
    "engine/expansions/contrib/fused.py:_activated": "activations by how many parameters they take",
    "engine/expansions/control.py:_goes_on": "what exporters hand a condition on by",
    "engine/expansions/functions.py:EXPANSIONS": "a table from operators to expansions",
    "engine/expansions/quantized.py:EXPANSIONS": "a table from operators to expansions",
    "engine/expansions/recurrent/expansion.py:_STANDS_FOR": "what the gradient by hand is that of",
    "engine/expansions/recurrent/expansion.py:_LSTM": "the activations of its gates",
    "engine/expansions/recurrent/expansion.py:_GRU": "the activations of its gates",
    "engine/expansions/table.py:_sources": "what gives shapes, whatever the values",
    "engine/objectives/meaning.py:_BOUNDED": "whose results people take for probabilities",
    "engine/gradient/idioms.py:_ARITHMETIC": "whose polynomials are multiplied out",
    "engine/gradient/idioms.py:_FUNCTIONS": "that idioms are known of",
    "engine/importer/old_meanings.py:_CHANGES": "what earlier opsets meant by them",
    "engine/graph/passes/kernels.py:_MOVED_ASIDE": "what ONNX Runtime looks through",
    "engine/graph/passes/blocked.py:_SOURCES": "ONNX Runtime's blocked layout",
    "engine/graph/passes/blocked.py:_FOLLOWERS": "ONNX Runtime's blocked layout",
    "engine/graph/passes/branches.py:_ELEMENTWISE": "what gradients are made of: others cost more",
    "engine/graph/passes/narrow.py:_above": "products whose rows are channels",
    "engine/graph/passes/narrow.py:_OF_CHANNELS": "whose parameters are vectors, by channel",
    "engine/graph/passes/precision.py:_PRODUCTS": "products that devices have units for",
    "engine/graph/passes/precision.py:_CONTINUES": "kernels and gradients in float16",
    "engine/graph/passes/precision.py:_may_continue": "products in float16, by a constant",
    "engine/graph/passes/sums.py:_SUMS": "what ONNX Runtime adds up four numbers at a time",
    "engine/graph/alike.py:_LARGEST": "ranges of values, never below one of the inputs",
    "engine/graph/alike.py:_LEAST": "ranges of values, never above one of the inputs",
    "engine/graph/ranges.py:_FILLING": "ranges of values, zeros among them",
    "engine/graph/ranges.py:_FIXED": "a table from operators to ranges of values",
    "engine/graph/ranges.py:_BY_RANGES": "a table from operators to ranges of values",
    "engine/graph/ranges.py:_BY_NODES": "a table from operators to ranges of values",
    "engine/graph/ranges.py:_weighted": "products that add a bias, a bound of what is not negative",
    "engine/graph/ranges.py:_EXPLODING": "ranges of values, infinities beyond them",
    "engine/graph/ranges.py:_DIVIDING": "ranges of values, infinities beyond them",
    "engine/graph/ranges.py:_HANDING_ON": "ranges of values, infinities beyond them",
    "engine/graph/shapes/channels.py:_BY_CHANNEL": "whose parameters are vectors, by channel",
    "engine/graph/shapes/indexing.py:SHAPES": "a table from operators to formulas",
    "engine/graph/shapes/inference.py:_shapes_alike": "whose outputs all have one shape",
    "engine/graph/shapes/reductions.py:_REDUCED": "names of reductions, not of operators",
    "engine/graph/shapes/windows.py:SHAPES": "a table from operators to formulas",
    "engine/importer/integers.py:_BOUNDARIES": "what has expansions for integers kept as reals",
    "engine/importer/unchanged.py:_COMPLETED": "what ONNX's converter adds to",
    "engine/importer/repeats.py:put_back": "what gives each its own of the distinct elements",
    "engine/importer/evaluation.py:_PLAIN": "what the reference evaluator is right about",
    "engine/network/box_scores.py:_SQUASHED": "what makes scores probabilities",
    "engine/network/class_scores.py:_TOGETHER": "what is behind class scores",
    "engine/network/inputs/normalization.py:find_normalization": "the arithmetic that it follows",
    "engine/network/layers/layer.py:_FINISHING": "what exporters write a layer's end with",
    "engine/network/layers/layer.py:_PLUMBING": "what files need besides what moves elements",
    "engine/network/layers/layout.py:_FOLLOW": "a table from operators to what they do to axes",
    "engine/network/layers/scopes.py:_JOINING": "what exporters join branches with",
    "engine/rules/choices.py:_CUTTING": "what takes another number in place of its input",
    "engine/rules/choices.py:_GENTLE": "whose slopes are finite where their values are",
    "engine/rules/choices.py:_PLAIN": "whose slopes are finite whatever they read",
    "engine/rules/taken.py:_ADDING": "whose results are sums without weights",
    "engine/rules/taken.py:_LEAVING_OUT": "what need not use all that it reads",
    "engine/rules/cpu.py:_FINITE": "ranges of values, infinities at the border",
    "engine/rules/cpu.py:_CARRY": "ranges of values, infinities at the border",
    "engine/rules/cpu.py:_is_rectified": "ranges of values, where zero is below nothing",
    "engine/rules/cpu.py:_is_not_negative": "ranges of values",
    "engine/runtime/memory.py:_FILLED": "what ONNX Runtime computes once and keeps",
    "engine/studies/methods.py:_through_relu": "that guided backpropagation has rules for",
    "engine/studies/stem.py:_is_affine": "what networks normalise pictures with",
    "engine/studies/stem.py:_keeps_pictures_apart": "what a first convolution comes with",
    "engine/studies/scene.py:on_the_way": "what brings channels to the second axis",
    "models/zoo.py:_EXPOSED": "the operators of one file, which it is recognised by",
}


def _literals(tree: ast.AST, place: str = "") -> Iterator[tuple[str, list[str]]]:
    """Literals of two or more names of operators, with the top-level name that they stand under."""
    for node in ast.iter_child_nodes(tree):
        here = place
        if isinstance(node, ast.FunctionDef):
            here = node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not place:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            here = target.id if isinstance(target, ast.Name) else place
        if isinstance(node, ast.Set | ast.List | ast.Tuple):
            names = [e.value for e in node.elts if isinstance(e, ast.Constant)]
            if sum(name in KNOWN for name in names if isinstance(name, str)) > 1:
                yield here, names
        yield from _literals(node, here)


@pytest.mark.slow
def test_operators_stand_by_name_in_known_places_only() -> None:
    found: dict[str, list[str]] = {}
    for room in ("engine", "models", "cli"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if path == ROOT / "engine/graph/traits.py":
                continue
            for place, names in _literals(ast.parse(path.read_text())):
                found.setdefault(f"{path.relative_to(ROOT)}:{place}", []).extend(names)
    unknown = {place: names for place, names in found.items() if place not in BY_NAME}
    assert not unknown, f"ask graph/traits.py, or say here why not: {unknown}"
    assert found.keys() == BY_NAME.keys(), "no longer there: take it off the list"
