"""Writes `.pth` files opcode by opcode, as PyTorch does or as no sane program would."""

import io
import struct
import zipfile
from dataclasses import dataclass

MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Name:
    """GLOBAL."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """REDUCE of a global, or of anything, with arguments."""

    function: object
    arguments: tuple


@dataclass(frozen=True)
class Built:
    """BUILD."""

    target: object
    state: object


@dataclass(frozen=True)
class Persistent:
    """BINPERSID."""

    identifier: object


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are."""

    opcodes: bytes


def dumps(tree: object) -> bytes:
    return b"\x80\x02" + _emit(tree) + b"."


def _emit(value: object) -> bytes:
    if value is None:
        return b"N"
    if value is True or value is False:
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        if 0 <= value < 256:
            return b"K" + bytes([value])
        length = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([length]) + value.to_bytes(length, "little", signed=True)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_emit, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_emit, value)) + b"e"
    if isinstance(value, dict):
        items = b"".join(_emit(key) + _emit(item) for key, item in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, Name):
        return b"c" + value.module.encode() + b"\n" + value.name.encode() + b"\n"
    if isinstance(value, Call):
        return _emit(value.function) + _emit(value.arguments) + b"R"
    if isinstance(value, Built):
        return _emit(value.target) + _emit(value.state) + b"b"
    if isinstance(value, Persistent):
        return _emit(value.identifier) + b"Q"
    if isinstance(value, Raw):
        return value.opcodes
    raise TypeError(type(value))


ORDERED_DICT = Name("collections", "OrderedDict")
REBUILD = Name("torch._utils", "_rebuild_tensor_v2")


def storage(key: str, kind: str, count: object, *view: object) -> Persistent:
    return Persistent(("storage", Name("torch", f"{kind}Storage"), key, "cpu", count, *view))


def tensor(source: object, shape: object, strides: object, offset: object = 0) -> Call:
    """`_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`."""
    return Call(REBUILD, (source, offset, shape, strides, False, Call(ORDERED_DICT, ())))


def parameter(of: object) -> Call:
    return Call(Name("torch._utils", "_rebuild_parameter"), (of, True, Call(ORDERED_DICT, ())))


def state_dict(items: dict) -> Built:
    """An OrderedDict with the attribute that PyTorch hangs on it."""
    pairs = b"".join(_emit(key) + _emit(value) for key, value in items.items())
    made = Raw(_emit(Call(ORDERED_DICT, ())) + b"(" + pairs + b"u")
    return Built(made, {"_metadata": Call(ORDERED_DICT, ())})


def zip_file(
    tree: object,
    storages: dict[str, bytes],
    *,
    compression: int = zipfile.ZIP_STORED,
    extra: dict[str, bytes] | None = None,
    root: str = "archive/",
) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        archive.writestr(f"{root}data.pkl", dumps(tree))
        for key, content in storages.items():
            archive.writestr(f"{root}data/{key}", content)
        for name, content in (extra or {"version": b"3\n"}).items():
            archive.writestr(f"{root}{name}", content)
    return target.getvalue()


def legacy_file(
    tree: object,
    storages: dict[str, tuple[int, bytes]],
    *,
    protocol: int = 1001,
    little_endian: bool = True,
) -> bytes:
    """The storages come as their count of numbers and their bytes."""
    system = {
        "protocol_version": protocol,
        "little_endian": little_endian,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    parts = [dumps(MAGIC), dumps(protocol), dumps(system), dumps(tree), dumps(list(storages))]
    for count, content in storages.values():
        parts += [struct.pack("<q", count), content]
    return b"".join(parts)
