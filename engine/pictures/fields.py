"""What part of a picture its objective sees: cut out, or framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..graph.passes.crop import Box
    from ..network.model import Model
    from ..objectives.algebra import Objective

_DARK, _LIGHT = 0.0, 1.0

# A neuron of few pixels leaves nine tenths of a picture plain, and a channel a thirtieth.
_PLAIN, _MOST = 0.06, 0.75


def seen_part(
    model: Model, objective: Objective, size: tuple[int, int], *, transparent: bool = False
) -> Box:
    """Return the exact receptive field of an objective, as rows and columns of the picture.

    It is followed through every operator of the network, and ends at the picture's border. The
    random transforms of an ascent move it by as much as they move the picture.

    Args:
        model: The network.
        objective: What looks at it, for one picture.
        size: Of the picture, height and width.
        transparent: Whether the picture is; that the objective spares its opacity is no part of
            what the network sees.

    Raises:
        OnnxscopeError: it does not fit the network or the size.
    """
    # A start from the cache builds no graph; whoever asks for this does.
    from ..gradient.objective import append_objective
    from ..graph.builder import Builder
    from ..graph.passes.crop import needed_part
    from ..graph.passes.narrow import narrow
    from ..graph.passes.plan import Plan
    from ..network.alone import input_for_one

    height, width = size
    builder = Builder(opset=model.opset)
    image = input_for_one(builder, model, size)
    picture = None
    if transparent:
        count, planes = image.shape[:2]
        picture = builder.input("picture", (count, planes + 1, height, width), np.float32)
    builder.output("value", append_objective(model, objective, image, picture))
    # Rows and columns are taken of one channel, which has to be taken of the network first.
    narrow(builder, Plan())
    return needed_part(builder, image) or whole_picture(height, width)


def whole_picture(height: int, width: int) -> Box:
    """Return the box of all rows and columns."""
    from ..graph.passes.crop import Box

    return Box(0, height, 0, width)


def cut(images: np.ndarray, boxes: list[Box], enlarge: int) -> np.ndarray:
    """Cut parts of the same size out of pictures.

    Args:
        images: (N, H, W, C) in [0, 1].
        boxes: The part of each.
        enlarge: How many pixels one becomes, in both directions, smoothly.

    Returns:
        (N, height, width, C) float32 in [0, 1].
    """
    parts = [
        image[box.top : box.bottom, box.left : box.right]
        for image, box in zip(images, boxes, strict=True)
    ]
    return np.stack([_enlarged(part, enlarge) for part in parts])


def framed(images: np.ndarray, boxes: list[Box], *, opacity: bool = False) -> np.ndarray:
    """Draw frames around parts of pictures: a light line and a dark one around it.

    Args:
        images: (N, H, W, C) in [0, 1].
        boxes: The part of each.
        opacity: Whether the last channel is the opacity.
    """
    drawn = images.copy()
    for image, box in zip(drawn, boxes, strict=True):
        for width, shade in ((2, _DARK), (1, _LIGHT)):
            height, breadth = image.shape[:2]
            top, left = max(box.top - width, 0), max(box.left - width, 0)
            bottom, right = min(box.bottom + width, height), min(box.right + width, breadth)
            inside = image[top + 1 : bottom - 1, left + 1 : right - 1].copy()
            image[top:bottom, left:right] = shade
            if opacity:
                image[top:bottom, left:right, -1] = 1
            image[top + 1 : bottom - 1, left + 1 : right - 1] = inside
    return drawn


def _enlarged(image: np.ndarray, times: int) -> np.ndarray:
    if times == 1:
        return np.ascontiguousarray(image)
    from PIL import Image

    height, width = image.shape[:2]
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., channel]).astype(np.float32)).resize(
            (width * times, height * times), Image.Resampling.BICUBIC
        )
        for channel in range(image.shape[-1])
    ]
    return np.asarray(np.clip(np.stack([np.asarray(c) for c in channels], -1), 0, 1))


def is_mostly_grey(image: np.ndarray) -> bool:
    """Return whether a picture shows something, and that in a small part.

    Args:
        image: (H, W, C) in [0, 1].
    """
    tiles = [tile for rows in np.array_split(image, 8) for tile in np.array_split(rows, 8, axis=1)]
    plain = [tile.std((0, 1)).mean() < _PLAIN for tile in tiles if tile.size]
    return float(image.std((0, 1)).mean()) >= _PLAIN / 3 and float(np.mean(plain)) > _MOST
