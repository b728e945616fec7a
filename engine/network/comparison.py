"""Is this network the file's? Its values and the file's at a plausible point, found out once.

What was found is kept under the file's checksum, so that a network is compared when it is first
rendered or differentiated on a machine, and not again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ..cache import GraphCache
from ..errors import InputError, UnfaithfulWarning
from ..identity import key_of, library_version
from ..importer.faithfulness import Faithfulness, compare_with_file
from ..importer.opsets import LoadedModel
from ..plain import turned_off
from ..runtime.apart import Feeds
from .inputs.drawing import bound_dimensions, random_array, random_picture
from .inputs.given import as_input
from .inputs.preprocessing import Preprocessing
from .network import Network

VARIABLE = "ONNXSCOPE_COMPARE"
"""The environment variable that turns the comparison off: `off`, `no`, `false` or `0`."""

# Sizes that are tried for what a file leaves open, the first axis and others, until ONNX Runtime
# runs it.
_SIZES = ((1, 8), (1, 32), (1, 224), (1, 1), (8, 8))


def is_on() -> bool:
    """Return whether networks are compared with their files without being asked to."""
    return not turned_off(VARIABLE)


def compare_tensors(
    loaded: LoadedModel,
    *,
    arrays: Mapping[str, npt.ArrayLike] | None = None,
    stored: Feeds | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    cache: GraphCache | None = None,
) -> Faithfulness:
    """Compare a network of any inputs with its file, at random numbers of their types.

    Args:
        loaded: The network.
        arrays: What some inputs are given, by name.
        stored: Values of other inputs, which the network has as constants or weights.
        shapes: Shapes of inputs that the file leaves open; of others several sizes are tried.
        cache: Where it is kept what was found.

    Raises:
        InputError: a given array or shape does not fit its input.
    """
    key = None
    if cache is not None and not arrays and not stored and loaded.original.path is not None:
        given_sizes = {name: list(shape) for name, shape in (shapes or {}).items()}
        key = key_of(
            kind="comparison", sha256=loaded.sha256, shapes=given_sizes, runtime=runtime_versions()
        )
        kept = cache.get(key)
        if kept is not None:
            return Faithfulness.from_json(json.loads(kept))
    inputs = {
        value.name: value
        for value in loaded.model.graph.inputs
        if value.name and value.name not in loaded.model.graph.initializers
    }
    found = Faithfulness(reason="it has no inputs of numbers")
    given = {*(arrays or {}), *(shapes or {})}
    is_open = any(_is_open(value) for name, value in inputs.items() if name not in given)
    for sizes in _SIZES if is_open else _SIZES[:1]:
        point = _point(inputs, arrays or {}, dict(shapes or {}), sizes)
        if isinstance(point, str):
            return Faithfulness(reason=point)
        found = compare_with_file(loaded, point, stored, known=arrays or {})
        if not found.reason:
            break
    if cache is not None and key is not None:
        cache.put(key, json.dumps(found.to_json()).encode())
    return found


def compare_pictures(
    loaded: LoadedModel,
    network: Network,
    preprocessing: Preprocessing,
    size: tuple[int, int],
    planes: int = 3,
) -> Faithfulness:
    """Compare a network that takes pictures with its file, at a random picture.

    Args:
        loaded: The network's graph.
        network: With its input for pictures, and what goes in besides.
        preprocessing: What is done to pictures before.
        size: Height and width in pixels.
        planes: How many there are (see `forms.Form`).
    """
    inputs = {v.name: v for v in loaded.model.graph.inputs if v.name}
    weights = loaded.model.graph.initializers
    picture = network.image.name or ""
    others = ", ".join(n for n in inputs if n not in {picture, *network.inputs, *weights})
    if others:
        return Faithfulness(reason=f"it needs values for its inputs {others}")
    rng = np.random.default_rng(0)
    pictures = [random_picture(rng, *size, planes) for _ in range(network.fixed_batch or 1)]
    prepared = preprocessing.prepare(np.concatenate(pictures))
    dtype = network.image.dtype
    assert dtype is not None  # an input that takes pictures has one
    point = {**network.inputs, picture: prepared.astype(dtype.numpy())}
    return compare_with_file(loaded, point, known=network.inputs)


def warn_of(found: Faithfulness, name: str, stacklevel: int = 2) -> None:
    """Say of which node on a network is another than the file's, or that it does not run.

    Args:
        found: What the comparison gave.
        name: What to call the network.
        stacklevel: As `warnings.warn` takes it, from the caller on.
    """
    if found.departure is not None:
        warnings.warn(
            f"{name} is not what ONNX Runtime makes of the file: {found.departure}; all that comes "
            "behind it is of another network",
            UnfaithfulWarning,
            stacklevel=stacklevel + 1,
        )
    if found.refused:
        warnings.warn(
            f"{name} does not run on the CPU here, nor does what is made of it: {found.refused}",
            UnfaithfulWarning,
            stacklevel=stacklevel + 1,
        )


def _is_open(value: ir.Value) -> bool:
    return value.shape is None or not all(isinstance(dim, int) for dim in value.shape)


def _point(
    inputs: Mapping[str, ir.Value],
    arrays: Mapping[str, npt.ArrayLike],
    shapes: Mapping[str, Sequence[int]],
    sizes: tuple[int, int],
) -> dict[str, np.ndarray] | str:
    """Random inputs with a size for what is open, or why there are none."""
    fixed = {n: as_input(inputs[n], a, shapes.get(n)) for n, a in arrays.items() if n in inputs}
    bound = bound_dimensions(inputs, fixed, {n: s for n, s in shapes.items() if n in inputs})
    rng = np.random.default_rng(0)
    point = dict(fixed)
    for name, value in inputs.items():
        if name in fixed:
            continue
        if value.shape is None and name not in shapes:
            return f"the file does not say how many axes the input {name!r} has"
        shape = shapes.get(name)
        if shape is None:
            shape = [
                dim if isinstance(dim, int) else bound.get(str(dim.value), sizes[min(axis, 1)])
                for axis, dim in enumerate(value.shape or ())
            ]
        try:
            point[name] = random_array(value, shape, bound, rng)
        except InputError as error:
            return str(error)
    return point


def runtime_versions() -> list[str]:
    """Return the versions of ONNX Runtime, without importing it: each may read a file its way."""
    return [library_version(name) for name in ("onnxruntime", "onnxruntime-gpu")]
