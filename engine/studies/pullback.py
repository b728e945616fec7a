"""Gradients from a layer, or from class scores, back to earlier layers, at a photograph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MemoryShortageError
from ..gradient.objective import append_gradient
from ..gradient.passes import GradientPlan
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..network.class_scores import before_softmax
from ..network.model import Model
from ..rules.by_provider import rules_for
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import Provider, Session, choose_provider, open_for
from .scene import as_cells, on_the_way

if TYPE_CHECKING:
    import onnx

    from ..network.layers.axes import Grid

_AT_ONCE = 16
"""How many gradients are computed together, if there is memory for so many."""


class Pullback:
    """Takes weights of a layer's values back to earlier layers.

    For weights w of a layer b it gives ∂(Σ w · b)/∂a at the activations a of each earlier layer, on
    one photograph. The network runs from the first of these layers on, if everything behind it is
    computed from it alone; else from the picture.
    """

    def __init__(
        self,
        model: Model,
        target: str,
        sources: Sequence[str],
        size: tuple[int, int],
        provider: str,
    ) -> None:
        """Prepare; the graph is built when it is needed.

        Args:
            model: The network.
            target: The layer that the weights are for: cells, patches among tokens, or class
                scores, which are taken before a softmax.
            sources: The earlier layers, from the first to the last.
            size: Height and width of the photograph.
            provider: See `onnxscope.render`.
        """
        self._model = model
        self._target = target
        self._sources = list(sources)
        self._size = size
        self._provider: Provider = choose_provider(provider)
        self._count = model.fixed_batch or _AT_ONCE
        self._sessions: tuple[Session, Session | None] | None = None

    def __call__(
        self, photo: np.ndarray, weights: Iterable[np.ndarray]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Compute gradients.

        Args:
            photo: (3, H, W) float32 in [0, 1].
            weights: One array for each target, (C, rows, columns), or (C,) for class scores.

        Yields:
            For each target the gradient by each of the sources, (C, rows, columns), by its name;
            zeros where no path leads from there to the target.
        """
        before, behind = self._opened()
        pictures = np.repeat(photo[None], self._count, axis=0)
        given = before.run({"image": pictures[: self._model.fixed_batch or 1]})
        shapes = {name: array.shape[1:] for name, array in given.items() if name != "cut"}
        if behind is None:
            for _ in weights:
                yield {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
            return
        feeds = {"image": pictures, "cut": np.repeat(given["cut"][:1], self._count, axis=0)}
        known = {name: array for name, array in feeds.items() if name in behind.inputs}
        waiting: list[np.ndarray] = []

        def run() -> Iterator[dict[str, np.ndarray]]:
            rows = np.stack(waiting + waiting[-1:] * (self._count - len(waiting)))
            found = behind.run(known | {"weights": rows.astype(np.float32)})
            for at in range(len(waiting)):
                yield {
                    name: found[f"gradient {name}"][at]
                    if f"gradient {name}" in found
                    else np.zeros(shapes[name], np.float32)
                    for name in self._sources
                }
            waiting.clear()

        for row in weights:
            waiting.append(row)
            if len(waiting) == self._count:
                yield from run()
        if waiting:
            yield from run()

    def _opened(self) -> tuple[Session, Session | None]:
        if self._sessions is None:
            graph, reached = self._before()
            before = open_for(lambda _: graph, self._provider)
            behind = None
            if reached:
                try:
                    behind = open_for(self._behind, self._provider)
                except MemoryShortageError as error:
                    if self._model.fixed_batch or not error.fitting:
                        raise
                    self._count = error.fitting
                    behind = open_for(self._behind, self._provider)
            self._sessions = before, behind
        return self._sessions

    def _before(self) -> tuple[onnx.ModelProto, bool]:
        """From `image` to the sources, and to the first that counts as `cut`; is there one?"""
        builder, layers, target = self._appended(self._model.fixed_batch or 1)
        for name, (layer, grid) in layers.items():
            builder.output(name, as_cells(layer, grid))
        cut = self._cut(layers, target)
        if cut is not None:
            builder.output("cut", cut[0])
        return model_of(builder), cut is not None

    def _behind(self, provider: str) -> onnx.ModelProto:
        """From `cut`, `weights` and perhaps `image` to gradients."""
        builder, layers, target = self._appended(self._count)
        found = self._cut(layers, target)
        assert found is not None  # else it is not asked for
        cut, first = found
        weights = builder.input("weights", target.shape, np.float32)
        value = (target * weights).sum(list(range(1, target.rank)))
        begun = builder.input("cut", cut.shape, cut.dtype)
        raws = {}
        for name, (layer, grid) in layers.items():
            raw, present = on_the_way(layer, value)
            if raw is not None:
                own = begun if name == first else builder.output(f"layer {name}", raw)
                raws[name] = own, present, grid
        cut.value.replace_all_uses_with(begun.value)
        # What writes the network smaller, or its nodes in another form, may lead past a layer.
        without = frozenset({"narrow", "crop", "lower"})
        plan = GradientPlan(rules=rules_for(provider), without=without)
        absent: list[Tensor] = []
        wrt = [raw for raw, _, _ in raws.values()]
        gradients = append_gradient(builder, value, wrt, plan, absent)
        kept = []
        for (name, (_, present, grid)), gradient in zip(raws.items(), gradients, strict=True):
            kept.append(f"gradient {name}")
            builder.output(kept[-1], as_cells(present(gradient), grid))
        for output in [v for v in builder.graph.outputs if v.name not in kept]:
            builder.graph.outputs.remove(output)
        proto = model_of(builder)
        check_memory(Footprint.of(proto, self._count), Use.whole(self._count), provider)
        return proto

    def _appended(
        self, count: int
    ) -> tuple[Builder, dict[str, tuple[Tensor, Grid | None]], Tensor]:
        """The network behind `image`: its builder, the sources, and the target as cells."""
        builder = Builder("pullback", opset=self._model.opset)
        image = builder.input("image", (count, 3, *self._size), np.float32)
        found = self._model.append(image, [*self._sources, self._target])
        target = found[self._target]
        if target.rank == 2:
            target = before_softmax(target)
        else:
            target = as_cells(target, found.grids.get(self._target))
        layers = {name: (found[name], found.grids.get(name)) for name in self._sources}
        return builder, layers, target

    def _cut(
        self, layers: dict[str, tuple[Tensor, Grid | None]], target: Tensor
    ) -> tuple[Tensor, str] | None:
        """The first layer that the target is computed from, as the file has it, and its name."""
        for name, (layer, _) in layers.items():
            raw, _present = on_the_way(layer, target)
            if raw is not None:
                return raw, name
        return None
