"""What a verification found: directions, their verdicts, and the verdict on the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..importer.faithfulness import Faithfulness
from ..runtime.session import Provider
from .faults import Fault

AGREES, DISAGREES, CANNOT_TELL = "agrees", "disagrees", "cannot tell"

CERTAIN = 6.0
"""How many times its estimated uncertainty a disagreement must exceed."""

MARGIN = 3.0
"""How many times what is allowed a disagreement must exceed: just beyond it nothing can be told."""

_FAINT = 1e-12
"""Slopes below this are those of what is saturated or decayed: right or not, they show nothing."""

_RESOLVED = 0.1
"""An agreement that leaves room for a larger part of the gradient is none."""


@dataclass(frozen=True)
class Check:
    """One direction.

    Attributes:
        input: Which input was moved.
        gradient: The slope in this direction by the gradient.
        reference: The same by the standard rules on the CPU; `None` where they do not serve.
        differences: The same by central differences.
        uncertainty: About how far `gradient − differences` may be off zero by rounding,
            curvature and kinks; one standard deviation.
        scale: The size of slopes in such directions.
        tolerance: What part of the scale is no error in the precision that the gradient has.
        left: The slope from the one side, over the smallest step.
        right: The slope from the other side.
        kink: Whether the point is on a kink in this direction: the sides' slopes stay apart.
    """

    input: str
    gradient: float
    reference: float | None
    differences: float
    uncertainty: float
    scale: float
    tolerance: float
    left: float
    right: float
    kink: bool

    @property
    def limit(self) -> float:
        """How far the two slopes may be apart; they disagree from `MARGIN` times that on."""
        return max(CERTAIN * self.uncertainty, self.tolerance * self.scale)

    @property
    def empty(self) -> bool:
        """Whether nothing slopes in this direction, so that it says nothing."""
        return self.scale == 0 and abs(self.differences) <= self.limit

    @property
    def faint(self) -> bool:
        """Whether the slope in this direction is next to nothing, or nothing."""
        return self.empty or max(self.scale, abs(self.differences)) < _FAINT

    @property
    def verdict(self) -> str:
        """The word for it: `agrees`, `disagrees` or `cannot tell`."""
        return self._judge(self.gradient)

    @property
    def unsure(self) -> bool:
        """Whether the two slopes are apart by more than is allowed, and not by far."""
        apart = abs(self.gradient - self.differences)
        return not self.kink and self.limit < apart <= MARGIN * self.limit

    def accepts(self, slope: float) -> bool:
        """Return whether another gradient's slope agrees with the differences as well."""
        return abs(slope - self.differences) <= min(self.limit, _RESOLVED * self.scale)

    def _judge(self, slope: float) -> str:
        if self.kink:
            return CANNOT_TELL
        # Not a number is no agreement.
        apart = abs(slope - self.differences)
        if not apart <= MARGIN * self.limit:
            return DISAGREES if math.isfinite(self.limit) else CANNOT_TELL
        told = self.empty or self.limit <= _RESOLVED * self.scale
        return AGREES if told and apart <= self.limit else CANNOT_TELL


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        model: Name of the model.
        target: What was differentiated.
        provider: Where the gradient was computed.
        checks: The directions.
        double: Whether the differences are of double precision.
        why_single: Why they are not; empty where they are.
        provider_difference: How far the gradient is from that by the standard rules on the CPU, as
            a part of its length; `None` where the standard rules give none.
        provider_limit: How far it may be for rounding.
        moved: Whether the point was moved a little, off a kink.
        faithfulness: How the network compares with the file as it is: what is differentiated has
            to be the file's network first.
        faults: The nodes at fault, where it disagrees.
        limits: What was done without for want of time, memory or operators, in words; empty where
            nothing was.
        cause: In words, where it disagrees or where nothing can be told.
    """

    model: str
    target: str
    provider: Provider
    checks: tuple[Check, ...]
    double: bool
    why_single: str
    provider_difference: float | None
    provider_limit: float
    moved: bool
    faithfulness: Faithfulness
    faults: tuple[Fault, ...]
    cause: str
    limits: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The word for it: `agrees`, `disagrees` or `cannot tell`."""
        if self.wrong or self.faithfulness.departure is not None:
            return DISAGREES
        verdicts = [check.verdict for check in self.checks]
        told = AGREES in verdicts and not all(check.faint for check in self.checks)
        unsure = CANNOT_TELL in verdicts or self.provider_unsure
        return AGREES if told and not unsure else CANNOT_TELL

    @property
    def wrong(self) -> bool:
        """Whether the gradient is another than that of the network as it is read here."""
        apart = self.provider_difference is not None and not (
            self.provider_difference <= MARGIN * self.provider_limit
        )
        return apart or any(check.verdict == DISAGREES for check in self.checks)

    @property
    def provider_unsure(self) -> bool:
        """Whether the provider is further from the CPU than is allowed, and not by far."""
        difference, limit = self.provider_difference, self.provider_limit
        return difference is not None and limit < difference <= MARGIN * limit

    @property
    def agrees(self) -> bool:
        """Whether the gradient is right, as far as this can be seen."""
        return self.verdict == AGREES

    @property
    def relative_difference(self) -> float:
        """How far gradient and differences are apart, as a part of the slopes' size; the worst."""
        parts = [abs(c.gradient - c.differences) / c.scale for c in self.checks if c.scale]
        return float(np.max(parts)) if parts else 0.0

    @property
    def resolution(self) -> float:
        """The smallest error that would be told with certainty, as a part of the slopes' size."""
        parts = [MARGIN * check.limit / check.scale for check in self.checks if check.scale]
        return float(np.max(parts)) if parts else math.inf

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators at fault."""
        return tuple(dict.fromkeys(fault.op_type for fault in self.faults))

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, why, and every direction."""
        from ..tables import facts, panel, table

        known = [
            ("target", self.target),
            ("provider", self.provider.name),
            ("network", str(self.faithfulness)),
            ("differences", "in double precision" if self.double else self.why_single),
        ]
        if self.resolution < math.inf:
            apart = f"{self.relative_difference:.1e} of the gradient"
            known.append(
                ("apart by", f"{apart}; more than {self.resolution:.1e} would be an error")
            )
        known += [("limits", limit) for limit in self.limits] + [("because", self.cause)]
        rows = [
            (
                check.input,
                f"{check.gradient:.6g}",
                f"{check.differences:.6g}",
                f"{check.uncertainty:.1g}",
                "on a kink" if check.kink else check.verdict,
            )
            for check in self.checks
        ]
        named = ("input moved", "slope by gradient", "by differences", "±", "verdict")
        faults = [(fault.op_type, fault.node, fault.kind) for fault in self.faults]
        return panel(
            f"Gradient of {self.model}",
            facts([("verdict", self.verdict), *known]),
            table(named, rows, numbers=(1, 2, 3)) if rows else "",
            table(("operator at fault", "node", "what is wrong"), faults) if faults else "",
        )

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data; what is not finite is `None`."""
        data = asdict(self)
        data["provider"] = self.provider.name
        for check, entry in zip(self.checks, data["checks"], strict=True):
            entry |= {"verdict": check.verdict, "limit": check.limit}
        data |= {
            "verdict": self.verdict,
            "faithfulness": self.faithfulness.to_json(),
            "relative_difference": self.relative_difference,
            "resolution": self.resolution,
            "operators": self.operators,
        }
        return dict(_plain(data))


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return str(value)
