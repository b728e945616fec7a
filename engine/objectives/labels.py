"""Classes by the names that people call them."""

from __future__ import annotations

from collections.abc import Sequence


def find_classes(labels: Sequence[str], name: str) -> list[int]:
    """Return the indices of the classes of that name, whole labels and exact case first."""
    wanted = name.strip()
    for fold in (str, str.casefold):
        exact = [i for i, label in enumerate(labels) if fold(label.strip()) == fold(wanted)]
        if exact:
            return exact
    folded = wanted.casefold()
    return [
        i
        for i, label in enumerate(labels)
        if folded in (part.strip() for part in label.casefold().split(","))
    ]
