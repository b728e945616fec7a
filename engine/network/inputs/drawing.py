"""Plausible random inputs of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ...errors import InputError, ModelError
from ...graph.advice import called, zero_is_zero
from ...runtime.memory import require_memory
from ..layers.lookups import lookups

# Integers that index nothing known are flags, masks or kinds: these numbers mean something in all.
_FLAGS = 2
# What drawing a picture takes at its peak, for each pixel: measured.
_PICTURE_BYTES = 113
_MOST_INDICES = 1000


def random_picture(
    rng: np.random.Generator, height: int, width: int, planes: int = 3
) -> np.ndarray:
    """Draw noise with the spectrum of photographs, amplitudes falling as 1/f.

    Returns:
        (1, planes, H, W) in [0, 1].

    Raises:
        MemoryShortageError: there is not the memory for it.
    """
    bytes_taken = _PICTURE_BYTES * height * width * planes // 3
    require_memory(bytes_taken, f"a random picture of {height}×{width} pixels")
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    spectrum = np.fft.rfft2(rng.standard_normal((planes, height, width))) / frequency
    noise = np.fft.irfft2(spectrum, (height, width))
    noise = noise - noise.mean()
    picture = 0.5 + 0.2 * noise / max(float(noise.std()), 1e-12)
    return np.asarray(np.clip(picture, 0, 1)[None], np.float32)


def is_real(value: ir.Value) -> bool:
    """Return whether a value holds real numbers."""
    return value.dtype is not None and value.dtype.is_floating_point()


def _dtype(value: ir.Value) -> np.dtype[np.generic]:
    if value.dtype is None:
        raise ModelError(
            f"the model does not say of what type its input {value.name!r} is: declare it in the "
            "file"
        )
    return value.dtype.numpy()


def _dims(value: ir.Value) -> list[int | str | None] | None:
    if value.shape is None:
        return None
    return [dim if isinstance(dim, int) else dim.value for dim in value.shape]


def bound_dimensions(
    inputs: Mapping[str, ir.Value],
    arrays: Mapping[str, npt.ArrayLike],
    shapes: Mapping[str, Sequence[int]],
) -> dict[str, int]:
    """Return open dimensions by name, as far as the given arrays and shapes tell them.

    Args:
        inputs: Of the graph, by name.
        arrays: What some of them are given.
        shapes: Of some of them.

    Raises:
        InputError: a shape does not fit its input or another one.
    """
    bound: dict[str, int] = {}
    given = {name: tuple(shape) for name, shape in shapes.items()}
    given |= {name: np.shape(array) for name, array in arrays.items()}
    for name, shape in given.items():
        declared = _dims(inputs[name])
        if declared is None:
            continue
        if 0 in shape:
            raise InputError(
                f"input {name!r} of shape {shape} is empty, and nothing moves to verify; give "
                "sizes of 1 or more"
            )
        fits = len(declared) == len(shape) and all(
            n > 0 and (not isinstance(dim, int) or dim == n)
            for dim, n in zip(declared, shape, strict=True)
        )
        if not fits:
            raise InputError(
                f"input {name!r} has shape ({_shown(declared)}), not {shape}"
                f"{zero_is_zero(inputs[name])}"
            )
        for dim, n in zip(declared, shape, strict=True):
            if isinstance(dim, str) and bound.setdefault(dim, n) != n:
                raise InputError(
                    f"input {name!r} has {n} along {dim!r}, which is {bound[dim]} elsewhere: give "
                    "shapes in which it is one number"
                )
    return bound


def _shown(dims: Sequence[int | str | None]) -> str:
    return ", ".join("?" if dim is None else str(dim) for dim in dims)


def random_array(
    value: ir.Value,
    shape: Sequence[int] | None,
    bound: Mapping[str, int],
    rng: np.random.Generator,
    examples: int = 1,
) -> np.ndarray:
    """Draw plausible numbers of an input's type: normal ones, indices within their table, flags.

    Args:
        value: The input.
        shape: As given; by default the declared one, of one example.
        bound: Sizes of open dimensions, by name.
        rng: Source of randomness.
        examples: How many there are, where the first axis is open.

    Raises:
        InputError: its shape is open, its type is not one of numbers, or there is not the memory.
    """
    dtype = _dtype(value)
    dims = _random_dims(value, bound, examples) if shape is None else tuple(shape)
    require_memory(math.prod(dims) * (8 + dtype.itemsize), f"the input {value.name!r}")
    if is_real(value):
        return np.asarray(rng.standard_normal(dims)).astype(dtype)
    if value.dtype is ir.DataType.STRING:
        return np.asarray(rng.choice(_words(value), dims), object)
    few_bits = value.dtype is not None and value.dtype.is_integer() and value.dtype.bitwidth < 8
    if dtype.kind not in "iub" and not few_bits:
        raise InputError(
            f"the input {value.name!r} is {value.dtype}, of which no values can be drawn: give "
            f"one, such as {called('inputs')}={{{value.name!r}: array}} "
            f"(--input {value.name}=VALUE)"
        )
    places = _different_places(value, dims, rng) if dtype.kind == "i" else None
    if places is not None:
        return places.astype(dtype)
    return np.asarray(rng.integers(0, _index_range(value), dims)).astype(dtype)


def _different_places(
    value: ir.Value, dims: Sequence[int], rng: np.random.Generator
) -> np.ndarray | None:
    """Draw where ScatterND or ScatterElements writes: at a place for each, or `None` elsewhere.

    Which of two that are written to one place stays is left open by ONNX.
    """
    for node, position in value.uses():
        written = node.inputs[0] if position == 1 else None
        sizes = None if written is None else _dims(written)
        known = [size for size in sizes or () if isinstance(size, int)]
        if sizes is None or len(known) < len(sizes):
            continue
        if node.op_type == "ScatterND" and dims and 0 < dims[-1] <= len(known):
            grid, count = known[: dims[-1]], math.prod(dims[:-1])
            if count <= math.prod(grid):
                drawn = rng.choice(math.prod(grid), count, replace=False)
                return np.stack(np.unravel_index(drawn, grid), -1).reshape(dims)
        if node.op_type == "ScatterElements" and len(dims) == len(known):
            axis = node.attributes.get_int("axis", 0)
            if -len(dims) <= axis < len(dims) and dims[axis] <= known[axis]:
                lines = list(dims)
                lines[axis] = known[axis]
                order = np.argsort(rng.random(lines), axis)
                return np.take(order, range(dims[axis]), axis)
    return None


def _random_dims(value: ir.Value, bound: Mapping[str, int], examples: int) -> tuple[int, ...]:
    declared = _dims(value)
    sizes = [bound.get(dim, dim) if isinstance(dim, str) else dim for dim in declared or ()]
    if sizes and not isinstance(sizes[0], int):
        # The first dimension is how many examples there are.
        sizes[0] = examples
    known = tuple(size for size in sizes if isinstance(size, int))
    if declared is None or len(known) < len(sizes):
        example = ",".join(str(size) if isinstance(size, int) else "8" for size in sizes) or "1,8"
        raise InputError(
            f"the shape ({_shown(declared or ())}) of input {value.name!r} is open; give it, such "
            f"as shapes={{{value.name!r}: ({example})}} (--shape {value.name}={example})"
        )
    return known


def tables_of(value: ir.Value) -> Iterator[tuple[ir.Value, int]]:
    """Yield the tables that a value indexes, each with the number of its entries."""
    for node in lookups(value):
        table = node.inputs[0]
        dims = [] if table is None else _dims(table) or []
        axis = node.attributes.get_int("axis", 0)
        if table is not None and -len(dims) <= axis < len(dims):
            size = dims[axis]
            if isinstance(size, int):
                yield table, size


def require_indices(value: ir.Value, array: np.ndarray) -> None:
    """Refuse indices that are outside of their table.

    Raises:
        InputError: one is.
    """
    for table, size in tables_of(value):
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise InputError(
                f"input {value.name!r} holds {outside.flat[0]}, and the table {table.name!r} that "
                f"it is looked up in has the entries 0 to {size - 1}"
            )


def _words(value: ir.Value) -> list[str]:
    """Texts that the nodes that read an input look up, or one that is empty."""
    lists = ("cats_strings", "keys_strings", "classes_strings")
    known = [
        word
        for node in value.consumers()
        for name in lists
        for word in node.attributes.get_strings(name, ())
    ]
    return list(dict.fromkeys(known)) or [""]


def _index_range(value: ir.Value) -> int:
    """How many different numbers an input of integers may hold."""
    sizes = [size for _, size in tables_of(value)]
    return min([*sizes, _MOST_INDICES]) if sizes else _FLAGS
