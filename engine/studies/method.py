"""What a method of explanation is: from a picture and a value of it to a number for each pixel.

It appends itself to a graph: `sample` as often as `samples` says, whose results are summed, and
`finish` behind the sum. So what is run here is what is exported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ..errors import InputError, nearest
from ..graph.tensor import Tensor
from ..plain import shown
from ..registry import Registry
from ..rules.table import RuleTable
from .scene import Scene


class Method(ABC):
    """A way to say where in a picture a value comes from."""

    signed: ClassVar[bool] = False
    """Whether maps have both signs: what speaks for the value, and what against it."""

    looks_at_layer: ClassVar[bool] = False
    """Whether it looks at the cells of a layer."""

    complete: ClassVar[bool] = False
    """Whether a map adds up to the value less that of the baseline."""

    def samples(self, height: int, width: int) -> int:  # noqa: ARG002  # most take none
        """Return how often `sample` is evaluated, for pictures of that size."""
        return 1

    def rules(self) -> RuleTable:
        """Return rules that override the standard ones, by default none."""
        return RuleTable()

    @abstractmethod
    def sample(self, scene: Scene) -> Tensor:
        """Append what is summed over the samples, of any shape (N, …).

        The sum goes back through the stem of the scene before `finish` gets it.
        """

    def finish(self, total: Tensor, image: Tensor, values: Tensor) -> Tensor:  # noqa: ARG002  # the sum alone
        """Append the map (N, H, W).

        Args:
            total: The sum over the samples.
            image: The pictures (N, 3, H, W).
            values: The target's value in each sample (samples, N).
        """
        return total


METHODS: Registry[Method] = Registry(
    "method of explanation",
    Method,
    homes={
        "studies.methods": (
            "saliency",
            "guided_backpropagation",
            "deconvnet",
            "input_x_gradient",
            "integrated_gradients",
            "smooth_grad",
            "grad_cam",
            "layer_cam",
            "layer_x_gradient",
            "occlusion",
        )
    },
)


def method_called(given: Method | str) -> Method:
    """Return a method by its name in `METHODS`, with its usual settings, or as it is given.

    Raises:
        InputError: there is none of that name.
    """
    if isinstance(given, Method):
        return given
    if not isinstance(given, str):
        raise InputError(f"a method is one of {', '.join(METHODS.kinds)}, not {shown(given)}")
    name = given.strip().replace("-", "_").replace(" ", "_").lower()
    if name not in METHODS.kinds:
        raise InputError(
            f"there is no method {given!r}, known are {', '.join(METHODS.kinds)}"
            f"{nearest(name, METHODS.kinds)}"
        )
    return METHODS.kinds[name]()
