"""The graphs of an ascent: taken from the cache, or built and kept there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from ..cache import GraphCache
from ..network.identified import identity_of
from ..runtime.finished import Graph, kept
from .optimizers import GraphOptimizer, Scheduled

if TYPE_CHECKING:
    import onnx

    from ..forms import Form
    from ..rules.table import RuleTable
    from .composition import Composition


class Graphs:
    """What a composition runs, each graph built when it is asked for.

    A graph is kept where all that determines it has an identity (see `identity`): not where an
    objective, a transform or another part is code of the user's, nor with rules of the user's. What
    was warned of when it was built is warned of again when it is taken from the cache.
    """

    def __init__(self, composition: Composition, cache: GraphCache | None = None) -> None:
        self._composition = composition
        self._cache = cache

    @property
    def form(self) -> Form:
        """What is a picture, as it is made."""
        return self._composition.made_form

    def image(self) -> Graph:
        """Return the graph from parameters to pictures (see `step.image_graph`)."""
        composition = self._composition

        def build() -> onnx.ModelProto:
            from . import step

            return step.image_graph(composition)

        return self._get("image", lambda: _picture(composition), build)

    def gradient(self, provider: str, *, redirected: bool = False) -> Graph:
        """Return the graph from parameters to value and gradient (see `step.gradient_graph`).

        Args:
            provider: What it shall run on, by name.
            redirected: With redirected ReLUs.
        """

        def build() -> onnx.ModelProto:
            from . import step

            return step.gradient_graph(self._composition, self._rules(provider, redirected))

        return self._get("gradient", lambda: self._parts(provider, redirected), build)

    def step(self, provider: str, optimizer: GraphOptimizer, *, redirected: bool = False) -> Graph:
        """Return one whole step (see `step.step_graph`).

        Args:
            provider: What it shall run on, by name.
            optimizer: The update rule.
            redirected: With redirected ReLUs.
        """

        def build() -> onnx.ModelProto:
            from . import step

            rules = self._rules(provider, redirected)
            return step.step_graph(self._composition, rules, optimizer)

        # A schedule is fed number by number, and in no graph.
        described = optimizer.unscheduled() if isinstance(optimizer, Scheduled) else optimizer
        parts = {"optimizer": described}
        return self._get("step", lambda: self._parts(provider, redirected) | parts, build)

    def _rules(self, provider: str, redirected: bool) -> RuleTable:
        rules = self._composition.rules_for(provider)
        if not redirected:
            return rules
        from ..rules.redirected import redirected_relu

        return rules | redirected_relu()

    def _parts(self, provider: str, redirected: bool) -> dict[str, object]:
        composition = self._composition
        # Field by field, so that one that is added counts as well. A table of rules is the user's,
        # and holds functions, which have no identity.
        given = {field.name: getattr(composition, field.name) for field in fields(composition)}
        return given | {
            "objective": composition.built,
            # Its numbers are fed.
            "leak": composition.leak is not None,
            "model": identity_of(composition.model),
            "provider": provider,
            "redirected": redirected,
        }

    def _get(
        self,
        kind: str,
        parts: Callable[[], dict[str, object]],
        build: Callable[[], onnx.ModelProto],
    ) -> Graph:
        return kept(self._cache, kind, parts, build, self._composition.batch, 5)


def _picture(composition: Composition) -> dict[str, object]:
    return {
        "parameterization": composition.parameterization,
        "batch": composition.batch,
        "size": (composition.height, composition.width),
        "form": composition.form,
    }
