"""Ways in which networks were given their pictures in training, tried on a photograph.

What a file does not say shows itself: with the right preprocessing a classifier knows what is in a
clear photograph.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from ..errors import LayerError
from .inputs.preprocessing import Preprocessing
from .model import Model

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CAFFE_MEAN = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class Candidate:
    """A usual preprocessing.

    Attributes:
        name: In a few words.
        preprocessing: What it does.
    """

    name: str
    preprocessing: Preprocessing


@dataclass(frozen=True)
class Answer:
    """What a network makes of a photograph.

    Attributes:
        candidate: The preprocessing.
        classes: The likeliest classes with their probabilities, the likeliest first.
        are_chances: Whether those are probabilities; the score of a single class is any number,
            where nothing makes it one.
    """

    candidate: Candidate
    classes: tuple[tuple[int, float], ...]
    are_chances: bool = True


CANDIDATES = (
    Candidate("0 to 1", Preprocessing((0.0, 1.0))),
    Candidate("−1 to 1", Preprocessing((-1.0, 1.0))),
    Candidate("ImageNet mean and std", Preprocessing((0.0, 1.0), *_IMAGENET)),
    Candidate("0 to 255", Preprocessing((0.0, 255.0))),
    Candidate("0 to 255, BGR", Preprocessing((0.0, 255.0), channel_order="bgr")),
    Candidate(
        "Caffe's mean, BGR", Preprocessing((0.0, 255.0), mean=_CAFFE_MEAN, channel_order="bgr")
    ),
)
"""Those of torchvision and timm, TensorFlow and Keras, Caffe."""


def try_candidates(
    model: Model,
    photo: np.ndarray,
    *,
    candidates: Iterable[Candidate] = CANDIDATES,
    count: int = 3,
    provider: str = "cpu",
) -> list[Answer]:
    """Show a network a photograph in each of the usual ways.

    Args:
        model: A classifier.
        photo: (H, W, 3) uint8, or float in [0, 1], of a size that the model takes.
        candidates: What to try.
        count: How many of the likeliest classes to give.
        provider: Where to compute.

    Raises:
        LayerError: the model has no class scores.
        InputError: the photograph does not fit.
    """
    layer = model.logits()
    if len(model.layers[layer].shape) != 1:
        raise LayerError(f"{model.name} has no class scores")
    # A file may fix how many pictures it takes.
    batch = np.repeat(photo[None], model.fixed_batch or 1, axis=0)
    answers = []
    by = _chances_by(model, layer)
    for candidate in candidates:
        tried = copy(model)
        tried.preprocessing = replace(candidate.preprocessing, layout=model.expected_layout)
        scores = tried.activations(batch, layer, provider)[layer][0]
        values = scores if by == "nothing" else probabilities(scores, by)
        best = np.argsort(-values, kind="stable")[:count]
        classes = tuple((int(i), float(values[i])) for i in best)
        answers.append(Answer(candidate, classes, by != "nothing"))
    return answers


def _chances_by(model: Model, name: str) -> str:
    """What makes probabilities of a layer's scores: softmax, sigmoid, or nothing."""
    layer = model.layers[name]
    if layer.op_type == "Sigmoid":
        return "sigmoid, made"
    layers = list(model.layers.values())
    for behind in layers[layers.index(layer) + 1 :]:
        if behind.shape == layer.shape and behind.op_type == "Sigmoid":
            return "sigmoid"
    # A softmax over one class is 1 whatever the score is.
    return "softmax" if layer.channels > 1 else "nothing"


def probabilities(scores: np.ndarray, by: str = "softmax") -> np.ndarray:
    """Return class scores (K,) as probabilities, where they are none yet.

    Args:
        scores: The scores.
        by: `softmax`, or `sigmoid`, of classes that do not exclude each other.
    """
    scores = np.asarray(scores, np.float64)
    if by == "sigmoid, made":
        return scores
    if by == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(scores / 2)))
    if scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3:
        return scores
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())
