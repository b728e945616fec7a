"""Compose picture, transforms, network, objective and gradient into one graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from ..errors import InputError
from ..gradient.objective import append_gradient_of_picture, append_objective
from ..gradient.passes import GradientPlan
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.given_back import Declared, pictures, symbolic
from ..graph.tensor import Tensor
from ..identity import describe, has_identity
from ..objectives.algebra import Objective
from ..objectives.own_objectives import Each
from ..objectives.seen import Span
from ..plain import shown
from ..rules.leaking import leaking_relu
from ..rules.table import RuleTable
from ..runtime.memory import require_memory
from ..transforms.backdrops import Backdrop
from .composition import Composition
from .optimizers import GraphOptimizer

# What a warp computes beforehand for each pixel: where it looks, in double precision and in single.
_WINDOW_BYTES = 60


def image_graph(composition: Composition) -> onnx.ModelProto:
    """Return the graph from parameters to `image`: (N, P, H, W) in [0, 1]."""
    builder = Builder("image")
    image, _ = _image(composition, builder)
    builder.output("image", image)
    return model_of(builder)


def gradient_graph(composition: Composition, rules: RuleTable) -> onnx.ModelProto:
    """Return the graph of the gradient.

    It goes from parameters and random data to `value` (N,) and `grad_<input>` for each parameter.

    `felt` (N, H, W) is how large the gradient of each pixel is, the sum over its colours. Where the
    composition sees both, `reached` (N,) is the largest gradient of what the network sees.
    """
    builder = Builder("gradient", opset=composition.model.opset)
    parameters, gradients, felt, reaching = _gradient(composition, builder, rules)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        builder.output(f"grad_{parameter.name}", gradient)
    builder.output("felt", felt)
    if reaching is not None:
        builder.output("reached", _largest(reaching))
    return model_of(builder)


def step_graph(
    composition: Composition, rules: RuleTable, optimizer: GraphOptimizer
) -> onnx.ModelProto:
    """Return the whole step: state, schedule and random data to the state's successor.

    Inputs are the parameters, `<slot>.<parameter>` for each slot of the optimizer, `importance`
    (N, H, W), the sum of what all steps before `felt` (see `gradient_graph`), the optimizer's
    numbers as `schedule.<name>` and the random data; outputs are `next.<input>` for parameters,
    slots and importance, `value` (N,), and `largest` (N,), the largest gradient of each picture;
    where the composition sees both, `reached` (N,) is that of what the network sees.
    """
    builder = Builder("step", opset=composition.model.opset)
    parameters, gradients, felt, reaching = _gradient(composition, builder, rules)
    numbers = {
        name: builder.input(f"schedule.{name}", (), np.float32) for name in optimizer.numbers(1)
    }
    giver = f"the optimizer {type(optimizer).__name__}"
    largest = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        slots = {
            slot: builder.input(f"{slot}.{parameter.name}", parameter.shape, parameter.dtype)
            for slot in optimizer.slots
        }
        appended = optimizer.append(
            parameter, gradient, Declared(giver, slots), Declared(giver, numbers)
        )
        successor, next_slots = _succeeding(appended, parameter, slots, giver)
        builder.output(f"next.{parameter.name}", successor)
        for slot, tensor in next_slots.items():
            builder.output(f"next.{slot}.{parameter.name}", tensor)
        largest.append(_largest(gradient))
    before = builder.input("importance", felt.shape, felt.dtype)
    builder.output("next.importance", before + felt)
    builder.output("largest", largest[0] if len(largest) == 1 else builder.op.Max(*largest))
    if reaching is not None:
        builder.output("reached", _largest(reaching))
    return model_of(builder)


def _succeeding(
    appended: object, parameter: Tensor, slots: Mapping[str, Tensor], giver: str
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """What an optimizer appends: the successors of a parameter and of its slots.

    Raises:
        InputError: it is something else, or of another shape or type.
    """
    if not (isinstance(appended, tuple) and len(appended) == 2):
        raise InputError(
            f"{giver} must append a parameter's successor and those of its slots by name, "
            f"not {shown(appended)}"
        )
    successor, next_slots = appended
    if not isinstance(next_slots, Mapping) or set(next_slots) != set(slots):
        wanted = ", ".join(slots) or "none"
        given = ", ".join(map(str, next_slots)) if isinstance(next_slots, Mapping) else next_slots
        raise InputError(f"{giver} has the slots {wanted}, and must append those, not {given}")
    for what, tensor in (("a parameter", successor), *next_slots.items()):
        after = symbolic(tensor, f"{giver}, for {what},")
        if (after.dims, after.dtype) != (parameter.dims, parameter.dtype):
            raise InputError(
                f"{giver} makes {after.dtype} {after.dims} of {what}, which is "
                f"{parameter.dtype} {parameter.dims}"
            )
    return successor, next_slots


def _largest(gradient: Tensor) -> Tensor:
    """Append the largest magnitude for each picture, (N,)."""
    axes = gradient.builder.constant(list(range(1, gradient.rank)), np.int64)
    return gradient.op.ReduceMax(abs(gradient), axes, keepdims=0)


def _gradient(
    composition: Composition, builder: Builder, rules: RuleTable
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor | None]:
    """Append everything up to the gradient.

    Returns:
        The parameters, their gradients, the magnitude of the picture's, (N, H, W), and, where the
        composition sees both, the gradient of the picture as the network sees it.
    """
    picture, parameters = _image(composition, builder)
    data = [
        {name: builder.input(f"transform{number}.{name}", *type_) for name, type_ in types.items()}
        for number, types in enumerate(composition.random_types)
    ]

    def view(pictures: Tensor, span: Span) -> Tensor:
        return _transformed(composition, pictures, data, span)

    apart = composition.sees_both
    views = composition.views
    seen = picture
    if views > 1:
        # Of each picture's views it is the gradient of the picture that says whether one is dead.
        own = picture.op.Identity(picture) if apart else picture
        seen = composition.transforms[0].apply(own, {})
    image = view(seen, (0, composition.batch * views))
    if apart and image is picture:
        # What comes to it is the network's alone; what comes to the picture, the penalty's as well.
        image = picture.op.Identity(picture)
    objective = seen_often(composition.objective, composition.batch, views)
    before = seen if views == 1 else composition.transforms[0].apply(picture, {})
    fed = {
        name.removeprefix("objective."): builder.input(name, array.shape, array.dtype)
        for name, array in composition.fed.items()
    }
    value = append_objective(composition.model, objective, image, before, view, fed)
    if views > 1:
        value = value.reshape(composition.batch, views).mean(1)
    half = image if composition.precision == "float16" else None
    if composition.leak is not None:
        rows = builder.input("leak", (composition.batch * views,), np.float32)
        rules = rules | leaking_relu(rows.op.ReduceMax(rows, keepdims=0))
    plan = GradientPlan(rules=rules, half=half)
    reached = own if views > 1 else image
    wrt = [*parameters, picture, *([reached] if apart else [])]
    gradients = append_gradient_of_picture(
        builder, composition.objective, value, picture, wrt, plan
    )
    count = len(parameters)
    colors = builder.constant([1], np.int64)
    felt = picture.op.ReduceSum(abs(gradients[count]), colors, keepdims=0)
    return parameters, gradients[:count], felt, gradients[-1] if apart else None


def _transformed(
    composition: Composition, image: Tensor, data: Sequence[Mapping[str, Tensor]], span: Span
) -> Tensor:
    """Append the transforms of some of the pictures to as many."""
    for number, (transform, drawn) in enumerate(zip(composition.seen_through, data, strict=True)):
        if number == 0 and composition.views > 1:
            continue  # every view has its row already
        # In front of a backdrop pictures have an opacity no more.
        opaque = isinstance(transform, Backdrop)
        planes = composition.form.planes if opaque else image.shape[1]
        shape = (image.shape[0], planes, *composition.sizes[number + 1])
        own = drawn
        if span != (0, composition.batch * composition.views):
            own = {name: tensor[slice(*span)] for name, tensor in drawn.items()}
        giver = f"the transform {type(transform).__name__}"
        _require_memory(giver, shape)
        image = pictures(transform.apply(image, Declared(giver, own)), giver, shape)
    return image


def _require_memory(giver: str, shape: Sequence[int]) -> None:
    """See, before a transform is written, that there is memory for its pictures.

    Raises:
        MemoryShortageError: there is not.
    """
    height, width = shape[-2:]
    needed = math.prod(shape) * 4 + height * width * _WINDOW_BYTES
    require_memory(needed, f"a picture of {height}×{width} pixels, as {giver} shows it,")


def seen_often(objective: Objective, batch: int, views: int) -> Objective:
    """Return the objective of so many pictures for all their views.

    Raises:
        InputError: it compares pictures.
    """
    if views == 1:
        return objective
    if objective.mixes_pictures:
        raise InputError(
            f"the objective {objective} compares pictures, and cannot be a mean over views of each"
        )
    parts = [objective.part(at, at + 1) for at in range(batch)]
    # Of a function of the user's it cannot be told whether it is like another.
    told = batch == 1 or has_identity(objective)
    if told and all(one is parts[0] or describe(one) == describe(parts[0]) for one in parts):
        return parts[0]
    return Each(tuple(part for part in parts for _ in range(views)))


def _image(composition: Composition, builder: Builder) -> tuple[Tensor, list[Tensor]]:
    types = composition.parameter_types
    inputs = {name: builder.input(name, *type_) for name, type_ in types.items()}
    by_name = {name.removeprefix("parameters."): tensor for name, tensor in inputs.items()}
    height, width = composition.height, composition.width
    giver = f"the parameterization {type(composition.parameterization).__name__}"
    image = pictures(
        composition.made_of.image(Declared(giver, by_name), height, width),
        giver,
        (composition.batch, composition.made_form.planes, height, width),
    )
    return image, list(inputs.values())
