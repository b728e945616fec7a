"""What scripts and shells read: JSON, completion, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import onnx
import onnxscope as osc
import pytest

ANY = '<ir_version: 8, opset_import: ["": 15]> g (float[N, L] x) => (float[N, L] y) { y = Tanh(x) }'


def test_a_model(run, tiny):
    found = json.loads(run("inspect", tiny, "--json").stdout)
    model = osc.load(tiny)
    assert found["sha256"] == model.sha256
    assert found["pictures"] == {"size": [48, 48], "fixed": False, "batch": None, "layout": "NCHW"}
    assert found["preprocessing"]["input_range"] == [0, 1]
    assert found["labels"] == list(model.labels)
    assert [layer["name"] for layer in found["layers"]] == list(model.layers)
    (block,) = [layer for layer in found["layers"] if layer["name"] == "mixed4a"]
    assert (block["units"], block["operator"]) == (16, "Concat")
    assert [branch["stop"] for branch in block["branches"]] == [6, 16]


def test_a_layer_and_a_unit(run, tiny, foreign):
    layer = json.loads(run("inspect", tiny, "mixed4a", "--json").stdout)
    unit = json.loads(run("inspect", tiny, "mixed4a:7", "--json").stdout)
    assert unit == layer | {
        "unit": 7,
        "branch": {"name": "mixed4a_3x3", "start": 6, "stop": 16, "index": 1},
        "label": None,
    }
    assert json.loads(run("inspect", tiny, "daisy", "--json").stdout)["label"] == "daisy"
    assert json.loads(run("inspect", foreign, "--json").stdout)["preprocessing"] is None


def test_a_network_of_any_inputs(run, folder):
    onnx.save(onnx.parser.parse_model(ANY), "net.onnx")
    found = json.loads(run("inspect", "net.onnx", "--json").stdout)
    value = {"name": "y", "value": "y", "shape": ["N", "L"], "type": "float32", "operator": "Tanh"}
    assert found["values"] == [value]
    assert (found["outputs"], found["inputs"][0]["name"]) == (["y"], "x")
    assert json.loads(run("inspect", "net.onnx", "y", "--json").stdout) == value
    shaped = json.loads(run("inspect", "net.onnx", "--shape", "x=2,3", "--json").stdout)
    assert shaped["values"][0]["shape"] == [2, 3]


def test_json_has_no_photograph(refused, tiny):
    assert "leave --json out" in refused("inspect", tiny, "--json", "--image", "photo.jpg")


def completed(words: str, number: int) -> list[str]:
    environment = os.environ | {
        "_ONNXSCOPE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    done = subprocess.run([sys.executable, "-m", "onnxscope"], capture_output=True, text=True,
                          env=environment)  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow  # a process for each shell
def test_completion(folder, tiny):
    assert completed("onnxscope cl", 1) == ["classes"]
    assert completed("onnxscope render squ", 2) == ["squeezenet"]
    assert completed(f"onnxscope render {tiny} mix", 3) == [
        "mixed4a_1x1_pre_relu", "mixed4a_1x1", "mixed4a_3x3_pre_relu", "mixed4a_3x3", "mixed4a"
    ]  # fmt: skip
    assert completed("onnxscope inspect no.onnx mix", 3) == []


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_completion_is_offered(run, option):
    assert option in run("--help").stdout
