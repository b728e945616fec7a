"""Published weights as ONNX.

`catalogue` lists what is known by name, `load` gives one of them as a model and `fetch` as a file;
`convert` makes a model of any weights file. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

# Imported here, so that the function of the same name stays: importing a submodule for the first
# time binds it in its package.
from .catalogue import CATALOGUE, Entry

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

__all__ = [
    "Progress",
    "architectures",
    "catalogue",
    "convert",
    "fetch",
    "is_cached",
    "load",
    "path",
]

Progress = Callable[[int, "int | None"], object]
"""Called with the bytes that are there and the bytes in all, `None` where nobody knows."""


def catalogue() -> Mapping[str, Entry]:
    """Return the published weights that are known by name."""
    return CATALOGUE


def architectures() -> Mapping[str, str]:
    """Return the architectures that weights can be converted to, by name, with their titles."""
    from .architectures import ARCHITECTURES

    return {name: architecture.title for name, architecture in ARCHITECTURES.items()}


def is_cached(name: str) -> bool:
    """Return whether `load` works without the network: the weights are in the cache or installed.

    Raises:
        ModelError: the catalogue has no such name.
    """
    from . import conversion

    return conversion.is_available(conversion.entry_of(name))


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download and convert weights of the catalogue, as far as that is not done already.

    Args:
        name: A name of the catalogue.
        progress: Called while a file is downloaded.

    Returns:
        The ONNX file in the cache.

    Raises:
        ModelError: the catalogue has no such name.
        DownloadError: the weights cannot be fetched, or are others than the published ones.
        OutputError: the cache cannot be written.
    """
    from . import conversion

    return conversion.fetch(conversion.entry_of(name), progress)


def path(name: str) -> Path:
    """Return the ONNX file of weights that are here already; nothing is downloaded.

    Raises:
        ModelError: the catalogue has no such name.
        DownloadError: the weights are not here, or are others than the published ones.
        OutputError: the cache cannot be written.
    """
    from . import conversion

    return conversion.fetch(conversion.entry_of(name), offline=True)


def load(name: str, progress: Progress | None = None) -> onnx.ModelProto:
    """Return weights of the catalogue as an ONNX model; see `fetch`."""
    file = fetch(name, progress)

    import onnx

    return onnx.load(file)


def convert(
    weights_path: str | PathLike[str],
    architecture: str | None = None,
    labels: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """Convert a weights file of any kind that is read here.

    Args:
        weights_path: A PyTorch state dict, TensorFlow frozen graph, Caffe model, safetensors file,
            pickle of NumPy arrays, one of Google's Inception archives, or a GoogLeNet of the ONNX
            model zoo.
        architecture: One of `architectures`; recognised from the tensors' names where it is `None`.
        labels: Class names in the order of the logits, instead of those that the file brings.

    Raises:
        ModelError: the file or the architecture is unknown, or they do not fit each other; says
            which tensor is missing or of which shape.
    """
    from . import conversion

    return conversion.convert(weights_path, architecture, labels)
