"""`Gradient`: the gradient of an objective for its own sake."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache, graph_cache
from ..network.identified import identity_of
from ..network.loading import load
from ..network.model import Model
from ..notebook import working
from ..objectives.algebra import Objective, check_objective
from ..objectives.targets import resolve
from ..plain import flag, height_and_width, of_kind, whole
from ..plain import path as a_path
from ..planes import as_planes, several_planes
from ..runtime.finished import Graph, kept
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import Session, check_provider, open_for

if TYPE_CHECKING:
    import onnx

    from ..images import Photo
    from ..rules.table import RuleTable


class Gradient:
    """The value of an objective on pictures, and its gradient with respect to them.

    One graph is built for each shape of pictures and kept.
    """

    def __init__(
        self,
        model: Model | str,
        objective: Objective | str,
        *,
        provider: str = "auto",
        rules: RuleTable | None = None,
        cache: bool = True,
    ) -> None:
        """Prepare a gradient.

        Args:
            model: A model, or what `onnxscope.load` takes.
            objective: An objective or a target such as `"mixed4a:11"`.
            provider: See `onnxscope.render`.
            rules: Gradient rules; by default the standard ones, in the forms that are fastest on
                the provider.
            cache: Whether finished graphs are kept on disk, as for `onnxscope.render`; with rules
                of your own they never are.

        Raises:
            OnnxscopeError: an argument is of another kind, there is no such model, or the target
                means nothing in it.
        """
        cache, provider = flag("cache", cache), check_provider(provider)
        if rules is not None:
            # Whoever has a table has imported this.
            from ..rules.table import RuleTable

            of_kind("rules", rules, RuleTable, "standard_rules()")
        self.model = model if isinstance(model, Model) else load(model, cache=cache)
        self.objective = (
            resolve(self.model, objective)
            if isinstance(objective, str)
            else check_objective(objective)
        )
        self._provider = provider
        self._rules = rules
        self._cache = graph_cache() if cache and rules is None else None
        self._sessions: dict[tuple[int, ...], Session] = {}

    def __repr__(self) -> str:
        return f"<gradient of {self.objective} of {self.model.name}>"

    def _repr_html_(self) -> str:
        """For notebooks: what it is the gradient of, and how it is called."""
        from ..tables import facts, panel

        form = self.model.form
        shape = "×".join(map(str, self.model.fixed_size or ("H", "W")))
        takes = f"pictures of {shape}×3" if form.is_rgb else f"{form.words()} as {form.array_words}"
        return panel(
            f"Gradient of {self.objective}",
            facts(
                [
                    ("model", self.model.name),
                    ("provider", self._provider),
                    ("takes", f"{takes}, float in [0, 1] or uint8; paths"),
                    ("gives", "values (N,) and gradients of the pictures' shape"),
                    ("graphs so far", ", ".join("×".join(map(str, s)) for s in self._sessions)),
                ]
            ),
        )

    def __call__(self, images: Photo | Sequence[Photo]) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate.

        Args:
            images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8, or files, as
                `Model.activations` takes them.

        Returns:
            The values (N,) and the gradients, of the pictures' shape, per unit of [0, 1].

        Raises:
            MemoryShortageError: there is not enough memory for so many or such large pictures.
            InputError: the pictures are of another shape, type or range, or do not fit the network.
            ProviderError: the provider is not there, or cannot run the graph.
        """
        batch = as_planes(images, self.model.form, fit=self.model.usual_size)
        if batch.shape not in self._sessions:
            with working(f"preparing the gradient of {self.objective}"):
                self._sessions[batch.shape] = open_for(
                    lambda provider: self._compiled(batch.shape, provider), self._provider
                )
        outputs = self._sessions[batch.shape].run({"image": batch})
        gradient = self.model.form.as_arrays(outputs["grad_image"])
        several = several_planes(images, self.model.form)
        return outputs["value"], gradient if several else gradient[0]

    def to_onnx(
        self, *, size: int | tuple[int, int] | None = None, batch: int = 1
    ) -> onnx.ModelProto:
        """Return the gradient as a self-contained model of standard operators.

        Args:
            size: Height and width in pixels, by default the model's usual size.
            batch: How many pictures it takes.

        Returns:
            A model from `image` (N, 3, H, W), RGB in [0, 1], to `value` (N,) and `grad_image`; of
            other forms than RGB with as many planes as they have (see `forms.Form`).

        Raises:
            InputError: the size or number of pictures does not fit the network.
            OperatorError: an operator has no gradient rule.
        """
        if size is None:
            size = self.model.usual_size
        (height, width), batch = height_and_width("size", size), whole("batch", batch, 1)
        from ..rules.standard import standard_rules
        from .objective import gradient_of_image

        # Not by truth: an empty table is a table.
        rules = standard_rules() if self._rules is None else self._rules
        shape = batch, self.model.form.planes, height, width
        return gradient_of_image(self.model, self.objective, shape, rules)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        batch: int = 1,
    ) -> Path:
        """Write `to_onnx` to a file; of more than 2 GB, the weights to a second one beside it.

        Raises:
            OutputError: it cannot be written, or is the model's own file.
            OnnxscopeError: see `to_onnx`.
        """
        from ..importer.external import write_apart

        target, proto = a_path("path", path), self.to_onnx(size=size, batch=batch)
        return write_apart(target, proto, self.model.path)[0]

    def _compiled(self, shape: tuple[int, ...], provider: str) -> onnx.ModelProto | bytes:
        """The graph for a provider."""
        batch, channels, height, width = shape
        pictures = (batch, channels, height, width)
        if self._rules is None:
            graph = gradient_of_pictures(
                self.model, self.objective, pictures, provider, self._cache
            )
            check_memory(graph.footprint, Use.whole(batch), provider)
            return graph.model
        from .objective import gradient_of_image

        proto = gradient_of_image(self.model, self.objective, pictures, self._rules)
        check_memory(Footprint.of(proto, batch), Use.whole(batch), provider)
        return proto


def gradient_of_pictures(
    model: Model,
    objective: Objective,
    shape: tuple[int, int, int, int],
    provider: str,
    cache: GraphCache | None,
) -> Graph:
    """Return the graph from pictures to value and gradient (see `objective.gradient_of_image`).

    Args:
        model: The network.
        objective: What is differentiated.
        shape: Of the pictures, (N, P, H, W).
        provider: What it shall run on, by name.
        cache: Where it may be kept.
    """

    def build() -> onnx.ModelProto:
        from ..rules.by_provider import rules_for
        from .objective import gradient_of_image

        return gradient_of_image(model, objective, shape, rules_for(provider))

    def parts() -> dict[str, object]:
        return {
            "model": identity_of(model),
            "objective": objective,
            "shape": shape,
            "provider": provider,
        }

    return kept(cache, "gradient of pictures", parts, build, shape[0], 7)
