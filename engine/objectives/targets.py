"""Targets: what users write to say which unit, layer or class they mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import LayerError, TargetError, nearest
from ..network.model import Model
from ..plain import from_digits
from .algebra import BeforeActivation, Objective
from .labels import find_classes
from .units import Channel, LayerEnergy, Neuron

if TYPE_CHECKING:
    from .places import Place

_KINDS = ("channel", "neuron", "layer")

_CELL = re.compile(r"(.+:\d+)@(\d+(?:\s*,\s*\d+){1,2})")
"""A unit at a cell, `mixed4a:11@7,7`: row and column, of volumes the slice before them."""


def resolve(
    model: Model,
    target: str,
    *,
    objective: str | None = None,
    y: int | None = None,
    x: int | None = None,
    token: int | None = None,
    z: int | None = None,
    reduction: str = "mean",
    negative: bool = False,
    preactivation: bool = False,
) -> Objective:
    """Return the objective that a target means in a model.

    A target is, in the order in which it is tried: the name of a layer; `LAYER:UNIT`, such as
    `mixed4a:11`; the name of a class or its index, where the model has labels. A layer is named by
    its value or by an alias; names of values may end in a number themselves, as in
    `block1_conv1/Relu:0`, and take the unit behind it, `block1_conv1/Relu:0:11`. Class names may be
    written in any case, and of a label such as `tench, Tinca tinca` one of the names is enough.
    A unit at one of its cells, its neuron, is `LAYER:UNIT@Y,X`, or of volumes and videos
    `LAYER:UNIT@Z,Y,X`. Units of a file are `LAYER@FILE:UNIT`, such as `mixed4a@sae.npz:17` (see
    `dictionary` and `encoder`). With a minus before it, `-mixed4a:11`, a target means its negative.
    Any other objective is an expression (see `expressions`), such as
    `"mixed4a:11" - 0.02 * total_variation()`.

    Args:
        model: The model that the target belongs to.
        target: Such as `mixed4a:11`, `mixed4a`, `daisy` or `985`, or an expression.
        objective: `channel`, `neuron` or `layer`. By default a unit means its channel, a layer
            alone the layer.
        y: Row of a neuron, by default the middle one.
        x: Column of a neuron, by default the middle one.
        token: Of a layer of tokens, the one that is the neuron, instead of `y` and `x`.
        z: Slice or frame of a neuron, of volumes and videos; by default the middle one.
        reduction: `mean` or `sum` over a channel's positions.
        negative: Whether to minimise instead.
        preactivation: Whether to look at the values before the layer's activation function.

    Raises:
        LayerError: the model has no such layer or class.
        TargetError: the target cannot be read, is ambiguous, or does not fit the other arguments.
    """
    opposite = negated(model, target)
    if opposite is not None:
        return resolve(
            model,
            opposite,
            objective=objective,
            y=y,
            x=x,
            token=token,
            z=z,
            reduction=reduction,
            negative=not negative,
            preactivation=preactivation,
        )
    if is_expression(model, target):
        # Imported here: it knows every objective that there is.
        from .expressions import evaluate

        if objective is not None or reduction != "mean" or {y, x, token, z} != {None}:
            raise TargetError(f"the expression {target} says itself what it is of a unit")
        found = evaluate(target, model, resolve)
        return _finished(found, negative=negative, preactivation=preactivation)
    at = unit_at_cell(model, target)
    if at is not None:
        if objective not in (None, "neuron") or {y, x, token, z} != {None}:
            raise TargetError(f"{target} says itself at which cell the neuron is")
        target, cell = at
        objective, (y, x) = "neuron", cell[-2:]
        z = cell[0] if len(cell) == 3 else None
    elsewhere = _elsewhere(model, target)
    if elsewhere is not None:
        if reduction != "mean" or token is not None or objective not in (None, "neuron"):
            raise TargetError(
                f"{target} is a unit of a file, looked for at all positions, or with the objective "
                "neuron in the middle or at y and x"
            )
        where: Place = {"y": y, "x": x}
        if objective == "neuron":
            where["radius"] = 0
        found = _unit_of_file(*elsewhere, where)
        return _finished(found, negative=negative, preactivation=preactivation)
    name, unit = find_unit(model, target)
    kind = objective or ("layer" if unit is None else "channel")
    if kind not in _KINDS:
        raise TargetError(
            f"there is no objective {kind!r}; known are {', '.join(_KINDS)}{nearest(kind, _KINDS)}"
        )
    if kind != "neuron" and (y, x, z) != (None, None, None):
        raise TargetError(f"y and x are the position of a neuron; a {kind} has none")
    if kind != "neuron" and token is not None:
        raise TargetError(f"token is the position of a neuron; a {kind} has none")
    if kind != "channel" and reduction != "mean":
        raise TargetError(f"reduction is for a channel's positions, not for a {kind}")
    result: Objective
    if kind == "layer":
        if unit is not None:
            raise TargetError(f"the layer objective takes a whole layer: {name}, not {target}")
        result = LayerEnergy(name)
    elif unit is None:
        raise TargetError(f"a {kind} needs a unit: {name}:UNIT, such as {name}:0")
    elif kind == "channel":
        result = Channel(name, unit, reduction)
    else:
        result = Neuron(name, unit, y, x, token, z)
    return _finished(result, negative=negative, preactivation=preactivation)


def is_plain(model: Model, target: str) -> bool:
    """Return whether a target is a layer, a unit of one, or a class, as `find_unit` reads it."""
    if unit_at_cell(model, target) is not None or negated(model, target) is not None:
        return False
    return not is_expression(model, target) and _elsewhere(model, target) is None


def negated(model: Model, target: str) -> str | None:
    """Return the target behind a minus; `None` where there is none before it.

    The names of some layers and classes begin with one themselves, and so do expressions.
    """
    if not target.startswith("-") or is_expression(model, target):
        return None
    names = model.names
    if names.meanings(target) or names.meanings(target.rpartition(":")[0]):
        return None
    return None if find_classes(model.labels, target) else target[1:]


def unit_at_cell(model: Model, target: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the unit and the cell of `LAYER:UNIT@Y,X`; `None` where a target is no such."""
    found = _CELL.fullmatch(target)
    if found is None or model.names.meanings(target):
        return None
    unit, cell = found.groups()
    return unit, tuple(from_digits("the cell", at.strip(), TargetError) for at in cell.split(","))


