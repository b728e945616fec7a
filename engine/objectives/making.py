"""Objectives: what a picture is optimised for.

An objective is a small expression over a network's layers and the picture. Leaves are a channel, a
neuron, a layer (see `units`), or a function of the user's (see `functions`); `+`, `-`, `*` and
negation combine them (see `algebra`). Its value is one number for each picture, the larger the
better. Here is what users call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import TargetError
from ..graph.tensor import Tensor
from ..plain import shown
from .algebra import BeforeActivation, Objective, objectives_in
from .functions import Custom
from .own_objectives import Each
from .units import Channel, LayerEnergy, Neuron


def channel(layer: str, unit: int, *, reduction: str = "mean") -> Objective:
    """Look at a channel: its mean over all positions (Lucid's `channel`).

    Args:
        layer: Layer name.
        unit: Channel number, from 0.
        reduction: `"mean"` or `"sum"`.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    return Channel(layer, unit, reduction)


def neuron(
    layer: str,
    unit: int,
    *,
    y: int | None = None,
    x: int | None = None,
    token: int | None = None,
    z: int | None = None,
) -> Objective:
    """Look at one cell of a channel, by default the middle one (Lucid's `neuron`).

    Of an even number of rows or columns the middle is the one behind the half. Which cell it is
    does not matter to what it looks for, as long as its receptive field stays in the picture. Of a
    layer of tokens, rows and columns are those of the picture's patches.

    Args:
        layer: Layer name.
        unit: Channel number, from 0.
        y: Row of the cell, from 0.
        x: Column of the cell, from 0.
        token: Instead of both, the number of a token, from 0, such as 0 for a class token.
        z: Of volumes and videos, the slice or frame of the cell, from 0.

    Raises:
        OnnxscopeError: an argument is of another kind, or there are two positions.
    """
    return Neuron(layer, unit, y, x, token, z)


def layer(name: str) -> Objective:
    """Look at a whole layer: the mean of its squares (DeepDream, Mordvintsev et al. 2015).

    Args:
        name: Layer name.

    Raises:
        TargetError: it is no text.
    """
    return LayerEnergy(name)


def each(objectives: Sequence[Objective]) -> Objective:
    """Give each picture of a batch its own objective: many units in one run.

    Lucid's objectives with `batch=n`, added up.

    Args:
        objectives: As many as there are pictures.

    Raises:
        TargetError: one of them is none, or compares the pictures.
    """
    return Each(objectives_in("each", objectives))


def before_activation(objective: Objective) -> Objective:
    """Look at the values before the layers' activation functions.

    Behind a ReLU nothing goes below 0, so that a negative objective stops as soon as the unit is
    off. Before it there is something to descend: `-before_activation(channel("mixed4a", 11))` is
    what Lucid writes as the negative of a `_pre_relu` layer.

    Args:
        objective: What is looked at.

    Raises:
        TargetError: it is no objective.
    """
    return BeforeActivation(objective)


def objective(*layers: str) -> Callable[[Callable[..., Tensor]], Objective]:
    """Make an objective of a function of symbolic activations.

        @objective("mixed4a", "mixed4b")
        def both(a, b):
            return a[:, 11].mean((1, 2)) + b[:, 3].mean((1, 2))

    A function that asks for `image` by a keyword-only parameter is given the pictures too, (N, 3,
    H, W), RGB in [0, 1], before any transform; one that asks for `labels`, the names of the
    classes:

        @objective("logits")
        def dog_and_dark(logits, *, image, labels):
            return logits[:, labels.index("dog")] - image.mean((1, 2, 3))

    Args:
        layers: The layers that the function takes, in this order; none where the picture is all.

    Raises:
        TargetError: a layer is no name, or the function looks at nothing or asks for more.
    """
    if not all(isinstance(name, str) and name for name in layers):
        raise TargetError(
            f"objective takes the names of the function's layers, as in "
            f'@objective("mixed4a", "mixed4b"), not {", ".join(map(shown, layers))}'
        )

    def decorate(function: Callable[..., Tensor]) -> Objective:
        return Custom(layers, function)

    return decorate
