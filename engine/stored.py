"""The graphs of an ascent: taken from the cache, or built and kept there."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from threading import Lock
from typing import TYPE_CHECKING

from . import errors
from .cache import GraphCache
from .identity import NoIdentityError, key_of
from .memory import Footprint
from .optimizers import GraphOptimizer

if TYPE_CHECKING:
    import onnx

    from .composition import Composition
    from .expressions import Objective
    from .model import Model
    from .rules import RuleTable

_SIZE = 4

# Warnings are collected for the whole process: climbers side by side do so one after the other.
_COLLECTING = Lock()


@dataclass(frozen=True)
class Graph:
    """A finished graph.

    Attributes:
        model: An ONNX file.
        footprint: What running it takes.
        warnings: What its user should know, said when it was built: kinds of `errors`, and texts.
    """

    model: bytes
    footprint: Footprint
    warnings: tuple[tuple[str, str], ...] = ()


class Graphs:
    """What a composition runs, each graph built when it is asked for.

    A graph is kept where all that determines it has an identity (see `identity`): not where an
    objective, a transform or another part is code of the user's, nor with rules of the user's. What
    was warned of when it was built is warned of again when it is taken from the cache.
    """

    def __init__(self, composition: Composition, cache: GraphCache | None = None) -> None:
        self._composition = composition
        self._cache = cache

    def image(self) -> Graph:
        """From parameters to pictures (see `Composition.image_graph`)."""
        return self._get(
            "image", lambda: _picture(self._composition), self._composition.image_graph
        )

    def gradient(self, provider: str, *, redirected: bool = False) -> Graph:
        """From parameters to value and gradient (see `Composition.gradient_graph`).

        Args:
            provider: What it shall run on, by name.
            redirected: With redirected ReLUs.
        """
        return self._get(
            "gradient",
            lambda: self._parts(provider, redirected),
            lambda: self._composition.gradient_graph(self._rules(provider, redirected)),
        )

    def step(self, provider: str, optimizer: GraphOptimizer, *, redirected: bool = False) -> Graph:
        """One whole step (see `Composition.step_graph`).

        Args:
            provider: What it shall run on, by name.
            optimizer: The update rule.
            redirected: With redirected ReLUs.
        """
        return self._get(
            "step",
            lambda: self._parts(provider, redirected) | {"optimizer": optimizer},
            lambda: self._composition.step_graph(self._rules(provider, redirected), optimizer),
        )

    def _rules(self, provider: str, redirected: bool) -> RuleTable:
        rules = self._composition.rules_for(provider)
        if not redirected:
            return rules
        from .rules.redirected import redirected_relu

        return rules | redirected_relu()

    def _parts(self, provider: str, redirected: bool) -> dict[str, object]:
        composition = self._composition
        # Field by field, so that one that is added counts as well. A table of rules is the user's,
        # and holds functions, which have no identity.
        given = {field.name: getattr(composition, field.name) for field in fields(composition)}
        return given | {
            "model": _identity(composition.model),
            "provider": provider,
            "redirected": redirected,
        }

    def _get(
        self,
        kind: str,
        parts: Callable[[], dict[str, object]],
        build: Callable[[], onnx.ModelProto],
    ) -> Graph:
        return _kept(self._cache, kind, parts, build, self._composition.batch, 5)


def gradient_of_pictures(
    model: Model,
    objective: Objective,
    shape: tuple[int, int, int, int],
    provider: str,
    cache: GraphCache | None,
) -> Graph:
    """From pictures to value and gradient (see `step.gradient_of_image`).

    Args:
        model: The network.
        objective: What is differentiated.
        shape: Of the pictures, (N, 3, H, W).
        provider: What it shall run on, by name.
        cache: Where it may be kept.
    """

    def build() -> onnx.ModelProto:
        from .rules import rules_for
        from .step import gradient_of_image

        return gradient_of_image(model, objective, shape, rules_for(provider))

    def parts() -> dict[str, object]:
        return {
            "model": _identity(model),
            "objective": objective,
            "shape": shape,
            "provider": provider,
        }

    return _kept(cache, "gradient of pictures", parts, build, shape[0], 6)


def _kept(
    cache: GraphCache | None,
    kind: str,
    parts: Callable[[], dict[str, object]],
    build: Callable[[], onnx.ModelProto],
    batch: int,
    stacklevel: int,
) -> Graph:
    """From the cache, or built and kept there; warnings are raised in either case."""
    if cache is None:
        return _finished(build(), batch)
    try:
        key = key_of(kind=kind, **parts())
    except NoIdentityError:
        return _finished(build(), batch)
    kept = cache.get(key)
    if kept is not None:
        graph = _unpacked(kept)
    else:
        proto, said = _built(build)
        graph = _finished(proto, batch, said)
        # Weights are most of a graph, and the same for all units of a layer.
        cache.put(key, _packed(graph), (t.raw_data for t in proto.graph.initializer))
    for name, text in graph.warnings:
        warnings.warn(text, getattr(errors, name), stacklevel=stacklevel)
    return graph


def _identity(model: Model) -> dict[str, object]:
    """What determines a model.

    Raises:
        NoIdentityError: it is of a class of the user's, or reads weights from files beside its own,
            which may change.
    """
    from .model import Model

    if type(model) is not Model:
        raise NoIdentityError(f"a {type(model).__name__}")
    if not model.self_contained:
        raise NoIdentityError("weights in other files")
    return model.identity


def _picture(composition: Composition) -> dict[str, object]:
    return {
        "parameterization": composition.parameterization,
        "batch": composition.batch,
        "size": (composition.height, composition.width),
    }


def _built(build: Callable[[], onnx.ModelProto]) -> tuple[onnx.ModelProto, list[tuple[str, str]]]:
    """A graph, and this package's warnings; others are passed on."""
    with _COLLECTING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        proto = build()
    said: dict[tuple[str, str], None] = {}
    for warning in caught:
        if issubclass(warning.category, errors.OnnxscopeWarning):
            said[warning.category.__name__, str(warning.message)] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return proto, list(said)


def _finished(proto: onnx.ModelProto, batch: int, said: Sequence[tuple[str, str]] = ()) -> Graph:
    return Graph(proto.SerializeToString(), Footprint.of(proto, batch), tuple(said))


def _packed(graph: Graph) -> bytes:
    known = {"footprint": asdict(graph.footprint), "warnings": graph.warnings}
    facts = json.dumps(known).encode()
    return len(facts).to_bytes(_SIZE, "little") + facts + graph.model


def _unpacked(data: bytes) -> Graph:
    """Read back what `_packed` wrote; the cache has checked it."""
    end = _SIZE + int.from_bytes(data[:_SIZE], "little")
    facts = json.loads(data[_SIZE:end])
    said = tuple((kind, text) for kind, text in facts["warnings"])
    return Graph(data[end:], Footprint(**facts["footprint"]), said)
