"""Classes: their scores before the softmax, and their probabilities behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LayerError, TargetError, nearest
from ..graph.tensor import Tensor
from ..network.class_scores import before_softmax
from ..plain import flag, from_digits, shown, whole
from .algebra import OBJECTIVES, Leaf, Objective, layer_named
from .labels import find_classes
from .seen import Seen

LOGITS = "logits"
"""What every model's layer of class scores may be called (see `Model.append`)."""


def logit(of: str | int, *, layer: str = LOGITS) -> Objective:
    """Look at a class: its score before the softmax (Lucid's `class_logit`).

    Args:
        of: A class by name, where the model has labels, or by index, from 0.
        layer: The layer of class scores, (N, C). Where it is the result of a softmax, the scores
            are what that is given.

    Raises:
        TargetError: an argument is of another kind.
    """
    return Logit(_named(of), layer)


def probability(of: str | int, *, layer: str = LOGITS, log: bool = False) -> Objective:
    """Look at a class: its probability among all, softmax(z)ₖ, in [0, 1].

    Unlike a logit it grows as well by what speaks for other classes going away (Simonyan et al.
    2013, who take the score for that reason).

    Args:
        of: A class by name, where the model has labels, or by index, from 0.
        layer: The layer of class scores, or that of the probabilities.
        log: Whether to take the logarithm, which has a gradient where the probability is next to 0.

    Raises:
        TargetError: an argument is of another kind.
    """
    return Probability(_named(of), layer, log)


@dataclass(frozen=True)
class _OfClass(Leaf):
    """A leaf that looks at one class."""

    of: str
    scores: str = LOGITS

    def __post_init__(self) -> None:
        layer_named(self.scores)
        if not isinstance(self.of, str) or not self.of.strip():
            raise TargetError(f"a class is given by its name or number, not {shown(self.of)}")

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.scores,)

    def index(self, seen: Seen) -> int:
        """Return which of the scores is the class's.

        Raises:
            TargetError: no class has that name, or several have.
            LayerError: there is no such class.
        """
        shape = seen[self.scores].shape
        if len(shape) != 2:
            raise LayerError(f"{self.scores} has the shape {shape}; expected class scores (N, C)")
        if self.of.isdecimal():
            found = from_digits("the class", self.of, LayerError)
        else:
            classes = find_classes(seen.labels, self.of)
            if not classes:
                what = "no class is called" if seen.labels else "the model names no classes, as"
                raise TargetError(f"{what} {self.of!r}{nearest(self.of, seen.labels)}")
            if len(classes) > 1:
                listed = ", ".join(map(str, classes[:6]))
                raise TargetError(
                    f"{len(classes)} classes are called {self.of!r}: {listed}; give the number of "
                    "one"
                )
            found = classes[0]
        if not found < shape[1]:
            raise LayerError(
                f"{self.scores} has {shape[1]} classes, 0 to {shape[1] - 1}; there is no class "
                f"{found}"
            )
        return found


@OBJECTIVES.add("logit")
@dataclass(frozen=True)
class Logit(_OfClass):
    """A class's score before the softmax (see `logit`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C)."""
        scores = before_softmax(seen[self.scores])
        return scores[:, self.index(seen)]


@OBJECTIVES.add("probability")
@dataclass(frozen=True)
class Probability(_OfClass):
    """A class's probability (see `probability`)."""

    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "log", flag("log", self.log))

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C)."""
        scores = before_softmax(seen[self.scores])
        op = scores.op
        every = op.LogSoftmax(scores, axis=1) if self.log else op.Softmax(scores, axis=1)
        return every[:, self.index(seen)]


def _named(of: str | int) -> str:
    if isinstance(of, str):
        return of
    return str(whole("a class", of, 0))
