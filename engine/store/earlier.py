"""What a unit's value is made of: the units of the layer before it, at its own picture.

A share is activation times gradient, summed over the cells of an earlier unit, over the unit's own
value, the mean over its cells. In a network of ReLUs without biases the shares add up to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OnnxscopeError
from ..gradient.objective import append_gradient
from ..gradient.passes import GradientPlan
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.traits import Trait, has
from ..graph.walks import ancestors, computed_from
from ..network.alone import as_input, input_for_one
from ..network.layers.layer import Layer
from ..network.model import Model
from ..rules.by_provider import rules_for
from ..runtime.session import Session, choose_provider, open_for
from ..studies.scene import on_the_way

if TYPE_CHECKING:
    import onnx

    from ..graph.tensor import Tensor

_LEAST = 1e-6
"""A value at most so large has no shares: what it is divided by would be noise."""


@dataclass(frozen=True)
class _Opened:
    """The nearest earlier layer, and what runs from pictures to shares of it."""

    layer: Layer
    session: Session


class Earlier:
    """Finds the shares of the layer before; the graph is opened once for all units of a layer."""

    def __init__(self, model: Model, layer: Layer, size: tuple[int, int], provider: str) -> None:
        """Find the nearest main layer that the layer weighs.

        Args:
            model: The network.
            layer: Whose units.
            size: Of the pictures, height and width.
            provider: See `onnxscope.render`.
        """
        self._model = model
        self._layer = layer
        self._size = size
        self._provider = provider
        self._opened = self._open()

    def of(self, picture: np.ndarray, unit: int) -> dict[str, Any] | None:
        """Return what a unit's value is made of at a picture, as plain data.

        Args:
            picture: (H, W, 3) float in [0, 1], or what else the network takes (see `Model.form`).
            unit: The unit.

        Returns:
            `layer`, the earlier one's name, and `shares`, one of each of its units; `None` where
            there is no such layer, or the unit has no value, or none that is finite.
        """
        if self._opened is None:
            return None
        chosen = np.zeros((1, self._layer.channels), np.float32)
        chosen[0, unit] = 1
        image = as_input(self._model, picture)
        found = self._opened.session.run({"image": image, "chosen": chosen})
        value = float(found["value"][0])
        if not value > _LEAST:
            return None
        shares = found["parts"][0].astype(np.float64) / value
        if not np.isfinite(shares).all():
            return None
        return {
            "layer": self._opened.layer.name,
            "shares": [float(f"{share:.3g}") for share in shares],
        }

    def _open(self) -> _Opened | None:
        known = list(self._model.layers.values())
        before = known[: [one.name for one in known].index(self._layer.name)]
        for layer in reversed(before):
            if not layer.main or layer.name == self._layer.name:
                continue
            graph = self._graph(layer)
            if graph is not None:
                return _Opened(layer, self._session(graph))
        return None

    def _session(self, graph: onnx.ModelProto) -> Session:
        return open_for(lambda _: graph, choose_provider(self._provider))

    def _graph(self, earlier: Layer) -> onnx.ModelProto | None:
        """From `image` and `chosen` to `value` (N,) and `parts` (N, C); `None` without a path."""
        builder = Builder("earlier", opset=self._model.opset)
        image = input_for_one(builder, self._model, self._size)
        try:
            found = self._model.append(image, [earlier.name, self._layer.name])
        except OnnxscopeError:
            return None
        target, source = found[self._layer.name], found[earlier.name]
        chosen = builder.input("chosen", (1, target.shape[1]), np.float32)
        value = (_over_cells(target) * chosen.astype(target.dtype)).sum([1])
        raw, present = on_the_way(source, value)
        if raw is None or not _mixes_units(builder, raw, value):
            return None
        kept = builder.output("source", raw)
        absent: list[Tensor] = []
        # What writes the network smaller, or its nodes in another form, may lead past the layer.
        without = frozenset({"narrow", "crop", "lower"})
        plan = GradientPlan(rules=rules_for(choose_provider(self._provider).name), without=without)
        (gradient,) = append_gradient(builder, value, [kept], plan, absent)
        if absent:
            return None
        parts = present(kept) * present(gradient)
        axes = list(range(2, parts.rank))
        builder.output("parts", parts.sum(axes) if axes else parts)
        for output in [v for v in builder.graph.outputs if v.name == "source"]:
            builder.graph.outputs.remove(output)
        return model_of(builder)


def _mixes_units(builder: Builder, source: Tensor, value: Tensor) -> bool:
    """Whether units of the source are weighed on the way: behind a mere pool each is its own."""
    way = ancestors(computed_from(builder.graph, source.value), [value.value])
    return any(has(node, Trait.WEIGHTED) for node in way)


def _over_cells(values: Tensor) -> Tensor:
    axes = list(range(2, values.rank))
    return values.mean(axes) if axes else values


def strongest(shares: Sequence[float] | np.ndarray, most: int) -> list[int]:
    """Return the units with the largest shares above 0, the largest first.

    Args:
        shares: One of each unit.
        most: How many.
    """
    order = np.argsort(-np.asarray(shares), kind="stable")[:most]
    return [int(unit) for unit in order if shares[unit] > 0]
