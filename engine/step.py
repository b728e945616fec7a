"""Compose picture, transforms, network, objective and gradient into one graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from .composition import Composition
from .errors import TargetError
from .expressions import Objective
from .gradient import backpropagate
from .graph.builder import Builder
from .graph.crop import crop
from .graph.narrow import narrow
from .graph.replay import model_of
from .graph.tensor import Tensor
from .lowering import lower
from .model import Model
from .optimizers import GraphOptimizer
from .precision import LOSS_SCALE, use_half
from .rules import RuleTable


def image_graph(composition: Composition) -> onnx.ModelProto:
    """See `Composition.image_graph`."""
    builder = Builder("image")
    image, _ = _image(composition, builder)
    builder.output("image", image)
    return model_of(builder)


def gradient_graph(composition: Composition, rules: RuleTable) -> onnx.ModelProto:
    """See `Composition.gradient_graph`."""
    builder = Builder("gradient", opset=composition.model.opset)
    parameters, gradients = _gradient(composition, builder, rules)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        builder.output(f"grad_{parameter.name}", gradient)
    return model_of(builder)


def step_graph(
    composition: Composition, rules: RuleTable, optimizer: GraphOptimizer
) -> onnx.ModelProto:
    """See `Composition.step_graph`."""
    builder = Builder("step", opset=composition.model.opset)
    parameters, gradients = _gradient(composition, builder, rules)
    schedule = {
        name: builder.input(f"schedule.{name}", (), np.float32) for name in optimizer.schedule(1)
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


def _gradient(
    composition: Composition, builder: Builder, rules: RuleTable
) -> tuple[list[Tensor], list[Tensor]]:
    """Append everything up to the gradient; gives the parameters and their gradients."""
    image, parameters = _image(composition, builder)
    rng = np.random.default_rng(0)
    for number, transform in enumerate(composition.transforms):
        shapes = transform.draw(rng, composition.batch, composition.height, composition.width)
        data = {
            name: builder.input(f"transform{number}.{name}", array.shape, array.dtype)
            for name, array in shapes.items()
        }
        image = transform.apply(image, data)
    value = append_objective(composition.model, composition.objective, image)
    half = image if composition.precision == "float16" else None
    return parameters, append_gradient(builder, value, parameters, rules, half)


def _image(composition: Composition, builder: Builder) -> tuple[Tensor, list[Tensor]]:
    types = composition.parameter_types
    inputs = {name: builder.input(name, *type_) for name, type_ in types.items()}
    by_name = {name.removeprefix("parameters."): tensor for name, tensor in inputs.items()}
    image = composition.parameterization.image(by_name, composition.height, composition.width)
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
