"""GraphDef and Caffe files, written by the protobuf library from the formats' field numbers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from onnxscope.errors import ModelError
from onnxscope.models.caffe import is_caffe, read_caffe
from onnxscope.models.graphdef import is_graphdef, read_graphdef

# message -> field -> (number, type); "*" marks repeated fields, "packed" packed ones.
SCHEMA = {
    "Dim": {"size": (1, "int64"), "name": (2, "string")},
    "Shape": {"dim": (2, "Dim*"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "version_number": (3, "int32"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "float* packed"),
        "double_val": (6, "double* packed"),
        "int_val": (7, "int32* packed"),
        "string_val": (8, "bytes*"),
        "int64_val": (10, "int64* packed"),
        "bool_val": (11, "bool* packed"),
        "half_val": (13, "int32* packed"),
    },
    "UnpackedTensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "float_val": (5, "float*"),
        "int_val": (7, "int32*"),
    },
    # The same messages on the wire, with the tensor as bytes that are already written.
    "RawAttr": {"tensor": (8, "bytes")},
    "RawEntry": {"key": (1, "string"), "value": (2, "RawAttr")},
    "RawNode": {"name": (1, "string"), "op": (2, "string"), "attr": (5, "RawEntry*")},
    "RawGraph": {"node": (1, "RawNode*")},
    "Attr": {"s": (2, "bytes"), "type": (6, "int32"), "tensor": (8, "Tensor")},
    "AttrEntry": {"key": (1, "string"), "value": (2, "Attr")},
    "Node": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "string*"),
        "device": (4, "string"),
        "attr": (5, "AttrEntry*"),
        "future": (77, "fixed64"),
    },
    "Graph": {"node": (1, "Node*"), "version": (3, "int32"), "versions": (4, "Dim")},
    "BlobShape": {"dim": (1, "int64* packed")},
    "Blob": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "float* packed"),
        "diff": (6, "float* packed"),
        "shape": (7, "BlobShape"),
        "double_data": (8, "double* packed"),
    },
    "OldLayer": {
        "bottom": (2, "string*"),
        "top": (3, "string*"),
        "name": (4, "string"),
        "type": (5, "int32"),
        "blobs": (6, "Blob*"),
        "blobs_lr": (7, "float*"),
    },
    "Layer": {
        "name": (1, "string"),
        "type": (2, "string"),
        "bottom": (3, "string*"),
        "top": (4, "string*"),
        "blobs": (7, "Blob*"),
    },
    "Net": {
        "name": (1, "string"),
        "layers": (2, "OldLayer*"),
        "input": (3, "string*"),
        "input_dim": (4, "int32*"),
        "layer": (100, "Layer*"),
    },
}


def _messages() -> dict[str, Any]:
    kinds = {
        name.removeprefix("TYPE_").lower(): number
        for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()
    }
    file = descriptor_pb2.FileDescriptorProto(name="weights.proto", package="w", syntax="proto2")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, text) in fields.items():
            kind, _, packed = text.partition(" ")
            label = 3 if kind.endswith("*") else 1
            kind = kind.removesuffix("*")
            made = message.field.add(name=field, number=number, label=label)
            if kind in kinds:
                made.type = kinds[kind]
            else:
                made.type, made.type_name = kinds["message"], f".w.{kind}"
            if packed:
                made.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"w.{name}"))
        for name in SCHEMA
    }


M = _messages()


def _shape(*sizes: int) -> Any:
    return M["Shape"](dim=[M["Dim"](size=size) for size in sizes])


def _node(name: str, tensor: Any, operator: str = "Const") -> Any:
    entries = [
        M["AttrEntry"](key="dtype", value=M["Attr"](type=1)),
        M["AttrEntry"](key="value", value=M["Attr"](tensor=tensor)),
    ]
    return M["Node"](name=name, op=operator, input=["^x"], attr=entries, future=2**63)


def _graph(*nodes: Any) -> bytes:
    return M["Graph"](node=nodes, version=21).SerializeToString()


def _constant(tensor: Any) -> np.ndarray:
    return read_graphdef(_graph(_node("c", tensor)), "file")["c"]


KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7


def test_constants_by_name() -> None:
    tensor = M["Tensor"](dtype=1, tensor_shape=_shape(2, 3, 4), tensor_content=KERNEL.tobytes())
    data = _graph(
        M["Node"](name="input", op="Placeholder"),
        _node("conv2d0_w", tensor),
        M["Node"](name="conv2d0_pre_relu/conv", op="Conv2D", input=["input", "conv2d0_w"]),
        _node("elsewhere", tensor, operator="Variable"),
        _node("mixed/bias", M["Tensor"](dtype=1, tensor_shape=_shape(2), float_val=[1.5, -2])),
    )
    assert is_graphdef(data)
    assert not is_caffe(data)
    tensors = read_graphdef(data, "file")
    assert list(tensors) == ["conv2d0_w", "mixed/bias"]
    np.testing.assert_array_equal(tensors["conv2d0_w"], KERNEL)
    np.testing.assert_array_equal(tensors["mixed/bias"], [1.5, -2])


@pytest.mark.parametrize(
    ("code", "dtype"),
    [
        *((1, "f4"), (2, "f8"), (3, "i4"), (4, "u1"), (5, "i2"), (6, "i1"), (9, "i8")),
        *((10, "?"), (17, "u2"), (19, "f2"), (22, "u4"), (23, "u8")),
    ],
)
def test_types_of_raw_content(code: int, dtype: str) -> None:
    expected = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    read = _constant(
        M["Tensor"](dtype=code, tensor_shape=_shape(2, 3), tensor_content=expected.tobytes())
    )
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": 1, "float_val": [1.5, 2.5, 3.5]}, np.array([1.5, 2.5, 3.5], "f4")),
        ({"dtype": 1, "float_val": [4.25]}, np.array([4.25] * 3, "f4")),
        ({"dtype": 1, "float_val": [1, 2]}, np.array([1, 2, 2], "f4")),
        ({"dtype": 1}, np.zeros(3, "f4")),
        ({"dtype": 2, "double_val": [0.1]}, np.array([0.1] * 3, "f8")),
        ({"dtype": 3, "int_val": [-1, 2, 3]}, np.array([-1, 2, 3], "i4")),
        ({"dtype": 9, "int64_val": [-(2**62)]}, np.array([-(2**62)] * 3, "i8")),
        ({"dtype": 10, "bool_val": [True, False, True]}, np.array([1, 0, 1], "?")),
        ({"dtype": 19, "half_val": [0x3C00, 0xC000, 0x7BFF]}, np.array([1, -2, 65504], "f2")),
        ({"dtype": 19, "half_val": [0x3C00]}, np.array([1, 1, 1], "f2")),
        ({"dtype": 14, "half_val": [0x3F80, 0xC020]}, np.array([1, -2.5, -2.5], "f4")),
    ],
)
def test_values_listed_one_by_one(fields: dict, expected: np.ndarray) -> None:
    read = _constant(M["Tensor"](tensor_shape=_shape(3), **fields))
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": 1, "float_val": [1, 2, 3]}, [1, 2, 3]),
        ({"dtype": 3, "int_val": [1, -2]}, [1, -2, -2]),
    ],
)
def test_listed_values_that_are_not_packed(fields: dict, expected: list[int]) -> None:
    unpacked = M["UnpackedTensor"](tensor_shape=_shape(3), **fields).SerializeToString()
    entry = M["RawEntry"](key="value", value=M["RawAttr"](tensor=unpacked))
    node = M["RawNode"](name="c", op="Const", attr=[entry])
    data = M["RawGraph"](node=[node]).SerializeToString()
    np.testing.assert_array_equal(read_graphdef(data, "file")["c"], expected)


def test_bfloat16_content_and_scalars() -> None:
    content = np.array([0x3F80, 0xC020], "<u2").tobytes()
    read = _constant(M["Tensor"](dtype=14, tensor_shape=_shape(2), tensor_content=content))
    np.testing.assert_array_equal(read, np.array([1, -2.5], np.float32))
    scalar = _constant(M["Tensor"](dtype=3, tensor_shape=_shape(), int_val=[3]))
    assert scalar.shape == ()
    assert scalar == 3


def test_strings_are_passed_over() -> None:
    kept = _node("w", M["Tensor"](dtype=1, tensor_shape=_shape(1), float_val=[1]))
    text = _node("contents", M["Tensor"](dtype=7, string_val=[b"jpeg"]))
    assert list(read_graphdef(_graph(text, kept), "file")) == ["w"]
    with pytest.raises(ModelError, match="without constants"):
        read_graphdef(_graph(text), "file")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": 1, "tensor_content": b"\0" * 11, "sizes": (3,)}, "11 bytes instead of 12"),
        ({"dtype": 1, "tensor_content": b"\0" * 4, "sizes": (2**40,)}, "bytes instead of"),
        ({"dtype": 1, "float_val": [1], "sizes": (2**20, 2**20)}, "lists 1 values"),
        ({"dtype": 1, "float_val": [1, 2, 3], "sizes": (2,)}, "lists 3 values for 2"),
        ({"dtype": 1, "float_val": [1], "sizes": (-1,)}, "has the shape"),
        ({"dtype": 99, "float_val": [1], "sizes": (1,)}, "unknown type 99"),
        ({"dtype": 1, "float_val": [1], "sizes": (1,) * 40}, "has the shape"),
    ],
)
def test_constants_that_cannot_be(fields: dict, message: str) -> None:
    sizes = fields.pop("sizes")
    tracemalloc.start()
    with pytest.raises(ModelError, match=message):
        _constant(M["Tensor"](tensor_shape=_shape(*sizes), **fields))
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


# Caffe


def _blob(array: np.ndarray, legacy: bool) -> Any:
    if legacy:
        padded = (1,) * (4 - array.ndim) + array.shape
        sizes = dict(zip(("num", "channels", "height", "width"), padded, strict=True))
        return M["Blob"](data=array.ravel().tolist(), **sizes)
    return M["Blob"](data=array.ravel().tolist(), shape=M["BlobShape"](dim=array.shape))


CAFFE = {
    "conv1/7x7_s2/0": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv1/7x7_s2/1": np.array([0.5, -1], np.float32),
    "one/0": np.array([[[[3.0]]]], np.float32),
    "one/1": np.array([2.0], np.float32),
    "loss3/classifier/0": np.arange(6, dtype=np.float32).reshape(3, 2),
    "loss3/classifier/1": np.arange(3, dtype=np.float32),
}
KINDS = {"conv1/7x7_s2": "Convolution", "one": "Convolution", "loss3/classifier": "InnerProduct"}


def _caffe(field: str, legacy: bool) -> bytes:
    net = M["Net"](name="GoogleNet")
    for name, kind in KINDS.items():
        blobs = [_blob(CAFFE[f"{name}/{index}"], legacy) for index in range(2)]
        if field == "layer":
            net.layer.add(name=name, type=kind, bottom=["x"], blobs=blobs)
        else:
            number = {"Convolution": 4, "InnerProduct": 14}[kind]
            net.layers.add(name=name, type=number, blobs=blobs, blobs_lr=[1, 2])
    getattr(net, field).add(name="relu", bottom=["x"], top=["y"])
    return net.SerializeToString()


@pytest.mark.parametrize("field", ["layers", "layer"])
@pytest.mark.parametrize("legacy", [True, False])
def test_caffe_of_both_versions_and_shapes(field: str, legacy: bool) -> None:
    data = _caffe(field, legacy)
    assert is_caffe(data)
    assert not is_graphdef(data)
    tensors = read_caffe(data, "file")
    assert list(tensors) == list(CAFFE)
    for name, expected in CAFFE.items():
        assert tensors[name].shape == expected.shape, name
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], expected)


def test_caffe_in_double_precision_and_without_a_name() -> None:
    blob = M["Blob"](double_data=[0.1, 0.2], shape=M["BlobShape"](dim=[2]))
    data = M["Net"](
        input=["data"], input_dim=[1, 3], layer=[M["Layer"](name="a", blobs=[blob])]
    ).SerializeToString()
    assert is_caffe(data)
    np.testing.assert_array_equal(read_caffe(data, "file")["a/0"], [0.1, 0.2])


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ({"data": [1, 2], "num": 1, "channels": 1, "height": 1, "width": 3}, "has 2 values"),
        ({"data": [1, 2], "dims": [2**40]}, "has 2 values"),
        ({"data": [1, 2], "dims": [-1, -2]}, "has the shape"),
        ({"data": [1] * 2, "dims": [1] * 40}, "has the shape"),
    ],
)
def test_caffe_blobs_that_cannot_be(blob: dict, message: str) -> None:
    dims = blob.pop("dims", None)
    shape = {} if dims is None else {"shape": M["BlobShape"](dim=dims)}
    net = M["Net"](layer=[M["Layer"](name="a", blobs=[M["Blob"](**blob, **shape)])])
    with pytest.raises(ModelError, match=message):
        read_caffe(net.SerializeToString(), "file")


def test_caffe_without_weights_or_with_a_name_twice() -> None:
    with pytest.raises(ModelError, match="no layers with weights"):
        read_caffe(M["Net"](name="x").SerializeToString(), "file")
    layer = M["Layer"](name="a", blobs=[_blob(np.ones(2, np.float32), legacy=False)])
    with pytest.raises(ModelError, match="two layers are named 'a'"):
        read_caffe(M["Net"](layer=[layer, layer]).SerializeToString(), "file")


@pytest.mark.parametrize("reader", [read_graphdef, read_caffe])
def test_damage_never_crashes(reader: Any) -> None:
    tensor = M["Tensor"](dtype=1, tensor_shape=_shape(2, 3, 4), tensor_content=KERNEL.tobytes())
    data = _graph(_node("w", tensor)) if reader is read_graphdef else _caffe("layer", legacy=True)
    whole = reader(data, "file").keys()
    for length in range(0, len(data), 3):
        try:
            assert reader(data[:length], "file").keys() <= whole
        except ModelError:
            continue
    random = np.random.default_rng(0)
    for _ in range(1000):
        damaged = bytearray(data)
        for position in random.integers(len(data), size=random.integers(1, 4)):
            damaged[position] = random.integers(256)
        try:
            reader(bytes(damaged), "file")
        except ModelError:
            continue
