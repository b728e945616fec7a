"""What a file is that is no ONNX model, by what it holds, and how to get an ONNX model from it."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..graph import wire

_HEAD = 4096

_TORCH_LINE = "torch.onnx.export(model.eval(), (torch.zeros(1, 3, 224, 224),), {onnx_path})"

# What to do with each kind. As a shell takes them: {file}, the {folder} that it is or lies in, and
# {onnx}, to be written; as Python takes them: {path} and {onnx_path}.
_WEIGHTS = (
    "if they are those of an architecture that `onnxscope models` lists, `onnxscope convert {file} "
    "-o {onnx}` makes one; otherwise export the network with them, in Python: " + _TORCH_LINE
)
_ULTRALYTICS = "`yolo export model={file} format=onnx` of ultralytics makes one"
_TORCH_SCRIPT = (
    "in Python, with the size that its pictures have: torch.onnx.export(torch.jit.load({path})"
    ".eval(), (torch.zeros(1, 3, 224, 224),), {onnx_path}, dynamo=False)"
)
_TORCH_EXPORT = "in Python: torch.onnx.export(torch.export.load({path}), f={onnx_path})"
# Keras exports what has run before only.
_KERAS_LINE = 'model(keras.ops.zeros((1, 224, 224, 3))); model.export({onnx_path}, format="onnx")'
_KERAS = (
    "in Python, with Keras 3.7 or later and tf2onnx, and with the size that its pictures have: "
    "model = keras.models.load_model({path}); " + _KERAS_LINE
)
_KERAS_WEIGHTS = (
    "build the network, load them with model.load_weights({path}), then, with the size that its "
    "pictures have: " + _KERAS_LINE
)
_TFLITE = "`python -m tf2onnx.convert --tflite {file} --output {onnx}` makes one"
_GRAPHDEF = (
    "if it is one of the networks that `onnxscope models` lists, `onnxscope convert {file} -o "
    "{onnx}` makes one; otherwise `python -m tf2onnx.convert --graphdef {file} --inputs {inputs} "
    "--outputs {outputs} --output {onnx}`"
)
_SAVED_MODEL = "`python -m tf2onnx.convert --saved-model {folder} --output {onnx}` makes one"
_CAFFE = (
    "if it is a GoogLeNet, `onnxscope convert {file} -o {onnx}` makes one; other networks of "
    "Caffe need a converter"
)
_SKLEARN = (
    "in Python: skl2onnx.to_onnx(joblib.load({path}), X[:1]), saved with onnx.save(…, {onnx_path})"
    "; X are rows like those it was fitted to"
)
_TRANSFORMERS = (
    "if it is a model of Hugging Face's transformers, `optimum-cli export onnx --model {folder} "
    "{onnx}` makes a folder with one"
)
_ORIGINAL = "give the ONNX file that it was built from, or export the original network again"
_AGAIN = "fetch the file itself again"
_UNPACK = "unpack it and give the model in it"


_NEITHER = ("not an ONNX model, or truncated", "a text file")


def refusal(data: bytes, path: Path | None) -> str:
    """Return a sentence that says what a file is in the place of an ONNX model, and the way to one.

    Args:
        data: All that it holds; nothing for a folder.
        path: Where it lies; `None` where only the bytes were given.
    """
    found = (
        known_kind(data, path)
        or _sentence(None if _is_text(data) else _message(data), path)
        or _sentence((_NEITHER[_is_text(data)], "expected an ONNX model file"), path)
    )
    assert found is not None  # there is a kind for what is of no kind
    return found


def known_kind(data: bytes, path: Path | None) -> str | None:
    """Return such a sentence where a file's beginning, or what is in a folder, tells its kind.

    Args:
        data: The first thousands of bytes, or more.
        path: As for `refusal`.
    """
    if path is not None and path.is_dir():
        return _sentence(_folder(path), path)
    if not data:
        return _sentence(("empty", f"a download or export that broke off; {_AGAIN}"), path)
    for offset, magic, what, way in _BY_MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return _sentence((what, way), path)
    for recognise in _BY_CONTENT:
        found = recognise(data, path)
        if found is not None:
            return _sentence(found, path)
    return None


def _sentence(found: tuple[str, str] | None, path: Path | None) -> str | None:
    if found is None:
        return None
    what, way = found
    file = Path("FILE") if path is None else path
    target = str(_beside(file))
    way = way.format(
        file=_typed(str(file)),
        folder=_typed(str(file if file.is_dir() else file.parent)),
        path=repr(str(file)),
        onnx=_typed(target),
        onnx_path=repr(target),
    )
    return f"{'the model' if path is None else path} is {what}: {way}"


def _beside(file: Path) -> Path:
    """What a model that is made of a file or folder may be called."""
    if file.name in ("", ".."):
        # `.`, `..` and `/` have no name to put another behind.
        return file / "model.onnx"
    # Text in the place of a model may be called .onnx already.
    return file.with_suffix(".converted.onnx" if file.suffix == ".onnx" else ".onnx")


def _literal(text: str) -> str:
    """Text with braces that are meant."""
    return text.replace("{", "{{").replace("}", "}}")


def _typed(text: str) -> str:
    """A path as the shell of this machine takes it."""
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)


_BY_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, which stands for a file that is elsewhere",
     "`git lfs pull` in its folder fetches the file"),
    (4, b"TFL3", "a TensorFlow Lite model", _TFLITE),
    (4, b"ORTM", "a model in ONNX Runtime's own format (.ort)", _ORIGINAL),
    (0, b"ftrt", "a TensorRT engine, made for one kind of GPU", _ORIGINAL),
    (0, b"ptrt", "a TensorRT engine, made for one kind of GPU", _ORIGINAL),
    (0, b"GGUF", "a GGUF file, a language model's weights", _ORIGINAL),
    (0, b"\x1f\x8b", "compressed with gzip", "unpack it with `gunzip`, or `tar xzf` if it is an "
     "archive, and give the model in it"),
    (0, b"BZh", "compressed with bzip2", _UNPACK),
    (0, b"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x93NUMPY", "an array of NumPy", "give an ONNX model; arrays are values of inputs "
     "(`--input NAME=FILE.npy`)"),
    (0, b"\x89PNG", "a picture", "give the model first; `--image` takes a photograph"),
    (0, b"\xff\xd8\xff", "a picture", "give the model first; `--image` takes a photograph"),
    (0, b"%PDF", "a PDF document", "give an ONNX model file"),
)  # fmt: skip
"""Where something starts, its first bytes there, what it is, and the way to an ONNX model."""


def _hdf5(data: bytes, path: Path | None) -> tuple[str, str] | None:
    del path
    if not data.startswith(b"\x89HDF\r\n"):
        return None
    if b"model_config" in data or b"keras_version" not in data:
        return "an HDF5 file, as Keras saves networks", _KERAS
    return "an HDF5 file with weights of Keras and no network", _KERAS_WEIGHTS


def _zip(data: bytes, path: Path | None) -> tuple[str, str] | None:
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    try:
        # A file of gigabytes is not in memory; its list of contents is at its end.
        with zipfile.ZipFile(path or io.BytesIO(data)) as archive:
            names = archive.namelist()
            inner = {name.partition("/")[2] or name for name in names} | set(names)
            if "data.pkl" in inner:
                if any(name.startswith("code/") for name in inner):
                    return "a TorchScript network (PyTorch)", _TORCH_SCRIPT
                pickle = archive.read(next(name for name in names if name.endswith("data.pkl")))
                return _torch(pickle)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return "a damaged or truncated zip archive", _AGAIN
    if inner & {"serialized_exported_program.json", "models/model.json"}:
        return "a program of torch.export", _TORCH_EXPORT
    if {"config.json", "model.weights.h5"} <= inner:
        return "a network of Keras", _KERAS
    models = [name for name in names if name.endswith(".onnx")]
    if models:
        return f"a zip archive with {models[0]!r} in it", "unpack it and give that file"
    if names and all(name.endswith(".npy") for name in names):
        return "a file of arrays of NumPy (.npz)", "give the network's ONNX file"
    shown = ", ".join(map(repr, names[:3])) or "nothing"
    return f"a zip archive with {shown}", _UNPACK


def _torch(pickle: bytes) -> tuple[str, str]:
    """What was saved with torch.save, from the names of classes in it."""
    if b"ultralytics" in pickle:
        return "a checkpoint of ultralytics' YOLO (PyTorch)", _ULTRALYTICS
    if b"pytorch-lightning_version" in pickle:
        return "a checkpoint of PyTorch Lightning, weights without the network's code", _WEIGHTS
    return "a file of PyTorch's, weights without the network's code", _WEIGHTS


def _pickle(data: bytes, path: Path | None) -> tuple[str, str] | None:
    del path
    # Pickles of protocol 2 and later, and those that joblib compresses with zlib.
    known = data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    if known and any(name in data[:_HEAD] for name in (b"sklearn", b"skl2onnx")):
        return "a pickled model of scikit-learn", _SKLEARN
    if known and any(name in data for name in (b"torch._utils", b"\x6c\xfc\x9c\x46\xf9\x20\x6a")):
        return _torch(data)
    if known:
        return (
            "a pickle of Python's",
            "if it holds weights of an architecture that `onnxscope models` lists, `onnxscope "
            "convert {file} -o {onnx}` makes one; if it is a model of scikit-learn, " + _SKLEARN,
        )
    if data[:2] in (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"):
        return (
            "compressed with zlib, as joblib writes it",
            f"if it is a model of scikit-learn, {_SKLEARN}",
        )
    return None


def _safetensors(data: bytes, path: Path | None) -> tuple[str, str] | None:
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or not 2 <= length <= 2**30:
        return None
    way = _WEIGHTS
    if path is not None and (path.parent / "config.json").is_file():
        way = _TRANSFORMERS
    return "a safetensors file, weights without the network's code", way


def _page(data: bytes, path: Path | None) -> tuple[str, str] | None:
    del path
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return (
            "a web page",
            "a download saved the page about the file, or a sign-in page; fetch the file itself",
        )
    if not start.startswith((b"<?xml", b"<error", b"<net ")):
        return None
    if b"<net " in data[:_HEAD].lower():
        return "a network of OpenVINO", _ORIGINAL
    if b"<pmml" in data[:_HEAD].lower():
        return "a PMML document", _ORIGINAL
    if b"<error" in start:
        return "the error that a server gave in the place of the file", _AGAIN
    return "an XML document", "expected an ONNX model file"


def _text(data: bytes, path: Path | None) -> tuple[str, str] | None:
    del path
    head = data[:_HEAD]
    if not _is_text(data):
        return None
    if re.match(rb"\s*(#.*\s+)*ir_version:", head):
        return (
            "an ONNX model written as text",
            'in Python: onnx.save(onnx.load({path}, format="textproto"), {onnx_path})',
        )
    if re.match(rb'\s*\{\s*"ir_?[vV]ersion"', head):
        return (
            "an ONNX model written as JSON",
            'in Python: onnx.save(onnx.load({path}, format="json"), {onnx_path})',
        )
    if re.match(rb"\s*7767517\s", head):
        return "a network of ncnn", _ORIGINAL
    return None


def _is_text(data: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in data[:_HEAD])


def _message(data: bytes) -> tuple[str, str] | None:
    """Files of Protocol Buffers, told by their fields; an ONNX model that is cut short."""
    found: list[tuple[int, int, wire.Value]] = []
    cut = ""
    try:
        # Field by field, so that those before a damage are kept.
        found.extend(wire.fields(memoryview(data)))
    except wire.WireError as error:
        cut = str(error)
    if not found:
        return None
    kinds = {(number, kind) for number, kind, _ in found}
    number, kind, value = found[0]
    if number != 1:
        return None
    if kind == wire.BYTES:
        return _graphdef(found) if _is_node(value) else _caffe(kinds)
    if kind != wire.VARINT:
        return None
    # A ModelProto's fields, and those of two others that begin with a version as well.
    own = all(number <= 25 for number, _ in kinds)
    if any(200 <= number < 4000 for number, _ in kinds):
        return "a Core ML model", _ORIGINAL
    if kinds <= {(1, wire.VARINT), (2, wire.BYTES)} and _is_meta_graph(found[-1][2]):
        return "a SavedModel of TensorFlow", _SAVED_MODEL
    if own and cut:
        return "an ONNX model that is truncated", f"it ends within {cut}; {_AGAIN}"
    if own and (7, wire.BYTES) not in kinds:
        return "no ONNX model: it holds no graph", "expected an ONNX model file"
    return None


def _graphdef(found: list[tuple[int, int, wire.Value]]) -> tuple[str, str]:
    """A frozen graph, with the names of its inputs and of what no node reads."""
    nodes = [_texts(value) for number, _, value in found if number == 1]
    inputs = [node[1][0] for node in nodes if node.get(2) == ["Placeholder"] and 1 in node]
    read = {name.lstrip("^").partition(":")[0] for node in nodes for name in node.get(3, ())}
    outputs = [node[1][0] for node in nodes if 1 in node and node[1][0] not in read]

    def listed(names: list[str], default: str) -> str:
        return _literal(_typed(",".join(f"{name}:0" for name in names[:3] or [default])))

    way = _GRAPHDEF.replace("{inputs}", listed(inputs, "INPUT"))
    return "a frozen graph of TensorFlow", way.replace("{outputs}", listed(outputs, "OUTPUT"))


def _caffe(kinds: set[tuple[int, int]]) -> tuple[str, str] | None:
    """Caffe's layers are field 100, and in older files field 2."""
    return ("a model of Caffe", _CAFFE) if kinds & {(100, wire.BYTES), (2, wire.BYTES)} else None


