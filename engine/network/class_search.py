"""Which classes a person means by a word: names that hold it, kinds of things, misspelt names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..errors import spelt_alike

# Of ILSVRC 2012, whose order keeps what WordNet has together: first and last class.
_KINDS = {
    "fish": [(0, 6), (389, 397)],
    "shark": [(2, 4)],
    "bird": [(7, 24), (80, 100), (127, 146)],
    "salamander": [(25, 29)],
    "frog": [(30, 32)],
    "turtle": [(33, 37)],
    "lizard": [(38, 48)],
    "snake": [(52, 68)],
    "spider": [(72, 77)],
    "crab": [(118, 121), (125, 125)],
    "whale": [(147, 148)],
    "dog": [(151, 268)],
    "wolf": [(269, 271)],
    "fox": [(277, 280)],
    "cat": [(281, 285)],
    "big cat": [(286, 293)],
    "bear": [(294, 297)],
    "beetle": [(300, 307)],
    "insect": [(300, 326)],
    "butterfly": [(321, 326)],
    "rabbit": [(330, 332)],
    "ape": [(365, 369)],
    "monkey": [(370, 382)],
    "elephant": [(385, 386)],
    "panda": [(387, 388)],
    "car": [(436, 436), (468, 468), (511, 511), (609, 609), (627, 627), (656, 656), (661, 661),
            (751, 751), (817, 817)],
    "truck": [(555, 555), (569, 569), (675, 675), (717, 717), (864, 864), (867, 867)],
    "boat": [(472, 472), (484, 484), (554, 554), (576, 576), (625, 625), (814, 814), (914, 914)],
    "fruit": [(948, 957)],
    "mushroom": [(947, 947), (991, 997)],
    "flower": [(985, 986)],
}  # fmt: skip
_IMAGENET = {0: "tench", 151: "chihuahua", 281: "tabby", 985: "daisy", 999: "toilet tissue"}
_CLOSE = 0.72


def is_imagenet(labels: Sequence[str]) -> bool:
    """Return whether labels are those of ILSVRC 2012, in its order."""
    return len(labels) == 1000 and all(
        name in labels[index].casefold() for index, name in _IMAGENET.items()
    )


def search_classes(labels: Sequence[str], wanted: str) -> list[int]:
    """Return the classes that a person may mean, in their order; misspelt names the nearest first.

    Of ImageNet's classes a kind of things such as `dog` means all of that kind. Else a word is
    looked for at the beginning of the names' words, then anywhere, then misspelt.

    Args:
        labels: Names of the classes, each perhaps several with commas between them.
        wanted: What is looked for.
    """
    word = " ".join(wanted.casefold().split())
    if not word:
        return []
    kind = _kind(word) if is_imagenet(labels) else []
    beginning = re.compile(rf"(?<!\w){re.escape(word)}")
    named = [index for index, label in enumerate(labels) if beginning.search(label.casefold())]
    whole = [index for index in named if re.search(rf"(?<!\w){re.escape(word)}(?!\w)",
                                                   labels[index].casefold())]  # fmt: skip
    if kind:
        # `cat` is in the names of what is none, and no cat's name begins with it.
        return kind
    if whole or named:
        return whole or named
    inside = [index for index, label in enumerate(labels) if word in label.casefold()]
    return inside or _misspelt(labels, word)


def _kind(word: str) -> list[int]:
    singular = word if word in _KINDS else word.removesuffix("s")
    ranges = _KINDS.get(singular, [])
    return [index for first, last in ranges for index in range(first, last + 1)]


def _misspelt(labels: Sequence[str], word: str) -> list[int]:
    by_name: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        for name in _names(label):
            by_name.setdefault(name, []).append(index)
    close = spelt_alike(word, by_name, 5, _CLOSE)
    return list(dict.fromkeys(index for name in close for index in by_name[name]))


def _names(label: str) -> Iterator[str]:
    for name in label.casefold().split(","):
        if name.strip():
            yield name.strip()
