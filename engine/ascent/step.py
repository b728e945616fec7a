"""Compose picture, transforms, network, objective and gradient into one graph."""

from __future__ import annotations

import numpy as np
import onnx

from ..gradient.objective import append_gradient, append_objective
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..rules.table import RuleTable
from .composition import Composition
from .optimizers import GraphOptimizer


def image_graph(composition: Composition) -> onnx.ModelProto:
    """Parameters to `image`: (N, 3, H, W) in [0, 1]."""
    builder = Builder("image")
    image, _ = _image(composition, builder)
    builder.output("image", image)
    return model_of(builder)


def gradient_graph(composition: Composition, rules: RuleTable) -> onnx.ModelProto:
    """Parameters and random data to `value` (N,) and `grad_<input>` for each parameter."""
    builder = Builder("gradient", opset=composition.model.opset)
    parameters, gradients = _gradient(composition, builder, rules)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        builder.output(f"grad_{parameter.name}", gradient)
    return model_of(builder)


def step_graph(
    composition: Composition, rules: RuleTable, optimizer: GraphOptimizer
) -> onnx.ModelProto:
    """The whole step: state, schedule and random data to the state's successor.

    Inputs are the parameters, `<slot>.<parameter>` for each slot of the optimizer, its schedule as
    `schedule.<name>` and the random data; outputs are `next.<input>` for parameters and slots,
    `value` (N,), and `largest` (N,), the largest gradient of each picture.
    """
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
    picture, parameters = _image(composition, builder)
    image = picture
    for number, transform in enumerate(composition.transforms):
        types = composition.random_types[number]
        data = {
            name: builder.input(f"transform{number}.{name}", *type_)
            for name, type_ in types.items()
        }
        image = transform.apply(image, data)
    value = append_objective(composition.model, composition.objective, image, picture)
    half = image if composition.precision == "float16" else None
    return parameters, append_gradient(builder, value, parameters, rules, half)


def _image(composition: Composition, builder: Builder) -> tuple[Tensor, list[Tensor]]:
    types = composition.parameter_types
    inputs = {name: builder.input(name, *type_) for name, type_ in types.items()}
    by_name = {name.removeprefix("parameters."): tensor for name, tensor in inputs.items()}
    image = composition.parameterization.image(by_name, composition.height, composition.width)
    return image, list(inputs.values())
