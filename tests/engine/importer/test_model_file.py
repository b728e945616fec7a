"""Writing models: one file, or the weights beside it; whole or not at all."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.errors import OutputError
from onnxscope.importer.model_file import write_model


def network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.standard_normal((20, 30)).astype(np.float32),
        "b": rng.standard_normal((30, 40)).astype(np.float32),
        "s": np.array([-1, 8], np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("MatMul", ["h", "b"], ["p"]),
        helper.make_node("Reshape", ["p", "s"], ["y"]),
    ]
    return model(nodes, {"x": np.zeros((3, 20), np.float32)}, ["y"], weights)


@pytest.mark.parametrize("limit", [6000, 200])
def test_weights_of_a_large_model_are_beside_it(tmp_path, limit):
    proto = network()
    x = np.random.default_rng(1).standard_normal((3, 20)).astype(np.float32)
    expected = run(proto, {"x": x})["y"]
    path = tmp_path / "m.onnx"
    assert write_model(path, proto, limit=limit) == [path, tmp_path / "m.onnx.data"]
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx.data").stat().st_size == 4 * (20 * 30 + 30 * 40)
    onnx.checker.check_model(str(path))
    read = onnx.load(path)
    # What is small enough to be a shape stays in the model.
    light = onnx.load(path, load_external_data=False)
    assert [t.name for t in light.graph.initializer if t.HasField("raw_data")] == ["s"]
    np.testing.assert_array_equal(run(read, {"x": x})["y"], expected)
    feeds = {"x": x, "grad_y": np.ones_like(expected)}
    found = run(osc.differentiate(str(path), of="y", wrt=["x"]), feeds)["grad_x"]
    wanted = run(osc.differentiate(network(), of="y", wrt=["x"]), feeds)["grad_x"]
    np.testing.assert_array_equal(found, wanted)


def test_a_small_model_is_one_file(tmp_path):
    path = tmp_path / "m.onnx"
    assert write_model(path, network()) == [path]
    assert os.listdir(tmp_path) == ["m.onnx"]
    assert onnx.load(path) == network()


def test_a_model_is_there_only_with_its_weights(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    write_model(path, network(), limit=200)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    replace = os.replace

    def full(source, target):
        if str(target).endswith(".data"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"cannot write .*m\.onnx\.data: No space left"):
        write_model(path, network(), limit=200)
    # The older model is gone, since its weights might have been replaced: never one without.
    assert sorted(os.listdir(tmp_path)) == ["m.onnx.data"]
    monkeypatch.undo()
    write_model(path, network(), limit=200)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_that_is_not_there(tmp_path):
    for limit in (200, 2**31 - 1):
        with pytest.raises(OutputError, match="there is no folder"):
            write_model(tmp_path / "nowhere" / "m.onnx", network(), limit=limit)
