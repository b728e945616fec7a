"""Photographs as a network takes them: cut and scaled to the size that it expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..images import are_several, as_photos, fitted_to
from ..plain import height_and_width, shown, whole
from ..planes import as_planes, fitted, several_planes
from .loading import load
from .model import Model

if TYPE_CHECKING:
    from ..images import Photo


def fit(
    photos: Photo | Sequence[Photo],
    model: Model | str,
    *,
    size: int | tuple[int, int] | None = None,
) -> np.ndarray:
    """Cut the middle out of photographs and scale it to what a model expects.

    It is the largest part of that shape, scaled with antialiasing, as classifiers are tested.
    Colours stay as they are: what else the model expects of a picture is done in the graph.

    Args:
        photos: One or a list: paths, images of Pillow's, arrays (H, W, 3), uint8 or float in
            [0, 1]. Files are turned as the camera says; grey becomes colour, and what is
            transparent white. They may be of different sizes.
        model: A model, or the name or path of one, as `onnxscope.load` takes it.
        size: Height and width in pixels, or one number for both; by default the model's usual size.

    Returns:
        (height, width, 3) uint8, or (N, height, width, 3) for a list or an array of several. Where
        the model takes others than RGB, float32 in [0, 1], as `Picture.images` has them.

    Raises:
        InputError: a photograph cannot be read, or is none.
        ModelError: there is no such model.
    """
    if isinstance(model, str):
        model = load(model)
    if not isinstance(model, Model):
        raise InputError(
            f"model must be a model, as onnxscope.load gives it, or its name, not {shown(model)}"
        )
    height, width = pixels_of(model, size)
    if not model.form.is_rgb:
        arrays = model.form.as_arrays(fitted(as_planes(photos, model.form), (height, width)))
        return arrays if several_planes(photos, model.form) else arrays[0]
    cut = [fitted_to(photo, height, width) for photo in as_photos(photos)]
    return np.stack(cut) if are_several(photos) else cut[0]


def in_colour(model: Model) -> Model:
    """Return a model that takes photographs, pictures in three colours.

    Raises:
        InputError: it takes others, as `Model.form` says.
    """
    if not model.form.is_rgb:
        raise InputError(
            f"this is of photographs in three colours, and {model.name} takes "
            f"{model.form.words()}; for those there are render, explain, studies such as compare, "
            "diversify and invert, pages of every unit without photographs, Gradient and "
            "Model.activations"
        )
    return model


def flat(model: Model) -> Model:
    """Return a model that takes pictures without slices or frames.

    Raises:
        InputError: it takes volumes or videos.
    """
    if model.form.stack is not None:
        raise InputError(
            f"this is of flat pictures, and {model.name} takes {model.form.words()}; for those "
            "there are render, diversify, morph, arithmetic, invert, caricatures, accentuate, "
            "stylize, Gradient and Model.activations"
        )
    return model


def pixels_of(model: Model, size: object) -> tuple[int, int]:
    """Return height and width, where `None` stands for a model's own.

    Raises:
        InputError: it is neither a number of pixels nor two.
    """
    if size is None:
        return model.usual_size
    return height_and_width("size", size)


def sizes_of(model: Model, size: object) -> tuple[int | None, int, int]:
    """Return depth, height and width, where `None` stands for a model's own.

    Args:
        model: The model.
        size: What `pixels_of` takes; of volumes and videos also three numbers, the first of which
            is how many slices or frames there are.

    Returns:
        No depth where the pictures have none.

    Raises:
        InputError: it is something else.
    """
    if model.form.stack is None:
        return None, *pixels_of(model, size)
    depth: object = model.form.depth
    if isinstance(size, Sequence) and not isinstance(size, str) and len(size) == 3:
        depth, *size = size
    height, width = pixels_of(model, size)
    return whole(f"the number of {model.form.stack.words}", depth, 1), height, width
