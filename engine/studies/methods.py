"""Methods of explanation: from a picture and a value of it to a number for each pixel.

A method is a frozen dataclass; its fields are what users may choose. A gradient is by pixels in
[0, 1], whatever the network does to them first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..errors import InputError, TargetError
from ..graph.tensor import Tensor
from ..plain import real, reals, shown, whole
from ..rules.guided import deconvnet, guided
from ..rules.table import RuleTable
from .method import METHODS, Method
from .scene import Scene


def _largest(gradient: Tensor) -> Tensor:
    """The largest magnitude over the colours, (N, H, W)."""
    op = gradient.op
    return op.ReduceMax(op.Abs(gradient), op.constant([1], np.int64), keepdims=0)


@METHODS.add("saliency")
@dataclass(frozen=True)
class Saliency(Method):
    """How much the value moves with each pixel: max over the colours of |∂v/∂x|.

    Simonyan et al., *Deep Inside Convolutional Networks*, 2013.
    """

    def sample(self, scene: Scene) -> Tensor:
        """Append the map."""
        return _largest(scene.gradient(scene.image))


@METHODS.add("guided_backpropagation")
@dataclass(frozen=True)
class GuidedBackpropagation(Method):
    """Saliency in which negative gradients do not go back through a ReLU (see `rules.guided`)."""

    def rules(self) -> RuleTable:
        """Return those of `guided`."""
        return guided()

    def sample(self, scene: Scene) -> Tensor:
        """Append the map."""
        return _largest(_through_relu(scene, "guided backpropagation"))


@METHODS.add("deconvnet")
@dataclass(frozen=True)
class Deconvnet(Method):
    """Saliency in which a ReLU goes back as a ReLU (see `rules.guided`)."""

    def rules(self) -> RuleTable:
        """Return those of `deconvnet`."""
        return deconvnet()

    def sample(self, scene: Scene) -> Tensor:
        """Append the map."""
        return _largest(_through_relu(scene, "a deconvnet"))


def _through_relu(scene: Scene, what: str) -> Tensor:
    gradient = scene.gradient(scene.image)
    if not any(node.op_type in ("Relu", "Clip") for node in scene.builder.graph):
        raise TargetError(
            f"{what} is about how gradients go back through ReLU, of which there is none on the "
            "way here: saliency shows the gradient as it is"
        )
    return gradient


@dataclass(frozen=True)
class _FromBaseline(Method):
    """A method that compares with a picture of one colour.

    Attributes:
        baseline: That colour, RGB in [0, 1]; by default black.
    """

    baseline: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        colour = reals("baseline", self.baseline, "(0.5, 0.5, 0.5)")
        if len(colour) != 3 or not all(0 <= part <= 1 for part in colour):
            raise InputError(
                f"baseline is a colour, three numbers in [0, 1], not {shown(self.baseline)}"
            )
        object.__setattr__(self, "baseline", colour)

    def colour(self, like: Tensor) -> Tensor:
        """Append the colour (1, 3, 1, 1), or of other pictures than RGB one grey of all channels.

        Raises:
            InputError: the colour is not grey, and the pictures are not RGB.
        """
        planes = like.shape[1]
        if planes != 3 and len(set(self.baseline)) != 1:
            raise InputError(
                f"the baseline of pictures of {planes} channels is grey, three equal numbers, not "
                f"{shown(self.baseline)}"
            )
        parts = self.baseline if planes == 3 else self.baseline[:1] * planes
        array = np.array(parts, np.float32).reshape(1, planes, 1, 1)
        return like.builder.constant(array, np.dtype(np.float32))


@METHODS.add("input_x_gradient")
@dataclass(frozen=True)
class InputXGradient(_FromBaseline):
    """The gradient times the picture: Σ over the colours of (x − baseline) · ∂v/∂x.

    Shrikumar et al., *Not Just a Black Box*, 2016.
    """

    signed: ClassVar[bool] = True

    def sample(self, scene: Scene) -> Tensor:
        """Append the map."""
        image = scene.image
        return ((image - self.colour(image)) * scene.gradient(image)).sum(1)


_RULES = ("gausslegendre", "riemann_middle", "riemann_trapezoid", "riemann_left", "riemann_right")


@METHODS.add("integrated_gradients")
@dataclass(frozen=True)
class IntegratedGradients(_FromBaseline):
    """(x − baseline) times the mean gradient on the straight way from the baseline to the picture.

    A map adds up to the value less that of the baseline; by how much it does not, for want of
    steps, is `Explanation.completeness`. Sundararajan et al., *Axiomatic Attribution for Deep
    Networks*, 2017.

    Attributes:
        steps: How many gradients are taken.
        rule: Where, and how they are weighed: `gausslegendre`, `riemann_middle`,
            `riemann_trapezoid`, `riemann_left` or `riemann_right`.
    """

    steps: int = 50
    rule: str = "gausslegendre"

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "steps", whole("steps", self.steps, 1, 10_000))
        if self.rule not in _RULES:
            raise InputError(f"rule is one of {', '.join(_RULES)}, not {shown(self.rule)}")

    def samples(self, height: int, width: int) -> int:  # noqa: ARG002  # as many of any size
        """Return the steps, and both ends for their values."""
        return self.steps + 2

    @cached_property
    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of the samples, from 0 at the baseline to 1, and their weights."""
        n = self.steps
        even = np.full(n, 1 / n)
        if self.rule == "gausslegendre":
            places, weights = np.polynomial.legendre.leggauss(n)
            places, weights = (places + 1) / 2, weights / 2
        elif self.rule == "riemann_middle":
            places, weights = (np.arange(n) + 0.5) / n, even
        elif self.rule == "riemann_left":
            places, weights = np.arange(n) / n, even
        elif self.rule == "riemann_right":
            places, weights = (np.arange(n) + 1) / n, even
        else:
            places, weights = np.linspace(0, 1, n), even
            weights[[0, -1]] /= 2
        return np.concatenate([[0], places, [1]]), np.concatenate([[0], weights, [0]])

    def sample(self, scene: Scene) -> Tensor:
        """Append the weighted gradient behind the stem at a place on the way."""
        op, image, colour = scene.image.op, scene.image, self.colour(scene.image)
        assert scene.step is not None  # it is evaluated several times
        place, weight = (
            op.Gather(op.constant(array, np.float32), scene.step) for array in self.path
        )
        pictures = colour + (image - colour) * place.reshape(-1, 1, 1, 1)
        return scene.gradient_behind_stem(pictures, weight)

    def finish(self, total: Tensor, image: Tensor, values: Tensor) -> Tensor:  # noqa: ARG002  # no values
        """Append the map."""
        return ((image - self.colour(image)) * total).sum(1)


