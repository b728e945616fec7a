"""From a weights file to an ONNX model, and from a name in the catalogue to either."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DownloadError, ModelError, nearest
from ..graph.metadata import Metadata
from . import cache
from .catalogue import CATALOGUE, Distribution, Entry, entry_of_digest
from .installed import installed_file, installed_labels
from .verification import sha256

# What is converted already is found without what converts and downloads.
if TYPE_CHECKING:
    import onnx

    from .architectures import Architecture, Origin
    from .download import Progress

_UNKNOWN = "unknown"
_UNUSED_CLASSES = (1001, 1008)
"""Labels and outputs of TensorFlow's networks, whose last outputs are unused."""


def entry_of(name: str) -> Entry:
    """Return the catalogue's entry of that name.

    Raises:
        ModelError: there is none; the nearest names are suggested.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        raise ModelError(
            f"the catalogue, which `onnxscope models` lists, has no model {name!r}"
            f"{nearest(name, CATALOGUE)}"
        )
    return entry


def convert(
    path: str | os.PathLike[str],
    architecture: str | None = None,
    labels: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """Convert a weights file, or a GoogLeNet of the ONNX model zoo.

    A file of the catalogue is known by its checksum, wherever it lies and whatever it is called, so
    that the model says where it comes from.

    Args:
        path: The file.
        architecture: The architecture's name; recognised from the tensors' names where it is
            `None`.
        labels: Class names in the order of the logits, instead of those of the file.

    Raises:
        ModelError: the file or the architecture is unknown, or they do not fit each other.
    """
    from .architectures import ARCHITECTURES, Origin

    path = Path(path)
    if architecture is not None and architecture not in ARCHITECTURES:
        raise ModelError(
            f"there is no architecture {architecture!r}{nearest(architecture, ARCHITECTURES)}; "
            f"known are {', '.join(ARCHITECTURES)}"
        )
    try:
        digest = sha256(path) if path.is_file() else ""
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    entry = entry_of_digest(digest) if digest else None
    origin = _origin(entry) if entry is not None else Origin(_UNKNOWN, path.name, _UNKNOWN)
    origin = replace(origin, weights_sha256=digest)
    chosen = None if architecture is None else ARCHITECTURES[architecture]
    model = _converted(path, chosen, origin, labels)
    if labels is not None:
        _check_labels(model, len(labels), path)
    return model


def _check_labels(model: onnx.ModelProto, count: int, path: Path) -> None:
    """See that labels that were given have gone in, and that there is one for each class.

    Raises:
        ModelError: they have not, or there are too few; more do not get as far as this.
    """
    metadata = Metadata.from_props({prop.key: prop.value for prop in model.metadata_props})
    through = metadata.extra.get("through") if metadata is not None else None
    if through is not None:
        raise ModelError(
            f"there are {count} labels, but {path} ends at {through}, before any classes; "
            "leave the labels out"
        )
    classes = model.graph.output[-1].type.tensor_type.shape.dim[-1].dim_value
    if count != classes and (count, classes) != _UNUSED_CLASSES:
        raise ModelError(f"there are {count} labels for {classes} classes of {path}")


def _origin(entry: Entry) -> Origin:
    from .architectures import Origin

    return Origin(entry.dataset, str(entry.source), entry.license, _labels(entry))


def _labels(entry: Entry) -> tuple[str, ...]:
    """Class names from an installed package, where the entry has them from there."""
    source = entry.labels
    return installed_labels(source) if isinstance(source, Distribution) else ()


def _converted(
    path: Path,
    architecture: Architecture | None,
    origin: Origin,
    labels: Sequence[str] | None = None,
) -> onnx.ModelProto:
    from .architectures import ARCHITECTURES
    from .reading import read_weights

    if path.suffix == ".onnx" and path.is_file():
        if architecture is not None and architecture.name != "inception_v1":
            raise ModelError(
                f"{path} is an ONNX file, and {architecture.name} is converted from its weights "
                "alone: give those, or use the file as it is"
            )
        given = origin.labels if labels is None else tuple(labels)
        return _converted_onnx(path, replace(origin, labels=given))
    weights = read_weights(path)
    given = weights.labels or origin.labels if labels is None else tuple(labels)
    origin = replace(origin, labels=given)
    chosen = architecture
    if chosen is None:
        fitting = (one for one in ARCHITECTURES.values() if one.recognises(weights.tensors))
        chosen = next(fitting, None)
    if chosen is None:
        shown = ", ".join(repr(name)[:60] for name in list(weights.tensors)[:4])
        raise ModelError(
            f"{path} ({weights.kind}) holds weights of no known architecture: "
            f"{len(weights.tensors)} tensors such as {shown}; known are {', '.join(ARCHITECTURES)}"
        )
    try:
        return chosen.build(weights.tensors, origin)
    except ModelError as error:
        raise ModelError(f"{path} as {chosen.name}: {error}") from error


def _converted_onnx(path: Path, origin: Origin) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    from .zoo import convert_zoo, is_zoo_googlenet

    try:
        model = onnx.load(path)
    except (DecodeError, OSError, ValueError) as error:
        raise ModelError(f"{path} is a damaged ONNX file: {error}") from error
    if Metadata.from_props({prop.key: prop.value for prop in model.metadata_props}) is not None:
        raise ModelError(f"{path} was converted by onnxscope already; it can be used as it is")
    if not is_zoo_googlenet(model):
        raise ModelError(
            f"{path} is an ONNX model already, and no GoogLeNet of the model zoo; "
            "it can be used as it is"
        )
    try:
        return convert_zoo(model, origin)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def weights_file(entry: Entry, progress: Progress | None = None, *, offline: bool = False) -> Path:
    """Return the entry's weights file, checked; downloaded where it has to be, unless `offline`.

    Raises:
        DownloadError: it cannot be fetched, its distribution is not installed, or it is another
            file than the published one.
    """
    if isinstance(entry.source, Distribution):
        path = installed_file(entry.source)
        entry.expected.check(path)
        return path
    target = cache.weights_path(entry.source.file_name)
    if offline:
        if not target.is_file():
            raise DownloadError(
                f"{entry.name} is not here yet; `onnxscope models fetch {entry.name}` fetches it "
                f"to {target}"
            )
        entry.expected.check(target)
        return target
    from .download import download

    return download(entry.source.url, target, entry.expected, progress)


def is_available(entry: Entry) -> bool:
    """Return whether the weights file is here; its content is not checked.

    A file without any published checksum counts as well.
    """
    if isinstance(entry.source, Distribution):
        try:
            installed_file(entry.source)
        except DownloadError:
            return False
        return True
    return cache.weights_path(entry.source.file_name).is_file()


def fetch(entry: Entry, progress: Progress | None = None, *, offline: bool = False) -> Path:
    """Return the entry as an ONNX file in the cache; downloaded and converted where it has to be.

    With `offline` nothing is downloaded.

    Raises:
        DownloadError: see `weights_file`.
        ModelError: the weights cannot be read.
        OutputError: the cache cannot be written.
    """
    path = weights_file(entry, progress, offline=offline)
    # Class names may come from a package that is installed later.
    weights = sha256(path)
    digest = f"{weights} {' '.join(_labels(entry))}"
    kept = cache.find_converted(entry.name, digest)
    if kept is not None:
        return kept

    from .architectures import ARCHITECTURES

    origin = replace(_origin(entry), weights_sha256=weights)
    model = _converted(path, ARCHITECTURES[entry.architecture], origin)
    return cache.keep_converted(entry.name, digest, model.SerializeToString(deterministic=True))
