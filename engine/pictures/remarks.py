"""What the user of a picture should know: why it is grey, what is cut off, what it does without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..objectives.algebra import BeforeActivation, Objective, Sum
from ..objectives.fed import own_count
from ..objectives.units import Channel, LayerEnergy, Neuron

if TYPE_CHECKING:
    from ..ascent.composition import Composition
    from ..ascent.loop import Ascent

_UNIFORM = 0.02
"""The deviation of the colours below which a picture is as good as grey; random starts have 0.003,
a neuron of few pixels has 0.05."""

_TINY = np.finfo(np.float32).tiny


def remarks_by_picture(composition: Composition, ascent: Ascent) -> tuple[tuple[str, ...], ...]:
    """Return what there is to say of each picture where each has its own objective, else of all.

    Of each it is what there is to say when it is made alone.

    Args:
        composition: What was climbed.
        ascent: How it went.
    """
    objective = composition.objective
    if own_count(objective) is None or objective.mixes_pictures:
        return (tuple(remarks(composition, ascent)),)
    return tuple(
        tuple(remarks(composition.part(one, one + 1), ascent.part(one, one + 1)))
        for one in range(composition.batch)
    )


def remarks(composition: Composition, ascent: Ascent) -> list[str]:
    """Return what there is to say about pictures, in sentences.

    Args:
        composition: What was climbed.
        ascent: How it went.
    """
    found = []
    if ascent.provider.note:
        found.append(ascent.provider.note)
    if len(ascent.values):
        found += _why_grey(composition, ascent)
    return found + list(_at_the_border(composition))


def _why_grey(composition: Composition, ascent: Ascent) -> Iterator[str]:
    """Why pictures show nothing, where they do not."""
    objective, values, leak = composition.objective, ascent.values, composition.leak
    dead = ""
    if not values.any():
        dead = (
            f"stayed at 0 in {_every(len(values))}: the unit never fired; try another seed or "
            f"more {'redirect_steps' if leak is None else 'leak_steps'}"
        )
    elif np.abs(values).max() < _TINY:
        dead = (
            f"stayed at {np.abs(values).max():.0e} or less, below the smallest normal number: the "
            "unit is practically dead, its weights or those before it having decayed to nothing"
        )
    elif not ascent.moved.any() and (leak is None or len(values) > leak.steps):
        others = ["redirected activations"] if ascent.redirected.any() else []
        others += [] if leak is None else ["a gradient that leaks"]
        dead = (
            "had no gradient with respect to the picture, or none above the smallest normal number "
            "(1e-38), which "
        ) + (
            f"{' and '.join(others)} alone can have moved; try more steps or another seed"
            if others
            else "stayed the noise that it started from"
        )
    contrast = ascent.images.std(tuple(range(1, ascent.images.ndim - 1))).mean(-1)
    grey = int(np.argmin(contrast))
    if not dead and contrast[grey] >= _UNIFORM:
        return
    part = objective if objective.mixes_pictures else objective.part(grey, grey + 1)
    why = _saturated(composition, part, ascent.images[grey])
    if why:
        yield f"the objective {part} {why}"
    elif dead:
        yield f"the objective {objective} {dead}"
    elif len(values) >= _ENOUGH:
        which = f"picture {grey}, of {part}," if len(contrast) > 1 else "the picture"
        yield f"{which} stayed nearly uniform: {_advice(part)}"


def _every(steps: int) -> str:
    return "the one step" if steps == 1 else f"all {steps} steps"


_ENOUGH = 64
"""Fewer steps leave most pictures pale."""


def _saturated(composition: Composition, objective: Objective, picture: np.ndarray) -> str:
    """Say which function on the way to a unit is saturated, and what to render instead."""
    from ..network.saturation import find_saturated

    for leaf in _leaves(objective):
        if not isinstance(leaf, Channel | Neuron | LayerEnergy):
            continue
        unit = None if isinstance(leaf, LayerEnergy) else leaf.unit
        found = find_saturated(composition.model, leaf.layer, unit, picture)
        if found is None:
            continue
        instead = f": render what goes into it, {found.before}" if found.before else ""
        return (
            f"has next to no gradient: {found.layer} is the result of a {found.op_type} that is "
            f"saturated ({found.value:.2g}) and lets none through{instead}"
        )
    return ""


def _advice(objective: Objective) -> str:
    if isinstance(objective, Sum):
        return (
            "a term of the objective outweighs the others, or they cancel; give it a smaller "
            "factor (a whole layer's value is a mean of squares, and grows with them)"
        )
    return "try more steps, a larger learning rate or another seed"


def _leaves(objective: Objective) -> Iterator[Objective]:
    """What an objective is made of, from left to right; not what is before activations."""
    left = [objective]
    while left:
        part = left.pop()
        if isinstance(part, BeforeActivation):
            continue
        if not part.parts():
            yield part
        left.extend(reversed(part.parts()))


def _at_the_border(composition: Composition) -> Iterator[str]:
    for cell in _neurons(composition.objective):
        if cell.y is None and cell.x is None:
            continue
        shape = composition.layer_shape(cell.layer)
        if len(shape) in (3, 4):
            height, width = shape[-2:]
            y, x = cell.position(height, width)
            if y in (0, height - 1) or x in (0, width - 1):
                yield (
                    f"{cell} lies at the border of {height}×{width} cells: what it looks for is "
                    "cut off there"
                )


def _neurons(objective: Objective) -> Iterator[Neuron]:
    """The neurons that an objective is made of, from left to right."""
    left = [objective]
    while left:
        part = left.pop()
        if isinstance(part, Neuron):
            yield part
        left.extend(reversed(part.parts()))