@METHODS.add("smooth_grad")
@dataclass(frozen=True)
class SmoothGrad(Method):
    """Saliency of the mean gradient over noisy copies of the picture.

    Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017.

    Attributes:
        count: How many copies.
        noise: The standard deviation of the noise, as a share of the picture's range of values.
        seed: Of the noise, which is the same for all pictures.
    """

    count: int = 25
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole("count", self.count, 1, 10_000))
        object.__setattr__(self, "seed", whole("seed", self.seed, 0, 2**63 - 1))
        object.__setattr__(self, "noise", real("noise", self.noise))
        if self.noise < 0:
            raise InputError(f"noise must be at least 0, not {self.noise:g}")

    def samples(self, height: int, width: int) -> int:  # noqa: ARG002  # as many of any size
        """Return the copies, and the picture as it is for its value."""
        return 1 + self.count

    def sample(self, scene: Scene) -> Tensor:
        """Append the gradient behind the stem at a noisy copy."""
        image, op = scene.image, scene.image.op
        assert scene.step is not None  # it is evaluated several times
        shape = (self.count, *image.shape[1:])
        drawn = np.random.default_rng(self.seed).standard_normal(shape, np.float32)
        drawn = np.concatenate([np.zeros_like(drawn[:1]), drawn])
        noise = op.Gather(op.constant(drawn, np.float32), scene.step)
        weight = op.Gather(op.constant(np.arange(1 + self.count) > 0, np.float32), scene.step)
        every = op.constant([1, 2, 3], np.int64)
        span = op.ReduceMax(image, every, keepdims=1) - op.ReduceMin(image, every, keepdims=1)
        return scene.gradient_behind_stem(image + span * noise * self.noise, weight)

    def finish(self, total: Tensor, image: Tensor, values: Tensor) -> Tensor:  # noqa: ARG002  # the sum alone
        """Append the map."""
        return _largest(total / self.count)


@dataclass(frozen=True)
class _OfLayer(Method):
    """A method whose maps are a layer's, scaled to the picture."""

    looks_at_layer: ClassVar[bool] = True

    def finish(self, total: Tensor, image: Tensor, values: Tensor) -> Tensor:  # noqa: ARG002  # no values
        """Append the map, (N, h, w) of the layer's cells scaled bilinearly."""
        op = total.op
        count, height, width = total.shape
        sizes = op.constant([count, 1, *image.shape[2:]], np.int64)
        scaled = op.Resize(
            total.reshape(count, 1, height, width),
            None,
            None,
            sizes,
            mode="linear",
            coordinate_transformation_mode="pytorch_half_pixel",
        )
        return scaled.reshape(count, *image.shape[2:])


