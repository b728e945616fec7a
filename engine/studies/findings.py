"""What follows from a comparison's numbers, in sentences that are true of this unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .page import number

if TYPE_CHECKING:
    from .comparison import Comparison

_ALIKE = 0.15
"""Values that differ by no more than this part of the larger are about the same."""

_MANY = 3
"""A picture that excites so many times as many cells shows more than one of what it shows."""

_AS_MANY = 1.5
"""One that excites no more than so many times as many shows about as much of it."""

_INSIDE = ("middle", "upper right", "lower left")


def findings(found: Comparison) -> Iterator[str]:
    """Yield what the numbers say, as far as the pictures are there.

    Args:
        found: The comparison.
    """
    if found.strongest <= 0:
        yield (
            "The unit is off on all of these pictures: try another seed, more steps, or a unit "
            "that is not dead."
        )
        return
    yield _field(found)
    yield from _neuron_and_channel(found)
    yield from _which(found)
    yield from _moved(found)
    yield from _corner(found)
    yield from _negative(found)


def _field(found: Comparison) -> str:
    height, width = found.picture.recipe.size
    down, across = found.stride
    step = f"{down}" if down == across else f"{down}×{across}"
    if found.of_tokens:
        return (
            f"The cells are tokens, {step} pixels apart; attention may let each see all of the "
            f"picture of {height}×{width} pixels."
        )
    if found.field is None:
        return (
            f"Each cell's field is as large as the picture of {height}×{width} pixels, or larger; "
            f"the next cell's lies {step} pixels further."
        )
    part = found.field[0] * found.field[1] / (height * width)
    return (
        f"A cell sees {found.field[0]}×{found.field[1]} of {height}×{width} pixels "
        f"({_share(part)} of the picture); the next cell's field lies {step} pixels further."
    )


def _neuron_and_channel(found: Comparison) -> Iterator[str]:
    if "channel" not in found:
        return
    middle, whole = found["middle"], found["channel"]
    one, many = found.active("middle"), found.active("channel")
    height, width = whole.map.shape
    own, given = whole.values["channel"], middle.values["channel"]
    if own > 0 and middle.values["middle"] > 0:
        back = whole.values["middle"] / middle.values["middle"]
        yield (
            f"Neuron and channel: the middle neuron's picture has {_share(given / own)} of the "
            f"channel's value that the channel's own has, and the channel's picture gives the "
            f"middle neuron {_share(back)} of what its own does."
        )
    cells = f"{one} of {height * width} cells are active on the neuron's picture, {many} on the "
    if one and many >= _MANY * one:
        yield (
            f"{cells}channel's: the neuron's picture shows once, where its cell looks, what the "
            "channel's repeats wherever there is room."
        )
    elif one and many > _AS_MANY * one:
        yield f"{cells}channel's, which repeats what the neuron's picture shows, as far as it fits."
    elif one:
        yield (
            f"{cells}channel's: here a neuron's picture excites its neighbours about as widely as "
            "the channel's does."
        )


def _which(found: Comparison) -> Iterator[str]:
    names = [name for name in _INSIDE if name in found]
    own = [found[name].values[name] for name in names]
    if len(own) < 2 or min(own) <= 0:
        return
    apart = 1 - min(own) / max(own)
    listed = _listed([number(value) for value in own])
    if apart <= _ALIKE:
        yield (
            f"Which neuron: {len(own)} neurons inside reach {listed} on their own pictures, within "
            f"{_share(apart)}: it does not matter which."
        )
        return
    cut = [name for name in names if not found.of_tokens and _is_cut(found, name)]
    why = f"; the border cuts off what {_listed(cut)} sees" if cut and len(cut) < len(names) else ""
    yield (
        f"Which neuron: {len(own)} neurons inside reach {listed} on their own pictures, "
        f"{_share(apart)} apart{why}: single pictures differ by what their ascents found, so look "
        "at other seeds before you make something of it."
    )


def _moved(found: Comparison) -> Iterator[str]:
    names = [name for name in _INSIDE[1:] if name in found.moved]
    values = [found.moved[name] for name in names]
    own = found["middle"].values["middle"]
    if not names or own <= 0:
        return
    shares = [value / own for value in values]
    words = [_share(share) for share in shares]
    listed = f"{words[0]} each" if len(words) > 1 and len(set(words)) == 1 else _listed(words)
    start = (
        f"Moved to {'their places' if names[1:] else 'its place'}, the middle neuron's picture "
        f"gives the {'neurons' if names[1:] else 'neuron'} {_listed(names)} {listed} of what it "
        "gives the middle one"
    )
    if min(shares) >= 1 - _ALIKE:
        they = "they look" if names[1:] else "it looks"
        yield f"{start}: {they} for the same, at another place."
    elif any(_is_cut(found, name) for name in names) or found.field is None:
        yield f"{start}: part of what it shows is moved out of the picture."
    else:
        yield f"{start}: a cell's value depends on more than what lies in its field's middle."


def _corner(found: Comparison) -> Iterator[str]:
    if "corner" not in found or found.of_tokens:
        return
    corner, middle = found["corner"], found["middle"]
    box, whole = corner.box, middle.box
    assert box is not None  # both are cells
    assert whole is not None
    sees = (box.bottom - box.top) * (box.right - box.left)
    full = (whole.bottom - whole.top) * (whole.right - whole.left)
    if sees >= full:
        yield (
            "At the border: the neuron in the corner sees as much of the picture as the middle one."
        )
        return
    own, reached = middle.values["middle"], corner.values["corner"]
    if own <= 0:
        return
    start = (
        f"At the border: the neuron in the corner sees {box.bottom - box.top}×"
        f"{box.right - box.left} pixels, {_share(sees / full)} of what the middle one sees, and "
        f"padding beyond; its picture reaches {_share(reached / own)} of the middle one's value"
    )
    if reached <= 0:
        yield f"{start}: there it stays off."
    elif reached < (1 - _ALIKE) * own:
        yield f"{start}: what it looks for is cut off."
    elif reached > (1 + _ALIKE) * own:
        yield f"{start}: the padding itself excites it, so that its picture is no unit's."
    else:
        yield f"{start}: what is left is enough, though its picture shows a part alone."


def _negative(found: Comparison) -> Iterator[str]:
    if "negative" not in found or "channel" not in found:
        return
    low, high = -found["negative"].values["negative"], -found["channel"].values["negative"]
    height, width = found["channel"].map.shape
    off = int((found["negative"].map <= 0).sum())
    count = height * width
    where = f"all {count}" if off == count else f"{off or 'none'} of {count}"
    cells = f"the unit is off in {where} cells"
    yield (
        f"Negative: on its picture {cells}; before the activation the channel's mean is "
        f"{number(low)} there and {number(high)} on the channel's picture."
    )


def _is_cut(found: Comparison, name: str) -> bool:
    box = found[name].box
    assert box is not None  # it is a neuron's
    whole = found.field
    return whole is None or (box.bottom - box.top, box.right - box.left) != whole


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _share(part: float) -> str:
    return f"{100 * part:.0f} %" if abs(part) >= 0.095 else f"{100 * part:.2g} %"
