"""`relevance`: how much each channel of a layer counts for a target, on photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TargetError
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..images import as_batch, as_photos, fitted_to
from ..network.loading import load
from ..network.model import Model
from ..network.photos import flat, pixels_of
from ..objectives.algebra import Objective, check_objective
from ..objectives.targets import resolve
from ..plain import text
from ..planes import as_planes, fitted
from ..rules.by_provider import rules_for
from ..runtime.session import check_provider, choose_provider, open_for
from .scene import Scene

if TYPE_CHECKING:
    import onnx

    from ..images import Photo


def relevance(
    model: Model | str,
    target: Objective | str,
    layer: str,
    photos: Photo | Sequence[Photo],
    *,
    size: int | tuple[int, int] | None = None,
    provider: str = "auto",
) -> np.ndarray:
    """Measure how much each channel of a layer counts for a target on photographs.

    Of each photo it is the largest a · ∂value/∂a of a channel's cells, brought to 0 to 1 over the
    channels; the mean over the photos is returned. `distribution` takes it as weights, so that only
    what counts for the target is made as on the photos (Görgün et al., *VITAL*, 2025, who take
    layer-wise relevance propagation; in networks of ReLUs activation times gradient is that with
    ε → 0, but for biases: Ancona et al. 2018).

        seen = model.activations(photos, "fire4")["fire4"]
        counts = osc.relevance(model, "fire8:5", "fire4", photos)
        near = osc.distribution("fire4", seen, counts)
        osc.render(model, osc.channel("fire8", 5) - 10 * near)

    Args:
        model: As for `render`.
        target: An objective, or a target such as `"fire8:5"` or `"daisy"`.
        layer: A layer before it that has cells.
        photos: As `Model.activations` takes them, such as the target's best ones.
        size: Height and width that they are brought to, by default the model's usual size.
        provider: See `onnxscope.render`.

    Returns:
        (C,) float32 in [0, 1].

    Raises:
        InputError: a photo cannot be read.
        LayerError: there is no such layer, or it has no cells.
        TargetError: the target compares pictures, is not computed from the layer, or no channel
            counts for it more than another on any photo.
    """
    check_provider(provider)
    model = flat(model if isinstance(model, Model) else load(model))
    objective = resolve(model, target) if isinstance(target, str) else check_objective(target)
    if objective.mixes_pictures:
        raise TargetError(f"{objective} compares pictures; relevance takes each by itself")
    text("layer", layer, "the name of a layer")
    model.names.find(layer)
    height, width = pixels_of(model, size)
    images = _seen(photos, model, (height, width))
    count = model.fixed_batch or 1

    def build(chosen: str) -> onnx.ModelProto:
        builder = Builder("relevance", opset=model.opset)
        shape = (count, model.form.planes, height, width)
        image = builder.input("image", shape, np.float32)
        cells = Scene(model, objective, image, rules_for(chosen), layer=layer).cells()
        counts = cells.values * cells.gradient
        axes = builder.constant([2, 3], np.int64)
        builder.output("counts", counts.op.ReduceMax(counts, axes, keepdims=0))
        return model_of(builder)

    session = open_for(build, choose_provider(provider))
    found = []
    for image in images:
        given = session.run({"image": np.repeat(image[None], count, axis=0)})["counts"][0]
        low, high = float(given.min()), float(given.max())
        if high > low:
            found.append((given.astype(np.float64) - low) / (high - low))
    if not found:
        raise TargetError(
            f"no channel of {layer} counts for {objective} on these photos: the unit does not fire "
            "on any of them, so that there is nothing to weigh by"
        )
    return np.asarray(np.mean(found, axis=0), np.float32)


def _seen(photos: Photo | Sequence[Photo], model: Model, size: tuple[int, int]) -> np.ndarray:
    """Photos as the network takes them; what has the size already is not rounded to 256 steps."""
    if model.form.is_rgb:
        cut = [one if one.shape[:2] == size else fitted_to(one, *size) for one in as_photos(photos)]
        return np.concatenate([as_batch(one) for one in cut])
    planes = as_planes(photos, model.form, fit=size)
    return planes if planes.shape[2:] == size else fitted(planes, size)
