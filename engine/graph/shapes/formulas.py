"""What is known of shapes before anything runs, where ONNX's own inference gives up.

Inference finds no names for computed sizes (the height behind a strided convolution of an open
picture) and does not look into computed shapes (`Concat(Shape(x)[:1], [-1])`). Here such sizes get
names that say how they are computed (see `algebra`), so that two values of equal shape are known to
be equal, and a gradient needs no look at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import (
    arranging as symbolic_arranging,
)
from . import (
    indexing as symbolic_indexing,
)
from . import (
    reductions as symbolic_reductions,
)
from . import (
    windows as symbolic_windows,
)
from .elements import ELEMENTS
from .known import LIMIT, Elements, Known, Shape

_SHAPES: Mapping[str, Callable[[Known], Shape]] = {
    **symbolic_windows.SHAPES,
    **symbolic_reductions.SHAPES,
    **symbolic_arranging.SHAPES,
    **symbolic_indexing.SHAPES,
}


def infer_shape(known: Known) -> Shape:
    """Return the shape of the node's first output; `None` where no formula tells it."""
    formula = _SHAPES.get(known.node.op_type) if known.node.domain == "" else None
    return None if formula is None else formula(known)


def infer_elements(known: Known) -> Elements | None:
    """Return the elements of the node's output, where it computes with shapes."""
    formula = ELEMENTS.get(known.node.op_type) if known.node.domain == "" else None
    result = None if formula is None else formula(known)
    return None if result is None or len(result) > LIMIT else result
