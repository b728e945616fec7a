"""What an input that is not in three colours is taken for: grey, more channels, sound, a volume.

Few channels beside many rows and columns are a picture's; what the file calls its axes and its
input tells sound and video from pictures. What remains open, the user says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx_ir as ir

from ...forms import plane_of, stack_of

_MOST_CHANNELS = 16
"""More channels than these are as likely activations of another network; `layout` says it then."""

_LEAST_SIDE = 4

_SOUND = re.compile(r"mel|spec|stft|mfcc|audio|freq|fbank")
_VIDEO = re.compile(r"video|clip|frame|time")


def layouts_taken(value: ir.Value) -> list[str]:
    """Return the layouts that an input is likely to have, by its shape and names.

    Returns:
        None where it is likely no picture, several where it remains open.
    """
    if value.shape is None or 0 in value.shape:
        return []
    dims = [dim if isinstance(dim, int) and dim > 0 else None for dim in value.shape]
    names = [dim.value or "" for dim in value.shape if isinstance(dim, ir.SymbolicDim)]
    words = " ".join([value.name or "", *names]).lower()
    if len(dims) == 4:
        sound = "FT" if _SOUND.search(words) else "HW"
        return _likely(dims, {f"NC{sound}": 1, f"N{sound}C": 3})
    if len(dims) != 5:
        return []
    if dims[2] == 3 and dims[1] != 3 and dims[4] != 3:
        return ["NTCHW"]
    found = _likely(dims, {"NCDHW": 1, "NDHWC": 4})
    # Three channels of a stack are colours, and stacks in colours are videos.
    return [
        layout.replace("D", "T") if dims[layout.index("C")] == 3 or _VIDEO.search(words) else layout
        for layout in found
    ]


def _likely(dims: Sequence[int | None], axes: dict[str, int]) -> list[str]:
    """Those of some layouts whose channels are few and whose planes are large."""
    found: dict[str, int] = {}
    for layout, at in axes.items():
        channels = dims[at]
        sides = sizes_of(layout, dims)
        if channels is None or channels > _MOST_CHANNELS:
            continue
        if all(side is None or side >= max(_LEAST_SIDE, min(channels, 8)) for side in sides):
            found[layout] = channels
    if len(found) < 2:
        return list(found)
    square = [layout for layout in found if len(set(sizes_of(layout, dims))) == 1]
    if len(square) == 1:
        return square
    fewest = min(found.values())
    return [layout for layout, channels in found.items() if channels == fewest]


def sizes_of(layout: str, dims: Sequence[int | None]) -> tuple[int | None, int | None]:
    """Return height and width of an input of a layout; `None` for what is open."""
    rows, columns = plane_of(layout)
    return dims[layout.index(rows.letter)], dims[layout.index(columns.letter)]


def counts_of(layout: str, dims: Sequence[int | None]) -> tuple[int | None, int | None]:
    """Return channels and depth of an input of a layout; `None` for what is open."""
    stack = stack_of(layout)
    channels = dims[layout.index("C")] if "C" in layout else 1
    return channels, 1 if stack is None else dims[layout.index(stack.letter)]
