"""Compose picture, transforms, network, objective and gradient into one graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from .errors import TargetError
from .expressions import Objective
from .gradient import backpropagate
from .graph.builder import Builder
from .graph.crop import crop
from .graph.narrow import narrow
from .graph.replay import model_of
from .graph.tensor import Tensor
from .identity import has_identity
from .lowering import lower
from .model import Model
from .objectives import part_of
from .optimizers import GraphOptimizer
from .parameterizations import Parameterization
from .precision import LOSS_SCALE, Precision, use_half
from .rules import RuleTable, rules_for
from .transforms import Transform


@dataclass(frozen=True)
class Composition:
    """Everything that determines a step graph.

    Attributes:
        model: The network.
        objective: What to maximise.
        parameterization: What the picture is made of.
        transforms: What happens to it before the network.
        batch: How many pictures.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        rules: Gradient rules of the user's; `None` for the provider's.
        precision: Of network and gradient.
    """

    model: Model
    objective: Objective
    parameterization: Parameterization
    transforms: tuple[Transform, ...]
    batch: int
    height: int
    width: int
    rules: RuleTable | None = None
    precision: Precision = "tf32"

    def rules_for(self, provider: str) -> RuleTable:
        """The gradient rules for a provider, by name."""
        return rules_for(provider) if self.rules is None else self.rules

    @property
    def separable(self) -> bool:
        """Whether each picture is climbed alone, so that they can be divided among runs.

        Code of the user's may do something to all pictures together, such as keep them apart.
        """
        parts = (self.objective, self.parameterization, self.transforms, self.rules)
        return all(map(has_identity, parts))

    @property
    def uniform(self) -> bool:
        """Whether all pictures have the same objective."""
        return self.objective == part_of(self.objective, 0, 1)

    def part(self, start: int, stop: int) -> Composition:
        """The same for some of the pictures: those from `start` to before `stop`."""
        return replace(self, objective=part_of(self.objective, start, stop), batch=stop - start)

    def parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Parameters to start from, by the graph's input names."""
        drawn = self.parameterization.initial(rng, self.batch, self.height, self.width)
        return {f"parameters.{name}": array for name, array in drawn.items()}

    def random_data(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The transforms' random data for one step, by the graph's input names."""
        data: dict[str, np.ndarray] = {}
        for number, transform in enumerate(self.transforms):
            drawn = transform.draw(rng, self.batch, self.height, self.width)
            data |= {f"transform{number}.{name}": array for name, array in drawn.items()}
        return data

    def layer_shape(self, layer: str) -> tuple[int, ...]:
        """A layer's shape for pictures of this size, without the batch."""
        builder = Builder(opset=self.model.opset)
        image = builder.input("image", (self.batch, 3, self.height, self.width), np.float32)
        return self.model.append(image, [layer])[layer].shape[1:]

    def image_graph(self) -> onnx.ModelProto:
        """Parameters to `image`: (N, 3, H, W) in [0, 1]."""
        builder = Builder("image")
        image, _ = self._image(builder)
        builder.output("image", image)
        return model_of(builder)

    def gradient_graph(self, rules: RuleTable) -> onnx.ModelProto:
        """Parameters and random data to `value` (N,) and `grad_<input>` for each parameter."""
        builder = Builder("gradient", opset=self.model.opset)
        parameters, gradients = self._gradient(builder, rules)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            builder.output(f"grad_{parameter.name}", gradient)
        return model_of(builder)

    def step_graph(self, rules: RuleTable, optimizer: GraphOptimizer) -> onnx.ModelProto:
        """The whole step: state, schedule and random data to the state's successor.

        Inputs are the parameters, `<slot>.<parameter>` for each slot of the optimizer, its schedule
        as `schedule.<name>` and the random data; outputs are `next.<input>` for parameters and
        slots, `value` (N,), and `largest` (N,), the largest gradient of each picture.
        """
        builder = Builder("step", opset=self.model.opset)
        parameters, gradients = self._gradient(builder, rules)
        schedule = {
            name: builder.input(f"schedule.{name}", (), np.float32)
            for name in optimizer.schedule(1)
        }
        largest = []
        for parameter, gradient in zip(parameters, gradients, strict=True):
            slots = {
                slot: builder.input(f"{slot}.{parameter.name}", parameter.shape, parameter.dtype)
                for slot in optimizer.slots
            }
            successor, next_slots = optimizer.append(parameter, gradient, slots, schedule)
            builder.output(f"next.{parameter.name}", successor)
            for slot, tensor in next_slots.items():
                builder.output(f"next.{slot}.{parameter.name}", tensor)
            axes = builder.constant(list(range(1, gradient.rank)), np.int64)
            largest.append(builder.op.ReduceMax(abs(gradient), axes, keepdims=0))
        builder.output("largest", largest[0] if len(largest) == 1 else builder.op.Max(*largest))
        return model_of(builder)

    def _gradient(self, builder: Builder, rules: RuleTable) -> tuple[list[Tensor], list[Tensor]]:
        """Append everything up to the gradient; gives the parameters and their gradients."""
        image, parameters = self._image(builder)
        rng = np.random.default_rng(0)
        for number, transform in enumerate(self.transforms):
            shapes = transform.draw(rng, self.batch, self.height, self.width)
            data = {
                name: builder.input(f"transform{number}.{name}", array.shape, array.dtype)
                for name, array in shapes.items()
            }
            image = transform.apply(image, data)
        value = append_objective(self.model, self.objective, image)
        half = image if self.precision == "float16" else None
        return parameters, append_gradient(builder, value, parameters, rules, half)

    @cached_property
    def _parameter_types(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        # Drawn once for all graphs of an ascent: for a batch that is millions of random numbers.
        drawn = self.parameters(np.random.default_rng(0))
        return {name: (array.shape, array.dtype) for name, array in drawn.items()}

    def _image(self, builder: Builder) -> tuple[Tensor, list[Tensor]]:
        inputs = {n: builder.input(n, *type_) for n, type_ in self._parameter_types.items()}
        by_name = {name.removeprefix("parameters."): tensor for name, tensor in inputs.items()}
        image = self.parameterization.image(by_name, self.height, self.width)
        return image, list(inputs.values())


def append_objective(model: Model, objective: Objective, image: Tensor) -> Tensor:
    """Append network and objective behind an image; the value is (N,)."""
    layers = objective.layers()
    if not layers:
        raise TargetError(f"the objective {objective} looks at no layer")
    value = objective.build(model.append(image, layers))
    if value.shape != image.shape[:1]:
        raise TargetError(
            f"the objective {objective} gives {value.shape}, not one for each picture"
        )
    return value


def append_gradient(
    builder: Builder,
    value: Tensor,
    wrt: Sequence[Tensor],
    rules: RuleTable,
    half: Tensor | None = None,
) -> list[Tensor]:
    """Append the gradient of the sum of `value`, which becomes an output.

    The forward graph is made as small and as fast as it gets first.

    Args:
        builder: The graph.
        value: What is differentiated.
        wrt: With respect to what.
        rules: The gradient rules.
        half: The picture behind which to compute in half precision (see `precision`).
    """
    value = builder.output("value", value)
    narrow(builder)
    crop(builder)
    if half is not None:
        use_half(builder, half)
    lower(builder, rules)
    scale = 1.0 if half is None else LOSS_SCALE
    seed = builder.constant(np.full(value.shape, scale), value.dtype)
    gradients = backpropagate(builder, {value: seed}, wrt, rules)
    return gradients if half is None else [gradient / scale for gradient in gradients]


def gradient_of_image(
    model: Model, objective: Objective, shape: tuple[int, int, int, int], rules: RuleTable
) -> onnx.ModelProto:
    """`image` (N, 3, H, W) in [0, 1] to `value` (N,) and `grad_image`."""
    builder = Builder("gradient", opset=model.opset)
    image = builder.input("image", shape, np.float32)
    value = append_objective(model, objective, image)
    builder.output("grad_image", append_gradient(builder, value, [image], rules)[0])
    return model_of(builder, {"onnxscope.objective": str(objective), "onnxscope.model": model.name})
