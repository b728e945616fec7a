"""Transforms and parameterizations alone, as graphs that run on plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from graphs import run
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.parameterizations.base import Parameterization
from onnxscope.transforms.base import Transform, size_behind, views_of
from onnxscope.transforms.composition import compose


def transform_graph(transforms: Sequence[Transform], shape: tuple[int, ...]) -> onnx.ModelProto:
    """`image` and the random data, `data<number>.<name>`, to `seen`."""
    builder = Builder("transforms")
    image = builder.input("image", shape, np.float32)
    for number, transform in enumerate(compose(transforms)):
        types = transform.inputs(image.shape[0], *image.shape[2:])
        data = {name: builder.input(f"data{number}.{name}", *types[name]) for name in types}
        image = transform.apply(image, data)
    builder.output("seen", image)
    return model_of(builder)


def random_data(
    transforms: Sequence[Transform], shape: tuple[int, ...], seed: int = 0
) -> dict[str, np.ndarray]:
    """What a step draws, by the graph's input names."""
    rng = np.random.default_rng(seed)
    count, size = shape[0], shape[2:]
    data = {}
    for number, transform in enumerate(compose(transforms)):
        drawn = transform.draw(rng, count, *size)
        data |= {f"data{number}.{name}": array for name, array in drawn.items()}
        count, size = count * views_of(transform), size_behind(transform, *size)
    return data


def seen(transforms: Sequence[Transform], image: np.ndarray, seed: int = 0) -> np.ndarray:
    """What a network sees of pictures (N, 3, H, W), of the same shape."""
    feeds = {"image": image.astype(np.float32)} | random_data(transforms, image.shape, seed)
    return run(transform_graph(transforms, image.shape), feeds)["seen"]


def picture_graph(
    parameterization: Parameterization, count: int, height: int, width: int
) -> onnx.ModelProto:
    """Parameters to `image`, (N, 3, H, W)."""
    builder = Builder("picture")
    types = parameterization.parameters(count, height, width)
    parameters = {name: builder.input(name, *types[name]) for name in types}
    builder.output("image", parameterization.image(parameters, height, width))
    return model_of(builder)


def picture(
    parameterization: Parameterization,
    parameters: Mapping[str, np.ndarray],
    height: int,
    width: int,
) -> np.ndarray:
    """The pictures, (N, 3, H, W), that parameters make."""
    count = len(next(iter(parameters.values())))
    return run(picture_graph(parameterization, count, height, width), parameters)["image"]