def _elsewhere(model: Model, target: str) -> tuple[str, str, str] | None:
    """A layer, a file and a unit, where a target is `LAYER@FILE:UNIT`; else `None`."""
    layer_name, separator, rest = target.partition("@")
    file, colon, unit = rest.rpartition(":")
    if not (separator and colon and file and unit) or model.names.meanings(target):
        return None
    # A value's name may hold the sign itself: then what is before the colon is one.
    if model.names.meanings(target.rpartition(":")[0]):
        return None
    model.names.find(layer_name)
    return layer_name, file, unit


def _unit_of_file(layer_name: str, file: str, unit: str, where: Place) -> Objective:
    """The unit of a dictionary, by number or name, or of an encoder, by number."""
    if not file.endswith(".onnx"):
        from .dictionaries import dictionary

        return dictionary(file, layer_name).unit(unit, **where)
    from .encoders import encoder

    if not unit.isdecimal():
        raise TargetError(f"{unit!r} is no unit of {file}; expected a number, such as 0")
    return encoder(file, layer_name, from_digits("the unit", unit, TargetError), **where)


def is_expression(model: Model, target: str) -> bool:
    """Return whether a target is an expression, and not a layer or a class that looks like one."""
    if not any(mark in target for mark in "(\"'"):
        return False
    from ..calls import parsed

    known = model.names.meanings(target) or find_classes(model.labels, target)
    return not known and parsed(target) is not None


def _finished(result: Objective, *, negative: bool, preactivation: bool) -> Objective:
    if preactivation:
        result = BeforeActivation(result)
    return -result if negative else result


def find_unit(model: Model, target: str) -> tuple[str, int | None]:
    """Return the layer that a target names, and its unit; `None` where it names the layer alone.

    Raises:
        LayerError: the model has no such layer or class.
        TargetError: the target is empty, or several classes have that name.
    """
    names = model.names
    name, separator, number = target.rpartition(":")
    if names.meanings(target):
        layer_name = names.find(target)
        if number.isdecimal() and names.naming.aliases.get(layer_name) == name != target:
            raise TargetError(
                f"{target!r} is the name of a layer, and unit {number} of {name!r}: write {name!r} "
                f"for the layer, {target}:{number} for the unit"
            )
        return target, None
    if separator and names.meanings(name):
        names.find(name)
        if not number.isdecimal():
            raise TargetError(
                f"{number!r} is no unit; expected a number, such as {name}:0, or of several "
                f"pictures such as {name}:0-15,40"
            )
        return name, from_digits("the unit", number, LayerError)
    if not target.strip() or (separator and not name):
        raise TargetError(
            f"the target {target!r} names no layer; "
            "expected LAYER:UNIT such as mixed4a:11, or LAYER"
        )
    if separator and number.isdecimal():
        raise LayerError(f"{model.name} has no layer {name!r}{names.nearest(name)}")
    # Imported here: most targets are units of layers, and do without.
    from .class_targets import find_class

    return find_class(model, target)
