"""Targets that are classes, by name or number; what may be meant where nothing is called that."""

from __future__ import annotations

from ..errors import LayerError, TargetError, spelt_alike
from ..network.box_scores import score_advice
from ..network.class_scores import class_scores
from ..network.class_search import search_classes
from ..network.model import Model
from ..plain import from_digits
from .labels import find_classes

_SHOWN_CLASSES = 6

_CLOSE = 0.8
"""How similar a layer's name has to be, in [0, 1], to be the one thing that is suggested."""


def find_class(model: Model, target: str) -> tuple[str, int]:
    """Return the layer and the unit of the class that a target names.

    Args:
        model: The model.
        target: The name of a class, in any case, or its number.

    Raises:
        LayerError: the model has no such class; says what is called alike, classes and layers.
        TargetError: several classes have that name.
    """
    if target.isdecimal():
        return _numbered(model, from_digits("the class", target, LayerError))
    found = find_classes(model.labels, target)
    if len(found) > 1:
        listed = ", ".join(map(str, found[:_SHOWN_CLASSES]))
        more = ", …" if len(found) > _SHOWN_CLASSES else ""
        raise TargetError(
            f"{len(found)} classes of {model.name} are called {target!r}: {listed}{more}; "
            "give the number of one"
        )
    if found:
        return class_scores(model).unit(found[0])
    # Layers and classes are both worth suggesting, each with its name in its own way.
    what = "has no layer and no class" if model.labels else "names no classes and has no layer"
    raise LayerError(f"{model.name} {what} {target!r}{_advice(model, target)}")


def _numbered(model: Model, index: int) -> tuple[str, int]:
    if not model.labels:
        raise TargetError(
            f"{model.name} names no classes, so that {index} means nothing; "
            f"expected LAYER:UNIT or LAYER{_score(model, index)}"
        )
    scores = class_scores(model)
    if not scores.places:
        model.layers[scores.layer].check_channel(index)
    return scores.unit(index)


def _advice(model: Model, target: str) -> str:
    """What may be meant instead, by one ranking: a layer that is close, classes, what is like it.

    What `search_classes` finds is meant rather than what is merely spelt alike.
    """
    layers = [name.casefold() for name in model.layer_names]
    if spelt_alike(target.casefold(), layers, 1, _CLOSE):
        return model.names.nearest(target)
    near = _classes_like(model, target) or model.names.nearest(target, model.labels)
    return near or ("" if model.labels else _score(model))


def _classes_like(model: Model, target: str) -> str:
    """The classes that a word may mean, for messages; empty where it means none."""
    similar = search_classes(model.labels, target)
    if not similar:
        return ""
    if len(similar) == 1:
        return f"; did you mean {model.labels[similar[0]].split(',')[0]!r}, class {similar[0]}?"
    shown = [f"{index} {model.labels[index].split(',')[0]}" for index in similar[:_SHOWN_CLASSES]]
    more = f" and {len(similar) - len(shown)} more" if len(similar) > len(shown) else ""
    return f"; classes like it are {', '.join(shown)}{more}"


def _score(model: Model, index: int = 0) -> str:
    """What to write for a class by its number, where the model has scores but no names."""
    try:
        layer = model.layers[class_scores(model).layer]
    except LayerError:
        return score_advice(model)
    return f"; the score of class {index} is {layer.title}:{index}" * (index < layer.channels)
