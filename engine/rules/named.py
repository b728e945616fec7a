"""Tables of gradient rules by name, for recipes and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import InputError, nearest_or_listed
from ..plain import texts

if TYPE_CHECKING:
    from .table import RuleTable


def _average_pooling() -> RuleTable:
    from .smoothed import average_pooling

    return average_pooling()


def _smoothed_pooling() -> RuleTable:
    from .smoothed import smoothed_pooling

    return smoothed_pooling()


def _straight_through() -> RuleTable:
    from .straight import straight_through

    return straight_through()


def _linear() -> RuleTable:
    from .straight import linear

    return linear()


def _guided() -> RuleTable:
    from .guided import guided

    return guided()


def _deconvnet() -> RuleTable:
    from .guided import deconvnet

    return deconvnet()


def _redirected() -> RuleTable:
    from .redirected import redirected_relu

    return redirected_relu()


# Each in a function: an ascent whose graph is kept needs the names alone.
NAMED: Mapping[str, Callable[[], RuleTable]] = {
    "average_pooling": _average_pooling,
    "smoothed_pooling": _smoothed_pooling,
    "straight_through": _straight_through,
    "linear": _linear,
    "redirected": _redirected,
    "guided": _guided,
    "deconvnet": _deconvnet,
}
"""By name what makes each table."""


def checked_names(names: object) -> tuple[str, ...]:
    """Return names of tables, one or several.

    Raises:
        InputError: they are no names, there are none, or there is no table of one.
    """
    found = texts("rules", names, "names such as 'smoothed_pooling'")
    if not found:
        raise InputError(f"rules must name one of {', '.join(NAMED)}, or be left out")
    for name in found:
        if name not in NAMED:
            hint = nearest_or_listed(name, NAMED, "table", NAMED)
            raise InputError(f"there are no gradient rules {name!r}{hint}")
    return found


def joined(names: Sequence[str], rules: RuleTable) -> RuleTable:
    """Return rules with those of named tables before them, the last one first."""
    for name in names:
        rules = rules | NAMED[name]()
    return rules


def named_rules(*names: str) -> RuleTable:
    """Return overriding gradient rules by name, for `standard_rules() | …`.

    What `render` takes as `rules` by the same names, and a recipe keeps. The tables are

    * `average_pooling`, `smoothed_pooling`: MaxPool's gradient, spread over its windows;
    * `straight_through`: Clip, such as ReLU6, as if it were not there;
    * `linear`: ReLU and its kin as the identity;
    * `redirected`: where a picture has no gradient through a ReLU, it goes through all the same;
    * `guided`, `deconvnet`: ReLU in guided backpropagation and in deconvolutional networks.

    Args:
        names: Of the tables; later ones come before earlier ones.

    Raises:
        InputError: there is none, or no table of a name.
    """
    from .table import RuleTable

    return joined(checked_names(names), RuleTable())
