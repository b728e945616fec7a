"""Objectives that compare with a photograph: what a layer keeps of it, or has as its style.

The photograph goes through the same transforms as the picture in each step, so that both are seen
from the same place, and its activations are computed beside the picture's; no gradient leads there.
A recipe holds it whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TargetError, nearest
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..plain import array_in_words, shown
from ..planes import checked_kept, kept, kept_in_form
from .algebra import OBJECTIVES, Leaf, Objective, layer_named
from .directions import checked_power, floored_power
from .seen import Seen
from .sums import TINY, gram, summed

if TYPE_CHECKING:
    from ..images import Photo

_NORMS = ("distance", "l1", "l2")


def difference(layer: str, photo: Photo, norm: str = "distance") -> Objective:
    """Measure how far a layer is from what it is on a photograph, to be subtracted.

    With a for the layer on the picture and b on the photo, over all its cells and channels:
    `distance` is ‖a − b‖ / ‖b‖, `l1` the mean of |a − b| (Lucid's `activation_difference`), `l2`
    the mean of (a − b)².

    Args:
        layer: Layer name, of any shape.
        photo: A path, an image of Pillow's, or (H, W, 3), uint8 or float in [0, 1]; its middle is
            cut and scaled to the pictures' size. For networks of other pictures than RGB an array
            of theirs, or a file `.npy` with one.
        norm: `distance`, `l1` or `l2`.

    Returns:
        A penalty, at least 0.

    Raises:
        OnnxscopeError: an argument is of another kind, or the photo cannot be read.
    """
    return Difference(layer, kept(photo), norm)


def inversion(layer: str, photo: Photo) -> Objective:
    """Find what a layer keeps of a photograph: −‖a − b‖² / ‖b‖², at most 0.

    With a for the layer on the picture and b on the photo (Mahendran & Vedaldi, *Understanding Deep
    Image Representations by Inverting Them*, 2015). They subtract a total variation as well.

    Args:
        layer: Layer name, of any shape.
        photo: As for `difference`.

    Raises:
        OnnxscopeError: an argument is of another kind, or the photo cannot be read.
    """
    return Inversion(layer, kept(photo))


def caricature(layer: str, photo: Photo, *, cosine: float = 1.0) -> Objective:
    """Exaggerate what a layer sees in a photograph: mean(a·b) · max(0.1, cos(a, b))^cosine.

    With a for the layer on the picture and b on the photo, as one vector each: what moves a further
    along b, and not to something else (Lucid's `dot_compare`, of its caricatures; the mean is over
    channels and cells).

    Args:
        layer: Layer name, of any shape.
        photo: As for `difference`.
        cosine: The power of the cosine, at least 0.

    Raises:
        OnnxscopeError: an argument is of another kind, or the photo cannot be read.
    """
    return Caricature(layer, kept(photo), cosine)


def style(layers: str | Sequence[str], photo: Photo) -> Objective:
    """Measure how far textures are from a photograph's, to be subtracted.

    Σ over layers of ‖G − A‖² / ‖A‖², where G and A are the Gram matrices, over cells, of a layer's
    channels on the picture and on the photo (Gatys, Ecker & Bethge 2016; each layer counts alike).

    Args:
        layers: Layer names, (N, C, H, W) or tokens (N, C, L).
        photo: As for `difference`.

    Returns:
        A penalty, at least 0.

    Raises:
        OnnxscopeError: an argument is of another kind, or the photo cannot be read.
    """
    names = (layers,) if isinstance(layers, str) else layers
    if not isinstance(names, list | tuple):
        raise TargetError(f"a style is of layers, given by their names, not {shown(layers)}")
    names = tuple(names)
    return Style(names, kept(photo))


def distance(photo: Photo) -> Objective:
    """Measure how far the pixels are from a photograph's, to be subtracted: √mean((x − p)²).

    Lucid's `input_diff`. It looks at the picture before the transforms.

    Args:
        photo: As for `difference`.

    Returns:
        A penalty, from 0 to 1.

    Raises:
        OnnxscopeError: the photo cannot be read.
    """
    return Distance(kept(photo))


@dataclass(frozen=True, eq=False)
class _OfLayer(ByContent, Leaf):
    """A leaf that compares one layer on the picture and on a photo."""

    layer: str
    photo: np.ndarray

    def __post_init__(self) -> None:
        layer_named(self.layer)
        object.__setattr__(self, "photo", checked_kept("a photograph", self.photo))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def both(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Append the layer on the pictures and on the photo, each as (N, numbers)."""
        return _both(seen, self.layer, self.photo)


@OBJECTIVES.add("difference")
@dataclass(frozen=True, eq=False)
class Difference(_OfLayer):
    """How far a layer is from what it is on a photo (see `difference`)."""

    norm: str = "distance"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.norm, str) or self.norm not in _NORMS:
            hint = nearest(self.norm, _NORMS) if isinstance(self.norm, str) else ""
            known = ", ".join(map(repr, _NORMS))
            raise TargetError(f"norm must be one of {known}, not {shown(self.norm)}{hint}")

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from a layer of any shape."""
        here, there = self.both(seen)
        apart = here - there
        if self.norm == "l1":
            return abs(apart).mean(1)
        if self.norm == "l2":
            return (apart**2).mean(1)
        return (summed(apart**2) + TINY).sqrt() / (summed(there**2) + TINY).sqrt()

    def __str__(self) -> str:
        norm = "" if self.norm == "distance" else f" ({self.norm})"
        return f"difference {self.layer} from {array_in_words(self.photo)}{norm}"


@OBJECTIVES.add("inversion")
@dataclass(frozen=True, eq=False)
class Inversion(_OfLayer):
    """Minus the relative squared distance from a photo (see `inversion`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from a layer of any shape."""
        here, there = self.both(seen)
        return -(summed((here - there) ** 2) / (summed(there**2) + TINY))

    def __str__(self) -> str:
        return f"inversion {self.layer} of {array_in_words(self.photo)}"


@OBJECTIVES.add("caricature")
@dataclass(frozen=True, eq=False)
class Caricature(_OfLayer):
    """The product of a layer on the picture and on a photo (see `caricature`)."""

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "power", checked_power(self.power))

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from a layer of any shape."""
        here, there = self.both(seen)
        product = summed(here * there)
        mean = product / float(here.shape[1])
        if not self.power:
            return mean
        lengths = ((summed(here**2) + TINY) * (summed(there**2) + TINY)).sqrt()
        return mean * floored_power(product / lengths, self.power)

    def __str__(self) -> str:
        power = f" · cos^{self.power:g}" if self.power else ""
        return f"caricature {self.layer} of {array_in_words(self.photo)}{power}"


@OBJECTIVES.add("style")
@dataclass(frozen=True, eq=False)
class Style(ByContent, Leaf):
    """How far textures are from a photo's (see `style`)."""

    names: tuple[str, ...]
    photo: np.ndarray

    def __post_init__(self) -> None:
        names = tuple(map(layer_named, self.names))
        if not names or len(set(names)) < len(names):
            raise TargetError("a style is of layers, at least one, each once")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "photo", checked_kept("a photograph", self.photo))

    def layers(self) -> tuple[str, ...]:
        """Name all layers."""
        return self.names

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from layers (N, C, H, W) or tokens (N, C, L)."""
        photo = _at_size(self.photo, seen)
        there = seen.of_photo(photo, self.names)
        terms = []
        for name in self.names:
            cells = int(np.prod(seen[name].shape[2:]))
            own, wanted = (gram(one, name) / float(cells) for one in (seen[name], there[name]))
            terms.append(summed((own - wanted) ** 2) / (summed(wanted**2) + TINY))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def __str__(self) -> str:
        return f"style {', '.join(self.names)} of {array_in_words(self.photo)}"


@OBJECTIVES.add("distance")
@dataclass(frozen=True, eq=False)
class Distance(ByContent, Leaf):
    """How far the pixels are from a photo's (see `distance`)."""

    photo: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "photo", checked_kept("a photograph", self.photo))

    def layers(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    @property
    def sees_picture(self) -> bool:
        """Yes."""
        return True

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        apart = seen.image - _at_size(self.photo, seen)
        return ((apart**2).mean((1, 2, 3)) + TINY).sqrt()

    def __str__(self) -> str:
        return f"distance from {array_in_words(self.photo)}"


def _both(seen: Seen, layer: str, photo: np.ndarray) -> tuple[Tensor, Tensor]:
    here = seen[layer]
    there = seen.of_photo(_at_size(photo, seen), (layer,))[layer]
    numbers = int(np.prod(here.shape[1:]))
    return here.reshape(here.shape[0], numbers), there.reshape(here.shape[0], numbers)


def _at_size(photo: np.ndarray, seen: Seen) -> np.ndarray:
    """A photo as the pictures are: (P, H, W) float32 in [0, 1]."""
    fitted: np.ndarray = kept_in_form(photo, seen.form, seen.size)[0]
    return fitted
