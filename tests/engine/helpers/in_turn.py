"""Many small checks of one kind as one test, which names all that fail.

What pytest does around a test takes longer than they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Kind = TypeVar("Kind")


def in_turn(
    kinds: Iterable[Kind], name: Callable[[Kind], str] = str
) -> Callable[[Callable[[Kind], None]], Callable[[], None]]:
    """Make a test of a check, which goes through all kinds.

    Args:
        kinds: What is checked, each by itself; at least one.
        name: What a kind is called where it fails.
    """
    listed = list(kinds)

    def decorated(check: Callable[[Kind], None]) -> Callable[[], None]:
        def test() -> None:
            failed: dict[str, str] = {}
            for kind in listed:
                try:
                    check(kind)
                except AssertionError as error:
                    failed[name(kind)] = str(error)
            assert listed, "nothing is checked"
            assert not failed, "\n".join(f"{kind}: {why}" for kind, why in failed.items())

        test.__name__, test.__doc__, test.__module__ = (
            check.__name__,
            check.__doc__,
            check.__module__,
        )
        return test

    return decorated
