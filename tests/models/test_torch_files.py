"""PyTorch's files, read without PyTorch; both formats, and files that wish harm."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch_writer as torch
from onnxscope.errors import ModelError
from onnxscope.models.torch_files import LEGACY_MAGIC, read_torch

NUMBERS = np.arange(24, dtype=np.float32) - 3.5


def _written(form: str, tree: object, storages: dict[str, np.ndarray]) -> bytes:
    if form == "zip":
        return torch.zip_file(tree, {key: data.tobytes() for key, data in storages.items()})
    return torch.legacy_file(
        tree, {key: (data.size, data.tobytes()) for key, data in storages.items()}
    )


def _read_one(form: str, tensor: object, storages: dict[str, np.ndarray]) -> np.ndarray:
    return read_torch(_written(form, torch.state_dict({"w": tensor}), storages), "file")["w"]


both = pytest.mark.parametrize("form", ["zip", "legacy"])


def test_the_writer_writes_the_magic_that_the_reader_knows() -> None:
    assert torch.legacy_file({}, {}).startswith(LEGACY_MAGIC)


@both
def test_names_shapes_and_values(form: str) -> None:
    source = torch.storage("0", "Float", 24)
    tree = torch.state_dict(
        {
            "conv.weight": torch.tensor(source, (2, 3, 2, 2), (12, 4, 2, 1)),
            "conv.bias": torch.parameter(torch.tensor(torch.storage("1", "Float", 2), (2,), (1,))),
            "bn.num_batches_tracked": torch.tensor(torch.storage("2", "Long", 1), (), ()),
        }
    )
    storages = {
        "0": NUMBERS,
        "1": np.array([1.5, -2], np.float32),
        "2": np.array([7], np.int64),
    }
    tensors = read_torch(_written(form, tree, storages), "file")
    assert list(tensors) == ["conv.weight", "conv.bias", "bn.num_batches_tracked"]
    np.testing.assert_array_equal(tensors["conv.weight"], NUMBERS.reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(tensors["conv.bias"], [1.5, -2])
    assert tensors["bn.num_batches_tracked"].shape == ()
    assert tensors["bn.num_batches_tracked"] == 7
    assert {array.dtype for array in tensors.values()} == {np.dtype("f4"), np.dtype("i8")}


@both
def test_strides_offsets_and_shared_storages(form: str) -> None:
    shared = torch.storage("0", "Float", 24)
    tree = torch.state_dict(
        {
            "transposed": torch.tensor(shared, (6, 4), (1, 6)),
            "part": torch.tensor(shared, (2, 3), (6, 2), 5),
            "empty": torch.tensor(shared, (0, 3), (3, 1)),
        }
    )
    tensors = read_torch(_written(form, tree, {"0": NUMBERS}), "file")
    np.testing.assert_array_equal(tensors["transposed"], NUMBERS.reshape(4, 6).T)
    np.testing.assert_array_equal(tensors["part"], [NUMBERS[5:10:2], NUMBERS[11:16:2]])
    assert tensors["empty"].shape == (0, 3)


@both
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("Double", "f8"),
        ("Half", "f2"),
        ("Long", "i8"),
        ("Int", "i4"),
        ("Short", "i2"),
        ("Char", "i1"),
        ("Byte", "u1"),
        ("Bool", "?"),
    ],
)
def test_types_stay(form: str, kind: str, dtype: str) -> None:
    data = np.array([0, 1, 1, 0, 1], dtype)
    read = _read_one(form, torch.tensor(torch.storage("k", kind, 5), (5,), (1,)), {"k": data})
    assert read.dtype == data.dtype
    np.testing.assert_array_equal(read, data)


@both
def test_bfloat16_becomes_float32_exactly(form: str) -> None:
    values = np.array([1, -2.5, 3.0e38, 0, np.inf, 2.0**-130], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    read = _read_one(form, torch.tensor(torch.storage("0", "BFloat16", 6), (6,), (1,)), {"0": bits})
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.view(np.uint32), bits.astype(np.uint32) << 16)


@both
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_gives_its_state_dict(form: str, wrapper: str) -> None:
    weights = torch.state_dict({"w": torch.tensor(torch.storage("0", "Float", 24), (24,), (1,))})
    tree = {"epoch": 90, "best": None, "names": ["a"], "optimizer": {0: {}}, wrapper: weights}
    assert list(read_torch(_written(form, tree, {"0": NUMBERS}), "file")) == ["w"]


def test_views_of_storages_in_old_files() -> None:
    view = torch.storage("0", "Float", 24, ("v", 4, 6))
    read = _read_one("legacy", torch.tensor(view, (5,), (1,), 1), {"0": NUMBERS})
    np.testing.assert_array_equal(read, NUMBERS[5:10])
    beyond = torch.storage("0", "Float", 24, ("v", 20, 6))
    with pytest.raises(ModelError, match="beyond its storage"):
        _read_one("legacy", torch.tensor(beyond, (5,), (1,)), {"0": NUMBERS})


@both
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((25,), (1,), 0),
        ((24,), (1,), 1),
        ((2, 2), (24, 1), 0),
        ((10**6, 10**6), (0, 0), 0),  # no bytes, but a terabyte once copied
        ((3,), (-1,), 2),
        ((2**62, 4), (4, 1), 0),
        ((2**70,), (1,), 0),
        ((-1,), (1,), 0),
        ((2, 3), (1,), 0),
        ((2,), (1,), -1),
        ((2,), (1,), None),
        ((True,), (1,), 0),
        ("ab", (1, 1), 0),
        ((1,) * 33, (1,) * 33, 0),
    ],
)
def test_tensors_that_do_not_fit_their_storage(
    form: str, shape: object, strides: object, offset: object
) -> None:
    tensor = torch.tensor(torch.storage("0", "Float", 24), shape, strides, offset)
    with pytest.raises(ModelError, match=r"_rebuild_tensor_v2 with arguments that do not fit"):
        _read_one(form, tensor, {"0": NUMBERS})


@both
@pytest.mark.parametrize("count", [23, 25, 2**40, 2**62])
def test_storages_of_another_length_than_claimed(form: str, count: int) -> None:
    tree = torch.state_dict({"w": torch.tensor(torch.storage("0", "Float", count), (2,), (1,))})
    if form == "zip":
        data = torch.zip_file(tree, {"0": NUMBERS.tobytes()})
    else:
        data = torch.legacy_file(tree, {"0": (count, NUMBERS[:23].tobytes())})
        if count == 23:
            data = torch.legacy_file(tree, {"0": (22, NUMBERS[:22].tobytes())})
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"damaged|truncated"):
        read_torch(data, "file")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@both
@pytest.mark.parametrize(
    "identifier",
    [
        None,
        (),
        ("storage",),
        ("module", torch.Name("torch", "FloatStorage"), "0", "cpu", 24),
        ("storage", "FloatStorage", "0", "cpu", 24),
        ("storage", torch.Name("torch", "FloatStorage"), "0", "cpu", -24),
        ("storage", torch.Name("torch", "FloatStorage"), "0", "cpu", 24, ("v", 1)),
        ("storage", torch.Name("torch", "FloatStorage"), ["0"], "cpu", 24),
        ("storage", torch.ORDERED_DICT, "0", "cpu", 24),
    ],
)
def test_damaged_references_to_storages(form: str, identifier: object) -> None:
    with pytest.raises(ModelError, match="damaged reference"):
        _read_one(form, torch.tensor(torch.Persistent(identifier), (2,), (1,)), {"0": NUMBERS})


@both
@pytest.mark.parametrize(
    "call",
    [
        torch.Call(torch.REBUILD, ()),
        torch.Call(torch.REBUILD, (None, 0, (), ())),
        torch.Call(torch.REBUILD, (1, 2, 3, 4, 5, 6, 7, 8, 9)),
        torch.Call(torch.Name("torch._utils", "_rebuild_parameter"), ("w", True, None)),
        torch.Call(torch.ORDERED_DICT, (5,)),
        torch.Call(torch.ORDERED_DICT, ([["a"]],)),
        torch.Call(torch.ORDERED_DICT, ([[("a",), 1]],)),
        torch.Call(torch.ORDERED_DICT, ([], [])),
        torch.Call(torch.Name("torch", "FloatStorage"), (2**40,)),
    ],
)
def test_allowed_names_with_hostile_arguments(form: str, call: object) -> None:
    with pytest.raises(ModelError, match="arguments that do not fit"):
        read_torch(_written(form, {"w": call}, {}), "file")


def test_pairs_of_python_2() -> None:
    pairs = [["w", torch.tensor(torch.storage("0", "Float", 24), (24,), (1,))]]
    tree = torch.Call(torch.ORDERED_DICT, (pairs,))
    assert list(read_torch(_written("legacy", tree, {"0": NUMBERS}), "file")) == ["w"]


@both
@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "no named tensors"),
        ({"epoch": 3}, "'epoch'.*expected a state dict"),
        ([1, 2], "holds a list"),
        (None, "holds a NoneType"),
        ({"state_dict": {}}, "no named tensors"),
    ],
)
def test_files_without_weights(form: str, tree: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_torch(_written(form, tree, {}), "file")


def _valid(form: str) -> bytes:
    tree = torch.state_dict(
        {
            "w": torch.tensor(torch.storage("0", "Float", 24), (4, 6), (6, 1)),
            "b": torch.tensor(torch.storage("1", "Half", 5), (5,), (1,)),
        }
    )
    return _written(form, tree, {"0": NUMBERS, "1": np.arange(5, dtype=np.float16)})


@both
def test_truncated_anywhere(form: str) -> None:
    data = _valid(form)
    for length in range(0, len(data), 7):
        with pytest.raises(ModelError):
            read_torch(data[:length], "file")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # of pickletools, on damaged text
@both
def test_flipped_bytes_never_crash(form: str) -> None:
    data = bytearray(_valid(form))
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(data)
        for position in random.integers(len(data), size=random.integers(1, 4)):
            damaged[position] = random.integers(256)
        try:
            read_torch(bytes(damaged), "file")
        except ModelError:
            refused += 1
    assert refused > 300


def test_big_endian_files_are_refused() -> None:
    tree = torch.state_dict({"w": torch.tensor(torch.storage("0", "Float", 24), (24,), (1,))})
    with pytest.raises(ModelError, match="big-endian"):
        read_torch(torch.legacy_file(tree, {}, little_endian=False), "file")
    storages = {"0": NUMBERS.tobytes()}
    with pytest.raises(ModelError, match="big-endian"):
        read_torch(torch.zip_file(tree, storages, extra={"byteorder": b"big"}), "file")
    assert read_torch(torch.zip_file(tree, storages, extra={"byteorder": b"little"}), "file")


def test_legacy_files_of_another_protocol() -> None:
    with pytest.raises(ModelError, match="unknown version"):
        read_torch(torch.legacy_file({}, {}, protocol=1002), "file")


def test_legacy_storages_missing_or_superfluous() -> None:
    tree = torch.state_dict({"w": torch.tensor(torch.storage("0", "Float", 24), (24,), (1,))})
    with pytest.raises(ModelError, match="'0' is missing"):
        read_torch(torch.legacy_file(tree, {}), "file")
    with pytest.raises(ModelError, match="no tensor uses"):
        read_torch(torch.legacy_file(tree, {"1": (1, b"\0" * 4)}), "file")


def test_zip_storages_missing() -> None:
    tree = torch.state_dict({"w": torch.tensor(torch.storage("7", "Float", 24), (24,), (1,))})
    with pytest.raises(ModelError, match="lacks 'data/7'"):
        read_torch(torch.zip_file(tree, {}), "file")


@pytest.mark.slow
def test_zip_bombs_are_not_unpacked() -> None:
    count = 1 << 26
    tree = torch.state_dict({"w": torch.tensor(torch.storage("0", "Byte", count), (count,), (1,))})
    data = torch.zip_file(tree, {"0": bytes(count)}, compression=zipfile.ZIP_DEFLATED)
    assert len(data) < count // 500
    tracemalloc.start()
    with pytest.raises(ModelError, match="compressed"):
        read_torch(data, "file")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_zip_members_that_overlap_cannot_multiply() -> None:
    """Many names for the same stored bytes, as in the bombs that need no compression."""
    names = [str(index) for index in range(40)]
    block = np.arange(1 << 14, dtype=np.float32)
    tensors = {
        name: torch.tensor(torch.storage(name, "Float", block.size), (block.size,), (1,))
        for name in names
    }
    target = io.BytesIO(torch.zip_file(torch.state_dict(tensors), {"0": block.tobytes()}))
    with zipfile.ZipFile(target, "a") as archive:
        first = archive.getinfo("archive/data/0")
        for name in names[1:]:
            info = zipfile.ZipInfo(f"archive/data/{name}")
            info.header_offset = first.header_offset
            info.file_size = info.compress_size = first.file_size
            info.CRC = first.CRC
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
        archive._didModify = True
    with pytest.raises(ModelError, match=r"too many|Overlapped"):  # newer zipfile sees it first
        read_torch(target.getvalue(), "file")


def test_torchscript_and_other_archives() -> None:
    data = torch.zip_file({}, {}, extra={"constants.pkl": b"", "code/x.py": b""})
    with pytest.raises(ModelError, match="TorchScript"):
        read_torch(data, "file")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match=r"without PyTorch's data\.pkl"):
        read_torch(target.getvalue(), "file")
