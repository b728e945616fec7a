"""What a method of explanation sees while it is written: pictures, a value of each, gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import LayerError, TargetError
from ..gradient.objective import append_gradient, append_objective
from ..gradient.passes import BEFORE_THE_WALK, GradientPlan
from ..gradient.walk import backpropagate, zero_everywhere
from ..graph.builder import Builder
from ..graph.passes.plan import run_passes
from ..graph.tensor import Tensor
from ..graph.walks import ancestors
from ..network.class_scores import before_softmax
from ..network.layers.axes import Grid
from ..network.model import Model
from ..objectives.algebra import Leaf, Objective
from ..objectives.classes import LOGITS
from ..objectives.seen import Seen
from ..rules.table import RuleTable
from .stem import Stem, stem_of


@dataclass(frozen=True, eq=False)
class Chosen(Leaf):
    """The score of a class of each picture's own.

    Attributes:
        index: The classes (N,) int64, in the graph under construction; `None` is each picture's
            highest.
    """

    index: Tensor | None

    def layers(self) -> tuple[str, ...]:
        """Name the layer of class scores."""
        return (LOGITS,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C)."""
        scores = before_softmax(seen[LOGITS])
        op = scores.op
        index = op.ArgMax(scores, axis=1, keepdims=0) if self.index is None else self.index
        return op.GatherElements(scores, index.reshape(-1, 1), axis=1).reshape(scores.shape[0])

    def __str__(self) -> str:
        return "the class with the highest score" if self.index is None else "the class"


@dataclass(frozen=True, eq=False)
class _Beside(Leaf):
    """An objective, and layers that are looked at besides."""

    of: Objective
    looked_at: tuple[str, ...]
    found: list[tuple[Tensor, Grid | None]] = field(default_factory=list)

    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.of.layers(), *self.looked_at)))

    @property
    def sees_picture(self) -> bool:
        return self.of.sees_picture

    def build(self, seen: Seen) -> Tensor:
        self.found.extend((seen[name], seen.grids.get(name)) for name in self.looked_at)
        return self.of.build(seen)

    def __str__(self) -> str:
        return str(self.of)


@dataclass(frozen=True)
class Cells:
    """A layer and its gradient, where each cell or patch belongs to a place in the picture.

    Attributes:
        values: (N, C, H, W).
        gradient: The same shape.
    """

    values: Tensor
    gradient: Tensor