@METHODS.add("grad_cam")
@dataclass(frozen=True)
class GradCam(_OfLayer):
    """A layer's channels weighed by their mean gradients: relu(Σ mean(∂v/∂a) · a).

    Selvaraju et al., *Grad-CAM*, 2017.
    """

    def sample(self, scene: Scene) -> Tensor:
        """Append the layer's map."""
        cells = scene.cells()
        weights = cells.gradient.mean([2, 3], keepdims=True)
        return cells.values.op.Relu((cells.values * weights).sum(1))


@METHODS.add("layer_cam")
@dataclass(frozen=True)
class LayerCam(_OfLayer):
    """A layer's cells weighed by what is positive of their own gradients: relu(Σ relu(∂v/∂a) · a).

    It tells places apart in early layers as well. Jiang et al., *LayerCAM*, 2021.
    """

    def sample(self, scene: Scene) -> Tensor:
        """Append the layer's map."""
        cells, op = scene.cells(), scene.image.op
        return op.Relu((cells.values * op.Relu(cells.gradient)).sum(1))


@METHODS.add("layer_x_gradient")
@dataclass(frozen=True)
class LayerXGradient(_OfLayer):
    """A layer times its gradient: Σ over the channels of a · ∂v/∂a, with both signs.

    It is Grad-CAM before means and ReLU, and `input_x_gradient` of a layer.
    """

    signed: ClassVar[bool] = True

    def sample(self, scene: Scene) -> Tensor:
        """Append the layer's map."""
        cells = scene.cells()
        return (cells.values * cells.gradient).sum(1)


@METHODS.add("occlusion")
@dataclass(frozen=True)
class Occlusion(_FromBaseline):
    """How much the value falls where a square covers the picture, a mean over the squares.

    It takes no gradient, and so tells whether the other methods are right. Zeiler and Fergus,
    *Visualizing and Understanding Convolutional Networks*, 2013.

    Attributes:
        window: Side of the square in pixels.
        stride: How far it moves, in pixels.
    """

    window: int = 32
    stride: int = 16

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "window", whole("window", self.window, 1))
        object.__setattr__(self, "stride", whole("stride", self.stride, 1, self.window))

    def samples(self, height: int, width: int) -> int:
        """Return the squares, and the picture as it is."""
        rows, columns = self._counts(height, width)
        return 1 + rows * columns

    def sample(self, scene: Scene) -> Tensor:
        """Append the value (N, 1, 1), where the square is, and 0 elsewhere."""
        image, op = scene.image, scene.image.op
        assert scene.step is not None  # it is evaluated several times
        height, width = image.shape[2:]
        rows, columns = self._masks(height, width)
        down = op.Gather(op.constant(rows, np.float32), scene.step).reshape(-1, height, 1)
        right = op.Gather(op.constant(columns, np.float32), scene.step).reshape(-1, 1, width)
        mask = down * right
        covered = image + (self.colour(image) - image) * mask.reshape(-1, 1, height, width)
        return scene.value(covered).reshape(-1, 1, 1) * mask

    def finish(self, total: Tensor, image: Tensor, values: Tensor) -> Tensor:
        """Append the map."""
        rows, columns = self._masks(*image.shape[2:])
        covers = np.einsum("ky,kx->yx", rows, columns)
        found: Tensor = values[0].reshape(-1, 1, 1) - total / covers.astype(np.float32)
        return found

    def _counts(self, height: int, width: int) -> tuple[int, int]:
        if self.window > min(height, width):
            raise InputError(
                f"a square of {self.window} pixels does not fit into {height}×{width}; give a "
                "smaller window"
            )
        rows, columns = (
            math.ceil((side - self.window) / self.stride) + 1 for side in (height, width)
        )
        return rows, columns

    def _masks(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """For each sample the rows and columns that are covered, none at first."""
        counts = self._counts(height, width)
        rows, columns = (
            np.array(
                [
                    (at * self.stride <= np.arange(side))
                    & (np.arange(side) < at * self.stride + self.window)
                    for at in range(count)
                ],
                np.float32,
            )
            for count, side in zip(counts, (height, width), strict=True)
        )
        none = np.zeros((1, height), np.float32), np.zeros((1, width), np.float32)
        return (
            np.concatenate([none[0], np.repeat(rows, counts[1], axis=0)]),
            np.concatenate([none[1], np.tile(columns, (counts[0], 1))]),
        )
