"""The machine's peak rate: ONNX Runtime's own convolutions, at shapes that suit it best.

The rate is measured on chains of equal convolutions 3×3, long enough that layouts are converted at
their ends only and nothing but convolutions is left. Convolutions of a network are less
well-shaped: depthwise and 1×1 kernels, few channels, small maps. So the time that a step's
convolutions would take at this rate is a limit that no graph reaches, and the ratio to it says how
much there is left to gain at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ..graph.builder import Builder
from ..graph.finish import model_of
from .graphs import Runner

_LENGTH = 4
_TRIALS = 5


@dataclass(frozen=True)
class Chain:
    """Equal convolutions, one after the other.

    Attributes:
        batch: Pictures.
        channels: In and out.
        size: Height and width of the maps.
    """

    batch: int
    channels: int
    size: int

    @property
    def flops(self) -> int:
        """The floating-point operations; a multiplication and an addition are two."""
        return _LENGTH * 2 * 9 * self.channels**2 * self.size**2 * self.batch

    def __str__(self) -> str:
        batch = f"{self.batch}×" if self.batch > 1 else ""
        return f"{_LENGTH} convolutions 3×3 of {batch}{self.channels}×{self.size}×{self.size}"

    def graph(self, dtype: np.dtype[np.generic]) -> onnx.ModelProto:
        """Return `x` to `y`, of a type."""
        builder = Builder("chain")
        shape = (self.batch, self.channels, self.size, self.size)
        x = builder.input("x", shape, dtype)
        rng = np.random.default_rng(0)
        for _ in range(_LENGTH):
            # Weights that keep the variance, so that no chain drifts into subnormal numbers.
            deviation = (9 * self.channels) ** -0.5
            weights = rng.standard_normal((self.channels, self.channels, 3, 3)) * deviation
            x = builder.op.Conv(x, builder.constant(weights, dtype), pads=[1, 1, 1, 1])
        builder.output("y", x)
        return model_of(builder)


CHAINS: Mapping[str, tuple[Chain, ...]] = {
    "cpu": tuple(
        Chain(1, channels, size)
        for channels, size in ((64, 56), (128, 28), (128, 56), (256, 14), (256, 28))
    ),
    "cuda": (Chain(64, 128, 56), Chain(64, 256, 28), Chain(64, 512, 14), Chain(128, 256, 56)),
}
"""What is tried, by provider; the fastest counts."""


def run(provider: str, precision: str, clock: Callable[..., bool]) -> None:
    """Run the fastest chain again and again.

    Args:
        provider: Where.
        precision: `float32`, `tf32`, or `float16`.
        clock: Called after each run, at first with `flops` and `chain`; `False` asks for the end.
    """
    dtype = np.dtype(np.float16 if precision == "float16" else np.float32)
    runners: dict[Chain, Runner] = {}
    rates: dict[Chain, float] = {}
    for chain in CHAINS["cpu" if provider == "cpu" else "cuda"]:
        runner = Runner(chain.graph(dtype), provider, precision)
        shape = (chain.batch, chain.channels, chain.size, chain.size)
        runner.bind(
            {"x": np.random.default_rng(0).standard_normal(shape, np.float32).astype(dtype)}
        )
        runner.run()
        times = []
        for _ in range(_TRIALS):
            began = time.perf_counter()
            runner.run()
            times.append(time.perf_counter() - began)
        runners[chain], rates[chain] = runner, chain.flops / min(times)
    best = max(rates, key=lambda chain: rates[chain])
    facts: dict[str, Any] = {"flops": best.flops, "chain": str(best)}
    again = clock(facts)
    while again:
        runners[best].run()
        again = clock()