class Scene:
    """One graph under construction, from pictures to a value of each.

    Attributes:
        image: The pictures (N, 3, H, W), RGB in [0, 1].
        step: Of what is evaluated several times, which time it is for each of the pictures, from 0,
            (N,) int64; `None` where it is once.
        layer: The layer that a method looks at; empty for others.
        stem: What is left to go back through from the sum of all samples: what lies in front of
            what `gradient_behind_stem` gives the gradient of; else of no steps.
    """

    def __init__(
        self,
        model: Model,
        objective: Objective,
        image: Tensor,
        rules: RuleTable,
        *,
        step: Tensor | None = None,
        layer: str = "",
    ) -> None:
        self.image = image
        self.step = step
        self.layer = layer
        self.stem = Stem()
        self._model = model
        self._objective = objective
        self._rules = rules

    @property
    def builder(self) -> Builder:
        """The graph."""
        return self.image.builder

    def value(self, pictures: Tensor) -> Tensor:
        """Append network and objective behind pictures.

        Args:
            pictures: (N, 3, H, W).

        Returns:
            (N,), which is the graph's output `value`.
        """
        value = append_objective(self._model, self._objective, pictures)
        value = self.builder.output("value", value)
        run_passes(BEFORE_THE_WALK, self.builder, GradientPlan(rules=self._rules))
        return value

    def gradient_behind_stem(self, pictures: Tensor, weights: Tensor) -> Tensor:
        """Append network, objective and the gradient of `value` by what the stem makes of pictures.

        Once the gradients of all samples are added up, the sum goes back through the stem.

        Args:
            pictures: (N, 3, H, W).
            weights: (N,), by which the gradients count.

        Raises:
            TargetError: no differentiable path leads to them.
        """
        value = self.value(pictures)
        self.stem, behind = stem_of(pictures, value)
        absent: list[Tensor] = []
        (gradient,) = backpropagate(
            self.builder, {value: weights}, [behind], self._rules, absent=absent
        )
        self._require_path(absent)
        return gradient

    def gradient(self, pictures: Tensor) -> Tensor:
        """Append network, objective and the gradient of `value` by pictures (N, 3, H, W).

        Raises:
            TargetError: no differentiable path leads to them.
        """
        value = append_objective(self._model, self._objective, pictures)
        absent: list[Tensor] = []
        plan = GradientPlan(rules=self._rules)
        (gradient,) = append_gradient(self.builder, value, [pictures], plan, absent)
        self._require_path(absent)
        return gradient

    def _require_path(self, absent: Sequence[Tensor]) -> None:
        if absent:
            raise TargetError(zero_everywhere(str(self._objective), "the picture"))

    def cells(self) -> Cells:
        """Append network, objective, and the gradient of `value` by the cells of `layer`.

        Raises:
            LayerError: the layer has no cells.
            TargetError: no differentiable path leads to it.
        """
        return self.cells_of([self.layer])[0]

    def cells_of(self, layers: Sequence[str]) -> list[Cells]:
        """Append network, objective, and the gradients of `value` by the cells of some layers.

        Args:
            layers: Their names.

        Raises:
            LayerError: one of them has no cells.
            TargetError: no differentiable path leads to one of them.
        """
        beside = _Beside(self._objective, tuple(layers))
        value = append_objective(self._model, beside, self.image)
        raws: list[Tensor] = []
        presents: list[Callable[[Tensor], Tensor]] = []
        for name, (layer, grid) in zip(layers, beside.found, strict=True):
            check_cells(name, layer.shape, grid)
            raw, present = on_the_way(layer, value)
            if raw is None:
                raise TargetError(
                    f"{self._objective} is not computed from {name}, which has no gradient "
                    "then: choose a layer before it"
                )
            # An output stays what it is, whatever is made smaller or faster around it.
            raws.append(self.builder.output(f"layer/{len(raws)}" if raws else "layer", raw))
            presents.append(present)
        absent: list[Tensor] = []
        # What writes the network smaller, or its nodes in another form, may lead past the layer.
        without = frozenset({"narrow", "crop", "lower"})
        plan = GradientPlan(rules=self._rules, without=without)
        gradients = append_gradient(self.builder, value, raws, plan, absent)
        if absent:
            lost = layers[[raw.value for raw in raws].index(absent[0].value)]
            raise TargetError(zero_everywhere(str(self._objective), lost))
        return [
            Cells(as_cells(present(raw), grid), as_cells(present(gradient), grid))
            for raw, gradient, present, (_, grid) in zip(
                raws, gradients, presents, beside.found, strict=True
            )
        ]


def check_cells(name: str, shape: tuple[int, ...], grid: Grid | None) -> None:
    """See that a layer has cells or patches, in more than one place.

    Raises:
        LayerError: it has not.
    """
    if len(shape) == 3 and grid is None:
        raise LayerError(
            f"where the tokens of {name} are in the picture cannot be told: choose a layer of "
            "cells (N, C, H, W) or of patches"
        )
    if len(shape) < 3:
        raise LayerError(f"{name} has the shape {shape}: no cells, and so no places in the picture")


def as_cells(layer: Tensor, grid: Grid | None) -> Tensor:
    """Return (N, C, H, W) of cells, or of the patches among tokens (N, C, L)."""
    if grid is None:
        return layer
    patches = layer[:, :, grid.before : grid.before + grid.height * grid.width]
    return patches.reshape(*layer.shape[:2], grid.height, grid.width)


def on_the_way(layer: Tensor, value: Tensor) -> tuple[Tensor | None, Callable[[Tensor], Tensor]]:
    """Find what a layer is before it was made channels first, and how that is done to others.

    Args:
        layer: As objectives read it.
        value: What may be computed from it.

    Returns:
        The value that `value` is computed from, `None` where it is from none.
    """
    read = {v for node in ancestors(layer.builder.graph, [value.value]) for v in node.inputs}
    turned: list[int] | None = None
    raw = layer
    while raw.value not in read and raw.value is not value.value:
        node = raw.value.producer()
        if node is None or node.op_type not in ("Cast", "Transpose") or node.inputs[0] is None:
            return None, lambda tensor: tensor
        if node.op_type == "Transpose":
            turned = list(node.attributes["perm"].as_ints())
        raw = Tensor(layer.builder, node.inputs[0])

    def present(tensor: Tensor) -> Tensor:
        given = tensor.astype(np.dtype(np.float32))
        return given if turned is None else given.transpose(*turned)

    return raw, present
