"""A model goes to another process as it is: its file or content, and the arguments."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import onnx
import onnx_ir as ir
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.errors import ModelError

PROTO = text_model(
    "g (float[N, 3, H, W] x, float[1] gain) => (float[N, 3, H, W] y) "
    "{ a = Mul(x, gain)  y = Tanh(a) }"
)
GIVEN = {"input_range": (0, 255), "mean": 120, "image_input": "x", "inputs": {"gain": 0.01}}
PICTURE = np.random.default_rng(0).uniform(size=(8, 8, 3)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    """A file of the network."""
    onnx.save(PROTO, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def _source(kind, path):
    return {
        "file": path,
        "bytes": path.read_bytes(),
        "proto": PROTO,
        "ir": ir.from_proto(PROTO),
    }[kind]


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("kind", ["file", "bytes", "proto", "ir"])
def test_it_is_the_same_model(kind, used, path):
    model = osc.load(_source(kind, path), **GIVEN)
    if used:
        assert list(model.layers)
    again = pickle.loads(pickle.dumps(model))
    assert again.identity == model.identity
    assert again.name == model.name
    assert again.arguments() == model.arguments()
    assert list(again.layers) == list(model.layers)
    np.testing.assert_array_equal(
        again.activations(PICTURE, "y")["y"], model.activations(PICTURE, "y")["y"]
    )


@pytest.mark.slow
def test_in_processes_of_their_own(path, monkeypatch):
    model = osc.load(path, **GIVEN)
    expected = model.activations(PICTURE, "y")["y"]
    monkeypatch.chdir(path.parent.parent)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(operator.methodcaller("activations", PICTURE, "y"), model).result()
    np.testing.assert_array_equal(found["y"], expected)


def test_a_path_is_the_same_from_other_folders(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    data = pickle.dumps(osc.load("net.onnx", **GIVEN))
    monkeypatch.chdir("/")
    assert pickle.loads(data).name == "net.onnx"


def test_a_file_that_changed_is_refused(path):
    data = pickle.dumps(osc.load(path, **GIVEN))
    path.write_bytes(path.read_bytes() + b"\x32\x00")
    with pytest.raises(ModelError, match=r"net\.onnx has changed since it was read"):
        pickle.loads(data)


def test_a_copy_has_what_was_found_already(path):
    model = osc.load(path, **GIVEN)
    assert model.layers is copy.copy(model).layers
    assert list(copy.deepcopy(model).layers) == list(model.layers)


def test_a_model_of_the_catalogue(squeezenet):
    again = pickle.loads(pickle.dumps(squeezenet))
    assert again.identity == squeezenet.identity
    assert again.labels == squeezenet.labels
