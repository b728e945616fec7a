"""Whether so many pictures of such a size can be made at all, known before that much work.

What a graph takes is known when it is there, and that of a huge picture takes minutes to build. But
both what a graph holds and what it computes grow with a picture's area, so that two graphs of small
pictures tell it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..cache import GraphCache
from ..errors import MemoryShortageError, OnnxscopeError
from ..runtime.memory import Footprint, Use, amount, available_memory
from ..runtime.session import Provider, choose_provider
from .composition import Composition
from .graphs import Graphs
from .optimizers import GraphOptimizer, Optimizer

# The graph of a smaller picture is built in a moment, and its memory is then known exactly.
_LARGE = 1536**2
_SMALL = (256, 512)
_CHANNELS, _BYTES = 3, 4
# Pictures of several runs are joined: for a moment they are there twice.
_KEPT = 2


def check_room(
    composition: Composition,
    optimizer: Optimizer,
    provider: str | Provider,
    cache: GraphCache | None,
) -> None:
    """See that the pictures themselves fit into memory, and the graph of a large one.

    Args:
        composition: All pictures.
        optimizer: The update rule.
        provider: See `onnxscope.render`.
        cache: Where finished graphs are kept.

    Raises:
        MemoryShortageError: they do not; says how many, or which size, would.
    """
    free = available_memory()
    if free is None:
        return
    height, width, count = composition.height, composition.width, composition.batch
    chosen = choose_provider(provider) if isinstance(provider, str) else provider
    if height * width > _LARGE and chosen.name == "cpu":
        growth = _growth(composition, optimizer, chosen.name, cache)
        if growth is not None:
            needed = growth.at(height * width).total(Use.whole(1))
            if needed > free:
                side = growth.largest_side(free)
                raise MemoryShortageError(
                    f"a picture of {height}×{width} pixels needs about {amount(needed)} and "
                    f"{amount(free)} are free: {side}×{side} fits",
                    0,
                )
    one = _KEPT * _CHANNELS * _BYTES * height * width
    if count * one > free:
        fitting = free // one
        few = f"{fitting} {'fits' if fitting == 1 else 'fit'}" if fitting else "none fits"
        what = f"{count} pictures" if count > 1 else "a picture"
        raise MemoryShortageError(
            f"{what} of {height}×{width} pixels take {amount(count * one)} when they are done, and "
            f"{amount(free)} are free: {few}",
            fitting,
        )


@dataclass(frozen=True)
class _Growth:
    """What one picture takes, at two areas in pixels."""

    areas: tuple[int, int]
    footprints: tuple[Footprint, Footprint]

    def at(self, area: int) -> Footprint:
        """The forecast for a picture of so many pixels."""
        small, large = self.footprints
        along = (area - self.areas[0]) / (self.areas[1] - self.areas[0])

        def grown(least: int, most: int) -> int:
            return round(least + along * (most - least))

        return Footprint(
            grown(small.fixed, large.fixed),
            grown(small.each, large.each),
            grown(small.kept, large.kept),
        )

    def largest_side(self, free: int) -> int:
        """The side of the largest square that fits into so many bytes, in tens of pixels."""
        small, large = (footprint.total(Use.whole(1)) for footprint in self.footprints)
        slope = (large - small) / (self.areas[1] - self.areas[0])
        area = self.areas[0] + (free - small) / slope
        return math.isqrt(max(round(area), 1)) // 10 * 10


def _growth(
    composition: Composition, optimizer: Optimizer, provider: str, cache: GraphCache | None
) -> _Growth | None:
    """How memory grows with the area; `None` where small pictures do not tell it."""
    first = composition.part(0, 1)
    found = []
    for side in _SMALL:
        graphs = Graphs(replace(first, height=side, width=side), cache)
        try:
            graph = (
                graphs.step(provider, optimizer)
                if isinstance(optimizer, GraphOptimizer)
                else graphs.gradient(provider)
            )
        except OnnxscopeError:
            # The network takes no such pictures, or the objective looks at a cell that they lack.
            return None
        found.append(graph.footprint)
    small, large = found
    # A neuron's field may be as small in a large picture: then nothing grows but the picture.
    if large.total(Use.whole(1)) <= small.total(Use.whole(1)):
        return None
    return _Growth((_SMALL[0] ** 2, _SMALL[1] ** 2), (small, large))
