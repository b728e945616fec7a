"""An ascent with the gradient from a graph and the update in NumPy, for any optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import GraphCache
from ..errors import InputError
from ..plain import shown
from ..runtime.creation import Cuda
from ..runtime.memory import Use
from ..runtime.session import Provider, Session
from .climbing import (
    Arrays,
    Viewer,
    choose,
    has_moved,
    is_finite,
    largest_of,
    open_checked,
    with_prefix,
)
from .graphs import Graphs
from .optimizers import Optimizer, SearchingOptimizer

if TYPE_CHECKING:
    from .composition import Composition

_FELT = "felt"
"""The magnitude of the picture's own gradient, among those of its parameters."""


class HostClimber:
    """The gradient from a graph, the update in NumPy."""

    def __init__(
        self,
        composition: Composition,
        parameters: Arrays,
        optimizer: Optimizer,
        provider: str | Provider,
        cache: GraphCache | None = None,
    ) -> None:
        if isinstance(optimizer, SearchingOptimizer):
            _check_searchable(composition, optimizer)
        self.redirected = np.zeros(composition.batch, np.int64)
        self.moved = np.zeros(composition.batch, bool)
        self._use = Use.whole(composition.batch)
        self._graphs = Graphs(composition, cache)
        self._parameters = parameters
        self._optimizer = optimizer
        optimizer.reset()
        self._cuda = Cuda(tf32=composition.precision != "float32")
        self._session = open_checked(self._graphs.gradient, self._use, provider, self._cuda)
        self._redirecting: Session | None = None
        self._count = 0
        pixels = composition.batch, composition.height, composition.width
        self._importance = np.zeros(pixels, np.float32)
        self._picture = Viewer(self._graphs, self._session.provider)

    @property
    def provider(self) -> Provider:
        """Where the gradient is computed."""
        return self._session.provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        feeds = {**self._parameters, **data}
        outputs = self._session.run(feeds)
        gradient = with_prefix("grad_", outputs) | {_FELT: outputs["felt"]}
        largest = np.max([largest_of(gradient[name]) for name in self._parameters], axis=0)
        if not is_finite(outputs["value"], largest):
            return outputs["value"], False
        self.moved |= has_moved(largest, data)
        # A penalty on the picture has a gradient where the network has none.
        reached = outputs.get("reached", largest)
        if redirect and not reached.all():
            gradient = choose(reached == 0, self._redirected(feeds), gradient)
            self.redirected += reached == 0
        felt = gradient.pop(_FELT)
        kinds = {name: (array.shape, array.dtype) for name, array in self._parameters.items()}
        if isinstance(self._optimizer, SearchingOptimizer):
            found = outputs["value"]
            self._optimizer.search(self._parameters, found, gradient, self._value)
        else:
            self._optimizer.update(self._parameters, gradient)
        self._check_updated(kinds)
        self._importance += felt
        self._count += 1
        return outputs["value"], True

    def _value(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """The objective at other parameters, where nothing is drawn at random."""
        return self._session.run(dict(parameters))["value"]

    def _check_updated(self, kinds: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
        """See that the optimizer has changed numbers, and nothing else.

        Raises:
            InputError: a parameter is gone, or of another shape or type, or there is a new one.
        """
        giver = f"the optimizer {type(self._optimizer).__name__}"
        if self._parameters.keys() != kinds.keys():
            raise InputError(
                f"{giver} must keep the parameters {', '.join(kinds)}, and leaves "
                f"{', '.join(map(str, self._parameters)) or 'none'}"
            )
        for name, (shape, dtype) in kinds.items():
            after = self._parameters[name]
            if not isinstance(after, np.ndarray):
                raise InputError(f"{giver} must leave {name} an array, not {shown(after)}")
            if (after.shape, after.dtype) != (shape, dtype):
                raise InputError(
                    f"{giver} makes {after.dtype} {after.shape} of {name}, which is {dtype} "
                    f"{shape}: it must change the numbers alone"
                )

    def _redirected(self, feeds: Arrays) -> Arrays:
        if self._redirecting is None:
            self._redirecting = open_checked(
                lambda name: self._graphs.gradient(name, redirected=True),
                self._use,
                self.provider,
                self._cuda,
            )
        outputs = self._redirecting.run(feeds)
        return with_prefix("grad_", outputs) | {_FELT: outputs["felt"]}

    def images(self) -> np.ndarray:
        """Return the pictures as they are now."""
        return self._picture.of(self._parameters)

    def importance(self) -> np.ndarray:
        """Return how large the gradients of all steps were (see `Climber`)."""
        return self._importance.copy()

    def rescued(self) -> tuple[int, np.ndarray, np.ndarray]:
        """Return what there is after a failure (see `Climber`)."""
        images = Viewer(self._graphs, Provider("cpu")).of(self._parameters)
        return self._count, images, self.importance()


def _check_searchable(composition: Composition, optimizer: Optimizer) -> None:
    """See that the objective is a function of the picture alone.

    Raises:
        InputError: something is random in it, or its gradient is another's.
    """
    name = type(optimizer).__name__
    for transform, types in zip(composition.transforms, composition.random_types, strict=True):
        if types:
            raise InputError(
                f"{name} compares values at several places, and {type(transform).__name__} draws "
                "anew in each step, so that they are those of several objectives: give "
                "transforms=() and an objective such as an inversion, or another optimizer"
            )
    if composition.leak is not None:
        raise InputError(
            f"{name} needs the objective's own gradient, and one that leaks is not: leave leak out"
        )
