"""`Gradient` and `differentiate`: gradients for their own sake."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from .errors import InputError, LayerError, nearest
from .files import write_bytes
from .gradient import backpropagate
from .graph.builder import Builder
from .graph.loading import ModelSource, load_graph
from .graph.replay import model_of, replay
from .images import as_batch, as_pictures
from .loading import load
from .model import Model
from .objectives import Objective
from .rules import RuleTable, standard_rules
from .session import Session, open_session
from .step import gradient_of_image
from .targets import resolve


class Gradient:
    """The value of an objective on pictures, and its gradient with respect to them.

    One graph is built for each shape of pictures and kept.
    """

    def __init__(
        self,
        model: Model | str,
        objective: Objective | str,
        *,
        provider: str = "auto",
        rules: RuleTable | None = None,
    ) -> None:
        """Prepare a gradient.

        Args:
            model: A model, or what `onnxscope.load` takes.
            objective: An objective or a target such as `"mixed4a:11"`.
            provider: See `onnxscope.render`.
            rules: Gradient rules; by default the standard ones.
        """
        self.model = model if isinstance(model, Model) else load(model)
        self.objective = resolve(self.model, objective) if isinstance(objective, str) else objective
        self._provider = provider
        self._rules = rules or standard_rules()
        self._sessions: dict[tuple[int, ...], Session] = {}

    def __call__(self, images: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate.

        Args:
            images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8.

        Returns:
            The values (N,) and the gradients, of the pictures' shape, per unit of [0, 1].
        """
        batch = as_batch(images)
        if batch.shape not in self._sessions:
            self._sessions[batch.shape] = open_session(self._graph(batch.shape), self._provider)
        outputs = self._sessions[batch.shape].run({"image": batch})
        gradient = as_pictures(outputs["grad_image"])
        return outputs["value"], gradient[0] if np.ndim(images) == 3 else gradient

    def to_onnx(
        self, *, size: int | tuple[int, int] | None = None, batch: int = 1
    ) -> onnx.ModelProto:
        """The gradient as a self-contained model of standard operators.

        Args:
            size: Height and width in pixels, by default the model's usual size.
            batch: How many pictures it takes.

        Returns:
            A model from `image` (N, 3, H, W), RGB in [0, 1], to `value` (N,) and `grad_image`.
        """
        if size is None:
            size = self.model.fixed_size or self.model.size
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width, batch) < 1:
            raise InputError(f"size and batch must be at least 1, not {height}×{width}, {batch}")
        return self._graph((batch, 3, height, width))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        batch: int = 1,
    ) -> Path:
        """Write `to_onnx` to a file.

        Raises:
            OutputError: it cannot be written.
        """
        write_bytes(path, self.to_onnx(size=size, batch=batch).SerializeToString())
        return Path(path)

    def _graph(self, shape: tuple[int, ...]) -> onnx.ModelProto:
        batch, channels, height, width = shape
        return gradient_of_image(
            self.model, self.objective, (batch, channels, height, width), self._rules
        )


def differentiate(
    model: ModelSource,
    of: str,
    wrt: Sequence[str],
    *,
    shapes: dict[str, Sequence[int]] | None = None,
    rules: RuleTable | None = None,
) -> onnx.ModelProto:
    """The bare graph transform: ONNX in, ONNX with gradients out.

    The result keeps the model's inputs and outputs and adds an output `grad_<name>` for each name
    in `wrt`. Where `of` is not a scalar, an input `grad_<of>` of its shape takes the cotangent.

    Args:
        model: What `onnxscope.load` takes, but for catalogue names.
        of: The value to differentiate, any value of the graph.
        wrt: Inputs or initializers to differentiate with respect to.
        shapes: Shapes of inputs whose shape the model leaves open.
        rules: Gradient rules; by default the standard ones.

    Raises:
        LayerError: a name is not there.
        OperatorError: an operator on the way has no gradient rule.
        ModelError: a shape that a rule needs is unknown; give `shapes`.
    """
    loaded = load_graph(model)
    graph = loaded.model.graph
    builder = Builder(graph.name or "gradient", opset=loaded.opset)
    inputs = {}
    for value in graph.inputs:
        if value.name in graph.initializers or not value.name or value.dtype is None:
            continue
        dims = (shapes or {}).get(value.name) or [
            dim if isinstance(dim, int) else dim.value for dim in value.shape or ()
        ]
        inputs[value.name] = builder.input(value.name, dims, value.dtype.numpy())
    for name in wrt:
        if name not in inputs and name in graph.initializers:
            constant = graph.initializers[name].const_value
            if constant is not None:
                inputs[name] = builder.initializer(constant, name)
        if name not in inputs:
            known = [*inputs, *graph.initializers]
            raise LayerError(f"the model has no input {name!r}{nearest(name, known)}")
    outputs = [value.name for value in graph.outputs if value.name]
    values = replay(builder, graph, inputs, [*outputs, of])
    target = values[of]
    if target.rank == 0:
        cotangent = builder.constant(1, target.dtype)
    else:
        cotangent = builder.input(f"grad_{of}", target.dims, target.dtype)
    gradients = backpropagate(
        builder, {target: cotangent}, [inputs[name] for name in wrt], rules or standard_rules()
    )
    for name in outputs:
        builder.output(name, values[name])
    for name, gradient in zip(wrt, gradients, strict=True):
        builder.output(f"grad_{name}", gradient)
    return model_of(builder, loaded.props)
