"""Units from elsewhere: directions in a layer that somebody else has found, by number or name.

Dictionaries are what sparse autoencoders, factorisations, concept vectors and probes leave behind:
one direction for each unit, in the space of a layer's channels.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt

from ..errors import InputError, TargetError, nearest
from ..plain import from_digits, listed, numbers, shown, text, texts
from ..plain import path as a_path
from .algebra import Objective, layer_named
from .directions import Direction, checked_power, whitened
from .places import Place

_COLUMNS = frozenset({"decoder.weight"})
"""What holds directions as columns, as `torch.nn.Linear` has them: (C, D)."""

_ROWS = ("directions", "dictionary", "W_dec", "components", "components_")
"""What may hold directions as rows, (D, C), in the order in which they are looked for."""


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Directions in a layer, each a unit (see `dictionary`).

    `found[17]` and `found["ears"]` are objectives, and `unit` is one with more to say.

    Attributes:
        layer: Layer name.
        vectors: (D, C) float32: D directions.
        names: Of the units, in order; empty where they have none.
        title: What to call it in texts.
    """

    layer: str
    vectors: np.ndarray
    names: tuple[str, ...] = ()
    title: str = "dictionary"

    def __post_init__(self) -> None:
        layer_named(self.layer)
        text("title", self.title, "what to call it in texts")
        vectors = numbers(f"the directions of {self.title}, vectors,", self.vectors, "(D, C)")
        names = _names(self.names)
        if names and len(names) != len(vectors):
            raise InputError(
                f"{self.title} has {len(vectors)} units, and {len(names)} names are given"
            )
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, which: int | str) -> Objective:
        return self.unit(which)

    def __iter__(self) -> Iterator[Objective]:
        return map(self.unit, range(len(self)))

    def unit(
        self,
        which: int | str,
        *,
        cosine: float = 0.0,
        whitening: npt.ArrayLike | None = None,
        **place: Unpack[Place],
    ) -> Objective:
        """Look for a unit: the mean of v·a, as `direction` does.

        Args:
            which: Its number, from 0, or its name.
            cosine: A power of the cosine, as for `direction`.
            whitening: As for `direction`.
            place: Where to look, as for `direction`.

        Raises:
            OnnxscopeError: there is no such unit, or an argument is of another kind.
        """
        at = self.find(which)
        vector = whitened(self.vectors[at], whitening)
        called = f" ({self.names[at]})" if self.names else ""
        name = f"{self.title}:{at}{called}"
        return Direction(self.layer, vector, checked_power(cosine), name, **place)

    def find(self, which: int | str) -> int:
        """Return a unit's number.

        Raises:
            TargetError: there is no such unit, or there are several.
        """
        if isinstance(which, str):
            found = [at for at, name in enumerate(self.names) if name == which]
            if len(found) == 1:
                return found[0]
            if found:
                raise TargetError(
                    f"{len(found)} units of {self.title} are called {which!r}: "
                    f"{', '.join(map(str, found[:6]))}; give the number of one"
                )
            if not which.isdecimal():
                known = "no unit called" if self.names else "no names, and so none called"
                raise TargetError(f"{self.title} has {known} {which!r}{nearest(which, self.names)}")
            which = from_digits("the unit", which, TargetError)
        if isinstance(which, bool) or not isinstance(which, int | np.integer):
            raise TargetError(f"a unit is given by its number or name, not {shown(which)}")
        if not 0 <= which < len(self):
            raise TargetError(
                f"{self.title} has {len(self)} units, 0 to {len(self) - 1}; there is no unit "
                f"{shown(which)}"
            )
        return int(which)


def dictionary(
    source: str | os.PathLike[str] | npt.ArrayLike,
    layer: str,
    *,
    names: Sequence[str] | None = None,
    key: str | None = None,
) -> Dictionary:
    """Take directions that are kept in a file, or given, as units of a layer.

    Such as latents of sparse autoencoders (Bricken et al., *Towards Monosemanticity*, 2023),
    concept vectors (Kim et al., *TCAV*, 2018), or parts of a matrix factorisation.

        features = osc.dictionary("sae.safetensors", "fire5")
        osc.render(model, features.unit(17, cosine=2))

    At the command line, and where a target is text, `fire5@sae.safetensors:17` is one.

    Args:
        source: (D, C), one row for each unit; or a file with it: `.npy`, `.npz`, `.safetensors`, or
            PyTorch's `.pth`, of which nothing is executed.
        layer: The layer whose channels the columns stand for.
        names: Of the units. By default what an `.npz` has as `names`.
        key: What of the file holds the directions. By default the only matrix in it, or what is
            called `directions`, `dictionary`, `W_dec` or `components`; of `decoder.weight`, as
            PyTorch's linear layers have it, (C, D), the columns are taken.

    Raises:
        OnnxscopeError: the file cannot be read, holds no such matrix, or the names do not fit.
    """
    layer_named(layer)
    if key is not None:
        text("key", key, "the name of a matrix in the file")
    title = "dictionary"
    if isinstance(source, str | os.PathLike):
        file = a_path("source", source)
        title = file.name
        found, named = _read(file, key)
        names = named if names is None else names
    elif key is not None:
        raise InputError(f"key={key!r} names a matrix of a file, and source is none: leave key out")
    else:
        found = source
    vectors = numbers(f"the directions of {title}", found, "(D, C)")
    called = () if names is None else _names(names)
    return Dictionary(layer, vectors, called, title)


def _names(names: object) -> tuple[str, ...]:
    """Names of units, as texts; a single text is no list of them."""
    expected = "texts, one for each unit"
    return texts("names", listed("names", names, expected), expected)


def _read(path: Path, key: str | None) -> tuple[npt.ArrayLike, Sequence[str] | None]:
    """The matrix in a file, and the units' names where it has them."""
    arrays = read_arrays(path)
    names = arrays.pop("names", None)
    matrices = {name: array for name, array in arrays.items() if array.ndim == 2}
    if key is None:
        usual = [name for name in (*_ROWS, *_COLUMNS) if name in matrices]
        found = usual or (list(matrices) if len(matrices) == 1 else [])
        if not found:
            held = ", ".join(f"{n} {a.shape}" for n, a in arrays.items()) or "nothing"
            raise InputError(
                f"{path} holds {held}: say with key= which matrix has a direction in each row"
            )
        key = found[0]
    if key not in matrices:
        raise InputError(f"{path} has no matrix {key!r}{nearest(key, matrices)}")
    matrix = matrices[key].T if key in _COLUMNS else matrices[key]
    return matrix, None if names is None else [str(name) for name in names.ravel()]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file, by name; that of an `.npy` is called `directions`.

    Raises:
        OnnxscopeError: it is missing, damaged, or of another kind.
    """
    if path.suffix not in (".npy", ".npz"):
        from ..models.reading import read_weights

        return dict(read_weights(path).tensors)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"directions": loaded}
        with loaded:
            return dict(loaded.items())
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the only array of a file.

    Raises:
        OnnxscopeError: it cannot be read, or has several.
    """
    arrays = read_arrays(Path(path))
    if len(arrays) != 1:
        raise InputError(f"{path} must hold one array, not {', '.join(arrays) or 'none'}")
    return next(iter(arrays.values()))
