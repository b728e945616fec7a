"""Reverse-mode differentiation of an ONNX graph: one walk that knows no operator.

The walk visits the nodes that lie between the inputs of interest and the differentiated values, in
reverse order; for each it asks the table for the cotangents of the node's inputs. Contributions are
summed, and broadcasting is undone, here and nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import onnx_ir as ir

from ..errors import MemoryShortageError, ModelError, OperatorError, StraightThroughWarning
from ..graph.builder import Builder, Composite, Compound
from ..graph.given_back import fits_in, symbolic
from ..graph.names import node_name
from ..graph.passes.plan import run_passes
from ..graph.ranges import set_free
from ..graph.tensor import Tensor
from ..graph.walks import ancestors
from ..graph.words import zeros_like
from ..rules.choices import given_to, note_choices
from ..rules.pieces import add_up
from ..rules.standard import standard_rules
from ..rules.table import RuleTable, call
from ..rules.vocabulary import sum_to_shape
from .idioms import find_idioms
from .passes import BEHIND_THE_WALK, GradientPlan


def backpropagate(
    builder: Builder,
    seeds: Mapping[Tensor, Tensor],
    wrt: Sequence[Tensor],
    rules: RuleTable,
    *,
    without: frozenset[str] = frozenset(),
    absent: list[Tensor] | None = None,
) -> list[Tensor]:
    """Append the nodes that compute vector-Jacobian products.

    Args:
        builder: The graph, with its forward nodes in topological order.
        seeds: Differentiated values and their cotangents (same shapes).
        wrt: Values to differentiate with respect to.
        rules: The table of gradient rules.
        without: Names of passes of `passes.BEHIND_THE_WALK` that are left out.
        absent: Those of `wrt` that no differentiable path leads to are put here.

    Returns:
        For each of `wrt` its cotangent, of the same shape and type; zeros where no differentiable
        path leads to it.

    Raises:
        OperatorError: a node on the path has no rule, or a rule gives no symbolic value.
        ModelError: a rule gives another shape than its input's.

    Warns:
        StraightThroughWarning: a node on the path rounds.
    """
    active = _depend_on({tensor.value for tensor in wrt}, builder.graph)
    contributions: dict[ir.Value, list[Tensor]] = {}
    for target, cotangent in seeds.items():
        contributions.setdefault(target.value, []).append(cotangent)
    wanted = {tensor.value for tensor in wrt}
    apart = wanted | {tensor.value for tensor in seeds}
    composites = find_idioms(builder, rules, apart) | builder.composites
    rounding: list[Composite] = []
    nodes = ancestors(builder.graph, [tensor.value for tensor in seeds])
    note_choices(nodes, {tensor.value for tensor in seeds}, rules, standard_rules())
    set_free(wanted)
    compounds = _compounds(builder, rules, nodes)
    for node in reversed(nodes):
        if not any(value in active for value in node.outputs):
            continue
        cotangents = [
            _accumulate(builder, contributions, value, keep=value in wanted)
            for value in node.outputs
        ]
        if all(cotangent is None for cotangent in cotangents):
            continue
        compound = compounds.get(node.outputs[0])
        if compound is not None and cotangents[0] is not None:
            _visit_compound(compound, cotangents[0], active, contributions)
            continue
        _visit(builder, node, cotangents, active, contributions, rules, composites, wanted)
        composite = composites.get(node.outputs[0])
        if composite is not None and composite.rounding:
            rounding.append(composite)
    set_free(wanted, free=False)
    if rounding:
        first = rounding[-1].rounding
        if len(rounding) > 1:
            first = f"{len(rounding)} nodes such as {first}"
        onto = " and ".join(sorted({composite.onto for composite in rounding}))
        warnings.warn(
            f"gradients pass straight through what rounds to {onto}: {first}",
            StraightThroughWarning,
            stacklevel=3,
        )
    results = []
    for tensor in wrt:
        found = _accumulate(builder, contributions, tensor.value, keep=True)
        if found is None and absent is not None:
            absent.append(tensor)
        results.append(found or zeros_like(builder.op, tensor))
    kept = apart | {tensor.value for tensor in results}
    run_passes(BEHIND_THE_WALK, builder, GradientPlan(rules=rules, kept=kept, without=without))
    return results


def zero_everywhere(of: str, wrt: str, why: str = "") -> str:
    """Return what to say of a gradient that no differentiable path leads to.

    Args:
        of: What is differentiated.
        wrt: With respect to what.
        why: The reason as `obstacles` gives it, where it is known.
    """
    zero = f"the gradient of {of} with respect to {wrt} is zero everywhere"
    if why:
        return f"{zero}, {why}"
    return (
        f"{zero}: the one does not depend "
        "on the other, or only through operators that pass no gradient, such as comparisons and "
        "roundings"
    )


def _visit(
    builder: Builder,
    node: ir.Node,
    cotangents: Sequence[Tensor | None],
    active: set[ir.Value],
    contributions: dict[ir.Value, list[Tensor]],
    rules: RuleTable,
    composites: Mapping[ir.Value, Composite],
    wanted: set[ir.Value],
) -> None:
    """Add the contributions of one node to its active inputs."""
    composite = composites.get(node.outputs[0])
    if composite is not None and cotangents[0] is not None:
        source, dx = composite.source, composite.gradient(cotangents[0])
        if composite.by_element:
            dx = given_to(node, None, Tensor(builder, node.outputs[0]), dx)
        contributions.setdefault(source.value, []).append(sum_to_shape(dx, source))
        return
    called = node_name(node) or node.op_type
    operator_rules = rules.find(node.op_type, node.domain, called)
    if operator_rules is None:
        return
    inputs = [None if value is None else Tensor(builder, value) for value in node.inputs]
    outputs = [Tensor(builder, output) for output in node.outputs]
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    schema = builder.schema(node.op_type, node.domain)
    for index, value in enumerate(node.inputs):
        rule = operator_rules.for_input(index)
        if value is None or value not in active or rule is None or _is_empty(value):
            continue
        try:
            cotangent = call(
                operator_rules,
                rule,
                schema=schema,
                node_name=called,
                set_attributes=attributes,
                inputs=inputs,
                outputs=outputs,
                cotangents=cotangents,
                index=index,
                table=rules,
                wanted=wanted,
            )
        except MemoryError as error:
            raise MemoryShortageError(
                f"there is not enough memory for what the gradient rule of {node.op_type} (node "
                f"{called!r}) computes beforehand, of values of {outputs[0].dims}: {error}",
                0,
            ) from error
        if cotangent is not None:
            source = Tensor(builder, value)
            giver = f"the gradient rule of {node.op_type} (node {called!r})"
            if not fits_in(symbolic(cotangent, giver, OperatorError).dims, source.dims):
                raise ModelError(
                    f"{giver} gives the shape {cotangent.dims} for its input {index}, whose shape "
                    f"is {source.dims}"
                )
            given = given_to(node, index, outputs[0], cotangent)
            contributions.setdefault(value, []).append(sum_to_shape(given, source))


def _visit_compound(
    compound: Compound,
    cotangent: Tensor,
    active: set[ir.Value],
    contributions: dict[ir.Value, list[Tensor]],
) -> None:
    """Add the contributions of several nodes at once to their active sources."""
    wanted = [source.value in active for source in compound.sources]
    found = compound.gradient(cotangent, wanted)
    for source, dx, is_wanted in zip(compound.sources, found, wanted, strict=True):
        if dx is not None and is_wanted:
            contributions.setdefault(source.value, []).append(sum_to_shape(dx, source))


def _compounds(
    builder: Builder, rules: RuleTable, nodes: Sequence[ir.Node]
) -> dict[ir.Value, Compound]:
    """The compounds that differentiate as such.

    A pass over the graph may have put something else in the place of a source.
    """
    if not builder.compounds:
        return {}
    standard = standard_rules()
    read = {value for node in nodes for value in node.inputs}
    return {
        value: compound
        for value, compound in builder.compounds.items()
        if all(rules.agrees(standard, op_type) for op_type in compound.operators)
        and all(source.value in read for source in compound.sources)
    }


def _accumulate(
    builder: Builder, contributions: dict[ir.Value, list[Tensor]], value: ir.Value, *, keep: bool
) -> Tensor | None:
    """The sum of the contributions to one value, `None` where there are none."""
    parts = contributions.get(value)
    if not parts:
        return None
    total = add_up(builder, parts)
    if keep:
        contributions[value] = [total]
    else:
        del contributions[value]
    return total


def _depend_on(sources: set[ir.Value], graph: ir.Graph) -> set[ir.Value]:
    """The floating-point values that depend on any of `sources`, those included."""
    dependent = set(sources)
    for node in graph:
        if any(value in dependent for value in node.inputs if value is not None):
            dependent.update(
                value
                for value in node.outputs
                if value.dtype is None or value.dtype.is_floating_point()
            )
    return dependent


def _is_empty(value: ir.Value) -> bool:
    """Whether a value is known to have no element, and so no gradient."""
    return value.shape is not None and 0 in tuple(value.shape)
