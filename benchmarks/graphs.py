"""The graphs that are measured, and a way to run one as the engine does."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from ..ascent.composition import Composition
from ..ascent.leak import fitting_slope, leak_of
from ..ascent.optimizers import Adam
from ..ascent.step import step_graph
from ..gradient.objective import append_gradient, append_objective
from ..gradient.passes import BEFORE_THE_WALK, GradientPlan
from ..graph.builder import Builder
from ..graph.finish import drop_unused, model_of
from ..graph.passes.plan import run_passes
from ..graph.passes.precision import check_precision
from ..graph.window import window_of
from ..parameterizations.fourier import Fourier
from ..rules.by_provider import rules_for
from ..runtime.creation import Cuda
from ..runtime.session import open_for
from ..transforms.composition import compose
from ..transforms.presets import lucid
from .subject import Subject

_STEPS = 512
"""As many as `render` makes."""


def composition(subject: Subject) -> Composition:
    """Return what `render` composes by default."""
    size, made_of = subject.size, Fourier()
    return Composition(
        subject.model,
        subject.objective,
        made_of,
        compose(lucid()),
        subject.batch,
        size,
        size,
        precision=check_precision(subject.precision),
        leak=leak_of(fitting_slope(None, Adam(), made_of), None, _STEPS),
    )


def step(subject: Subject) -> onnx.ModelProto:
    """Return the whole step, with Adam."""
    return step_graph(composition(subject), rules_for(subject.provider), Adam())


def gradient(subject: Subject) -> onnx.ModelProto:
    """Return `image` to `value` and `grad_image`."""
    builder = Builder("gradient", opset=subject.model.opset)
    image = builder.input("image", subject.shape, np.float32)
    value = append_objective(subject.model, subject.objective, image)
    half = image if subject.precision == "float16" else None
    plan = GradientPlan(rules=rules_for(subject.provider), half=half)
    builder.output("grad_image", append_gradient(builder, value, [image], plan)[0])
    return model_of(builder)


def uncropped_gradient(subject: Subject) -> onnx.ModelProto:
    """Return the same, of a neuron too on the whole picture."""
    builder = Builder("gradient", opset=subject.model.opset)
    image = builder.input("image", subject.shape, np.float32)
    value = append_objective(subject.model, subject.objective, image)
    plan = GradientPlan(rules=rules_for(subject.provider), without=frozenset({"crop"}))
    builder.output("grad_image", append_gradient(builder, value, [image], plan)[0])
    return model_of(builder)


def cut(subject: Subject) -> onnx.ModelProto:
    """Return `image` to `value`: the network cut at the layer."""
    builder = _objective(subject)
    _write_pads(builder)
    return model_of(builder)


def narrowed(subject: Subject) -> onnx.ModelProto:
    """Return `image` to `value`, with only what the objective needs."""
    builder = _narrowed(subject)
    _write_pads(builder)
    return model_of(builder)


def forward(subject: Subject) -> onnx.ModelProto:
    """Return the graph from `image` to `value`, in the provider's fastest forms."""
    builder = _objective(subject)
    run_passes(BEFORE_THE_WALK, builder, GradientPlan(rules=rules_for(subject.provider)))
    return model_of(builder)


def convolution_flops(subject: Subject) -> int:
    """Count the operations of the convolutions that value and gradient cannot do without.

    These are the network's convolutions that the objective needs, forwards; backwards each takes as
    many again, since the gradient with respect to its input is a convolution of the same size. A
    multiplication and an addition count as two.
    """
    builder = _narrowed(subject)
    drop_unused(builder.graph)
    return 2 * sum(_flops(node) for node in builder.graph if node.op_type == "Conv")


def _flops(node: ir.Node) -> int:
    weights, y = node.inputs[1], node.outputs[0]
    if weights is None or weights.shape is None or y.shape is None:
        raise ValueError(f"the shapes of {node.name} are not known")
    return 2 * math.prod(y.shape.numpy()) * math.prod(weights.shape.numpy()[1:])


def _objective(subject: Subject) -> Builder:
    builder = Builder("network", opset=subject.model.opset)
    image = builder.input("image", subject.shape, np.float32)
    builder.output("value", append_objective(subject.model, subject.objective, image))
    return builder


def _narrowed(subject: Subject) -> Builder:
    builder = _objective(subject)
    rules = rules_for(subject.provider)
    plan = GradientPlan(rules=rules, without=frozenset({"lower"}))
    run_passes(BEFORE_THE_WALK, builder, plan)
    return builder


def _write_pads(builder: Builder) -> None:
    """Write automatic padding as numbers, which onnx-ad asks for."""
    for node in builder.graph:
        window = window_of(node) if "auto_pad" in node.attributes else None
        if window is not None:
            del node.attributes["auto_pad"]
            node.attributes["pads"] = ir.AttrInt64s("pads", [*window.before, *window.after])


class Runner:
    """A graph on bound buffers, which stay where it runs.

    Attributes:
        inputs: Names of the graph's inputs.
    """

    def __init__(self, model: onnx.ModelProto, provider: str, precision: str = "float32") -> None:
        """Open a session.

        Args:
            model: The graph.
            provider: Where it shall run, whole.
            precision: Whether CUDA may round what it multiplies (see `onnxscope.render`).
        """
        self.inputs = [value.name for value in model.graph.input]
        self._names = [value.name for value in model.graph.output]
        self._device = "cpu" if provider == "cpu" else "cuda"
        cuda = Cuda(tf32=precision != "float32")
        self._session = open_for(lambda _: model, provider, cuda=cuda)
        self._binding = self._session.new_binding()
        self._arrays: list[np.ndarray] = []

    def bind(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Copy the inputs to the device."""
        import onnxruntime

        for name, array in feeds.items():
            own = np.array(array, order="C")
            self._arrays.append(own)
            value = onnxruntime.OrtValue.ortvalue_from_numpy(own, self._device, 0)
            self._binding.bind_ortvalue_input(name, value)
        for name in self._names:
            self._binding.bind_output(name, self._device, 0)

    def run(self) -> None:
        """Run once, to its end."""
        self._session.run_bound(self._binding)
        self._binding.synchronize_outputs()

    def outputs(self) -> dict[str, np.ndarray]:
        """Return what the last run gave."""
        return dict(zip(self._names, self._binding.copy_outputs_to_cpu(), strict=True))
