"""Network, objective and gradient behind a picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx

from ..errors import TargetError, ZeroGradientWarning
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.given_back import symbolic
from ..graph.passes.plan import run_passes
from ..graph.passes.precision import LOSS_SCALE
from ..graph.tensor import Tensor
from ..network.activations import Activations
from ..network.comparison import is_on, warn_of
from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.seen import Seen, Span
from ..plain import shown
from ..rules.table import RuleTable
from .obstacles import obstacles
from .passes import BEFORE_THE_WALK, GradientPlan
from .walk import backpropagate, zero_everywhere

View = Callable[[Tensor, Span], Tensor]
"""Appends the transforms of some of the pictures to as many others."""


def append_objective(
    model: Model,
    objective: Objective,
    image: Tensor,
    picture: Tensor | None = None,
    view: View | None = None,
    fed: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Append network and objective behind an image; the value is (N,).

    Args:
        model: The network.
        objective: What is appended behind its layers.
        image: What the network sees, (N, P, H, W).
        picture: The same before any transform, which the objective may look at; by default `image`.
            Of transparent pictures it has one plane more, how opaque they are.
        view: The transforms that are between the two, for photographs that the objective compares
            with; by default none.
        fed: Numbers of the objective that the graph is fed, by name; by default they are constants.

    Raises:
        TargetError: the objective looks at nothing, or does not give a number for each picture.

    Warns:
        UnfaithfulWarning: a node of the network is another than ONNX Runtime makes of the file.
    """
    if model.compared and is_on():
        warn_of(model.faithfulness, model.name)
    picture = image if picture is None else picture
    layers = objective.layers()
    if not isinstance(layers, tuple) or not all(isinstance(name, str) for name in layers):
        raise TargetError(
            f"layers of {type(objective).__name__} must be a tuple of names, not {shown(layers)}"
        )
    if not layers and not objective.sees_picture:
        raise TargetError(
            f"the objective {objective} looks at no layer and not at the picture: let its layers "
            "name one, or its sees_picture be True"
        )
    activations = model.append(image, layers) if layers else Activations({}, {})
    seen = Seen(
        activations,
        picture,
        grids=activations.grids,
        labels=model.labels,
        shows_picture=objective.sees_picture,
        look=_Look(model, image, view),
        fed=fed,
        # The network sees all other planes, in front of something.
        transparent=picture.shape[1] == image.shape[1] + 1,
        form=model.form.with_depth(image.shape[1] // model.form.channels),
    )
    value = symbolic(objective.build(seen), f"the objective {objective}", TargetError)
    if value.shape != image.shape[:1]:
        raise TargetError(
            f"the objective {objective} must give one number for each of {image.shape[0]} "
            f"pictures, shape ({image.shape[0]},), and gives {value.shape}"
        )
    return value


class _Look:
    """See `objectives.seen.Look`."""

    def __init__(self, model: Model, image: Tensor, view: View | None) -> None:
        self._model = model
        self._image = image
        self._view = view

    def __call__(
        self, layers: Sequence[str], span: Span, photo: np.ndarray | None, model: Model | None
    ) -> Mapping[str, Tensor]:
        network = self._model if model is None else model
        count = self._image.shape[0]
        if photo is None:
            seen = self._image if span == (0, count) else self._image[slice(*span)]
            return network.append(seen, layers)
        builder = self._image.builder
        pictures = np.repeat(photo[None], span[1] - span[0], axis=0)
        seen = builder.constant(pictures, np.dtype(np.float32))
        if self._view is not None:
            seen = self._view(seen, span)
        if seen.array is None:
            return network.append(seen, layers)
        # Where nothing random happens to the photograph, its activations are constants.
        found = network.activations(network.form.as_arrays(seen.array), layers)
        return {name: builder.constant(array, array.dtype) for name, array in found.items()}


def append_gradient(
    builder: Builder,
    value: Tensor,
    wrt: Sequence[Tensor],
    plan: GradientPlan,
    absent: list[Tensor] | None = None,
) -> list[Tensor]:
    """Append the gradient of the sum of `value`, which becomes an output.

    The forward graph is made as small and as fast as it gets first.

    Args:
        builder: The graph.
        value: What is differentiated.
        wrt: With respect to what.
        plan: The gradient rules, and what the passes have to know.
        absent: Those of `wrt` that no differentiable path leads to are put here.
    """
    value = builder.output("value", value)
    run_passes(BEFORE_THE_WALK, builder, plan)
    scale = 1.0 if plan.half is None else LOSS_SCALE
    seed = builder.constant(np.full(value.shape, scale), value.dtype)
    gradients = backpropagate(
        builder, {value: seed}, wrt, plan.rules, without=plan.without, absent=absent
    )
    return gradients if plan.half is None else [gradient / scale for gradient in gradients]


def append_gradient_of_picture(
    builder: Builder,
    objective: Objective,
    value: Tensor,
    image: Tensor,
    wrt: Sequence[Tensor],
    plan: GradientPlan,
) -> list[Tensor]:
    """Append the gradient of an objective, and warn where it is zero whatever the picture.

    Args:
        builder: The graph.
        objective: The objective, to name it.
        value: What it gives.
        image: The pictures as the objective sees them.
        wrt: What the gradient is with respect to: pictures, or what they are made of.
        plan: See `append_gradient`.
    """
    # Passes change the graph, which has to be looked at as it is.
    why = obstacles(list(builder.graph), [image.value], value.value, plan.rules)
    absent: list[Tensor] = []
    gradients = append_gradient(builder, value, wrt, plan, absent)
    if len(absent) == len(wrt):
        what = zero_everywhere(f"the objective {objective}", "the picture", why)
        warnings.warn(what, ZeroGradientWarning, stacklevel=3)
    return gradients


def gradient_of_image(
    model: Model, objective: Objective, shape: tuple[int, int, int, int], rules: RuleTable
) -> onnx.ModelProto:
    """Return `image` (N, P, H, W) in [0, 1] to `value` (N,) and `grad_image`."""
    builder = Builder("gradient", opset=model.opset)
    image = builder.input("image", shape, np.float32)
    value = append_objective(model, objective, image)
    plan = GradientPlan(rules=rules)
    gradient = append_gradient_of_picture(builder, objective, value, image, [image], plan)[0]
    builder.output("grad_image", gradient)
    return model_of(builder, {"onnxscope.objective": str(objective), "onnxscope.model": model.name})
