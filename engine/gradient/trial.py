"""A gradient to try first in a network of any inputs: a value, and what it is differentiated by."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from ..errors import LayerError, OnnxscopeError, OnnxscopeWarning
from ..graph.walks import ancestors
from ..network.values import Values
from ..rules.standard import standard_rules
from .obstacles import obstacles
from .walk import backpropagate

# Of these many values the gradient is tried before it is said that none has one.
_TRIED = 4
# Of a network of more values the gradient as a whole takes a second: one of its start is tried.
_LARGE = 500


def find_example(values: Values, of: str | None = None, wrt: str | None = None) -> tuple[str, str]:
    """Find a value and what it can be differentiated with respect to, tried out.

    Args:
        values: The network's.
        of: The value's name in the file; by default an output, or what is before it on the trunk.
        wrt: Likewise; by default the first input, or table that one is looked up in, or value of
            real numbers.

    Returns:
        Their names in the file.

    Raises:
        OnnxscopeError: there is no gradient, with the reason of the first that was tried.
    """
    main = [name for name, value in values.computed.items() if value.main]
    targets = dict.fromkeys([*values.outputs, *reversed(main)]) if of is None else [of]
    if of is None and len(values.computed) > _LARGE:
        targets = dict.fromkeys([*main[1:], *targets])
    sources = dict.fromkeys(_differentiable(values)) if wrt is None else [wrt]
    refusal: OnnxscopeError | None = None
    for target in [name for name in targets if _is_real(values, name)][:_TRIED]:
        for source in [name for name in sources if name != target][:_TRIED]:
            try:
                _differentiate(values, target, source)
            except OnnxscopeError as error:
                refusal = refusal or error
            else:
                return target, source
    if refusal is None:
        reasons = [values.computed[name].unknown for name in targets if name in values.computed]
        raise LayerError(next(filter(None, reasons), "only real numbers have a gradient"))
    raise refusal


def _differentiable(values: Values) -> Iterable[str]:
    """Real inputs and the tables that others are looked up in, then the first real values."""
    for name, value in values.inputs.items():
        if value.real:
            if name not in values.constants:
                yield name
        else:
            yield from (table.name for table in values.tables(name) if table.real)
    yield from (name for name, value in values.computed.items() if value.real)


def _is_real(values: Values, name: str) -> bool:
    groups = (values.computed, values.inputs, values.weights)
    return any(name in group and group[name].real for group in groups)


def _differentiate(values: Values, of: str, wrt: str) -> None:
    """Append the gradient of a value with respect to another.

    Raises:
        OnnxscopeError: it cannot be written, or there is none.
    """
    target, source = values.tensor(of), values.tensor(wrt)
    nodes, rules = list(values.builder.graph), standard_rules()
    # What was tried before has left its own, which is not taken out again.
    name = values.builder.unique_name(f"grad_{of}")
    cotangent = values.builder.input(name, target.dims, target.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnnxscopeWarning)
        (gradient,) = backpropagate(values.builder, {target: cotangent}, [source], rules)
    read = {x for node in ancestors(values.builder.graph, [gradient.value]) for x in node.inputs}
    if cotangent.value not in {gradient.value, *read}:
        reason = obstacles(nodes, [source.value], target.value, rules)
        raise LayerError(f"no derivative leads from {of} to {wrt} {reason}".rstrip())
