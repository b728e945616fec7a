"""Files that are no ONNX model: each is told by what it holds, with the way to a model."""

from __future__ import annotations

import io
import pickle
import re
import shlex
import struct
import zipfile
import zlib

import numpy as np
import onnx
import onnx_ir as ir
import onnxscope as osc
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscope.cli.app import app
from onnxscope.errors import ModelError
from onnxscope.importer.not_onnx import refusal
from onnxscope.models.catalogue import Distribution
from onnxscope.models.conversion import entry_of
from onnxscope.models.installed import installed_file
from onnxscope.models.reading import read_weights
from typer.testing import CliRunner


def network() -> onnx.ModelProto:
    kernel = numpy_helper.from_array(np.arange(600, dtype=np.float32).reshape(200, 3, 1, 1), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 200, 8, 8])],
        [kernel],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    proto.producer_name = "a test"
    return proto


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Short fields of Protocol Buffers."""

    def varint(number: int) -> bytes:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits[-1] |= 0x80
            digits.append(number & 0x7F)
        return bytes(digits)

    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


NODES = (
    message((1, b"input"), (2, b"Placeholder")),
    message((1, b"conv"), (2, b"Conv2D"), (3, b"input")),
    message((1, b"softmax"), (2, b"Softmax"), (3, b"conv")),
)
GRAPH_DEF = message(*((1, node) for node in NODES))
TORCH = {"archive__data_dot_pkl": pickle.dumps({"conv.weight": 1}), "archive__version": b"3"}
KERAS = {"config_dot_json": b"{}", "model_dot_weights_dot_h5": b"", "metadata_dot_json": b"{}"}

KINDS = {
    "pth": (zipped(**TORCH), "a file of PyTorch's", "torch.onnx.export(model.eval()"),
    "ckpt": (
        zipped(archive__data_dot_pkl=pickle.dumps({"pytorch-lightning_version": "2"})),
        "a checkpoint of PyTorch Lightning",
        "torch.onnx.export(model.eval()",
    ),
    "pt": (
        zipped(m__data_dot_pkl=pickle.dumps("ultralytics.nn.tasks")),
        "ultralytics' YOLO",
        "`yolo export model=",
    ),
    "torchscript": (
        zipped(**TORCH, archive__code____torch_dot_py=b""),
        "a TorchScript network",
        "torch.jit.load('",
    ),
    "pt2": (
        zipped(serialized_exported_program_dot_json=b"{}"),
        "a program of torch.export",
        "torch.export.load('",
    ),
    "safetensors": (struct.pack("<Q", 2) + b"{}", "a safetensors file", "onnxscope convert "),
    "h5": (b"\x89HDF\r\n\x1a\n" + b"..model_config..", "an HDF5 file", "keras.models.load_model('"),
    "weights.h5": (
        b"\x89HDF\r\n\x1a\n" + b"..keras_version..",
        "weights of Keras and no network",
        "model.load_weights('",
    ),
    "keras": (zipped(**KERAS), "a network of Keras", "keras.models.load_model('"),
    "tflite": (
        b"\x1c\0\0\0TFL3" + bytes(40),
        "a TensorFlow Lite model",
        "tf2onnx.convert --tflite",
    ),
    "pb": (GRAPH_DEF, "a frozen graph", "--inputs input:0 --outputs softmax:0"),
    "saved_model.pb": (
        message((1, 1), (2, message((1, b"meta"), (2, GRAPH_DEF)))),
        "a SavedModel",
        "tf2onnx.convert --saved-model ",
    ),
    "mlmodel": (message((1, 4), (2, b"x"), (500, b"x")), "a Core ML model", "original network"),
    "engine": (b"ftrt" + bytes(range(90)), "a TensorRT engine", "the ONNX file that it was built"),
    "ort": (b"\x20\0\0\0ORTM" + bytes(40), "ONNX Runtime's own format", "the ONNX file"),
    "caffemodel": (
        message((1, b"net"), (100, message((1, b"data")))),
        "a model of Caffe",
        "convert",
    ),
    "pkl": (b"\x80\x04\x95csklearn.svm\nSVC" + bytes(9), "scikit-learn", "skl2onnx.to_onnx(joblib"),
    "joblib": (zlib.compress(b"a model of somebody's"), "as joblib writes it", "skl2onnx"),
    "other.pkl": (pickle.dumps({"a": 1}), "a pickle", "skl2onnx"),
    "gguf": (b"GGUF\3" + bytes(40), "a GGUF file", "original network"),
    "xml": (b'<?xml version="1.0"?>\n<net name="n" version="11">', "of OpenVINO", "built from"),
    "param": (b"7767517\n75 83\nInput data 0 1\n", "a network of ncnn", "built from"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a Git LFS pointer",
        "`git lfs pull`",
    ),
    "html": (b"\n<!DOCTYPE html><html><head>", "a web page", "the file itself"),
    "error": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied",
        "the error that a server gave",
        "again",
    ),
    "zip": (zipped(models__m_dot_onnx=b"x"), "with 'models/m.onnx' in it", "give that file"),
    "broken.zip": (zipped(a=b"x")[:20], "a damaged or truncated zip archive", "again"),
    "npz": (zipped(a_dot_npy=b"x"), "arrays of NumPy", "the network's ONNX file"),
    "npy": (b"\x93NUMPY\1\0" + bytes(40), "an array of NumPy", "--input NAME=FILE.npy"),
    "gz": (b"\x1f\x8b\x08" + bytes(40), "compressed with gzip", "gunzip"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture", "the model first"),
    "empty": (b"", "empty", "again"),
    "txt": (b"I am text, not a model.\n" * 9, "a text file", "expected an ONNX model file"),
    "textproto": (b'ir_version: 8\nproducer_name: "x"\n', "as text", 'format="textproto"'),
    "json": (b'{\n  "irVersion": "8",\n', "written as JSON", 'format="json"'),
    "proto": (message((1, 8), (2, b"nobody")), "it holds no graph", "expected an ONNX model file"),
    "bytes": (bytes(range(256)), "not an ONNX model, or truncated", "expected an ONNX model file"),
    "zeros": (bytes(100), "not an ONNX model, or truncated", "expected an ONNX model file"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_told_by_what_it_holds(tmp_path, kind):
    content, what, way = KINDS[kind]
    # A name says nothing: people rename files.
    for name in (f"net.{kind}", "net.onnx"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            osc.load(str(path))
        sentence = str(caught.value)
        assert sentence.startswith(f"{path} is ")
        assert what in sentence
        assert way in sentence
        assert "{" not in sentence.replace("{}", "")
        assert "\n" not in sentence
    with pytest.raises(ModelError, match=r"^the model is "):
        osc.load(content)


def test_what_a_message_writes_is_not_what_it_reads(tmp_path):
    """Following advice overwrites nothing, whatever the file is called."""
    for kind, (content, _, _) in KINDS.items():
        path = tmp_path / "my net.onnx"
        path.write_bytes(content)
        for written in re.findall(r"(?:-o|--output) ('[^']*'|\S+?)`", refusal(content, path)):
            assert shlex.split(written) != [str(path)], kind


def test_the_advice_to_convert_works(tmp_path, monkeypatch):
    """What the message says to type makes a model of the weights of a known architecture."""
    source = entry_of("squeezenet").source
    assert isinstance(source, Distribution)
    path = tmp_path / "my weights.pth"
    path.write_bytes(installed_file(source).read_bytes())
    with pytest.raises(ModelError) as caught:
        osc.load(path)
    advice = re.search(r"`onnxscope (convert [^`]*)`", str(caught.value))
    assert advice
    result = CliRunner().invoke(app, shlex.split(advice[1]))
    assert result.exit_code == 0, result.output
    assert osc.load(path.with_suffix(".onnx")).metadata.architecture == "squeezenet"


@pytest.mark.parametrize("kind", ["h5", "keras", "tflite", "engine", "lfs", "html"])
def test_convert_tells_other_kinds_alike(tmp_path, kind):
    content, what, way = KINDS[kind]
    path = tmp_path / "net.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    assert what in str(caught.value)
    assert way in str(caught.value)


def test_a_text_model_becomes_one_as_the_message_says(tmp_path):
    for kind in ("textproto", "json"):
        path = tmp_path / f"net.{kind}.onnx"
        onnx.save(network(), path, format=kind)
        with pytest.raises(ModelError) as caught:
            osc.load(path)
        line = str(caught.value).partition("in Python: ")[2]
        exec(line, {"onnx": onnx})  # what a user would paste
        (written,) = tmp_path.glob(f"net.{kind}.converted.onnx")
        assert osc.load(written, input_range=(0, 1)).layer_names == ["y"]


def test_a_truncated_model_says_where_it_ends(tmp_path):
    data = network().SerializeToString()
    path = tmp_path / "net.onnx"
    for length in (len(data) - 100, len(data) // 2):
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match=r"is an ONNX model that is truncated: it ends within"):
            osc.load(path)


def test_folders(tmp_path):
    for names, what in (
        (("saved_model.pb",), f"SavedModel of TensorFlow: `python -m tf2onnx.convert .*{tmp_path}"),
        (("Manifest.json", "Data"), "Core ML"),
        (("config.json", "model.safetensors"), "optimum-cli export onnx --model "),
        (("b.onnx", "a.onnx", "x.txt"), r"give the file in it, \S+a.onnx or \S+b.onnx"),
        ((), "is a folder: an ONNX model is a file"),
    ):
        folder = tmp_path / f"net{len(names)}{''.join(names)[:4]}"
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(b"")
        with pytest.raises(ModelError, match=what):
            osc.load(folder)


def beside(folder) -> onnx.ModelProto:
    path = folder / "net.onnx"
    onnx.save(
        network(), path, save_as_external_data=True, location="net.onnx.data", size_threshold=0
    )
    return onnx.load(path, load_external_data=False)


def test_missing_external_data_are_named(tmp_path):
    proto = beside(tmp_path)
    data = tmp_path / "net.onnx.data"
    for source in (proto, proto.SerializeToString()):
        with pytest.raises(ModelError, match=r"'net.onnx.data'.* give the model's path"):
            osc.load(source, input_range=(0, 1))
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(
        ModelError, match=r"is truncated: it has 2,399 bytes, and 'w' ends at 2,400"
    ):
        osc.load(tmp_path / "net.onnx")
    data.write_bytes(KINDS["lfs"][0])
    with pytest.raises(ModelError, match=r"net.onnx.data, with the weights .* Git LFS pointer"):
        osc.load(tmp_path / "net.onnx")
    data.rename(tmp_path / "other.data")
    with pytest.raises(ModelError) as caught:
        osc.load(tmp_path / "net.onnx")
    assert f"missing: expected {data} (there is other.data)" in str(caught.value)


def test_an_object_that_knows_where_its_weights_are_brings_them(tmp_path):
    beside(tmp_path)
    model = ir.load(tmp_path / "net.onnx")
    expected = osc.load(network(), input_range=(0, 1))
    photo = np.random.default_rng(0).random((8, 8, 3))
    np.testing.assert_array_equal(
        osc.load(model, input_range=(0, 1)).activations(photo, "y")["y"],
        expected.activations(photo, "y")["y"],
    )


def test_a_missing_file_is_told_its_neighbours(tmp_path):
    onnx.save(network(), tmp_path / "resnet50.onnx")
    with pytest.raises(ModelError, match=r"No such file.*did you mean 'resnet50.onnx'\?"):
        osc.load(tmp_path / "resnet5O.onnx")
    with pytest.raises(ModelError, match=r"there is no folder .*models"):
        osc.load(tmp_path / "models" / "resnet50.onnx")


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_folders_without_a_name_are_refused_in_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="folder"):
        osc.load(name)
