"""PyTorch's `.pth` files, zip and legacy, read without PyTorch.

Both are a pickle of a state dict, whose tensors refer to storages by key, and the storages' raw
data: members of the zip archive, or what follows the pickles in the legacy format that was written
until 2020. The pickle is read as data (see `unpickling`); tensors stay descriptions until the whole
file is known, and then become views of their storage, once offset, shape and strides are checked
against its real length.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .archives import open_zip, read_member
from .unpickling import Constructor, Global, load_pickle, size, sizes

LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PROTOCOL = 1001
_MAX_PICKLE = 64 << 20
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class _Storage:
    """A run of numbers of one type, or a part of one (`start`, `count`) in old files."""

    key: str
    kind: str
    whole: int
    start: int
    count: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the stored numbers; bfloat16, which NumPy lacks, as 16 bits."""
        return np.dtype({"bfloat16": "u2", "bool": "u1"}.get(self.kind, self.kind))


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _ordered_dict(*arguments: object) -> dict[str | int, object]:
    """Stands for `collections.OrderedDict`, empty or (from Python 2) with a list of pairs."""
    if len(arguments) > 1:
        raise ValueError("more than one argument")
    made: dict[str | int, object] = {}
    pairs = arguments[0] if arguments else ()
    if not isinstance(pairs, list | tuple):
        raise ValueError("something other than a list of pairs")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("something other than a list of pairs")
        if not isinstance(pair[0], str | int):
            raise ValueError(f"a {type(pair[0]).__name__} as a key")
        made[pair[0]] = pair[1]
    return made


def _rebuild_tensor(storage: object, offset: object, shape: object, strides: object) -> _Tensor:
    """Stands for `torch._utils._rebuild_tensor`: describes, and checks against the storage."""
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor without a storage")
    start = size(offset, "the offset")
    dimensions = sizes(shape, "the shape")
    steps = sizes(strides, "the strides")
    if len(dimensions) != len(steps):
        raise ValueError(f"shape {dimensions} but strides {steps}")
    count = math.prod(dimensions)
    reach = sum((n - 1) * step for n, step in zip(dimensions, steps, strict=True))
    # Strides of zero could blow a small storage up to any size; saved weights never need them.
    if count > storage.count or (count and start + reach >= storage.count):
        raise ValueError(
            f"a tensor of shape {dimensions}, strides {steps} and offset {start} does not fit its "
            f"storage of {storage.count} numbers"
        )
    return _Tensor(storage, start, dimensions, steps)


def _rebuild_tensor_v2(
    storage: object, offset: object, shape: object, strides: object, *rest: object
) -> _Tensor:
    """Stands for `torch._utils._rebuild_tensor_v2`; gradient flags and hooks are left aside."""
    if len(rest) > 3:
        raise ValueError("too many arguments")
    return _rebuild_tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: object, *rest: object) -> _Tensor:
    """Stands for `torch._utils._rebuild_parameter`: the tensor itself."""
    if not isinstance(tensor, _Tensor) or len(rest) > 2:
        raise ValueError("a parameter without a tensor")
    return tensor


def _storage_type(*_: object) -> object:
    raise ValueError("storage types are referred to, not called")


_CONSTRUCTORS: Mapping[str, Constructor] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    **{f"torch.{name}": _storage_type for name in _STORAGES},
}


def _persistent_id(identifier: object) -> _Storage:
    """A storage from `('storage', type, key, device, count[, view])`."""
    if not isinstance(identifier, tuple) or not 5 <= len(identifier) <= 6:
        raise ValueError("not a reference to a storage")
    tag, kind, key, _, count = identifier[:5]
    view = identifier[5] if len(identifier) == 6 else None
    name = kind.name.removeprefix("torch.") if isinstance(kind, Global) else ""
    if tag != "storage" or name not in _STORAGES or not isinstance(key, str | int):
        raise ValueError("not a reference to a storage")
    whole = size(count, "the length of a storage")
    start, length = 0, whole
    if view is not None:
        if not isinstance(view, tuple) or len(view) != 3:
            raise ValueError("a damaged view of a storage")
        start, length = size(view[1], "a view's offset"), size(view[2], "a view's length")
        if start + length > whole:
            raise ValueError("a view that reaches beyond its storage")
    return _Storage(str(key), _STORAGES[name], whole, start, length)


def read_torch(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read the tensors of a `.pth` file by their names in the state dict.

    Types stay as they are saved, but bfloat16 becomes float32, exactly. Strided tensors stay views
    of their storage.

    Args:
        data: The file's content, zip or legacy.
        source: The file's name, for messages.

    Raises:
        ModelError: the file is damaged, compressed, or needs more than plain tensors.
    """
    if data.startswith(LEGACY_MAGIC):
        tree, buffers = _read_legacy(data, source)
    else:
        tree, buffers = _read_zip(data, source)
    named = _state_dict(tree, source)
    decoded: dict[tuple[str, str], NDArray[Any]] = {}
    for tensor in named.values():
        storage = tensor.storage
        if (storage.key, storage.kind) not in decoded:
            decoded[storage.key, storage.kind] = _decoded(buffers[storage.key], storage, source)
    return {
        name: _view(decoded[tensor.storage.key, tensor.storage.kind], tensor)
        for name, tensor in named.items()
    }


def _state_dict(tree: object, source: str) -> dict[str, _Tensor]:
    """The named tensors of the file's object, or of the state dict inside of a checkpoint."""
    if not isinstance(tree, dict):
        raise ModelError(f"{source} holds a {type(tree).__name__}; expected a state dict")
    wrapped = [tree[name] for name in _WRAPPERS if isinstance(tree.get(name), dict)]
    state = wrapped[0] if wrapped else tree
    found = {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, _Tensor)
    }
    if not found:
        shown = ", ".join(repr(name)[:60] for name in list(state)[:5]) or "nothing"
        raise ModelError(f"{source} holds no named tensors but {shown}; expected a state dict")
    return found


