"""Weights in files beside the model's: read, with the hash of all; what is missing is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from ..errors import ModelError, OutputError
from .model_file import ModelFile, write_model

_LFS = b"version https://git-lfs"


def read_external_data(proto: onnx.ModelProto, file: ModelFile) -> str:
    """Read weights from the files beside the model's, if there are any.

    Returns:
        The hash of all.

    Raises:
        ModelError: such a file is missing, too short or a Git LFS pointer; or the model was given
            as bytes, which lie beside nothing.
    """
    tensors = [tensor for tensor in proto.graph.initializer if uses_external_data(tensor)]
    if not tensors:
        return file.sha256
    if file.path is None:
        location = ExternalDataInfo(tensors[0]).location
        raise ModelError(
            f"the model has weights in another file, {location!r}, which bytes alone do not lead "
            "to: give the model's path, or an onnx.ModelProto as onnx.load(path) gives it"
        )
    try:
        for tensor in tensors:
            _check(tensor, file.path)
        onnx.load_external_data_for_model(proto, str(file.path.parent))
    except ModelError:
        raise
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(f"the external data of {file.path} cannot be read: {error}") from error
    digest = hashlib.sha256(file.data)
    for tensor in proto.graph.initializer:
        digest.update(tensor.raw_data)
    return digest.hexdigest()


def check_apart(target: Path, model: Path) -> None:
    """See that a new file is neither a model's own file nor one with its weights.

    Args:
        target: The new file.
        model: The model's file, which may be gone by now.

    Raises:
        OutputError: it is.
    """
    if not target.exists() or not model.exists():
        return
    if target.samefile(model):
        raise OutputError(f"{target} is the model itself; give the new file another name")
    try:
        data = model.read_bytes()
        # Most files are not even mentioned, and need no parsing.
        if target.name.encode() not in data:
            return
        tensors = onnx.ModelProto.FromString(data).graph.initializer
    except (OSError, DecodeError):
        return
    places = {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
    for place in places:
        beside = model.parent / place
        if beside.exists() and target.samefile(beside):
            raise OutputError(
                f"{target} holds the weights of {model}; give the new file another name"
            )


def write_apart(
    target: Path, model: onnx.ModelProto, source: Path | None, limit: int | None = None
) -> list[Path]:
    """Write a model as `write_model` does, but over none of the files that it was made from.

    Raises:
        OutputError: it cannot be written, or is one of those.
    """
    for file in (target, target.with_name(f"{target.name}.data")):
        if source is not None:
            check_apart(file, source)
    return write_model(target, model) if limit is None else write_model(target, model, limit)


def with_data_inside(model: ir.Model) -> onnx.ModelProto:
    """Return a model as a message that holds the weights, wherever they lie.

    Raises:
        ModelError: their files cannot be read.
    """
    proto = ir.to_proto(model)
    for tensor in proto.graph.initializer:
        if not uses_external_data(tensor):
            continue
        value = model.graph.initializers[tensor.name].const_value
        assert value is not None  # what is written as external data has a place
        try:
            tensor.raw_data = value.tobytes()
        except (OSError, ValueError) as error:
            raise ModelError(f"the weights {tensor.name!r} cannot be read: {error}") from error
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return proto


def check_data_is_there(proto: onnx.ModelProto) -> None:
    """See that a model that was given as an object holds its weights, or leads to them from here.

    Raises:
        ModelError: it does not.
    """
    for tensor in proto.graph.initializer:
        if uses_external_data(tensor) and not Path(ExternalDataInfo(tensor).location).is_file():
            raise ModelError(
                f"the onnx.ModelProto has weights in a file, "
                f"{ExternalDataInfo(tensor).location!r}, that is not in the current folder: give "
                "the model's path, or the ModelProto as onnx.load(path) gives it"
            )


def _check(tensor: onnx.TensorProto, path: Path) -> None:
    """See that a tensor's data are where the model says.

    Raises:
        ModelError: they are not.
    """
    info = ExternalDataInfo(tensor)
    if Path(info.location).is_absolute() or ".." in Path(info.location).parts:
        return  # refused when it is read, whether it is there or not
    beside = path.parent / info.location
    if not beside.is_file():
        raise ModelError(
            f"{path} has its weights in a second file, which is missing: expected "
            f"{beside}{_others(path)}; it keeps the name that it was exported with, and both files "
            "stay together"
        )
    size = beside.stat().st_size
    needed = (info.offset or 0) + (info.length or 0)
    if size >= needed:
        return
    with beside.open("rb") as start:
        pointer = start.read(len(_LFS)) == _LFS
    if pointer:
        raise ModelError(
            f"{beside}, with the weights of {path.name}, is a Git LFS pointer, which stands for a "
            "file that is elsewhere: `git lfs pull` in its folder fetches the file"
        )
    raise ModelError(
        f"{beside}, with the weights of {path.name}, is truncated: it has {size:,} bytes, and "
        f"{tensor.name!r} ends at {needed:,}; fetch the file again"
    )


def _others(path: Path) -> str:
    """A clause about files that may be the one that is missing, under another name."""

    def found() -> Iterator[str]:
        for other in sorted(path.parent.iterdir()):
            if other.suffix in (".data", ".onnx_data", ".weights", ".bin"):
                yield other.name

    try:
        names = list(found())
    except OSError:
        return ""
    return f" (there is {', '.join(names[:3])})" if names else ""