def _is_node(value: wire.Value) -> bool:
    """Whether a message is a node of TensorFlow's: a name and an operator."""
    return {1, 2} <= _texts(value).keys()


def _is_meta_graph(value: wire.Value) -> bool:
    """Whether a message holds a graph of TensorFlow's nodes, as its field 2."""
    try:
        for number, kind, part in wire.fields(wire.content(value)):
            if (number, kind) == (2, wire.BYTES):
                return any(_is_node(node) for _, _, node in wire.fields(wire.content(part)))
    except wire.WireError:
        pass
    return False


def _texts(value: wire.Value) -> dict[int, list[str]]:
    """A message's fields that hold text, by number."""
    found: dict[int, list[str]] = {}
    try:
        for number, kind, part in wire.fields(wire.content(value)):
            # Of a node: its name, operator and inputs; the rest is attributes.
            if kind == wire.BYTES and number <= 3 and wire.text(part):
                found.setdefault(number, []).append(wire.text(part))
    except wire.WireError:
        pass
    return found


_BY_CONTENT: tuple[Callable[[bytes, Path | None], tuple[str, str] | None], ...] = (
    _hdf5, _zip, _pickle, _safetensors, _page, _text,
)  # fmt: skip


def _folder(path: Path) -> tuple[str, str]:
    """What a folder is, by the files in it."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError:
        names = []
    if "saved_model.pb" in names:
        return "a folder with a SavedModel of TensorFlow", _SAVED_MODEL
    if "Manifest.json" in names and "Data" in names:
        return "a folder with a Core ML model", _ORIGINAL
    models = [name for name in names if name.endswith(".onnx")]
    if models:
        shown = " or ".join(_typed(str(path / name)) for name in models[:3])
        return "a folder", f"give the file in it, {_literal(shown)}"
    if "config.json" in names and any(name.endswith((".safetensors", ".bin")) for name in names):
        return "a folder of a model of transformers", _TRANSFORMERS
    return "a folder", "an ONNX model is a file"
