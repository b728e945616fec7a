"""Model files: their content with a checksum; written whole, whatever their size."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ModelError, nearest
from ..files import atomic_path, write_bytes

if TYPE_CHECKING:
    import onnx

_LARGEST_FILE = 2**31 - 1

# So much of a file says what kind it is.
_HEAD = 4096

# Smaller tensors may be shapes and axes, which tools want to see in the model itself.
_SMALL = 1024


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds; whether that is a model is not looked at.

    Attributes:
        data: All bytes.
        path: Where they are from; `None` where they were given.
    """

    data: bytes = field(repr=False)
    path: Path | None = None

    @staticmethod
    def read(path: str | os.PathLike[str]) -> ModelFile:
        """Read a file.

        Raises:
            ModelError: it is missing, cannot be read, or is certainly no model.
        """
        path = Path(path)
        if "\0" in str(path):
            raise ModelError(f"there is no file {str(path)!r}: a path holds no zero byte")
        if path.is_dir():
            raise _no_model(b"", path)
        try:
            with path.open("rb") as file:
                # No message begins with a zero: gigabytes of them need not be read.
                head = file.read(_HEAD)
                if head[:1] == b"\0":
                    raise _no_model(head, path)
            if path.stat().st_size > _LARGEST_FILE:
                raise _too_large(head, path)
            return ModelFile(path.read_bytes(), path)
        except OSError as error:
            near = _nearest_file(path) if isinstance(error, FileNotFoundError) else ""
            raise ModelError(f"cannot read {path}: {error.strerror or error}{near}") from error

    @property
    def origin(self) -> str:
        """What to call it in messages."""
        return "the model" if self.path is None else str(self.path)

    @cached_property
    def sha256(self) -> str:
        """The hash of the content; what lies in files beside it is not in it."""
        return hashlib.sha256(self.data).hexdigest()


def _nearest_file(path: Path) -> str:
    """A clause that suggests files of its folder, where a path leads to none."""
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return f"; there is no folder {path.parent}" if not path.parent.exists() else ""
    close = nearest(path.name, names)
    return close or nearest(path.name, (name for name in names if name.endswith(".onnx")))


def _no_model(head: bytes, path: Path) -> ModelError:
    from .not_onnx import refusal

    return ModelError(refusal(head, path))


def _too_large(head: bytes, path: Path) -> ModelError:
    """Why a file of more than 2 GB is not read: it is of another kind, or cannot be ONNX."""
    from .not_onnx import known_kind

    return ModelError(
        known_kind(head, path)
        or f"{path} has more than 2 GB, which an ONNX file cannot have: its weights would be in "
        "files beside it"
    )


def write_model(
    target: str | os.PathLike[str], model: onnx.ModelProto, limit: int = _LARGEST_FILE
) -> list[Path]:
    """Write a model whole or not at all.

    The weights of a model that is too large for one file are written to a second one beside it,
    called after it with `.data` behind, where every reader of ONNX looks for them.

    Args:
        target: The file.
        model: What to write. Weights that go to a second file are taken out of it.
        limit: How many bytes a file may have.

    Returns:
        The files, the model first.

    Raises:
        OutputError: one cannot be written.
    """
    target = Path(target)
    weights = model.graph.initializer
    # A message of more than 2 GB cannot be serialized, not even to be measured.
    if sum(len(tensor.raw_data) for tensor in weights) <= limit:
        data = model.SerializeToString()
        if len(data) <= limit:
            write_bytes(target, data)
            return [target]
    beside = target.with_name(f"{target.name}.data")
    # Left in reverse order: the model stands there only when its weights do.
    with atomic_path(target) as light, atomic_path(beside) as heavy:
        with heavy.open("wb") as file:
            for tensor in weights:
                _move_out(tensor, file, beside.name)
        light.write_bytes(model.SerializeToString())
        # An older model of that name must not find the new weights.
        target.unlink(missing_ok=True)
    return [target, beside]


def _move_out(tensor: onnx.TensorProto, file: BinaryIO, location: str) -> None:
    """Append a tensor's data to a file, and note where they are."""
    from onnx.external_data_helper import set_external_data

    length = len(tensor.raw_data)
    if length <= _SMALL:
        return
    offset = file.tell()
    file.write(tensor.raw_data)
    set_external_data(tensor, location, offset=offset, length=length)
    tensor.ClearField("raw_data")
