"""The content of a model file, with a checksum."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .errors import ModelError

_LARGEST_FILE = 2**31 - 1


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
        if path.is_dir():
            raise ModelError(f"{path} is a folder; an ONNX model is a file")
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ModelError(
                    f"{path} has more than 2 GB, which an ONNX file cannot have: its weights would "
                    "be in files beside it"
                )
            with path.open("rb") as file:
                # No message begins with a zero: gigabytes of them need not be read.
                if file.read(1) == b"\0":
                    raise ModelError(
                        f"{path} is not an ONNX model, or truncated; expected an ONNX model file"
                    )
            return ModelFile(path.read_bytes(), path)
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror or error}") from error

    @property
    def origin(self) -> str:
        """What to call it in messages."""
        return "the model" if self.path is None else str(self.path)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content; what lies in files beside it is not in it."""
        return hashlib.sha256(self.data).hexdigest()