def _decoded(data: NDArray[np.uint8], storage: _Storage, source: str) -> NDArray[Any]:
    """The whole storage's numbers from its bytes, in this machine's byte order."""
    expected = storage.whole * storage.dtype.itemsize
    if len(data) != expected:
        raise ModelError(
            f"{source} is damaged: storage {storage.key[:60]!r} has {len(data)} bytes instead of "
            f"{expected}"
        )
    # A copy, since data in a legacy file starts at any address.
    numbers: NDArray[Any] = data.copy().view(storage.dtype.newbyteorder("<"))
    if storage.kind == "bfloat16":
        bits: NDArray[np.uint32] = numbers.astype(np.uint32) << np.uint32(16)
        return bits.view(np.float32)
    if storage.kind == "bool":
        return numbers.astype(np.bool_)
    return numbers.astype(storage.dtype, copy=False)


def _view(numbers: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, numbers.dtype)
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.storage.start + tensor.offset :],
        tensor.shape,
        tuple(step * numbers.itemsize for step in tensor.strides),
    )


class _Members(dict[str, NDArray[np.uint8]]):
    """The storages of a zip archive, read when asked for."""

    def __init__(self, archive: zipfile.ZipFile, root: str, source: str, limit: int) -> None:
        super().__init__()
        self._archive = archive
        self._root = root
        self._source = source
        self._left = limit

    def __missing__(self, key: str) -> NDArray[np.uint8]:
        content = self.member(f"data/{key}")
        self[key] = np.frombuffer(content, np.uint8)
        return self[key]

    def member(self, name: str, limit: int | None = None) -> bytes:
        """The content of a member, which PyTorch stores uncompressed.

        All members together can then not hold more than the file, whatever the archive claims.
        """
        try:
            info = self._archive.getinfo(self._root + name)
        except KeyError as error:
            raise ModelError(f"{self._source} is damaged: it lacks {name[:60]!r}") from error
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ModelError(
                f"{self._source} is compressed or encrypted inside, which PyTorch never does"
            )
        most = self._left if limit is None else min(limit, self._left)
        content = read_member(self._archive, info, self._source, most)
        self._left -= len(content)
        return content


def _read_zip(data: bytes, source: str) -> tuple[object, Mapping[str, NDArray[np.uint8]]]:
    archive = open_zip(data, source)
    names = archive.namelist()
    pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"{source} is a zip archive without PyTorch's data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if root + "constants.pkl" in names:
        raise ModelError(f"{source} is a TorchScript program; save its state_dict instead")
    members = _Members(archive, root, source, len(data))
    if root + "byteorder" in names and members.member("byteorder", 16) != b"little":
        raise ModelError(f"{source} is written in big-endian order, which is not read here")
    content = members.member("data.pkl", _MAX_PICKLE)
    return load_pickle(io.BytesIO(content), source, _CONSTRUCTORS, _persistent_id), members


def _read_legacy(data: bytes, source: str) -> tuple[object, Mapping[str, NDArray[np.uint8]]]:
    stream = io.BytesIO(data)
    stream.seek(len(LEGACY_MAGIC))
    protocol = load_pickle(stream, source, {})
    if protocol != _LEGACY_PROTOCOL:
        raise ModelError(f"{source} is of an unknown version of PyTorch's legacy format")
    system = load_pickle(stream, source, {})
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ModelError(f"{source} is written in big-endian order, which is not read here")
    item_sizes: dict[str, int] = {}

    def storage_of(identifier: object) -> _Storage:
        storage = _persistent_id(identifier)
        if item_sizes.setdefault(storage.key, storage.dtype.itemsize) != storage.dtype.itemsize:
            raise ValueError("one storage with two types")
        return storage

    tree = load_pickle(stream, source, _CONSTRUCTORS, storage_of)
    keys = load_pickle(stream, source, {})
    if not isinstance(keys, list):
        raise ModelError(f"{source} is damaged: it lists no storages")
    content = np.frombuffer(data, np.uint8)
    position = stream.tell()
    buffers: dict[str, NDArray[np.uint8]] = {}
    for key in keys:
        if not isinstance(key, str) or key not in item_sizes or key in buffers:
            raise ModelError(f"{source} is damaged: it lists a storage that no tensor uses")
        start = position + 8
        count = int.from_bytes(data[position:start], "little")
        position = start + count * item_sizes[key]
        if position > len(data):
            raise ModelError(
                f"{source} is truncated: storage {key[:60]!r} reaches to byte {position} of a file "
                f"of {len(data)}"
            )
        buffers[key] = content[start:position]
    missing = item_sizes.keys() - buffers.keys()
    if missing:
        raise ModelError(f"{source} is damaged: storage {min(missing)[:60]!r} is missing")
    return tree, buffers
