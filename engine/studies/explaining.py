"""`explain`: what a network sees in photographs; `Explainer`, ready for many of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, LayerError, MemoryShortageError, TargetError
from ..images import as_batch, as_photos, as_uint8, fitted_to
from ..network.loading import load
from ..network.model import Model
from ..network.photos import flat, pixels_of
from ..objectives.algebra import Objective, check_objective
from ..objectives.targets import find_unit, is_plain, resolve
from ..plain import path as a_path
from ..plain import text, whole
from ..planes import as_planes, fitted
from ..rules.by_provider import rules_for
from ..rules.standard import standard_rules
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import Session, check_provider, choose_provider, open_for
from .explanation import Explanation
from .graphs import Wanted, explainer, scores
from .method import Method, method_called

if TYPE_CHECKING:
    import onnx

    from ..images import Photo
    from ..network.layers.layer import Layer

_AT_ONCE = 8
"""How many pictures are computed together, if there is memory for so many."""

_SAMPLES = 32
"""Likewise, how many samples of pictures: weights are read once for all of them."""

_TRIED = 8
"""How many layers of tokens are tried, from the end, for one whose patches have a gradient."""


def explain(
    model: Model | str,
    photos: Photo | Sequence[Photo],
    target: Objective | str | None = None,
    method: Method | str = "grad_cam",
    *,
    layer: str | None = None,
    top: int = 1,
    size: int | tuple[int, int] | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
) -> Explanation:
    """Say where in photographs the value of a target comes from.

    Args:
        model: A model, or what `onnxscope.load` takes.
        photos: One or a list, as `onnxscope.fit` takes them: of each the middle is shown to the
            network.
        target: An objective, or a target such as `"daisy"` or `"mixed4a:11"`. By default each
            photo's class with the highest score.
        method: A name, or one of `onnxscope.studies.methods` with settings of its own: `saliency`,
            `guided_backpropagation`, `deconvnet`, `input_x_gradient`, `integrated_gradients`,
            `smooth_grad`, `grad_cam`, `layer_cam`, `layer_x_gradient` or `occlusion`.
        layer: What Grad-CAM and its like look at; by default the last layer before the target that
            has cells.
        top: Without a target, how many classes of each photo are explained, the highest first.
        size: Height and width that the photos are brought to, by default the model's usual size.
        provider: See `onnxscope.render`.
        batch_size: How many pictures are computed at once, their samples counted where a method
            takes several; by default as many as fit into memory, 8 at most, or 32 samples.

    Returns:
        The maps, those of each photo's classes one after the other.

    Raises:
        InputError: a photo cannot be read, or an argument is of another kind.
        LayerError: there is no such layer, or it has no cells.
        TargetError: the target means nothing in the model, or has no gradient.
        OnnxscopeError: see `onnxscope.load`.
    """
    explained = Explainer(
        model,
        target,
        method,
        layer=layer,
        size=size,
        provider=provider,
        batch_size=batch_size,
    )
    return explained(photos, top=top)


class Explainer:
    """A method for a target of a model, ready to be run on any number of photographs.

    Attributes:
        model: The model.
        objective: What is explained; `None` is each photo's class.
        method: How.
        layer: What the method looks at; empty where it looks at no layer. Where it was left open,
            among layers of tokens it is known after the first photographs.
    """

    def __init__(
        self,
        model: Model | str,
        target: Objective | str | None = None,
        method: Method | str = "grad_cam",
        *,
        layer: str | None = None,
        size: int | tuple[int, int] | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Prepare an explanation (see `explain`).

        Raises:
            OnnxscopeError: see `explain`.
        """
        self._provider = check_provider(provider)
        self.method = method_called(method)
        self._batch = None if batch_size is None else whole("batch_size", batch_size, 1)
        self.model = flat(model if isinstance(model, Model) else load(model))
        self.size = pixels_of(self.model, size)
        self.objective: Objective | None = None
        self._name = ""
        if target is not None:
            self.objective, self._name = _aimed(self.model, target)
        elif not any(len(known.shape) == 1 for known in self.model.layers.values()):
            raise TargetError(
                f"{self.model.name} has no layer of class scores: say what to explain, a target "
                "such as LAYER:UNIT"
            )
        if self.objective is not None and self.objective.mixes_pictures:
            raise TargetError(f"{self.objective} compares pictures; explain takes each by itself")
        self._candidates: list[Layer] = []
        self.layer = self._layer(layer)
        self._sessions: dict[tuple[str, int], Session] = {}
        self._pictures = self.model.fixed_batch or self._batch or _AT_ONCE
        self._samples = self.model.fixed_batch or self._batch or _SAMPLES

    def __call__(self, photos: Photo | Sequence[Photo], *, top: int = 1) -> Explanation:
        """Explain photographs.

        Args:
            photos: As `explain` takes them.
            top: As `explain` takes it.

        Raises:
            OnnxscopeError: see `explain`.
        """
        top = whole("top", top, 1)
        if self.objective is not None and top != 1:
            raise InputError(
                "top is how many classes of each photo are explained; leave target out"
            )
        images, shown = self._seen(photos)
        targets: tuple[str, ...] = (self._name,) * len(images)
        classes: np.ndarray | None = None
        if self.objective is None:
            found = self._classes(images, top)
            shown, images = np.repeat(shown, top, axis=0), np.repeat(images, top, axis=0)
            classes = found.reshape(-1)
            targets = tuple(self._label(int(index)) for index in classes)
        if self._candidates:
            self._choose(images[:1], None if classes is None else classes[:1])
        found_maps, found_values = zip(*self._run(images, classes), strict=True)
        maps, values = np.concatenate(found_maps), np.concatenate(found_values, axis=1)
        missed = None
        if self.method.complete:
            sums = maps.sum((1, 2), dtype=np.float64)
            missed = (sums - (values[-1] - values[0])).astype(np.float32)
        return Explanation(
            shown, maps, self._value(values), targets, self.method, self.layer, missed
        )

    def to_onnx(self, *, batch: int = 1) -> onnx.ModelProto:
        """Return the explainer as a self-contained model of standard operators.

        Args:
            batch: How many pictures it takes.

        Returns:
            From `image` (N, 3, H, W), RGB in [0, 1], or with as many channels as other pictures
            have, to `map` (N, H, W) and `values` (samples, N): the target's value for every sample
            that the method takes. Without a target it explains each picture's class with the
            highest score.

        Raises:
            OnnxscopeError: see `explain`.
        """
        if self._candidates:
            planes = self.model.form.planes
            self._choose(np.full((1, planes, *self.size), 0.5, np.float32), None)
        shape = (whole("batch", batch, 1), self.model.form.planes, *self.size)
        return explainer(self._wanted("", highest=True), shape, self._samples)

    def save(self, path: str | os.PathLike[str], *, batch: int = 1) -> Path:
        """Write `to_onnx` to a file.

        Raises:
            OutputError: it cannot be written, or is the model's own file.
            OnnxscopeError: see `explain`.
        """
        from ..importer.external import write_apart

        return write_apart(a_path("path", path), self.to_onnx(batch=batch), self.model.path)[0]

    # ---------------------------------------------------------------------------------------------

    def _seen(self, photos: Photo | Sequence[Photo]) -> tuple[np.ndarray, np.ndarray]:
        """Photos as the network takes them, and as people look at them, (N, H, W, 3) uint8."""
        form = self.model.form
        if form.is_rgb:
            # What has the size already is seen as it is, not in 256 steps.
            cut = [
                photo if photo.shape[:2] == self.size else fitted_to(photo, *self.size)
                for photo in as_photos(photos)
            ]
            images = np.concatenate([as_batch(photo) for photo in cut])
            return images, np.stack([p if p.dtype == np.uint8 else as_uint8(p) for p in cut])
        listed = list(photos) if isinstance(photos, list | tuple) else [photos]
        if form.channels == 1:
            # Files are read in colour before they come here.
            listed = [_grey(photo) for photo in listed]
        planes = [as_planes(photo, form, fit=self.size) for photo in listed]
        whole_size = [p if p.shape[2:] == self.size else fitted(p, self.size) for p in planes]
        images = np.concatenate(whole_size)
        colors = form.colors
        looks = images.mean(1, keepdims=True) if colors is None else images[:, list(colors)]
        in_colour = np.broadcast_to(looks, (len(images), 3, *self.size))
        return images, as_uint8(in_colour.transpose(0, 2, 3, 1))

    def _value(self, values: np.ndarray) -> np.ndarray:
        """The target's value on the pictures themselves."""
        return np.asarray(values[-1 if self.method.complete else 0])

    def _wanted(self, provider: str, *, highest: bool = False) -> Wanted:
        rules = rules_for(provider) if provider else standard_rules()
        rules = rules | self.method.rules()
        return Wanted(self.model, self.objective, self.method, self.layer, rules, highest)

    def _label(self, index: int) -> str:
        labels = self.model.labels
        return labels[index].split(",")[0] if index < len(labels) else f"class {index}"

    def _classes(self, images: np.ndarray, top: int) -> np.ndarray:
        """Each picture's highest classes, (N, top)."""
        found = []
        for part, count in self._parts(images, self.model.fixed_batch or _AT_ONCE):
            session = self._session("scores", len(part))
            given = session.run({"image": part})["scores"][:count]
            if top > given.shape[1]:
                raise InputError(f"{self.model.name} has {given.shape[1]} classes, not {top}")
            found.append(np.argsort(-given, axis=1, kind="stable")[:, :top])
        return np.concatenate(found)

    def _run(
        self, images: np.ndarray, classes: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The maps and values of some pictures after the others."""
        at = 0
        most = self._fitting(len(images))
        for part, count in self._parts(images, most):
            feeds: dict[str, np.ndarray] = {"image": part}
            if classes is not None:
                chosen = classes[at : at + count]
                feeds["class"] = np.resize(chosen, len(part)).astype(np.int64)
            given = self._session("map", len(part)).run(feeds)
            yield given["map"][:count], given["values"][:, :count]
            at += count

    def _fitting(self, count: int) -> int:
        """How many of some pictures there is memory for at once, perhaps with fewer samples."""
        while True:
            batch = self.model.fixed_batch or min(self._pictures, count)
            try:
                self._session("map", batch)
            except MemoryShortageError as error:
                if self._batch or self.model.fixed_batch:
                    raise
                if self._samples >= 2 * batch:
                    self._samples //= 2
                elif error.fitting:
                    self._pictures = error.fitting
                else:
                    raise
            else:
                return batch

    def _parts(self, images: np.ndarray, most: int) -> Iterator[tuple[np.ndarray, int]]:
        """Pictures in parts of one size, with how many of each count; the last is filled up."""
        least = self.model.fixed_batch or min(most, len(images))
        for start in range(0, len(images), least):
            part = images[start : start + least]
            count = len(part)
            if count < least:
                part = np.concatenate([part, np.repeat(part[-1:], least - count, axis=0)])
            yield part, count

    def _session(self, kind: str, batch: int) -> Session:
        key = (f"{kind} {self.layer}", batch)
        if key not in self._sessions:
            shape = (batch, self.model.form.planes, *self.size)

            def build(provider: str) -> onnx.ModelProto:
                if kind == "scores":
                    return scores(self.model, shape)
                proto = explainer(self._wanted(provider), shape, self._samples)
                check_memory(_footprint(proto, batch), Use.whole(batch), provider)
                return proto

            self._sessions[key] = open_for(build, choose_provider(self._provider))
        return self._sessions[key]

    def _layer(self, given: str | None) -> str:
        """What the method looks at, as far as it can be told without a photo."""
        if not self.method.looks_at_layer:
            if given is not None:
                raise InputError(f"{type(self.method).__name__} looks at no layer; leave it out")
            return ""
        if given is not None:
            text("layer", given, "the name of a layer", LayerError)
            self.model.names.find(given)
            return given
        of = () if self.objective is None else self.objective.layers()
        names = list(self.model.layers)
        ends = [self.model.names.find(name) for name in of if self.model.names.meanings(name)]
        end = min((names.index(name) for name in ends if name in names), default=len(names))
        before = [self.model.layers[name] for name in names[:end]]
        found = [known for known in before if known.main and _has_places(known)]
        found = found or [known for known in before if _has_places(known)]
        if not found:
            before_what = "before the target" if of else "of cells"
            raise LayerError(
                f"{self.model.name} has no layer {before_what} whose cells are places in the "
                "picture: saliency and integrated_gradients look at none"
            )
        if found[-1].grid is not None:
            self._candidates = found[: -_TRIED - 1 : -1]
        return found[-1].title

    def _choose(self, images: np.ndarray, classes: np.ndarray | None) -> None:
        """Take the last layer whose patches have a gradient.

        Behind the last attention only the class token counts.
        """
        batch = self.model.fixed_batch or 1
        images = np.repeat(images, batch, axis=0)[:batch]
        for known in self._candidates:
            self.layer = known.title
            found = classes
            try:
                if classes is None and self.objective is None:
                    found = self._classes(images, 1)[:, 0]
                feeds = {"image": images}
                if found is not None:
                    feeds["class"] = np.resize(found, batch).astype(np.int64)
                heat = self._session("map", batch).run(feeds)["map"]
            except TargetError:
                continue
            if np.any(heat):
                self._candidates = []
                return
        raise TargetError(
            f"none of the last {len(self._candidates)} layers of {self.model.name} has a gradient "
            f"at its patches: give one as layer, such as {self._candidates[-1].title}"
        )


def _grey(photo: Any) -> Any:
    """An array in three colours as grey; anything else as it is."""
    if isinstance(photo, np.ndarray) and photo.ndim == 3 and photo.shape[2] == 3:
        return as_uint8(as_batch(photo).mean(1)[0])
    return photo


def _footprint(proto: onnx.ModelProto, batch: int) -> Footprint:
    """What running takes; of a loop what is in it."""
    from onnx import helper

    for node in proto.graph.node:
        if node.op_type == "Loop":
            inner = helper.make_model(node.attribute[0].g)
            return Footprint.of(inner, batch)
    return Footprint.of(proto, batch)


def _has_places(layer: Layer) -> bool:
    if layer.grid is not None:
        return layer.grid.height * layer.grid.width > 1
    return len(layer.shape) == 3 and layer.shape[1] * layer.shape[2] > 1


def _aimed(model: Model, target: Objective | str) -> tuple[Objective, str]:
    """A target as an objective, and what to call it."""
    if not isinstance(target, str):
        objective = check_objective(target)
        return objective, str(objective)
    objective = resolve(model, target)
    if not is_plain(model, target):
        return objective, target
    layer, unit = find_unit(model, target)
    is_class = layer not in (target, target.rpartition(":")[0])
    if unit is not None and is_class and unit < len(model.labels):
        return objective, model.labels[unit].split(",")[0]
    return objective, target
