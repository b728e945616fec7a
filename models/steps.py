"""Architectures as data: the steps of a network, in the order in which a picture passes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import ModelError
from ..graph.tensor import Tensor
from .network import Activation, Network, Padding


class Step(Protocol):
    """One step: layers to append to a network."""

    def layers(self) -> Iterator[str]:
        """Return the names of the layers that have weights."""
        ...

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append the layers behind `x`, expose them, and give the last."""
        ...


@dataclass(frozen=True)
class Conv:
    """A convolution and, unless it is `None`, an activation.

    The value before the activation is exposed as `<name>_pre_relu`.
    """

    name: str
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: Padding = "half"
    activation: Activation | None = "relu"
    depthwise: bool = False

    def layers(self) -> Iterator[str]:
        """Yield the layer itself."""
        yield self.name

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append convolution and activation."""
        groups = self.channels if self.depthwise else 1
        before = network.conv(
            x, self.name, self.channels, self.kernel, self.stride, self.padding, groups
        )
        if self.activation is None:
            return network.expose(self.name, before)
        before = network.expose(f"{self.name}_pre_relu", before)
        return network.expose(self.name, network.activate(before, self.activation))


@dataclass(frozen=True)
class MaxPool:
    """A maximum pool."""

    name: str
    size: int = 3
    stride: int = 2
    padding: Padding = "same"
    ceil: bool = False

    def layers(self) -> Iterator[str]:
        """Return none: a pool has no weights."""
        yield from ()

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append the pool."""
        pooled = network.max_pool(x, self.size, self.stride, self.padding, ceil=self.ceil)
        return network.expose(self.name, pooled)


@dataclass(frozen=True)
class AveragePool:
    """An average pool 3×3 at stride 1, padded by one."""

    name: str
    count_padding: bool = False

    def layers(self) -> Iterator[str]:
        """Return none: a pool has no weights."""
        yield from ()

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append the pool."""
        pooled = network.average_pool(x, 3, count_padding=self.count_padding)
        return network.expose(self.name, pooled)


@dataclass(frozen=True)
class LocalResponseNorm:
    """A normalisation across channels, with the numbers as ONNX means them."""

    name: str
    size: int
    alpha: float
    beta: float
    bias: float

    def layers(self) -> Iterator[str]:
        """Return none: the normalisation has no weights."""
        yield from ()

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append the normalisation."""
        normal = network.local_response_norm(x, self.size, self.alpha, self.beta, self.bias)
        return network.expose(self.name, normal)


@dataclass(frozen=True)
class Fork:
    """Branches from the same value, concatenated in their order.

    Attributes:
        name: Layer under which the concatenation is exposed.
        branches: Each a sequence of steps; where one is a tuple of `Conv`s instead of a step, the
            branch itself ends in these side by side.
        pre_relu: Also expose the concatenation of the values before the last activations, as
            `<name>_pre_relu`.
    """

    name: str
    branches: tuple[tuple[Step | tuple[Conv, ...], ...], ...]
    pre_relu: bool = False

    def layers(self) -> Iterator[str]:
        """Yield the convolutions of all branches, in order."""
        for branch in self.branches:
            for step in branch:
                for one in step if isinstance(step, tuple) else (step,):
                    yield from one.layers()

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append every branch, then the concatenation."""
        ends: list[Tensor] = []
        for branch in self.branches:
            tip = [x]
            for step in branch:
                forked = step if isinstance(step, tuple) else (step,)
                tip = [one.append(network, tip[0]) for one in forked]
            ends += tip
        if self.pre_relu:
            before = [network.exposed[f"{end.name}_pre_relu"] for end in ends]
            network.expose(f"{self.name}_pre_relu", network.concat(before))
        return network.expose(self.name, network.concat(ends))


@dataclass(frozen=True)
class Residual:
    """Steps whose result is added to what they started from (He et al., arXiv:1512.03385)."""

    name: str
    steps: tuple[Step, ...]

    def layers(self) -> Iterator[str]:
        """Yield the layers of all steps, in order."""
        for step in self.steps:
            yield from step.layers()

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append the steps, then the sum."""
        y = x
        for step in self.steps:
            y = step.append(network, y)
        return network.expose(self.name, x + y)


@dataclass(frozen=True)
class Classifier:
    """The mean over all positions, a fully connected layer unless there is none, and softmax.

    The mean is over the whole map, whatever its size. The published graphs average a window of the
    map's size at the nominal picture size, so that there both are the same; a larger picture would
    give them several rows of classes, or none.

    Attributes:
        pool: Name of the mean.
        logits: Name of the values before softmax.
        softmax: Name of the probabilities.
        layer: The fully connected layer; `None` where the mean itself has one channel per class.
    """

    pool: str
    logits: str
    softmax: str
    layer: str | None = None

    def layers(self) -> Iterator[str]:
        """Yield the fully connected layer."""
        if self.layer is not None:
            yield self.layer

    def append(self, network: Network, x: Tensor) -> Tensor:
        """Append mean, logits and probabilities."""
        x = network.flatten(network.expose(self.pool, network.global_average(x)))
        if self.layer is not None:
            x = network.dense(x, self.layer)
        return network.expose(self.softmax, network.softmax(network.expose(self.logits, x)))


def append_steps(network: Network, x: Tensor, steps: Sequence[Step]) -> str | None:
    """Append steps up to the last that any weights are there for.

    Returns:
        The last layer, where the network is not whole; otherwise `None`.

    Raises:
        ModelError: the weights of no step are there, or a step before the last lacks some.
    """
    weighted = [index for index, step in enumerate(steps) if any(step.layers())]
    found = [index for index in weighted if any(map(network.parameters.has, steps[index].layers()))]
    if not found:
        raise ModelError("the weights hold no layer of the architecture")
    whole = found[-1] == weighted[-1]
    for step in steps if whole else steps[: found[-1] + 1]:
        x = step.append(network, x)
    return None if whole else x.name
