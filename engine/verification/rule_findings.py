"""What was found of a gradient rule, input by input, and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .verdict import AGREES, CANNOT_TELL, DISAGREES


@dataclass(frozen=True)
class InputCheck:
    """What was found out about the gradient with respect to one input.

    Attributes:
        position: Which input it is, counted from 0.
        name: What ONNX calls it.
        error: How far gradient and differences are apart at worst, as a part of the slopes' size.
        limit: How far they may be.
        verdict: `agrees`, `disagrees` or `cannot tell`.
        reason: In words, where it does not agree.
        kink: Whether it lies on a kink, such as 0 of a Relu, where there is no derivative.
    """

    position: int
    name: str
    error: float
    limit: float
    verdict: str
    reason: str = ""
    kink: bool = False


@dataclass(frozen=True)
class RuleCheck:
    """What `check_rule` found.

    Attributes:
        op_type: The operator.
        inputs: What was found about each input that it is differentiated with respect to.
        precision: `float64` where both the operator and the gradient were computed in it, otherwise
            `float32`.
        by: What computed the operator.
        departure: In words, where `forward` gives other values than the operator; else empty.
        needs_sizes: Why there is no gradient where sizes are open; empty where there is one.
        unnamed: Attributes of the operator that its rules neither name nor ignore: a node that sets
            one is refused.
    """

    op_type: str
    inputs: tuple[InputCheck, ...]
    precision: str
    by: str
    departure: str
    needs_sizes: str
    unnamed: tuple[str, ...]

    @property
    def errors(self) -> Mapping[str, float]:
        """The errors by input, such as `x0`."""
        return {f"x{each.position}": each.error for each in self.inputs}

    @property
    def limits(self) -> Mapping[str, float]:
        """The largest errors that are allowed, by input."""
        return {f"x{each.position}": each.limit for each in self.inputs}

    @property
    def wrong(self) -> tuple[str, ...]:
        """The inputs whose gradient is not that of the operator."""
        return tuple(f"x{each.position}" for each in self.inputs if each.verdict == DISAGREES)

    @property
    def kinks(self) -> tuple[str, ...]:
        """The inputs that lie on a kink."""
        return tuple(f"x{each.position}" for each in self.inputs if each.kink)

    @property
    def double(self) -> bool:
        """Whether all of it was computed in double precision."""
        return self.precision == "float64"

    @property
    def right(self) -> bool:
        """Whether the rule is right, as far as these inputs show it; on a kink nothing does."""
        return not self.departure and all(each.verdict == AGREES for each in self.inputs)

    def _repr_html_(self) -> str:
        """For notebooks: the sentence, and every input."""
        from ..tables import note, panel, table

        rows = [
            (
                f"x{each.position} ({each.name})",
                f"{each.error:.1e}",
                f"{each.limit:.1e}",
                each.verdict,
                each.reason,
            )
            for each in self.inputs
        ]
        named = ("input", "apart by", "at most", "verdict", "")
        return panel(
            f"The rule of {self.op_type}, in {self.precision}",
            table(named, rows, numbers=(1, 2)),
            note(str(self)),
        )

    def __str__(self) -> str:
        parts = []
        if self.right:
            worst = max(self.inputs, key=lambda each: each.error)
            digits = "double" if self.double else "single"
            parts.append(
                f"the rule of {self.op_type} is right to {worst.error:.0e}, in {digits} precision"
            )
        for verdict, said in ((DISAGREES, "is wrong"), (CANNOT_TELL, "cannot be checked")):
            reasons = [
                f"x{each.position} ({each.name}): {each.reason}"
                for each in self.inputs
                if each.verdict == verdict
            ]
            if reasons:
                parts.append(f"the rule of {self.op_type} {said} for {', and for '.join(reasons)}")
        if self.departure:
            parts.append(self.departure)
        if self.needs_sizes:
            parts.append(f"sizes have to be numbers ({self.needs_sizes})")
        if self.unnamed:
            names = ", ".join(self.unnamed)
            parts.append(f"nodes that set {names} are refused, which it does not name")
        return "; ".join(parts)
