"""Kinds of weights files are told by their content."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnxscope.errors import ModelError
from onnxscope.graph import wire
from onnxscope.models.reading import Kind, read_weights


def _field(number: int, content: bytes | str | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    data = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def graphdef(**tensors: np.ndarray) -> bytes:
    nodes = b""
    for name, array in tensors.items():
        shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
        tensor = _field(1, 1) + _field(2, shape) + _field(4, array.astype("<f4").tobytes())
        attribute = _field(1, "value") + _field(2, _field(8, tensor))
        nodes += _field(1, _field(1, name) + _field(2, "Const") + _field(5, attribute))
    return nodes


def caffe(name: str, array: np.ndarray) -> bytes:
    blob = _field(7, b"".join(_field(1, size) for size in array.shape))
    blob += _field(5, array.astype("<f4").tobytes())
    return _field(1, "Net") + _field(100, _field(1, name) + _field(7, blob))


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return target.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
CASES = {
    Kind.GRAPHDEF: (graphdef(w=ARRAY), "w"),
    Kind.CAFFE: (caffe("w", ARRAY), "w/0"),
    Kind.SAFETENSORS: (safetensors.numpy.save({"w": ARRAY}), "w"),
    Kind.NUMPY_PICKLE: (pickle.dumps({"w": [ARRAY]}, 3), "w/0"),
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("suffix", ["", ".pb", ".pth", ".caffemodel", ".safetensors", ".txt"])
def test_the_content_tells_the_kind_whatever_the_name(
    kind: Kind, suffix: str, tmp_path: Path
) -> None:
    data, name = CASES[kind]
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(data)
    weights = read_weights(path)
    assert weights.kind == kind
    assert list(weights.tensors) == [name]
    np.testing.assert_array_equal(weights.tensors[name], ARRAY)
    assert read_weights(str(path)).kind == kind


def test_inception5h_with_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "inception5h.zip"
    path.write_bytes(
        zipped(
            LICENSE=b"...",
            imagenet_comp_graph_label_strings__txt=b"dummy\nkit fox\nEnglish setter\n",
            tensorflow_inception_graph__pb=graphdef(conv2d0_w=ARRAY),
        )
    )
    weights = read_weights(path)
    assert weights.labels == ("dummy", "kit fox", "English setter")
    assert list(weights.tensors) == ["conv2d0_w"]


LABEL_MAP = """
entry {
  target_class: 449
  target_class_string: "n01440764"
}
entry {
  target_class: 2
  target_class_string: "n02100735"
}
"""


def test_inception_2015_with_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "inception-2015-12-05.tgz"
    files = {
        "classify_image_graph_def.pb": graphdef(weights=ARRAY),
        "cropped_panda.jpg": b"jpeg",
        "imagenet_2012_challenge_label_map_proto.pbtxt": LABEL_MAP.encode(),
        "imagenet_synset_to_human_label_map.txt": (
            b"n01440764\ttench, Tinca tinca\nn02100735\tEnglish setter\n"
        ),
    }
    path.write_bytes(tarred(files))
    weights = read_weights(path)
    assert len(weights.labels) == 450
    assert weights.labels[449] == "tench, Tinca tinca"
    assert weights.labels[2] == "English setter"
    assert weights.labels[0] == "dummy"
    assert list(weights.tensors) == ["weights"]
    del files["imagenet_synset_to_human_label_map.txt"]
    path.write_bytes(tarred(files))
    assert read_weights(path).labels == ()


def _onnx() -> bytes:
    text = '<ir_version: 8, opset_import: ["":18]> g (float[1] x) => (float[1] y) {y = Relu(x)}'
    return onnx.parser.parse_model(text).SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\xef\xbb\xbf\n  <HTML><head>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"hello, this is a readme\n", "text file"),
        (json.dumps({"a": 1}).encode(), "text file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (_onnx(), "ONNX model already"),
        (bytes(2000), "no weights file of a known kind"),
        (b"\xfe" + b"\xff" * 2000, "no weights file of a known kind"),
        (zipped(a__txt=b"x"), "a zip archive with 'a.txt'"),
        (zipped(a__pb=b"x", b__pb=b"y"), "2 frozen graphs"),
        (zipped(a__pb=b"<html>"), r"a\.pb is no GraphDef"),
        (zipped(a__pb=graphdef(w=ARRAY), label_strings__txt=b"\xff\xfe"), "damaged label file"),
        (zipped(a__pb=graphdef(w=ARRAY))[:60], "damaged or truncated"),
        (b"PK\x03\x04" + bytes(50), "damaged or truncated"),
        (tarred({"a.txt": b"x"}), "0 frozen graphs"),
        (tarred({"a.pb": graphdef(w=ARRAY)})[:90], "damaged or truncated"),
        (b"\x1f\x8b" + bytes(50), "damaged or truncated"),
        (b"\x80\x03garbage", "damaged"),
        (pickle.dumps(os.getcwd, 4), "getcwd"),
        (safetensors.numpy.save({}), "no tensors"),
        (safetensors.numpy.save({"w": ARRAY})[:-1], "damaged safetensors"),
        ((2).to_bytes(8, "little") + b"{{", "damaged safetensors"),
    ],
)
def test_other_content_says_what_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".pb", ".caffemodel", ".safetensors"])
def test_the_name_breaks_a_tie(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\xff" * 100)
    expected = {".pb": "GraphDef", ".caffemodel": "Caffe", ".safetensors": "safetensors"}
    with pytest.raises(ModelError, match=expected[suffix]):
        read_weights(path)


def test_no_file_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        read_weights(tmp_path / "nothing")
    with pytest.raises(ModelError, match="is a folder"):
        read_weights(tmp_path)
    with pytest.raises(ModelError, match="cannot read"):
        read_weights("a\0b")


def test_files_beyond_any_weights_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # sparse: it takes no room
    with pytest.raises(ModelError, match="more than any weights"):
        read_weights(path)


def test_archives_that_unpack_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    honest = zipped(a__pb=bytes(1000))
    # The directory claims four gigabytes less one for the file.
    at = honest.rindex(b"PK\x01\x02") + 24
    path.write_bytes(honest[:at] + b"\xff\xff\xff\xfe" + honest[at + 4 :])
    with pytest.raises(ModelError, match="too many"):
        read_weights(path)
    info = tarfile.TarInfo("a.pb")
    info.size = 2 << 30
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        archive.fileobj.write(info.tobuf())
    path.write_bytes(target.getvalue())
    with pytest.raises(ModelError, match="unpacks to more"):
        read_weights(path)


def _safetensors(dtype: str, count: int, data: bytes) -> bytes:
    entry = {"dtype": dtype, "shape": [count], "data_offsets": [0, len(data)]}
    header = json.dumps({"w": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_bfloat16_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(_safetensors("BF16", 2, np.array([0x3F80, 0xC020], "<u2").tobytes()))
    read = read_weights(path).tensors["w"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, [1, -2.5])
    path.write_bytes(_safetensors("F8_E4M3", 4, bytes(4)))
    with pytest.raises(ModelError, match="'w' as F8_E4M3, a type that is not read"):
        read_weights(path)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x80", "without an end"),
        (b"\x80" * 11, "more than 64 bits"),
        (b"\x02\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0a\x05ab", "5 bytes where 2"),
        (b"\x0d\x00\x00", "4 bytes where 2"),
    ],
)
def test_wire_damage(message: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError, match=reason):
        list(wire.fields(memoryview(message)))


def test_wire_fields() -> None:
    message = _field(1, 300) + _field(2, b"ab") + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8)
    found = [(number, kind) for number, kind, _ in wire.fields(memoryview(message))]
    assert found == [(1, wire.VARINT), (2, wire.BYTES), (3, wire.FIXED32), (4, wire.FIXED64)]
    assert wire.signed(2**64 - 1) == -1
    assert wire.integers(wire.BYTES, memoryview(b"\xac\x02\x05")) == [300, 5]
