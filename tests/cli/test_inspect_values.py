"""`onnxscope inspect` on networks that take no pictures: their values, by names that work."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine" / "helpers"))
import exporters


def save(network: exporters.Network, path: Path, inputs: dict, outputs: dict) -> str:
    """Write a network with inputs and outputs of these types and shapes; gives the file's name."""

    def declared(values: dict) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, kind, dims) for n, (kind, dims) in values.items()]

    weights = [numpy_helper.from_array(array, name) for name, array in network.weights.items()]
    graph = helper.make_graph(network.nodes, "net", declared(inputs), declared(outputs), weights)
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path.name


def encoder(folder: Path, blocks: int = 3, *, masked: bool = False) -> str:
    """A text transformer as PyTorch's exporter names one, from token ids to scores of tokens."""
    net = exporters.Network()
    x = net.traced("Gather", [net.weight("embedding.weight", 50, 16), "tokens"], "/embed/Gather")
    inputs = {"tokens": (TensorProto.INT64, ["N", "L"])}
    if masked:
        inputs["attention_mask"] = (TensorProto.FLOAT, ["N", "L"])
        net.constant("axes", [1])
        mask = net.traced("Unsqueeze", ["attention_mask", "axes"], "/Unsqueeze")
        mask = net.traced("Log", [mask], "/Log")
    for block in range(blocks):
        at = f"/encoder/layer.{block}"
        q, k, v = (
            net.traced(
                "MatMul", [x, net.weight(f"{p}{block}", 16, 16)], f"{at}/attention/{p}/MatMul"
            )
            for p in "qkv"
        )
        k = net.traced("Transpose", [k], f"{at}/attention/Transpose", perm=[0, 2, 1])
        scores = net.traced("MatMul", [q, k], f"{at}/attention/MatMul")
        if masked:
            scores = net.traced("Add", [scores, mask], f"{at}/attention/Add")
        scores = net.traced("Softmax", [scores], f"{at}/attention/Softmax")
        mixed = net.traced("MatMul", [scores, v], f"{at}/attention/MatMul_1")
        x = net.traced("Add", [mixed, x], f"{at}/Add")
        scale, shift = net.weight(f"scale{block}", 16), net.weight(f"shift{block}", 16)
        x = net.traced("LayerNormalization", [x, scale, shift], f"{at}/norm/LayerNormalization")
    net.add("MatMul", [x, net.weight("head.weight", 16, 50)], "logits", "/head/MatMul")
    outputs = {"logits": (TensorProto.FLOAT, ["N", "L", 50])}
    return save(net, folder / "text.onnx", inputs, outputs)


def listener(folder: Path) -> str:
    """Convolutions over a signal of 16 channels, and scores."""
    net = exporters.Network()
    x = "signal"
    for block, (before, channels) in enumerate(((16, 24), (24, 32))):
        kernel = net.weight(f"blocks.{block}.0.weight", channels, before, 5)
        x = net.traced(
            "Conv", [x, kernel], f"/blocks/blocks.{block}/blocks.{block}.0/Conv",
            strides=[2], pads=[2, 2],
        )  # fmt: skip
        x = net.traced("Relu", [x], f"/blocks/blocks.{block}/blocks.{block}.1/Relu")
    x = net.traced("GlobalAveragePool", [x], "/pool/GlobalAveragePool")
    x = net.traced("Flatten", [x], "/Flatten")
    net.add("MatMul", [x, net.weight("fc.weight", 32, 5)], "scores", "/fc/MatMul")
    inputs = {"signal": (TensorProto.FLOAT, ["N", 16, "T"])}
    return save(net, folder / "audio.onnx", inputs, {"scores": (TensorProto.FLOAT, ["N", 5])})


def towers(folder: Path) -> str:
    """Two towers of weights, whose products are summed."""
    net = exporters.Network()
    ends = []
    for tower, size in (("query", 6), ("document", 9)):
        x = net.traced("MatMul", [tower, net.weight(f"{tower}0", size, 8)], f"/{tower}/0/MatMul")
        x = net.traced("Relu", [x], f"/{tower}/1/Relu")
        ends.append(net.traced("MatMul", [x, net.weight(f"{tower}2", 8, 4)], f"/{tower}/2/MatMul"))
    net.add(
        "MatMul", [ends[0], net.traced("Transpose", ends[1:], "/Transpose")], "match", "/MatMul"
    )
    inputs = {n: (TensorProto.FLOAT, [None, s]) for n, s in (("query", 6), ("document", 9))}
    return save(net, folder / "towers.onnx", inputs, {"match": (TensorProto.FLOAT, ["A", "B"])})


def cells(output: str) -> list[list[str]]:
    """The lines of the table as words, without its head."""
    lines = [line.split() for line in output.splitlines()]
    at = next(i for i, words in enumerate(lines) if words[:2] == ["value", "shape"])
    end = next((i for i in range(at, len(lines)) if not lines[i]), len(lines))
    return lines[at + 1 : end]


def words(output: str) -> str:
    return " ".join(output.split())


def example(output: str) -> list[str]:
    """What is said to type, as arguments."""
    (line,) = [line for line in output.splitlines() if line.startswith("  onnxscope ")]
    return shlex.split(line)[1:]


def test_a_text_transformer(run, folder) -> None:
    name = encoder(folder)
    result = run("inspect", name)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    text = words(result.stdout)
    assert "pictures none of its inputs takes any: its values cannot be rendered, but can" in text
    assert "inputs tokens N×L int64 outputs logits N×L×50 float32 weights 17, from" in text
    assert [row[:3] for row in cells(result.stdout)] == [
        ["embed", "N×L×16", "Gather"],
        ["encoder.layer", "·", "3"],
        ["encoder.layer.0", "N×L×16", "LayerNormalization"],
        ["encoder.layer.1", "N×L×16", "LayerNormalization"],
        ["encoder.layer.2", "N×L×16", "LayerNormalization"],
        ["head", "N×L×50", "MatMul"],
    ]
    assert "24 more values inside of blocks and branches" in text


def test_the_example_works(run, folder) -> None:
    for name, target, wrt in (
        (encoder(folder), "head", "embedding.weight"),
        (listener(folder), "fc", "signal"),
        (towers(folder), "MatMul", "query"),
    ):
        typed = example(run("inspect", name).stdout)
        assert typed == ["gradient", name, target, "--wrt", wrt, "-o", "gradient.onnx"]
        result = run(*typed)
        assert result.exit_code == 0, result.output
        assert f"grad_{wrt}" in [v.name for v in onnx.load(folder / "gradient.onnx").graph.output]


@pytest.mark.slow
def test_names_of_the_table_are_taken_by_others(run, folder) -> None:
    name = encoder(folder)
    asked = run("gradient", name, "encoder.layer.1", "--wrt", "embed", "-o", "aliases.onnx")
    assert asked.exit_code == 0, asked.output
    value, tokens = (
        "/encoder/layer.1/norm/LayerNormalization_output_0",
        "/embed/Gather_output_0",
    )
    assert run("gradient", name, value, "--wrt", tokens, "-o", "names.onnx").exit_code == 0
    assert (folder / "aliases.onnx").read_bytes() == (folder / "names.onnx").read_bytes()
    verified = run("verify", name, "encoder.layer.1:2", "--shape", "tokens=1,4")
    assert verified.exit_code == 0, verified.output
    assert f"{value}:2" in words(verified.stdout)


def test_every_value(run, folder, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    rows = cells(run("inspect", encoder(folder), "--all").stdout)
    by_title = {row[0]: row[1:] for row in rows}
    assert by_title["encoder.layer.2.attention.Softmax"] == [
        "N×L×L", "Softmax", "/encoder/layer.2/attention/Softmax_output_0",
    ]  # fmt: skip
    assert by_title["encoder.layer.0.attention.Transpose"][0] == "N×16×L"
    assert len([row for row in rows if len(row) > 1]) == 29


def test_a_value(run, folder) -> None:
    name = encoder(folder)
    output = run("inspect", name, "encoder").stdout
    assert output.startswith("encoder.layer.2 of text.onnx\n")
    text = words(output)
    assert "name in the file /encoder/layer.2/norm/LayerNormalization_output_0" in text
    assert "also called encoder, encoder.layer, encoder.layer.2.norm shape N×L×16" in text
    assert "type float32 operator LayerNormalization" in text
    tokens = words(run("inspect", name, "tokens").stdout)
    assert "type int64 kind an input looked up in embedding.weight (50×16)" in tokens
    assert "gradient none: only real numbers have one" in tokens
    weight = words(run("inspect", name, "embedding.weight").stdout)
    assert "shape 50×16 type float32 kind a weight" in weight


def test_units_and_sizes_that_follow(run, folder) -> None:
    name = listener(folder)
    output = run("inspect", name).stdout
    assert ["blocks.1", "N×32×f(T)", "Relu"] in [row[:3] for row in cells(output)]
    assert "such as floor((T + 1)/2) of blocks.0" in words(output)
    unit = words(run("inspect", name, "blocks.1:31").stdout)
    assert unit.startswith("unit 31 of blocks.1 of audio.onnx")
    assert "shape N×32×floor((floor((T + 1)/2) + 1)/2) type" in unit
    assert "units 32, 0 to 31, along the second axis" in unit
    assert "check it onnxscope verify audio.onnx blocks.1:31" in unit
    checked = run("verify", name, "blocks.1:31", "--shape", "signal=1,16,20")
    assert checked.exit_code == 0, checked.output


@pytest.mark.slow
def test_a_mask_is_no_trunk_and_a_second_tower_is(run, folder) -> None:
    titles = [row[0] for row in cells(run("inspect", encoder(folder, masked=True)).stdout)]
    assert "Log" not in titles
    assert titles[-4:] == ["encoder.layer.0", "encoder.layer.1", "encoder.layer.2", "head"]
    output = run("inspect", towers(folder)).stdout
    titles = [row[0] for row in cells(output)]
    assert {"query.1", "query", "document.1", "document", "MatMul"} <= set(titles)
    assert "query ?×6 float32" in words(output)


def test_like_inputs_are_listed_once(run, folder) -> None:
    net = exporters.Network()
    names = [f"past.{index}.key" for index in range(30)]
    net.add("Sum", names, "y", "/Sum")
    dims = ["N", 4, "P", 8]
    inputs = dict.fromkeys(names, (TensorProto.FLOAT, dims))
    output = run("inspect", save(net, folder / "net.onnx", inputs, {"y": (1, dims)})).stdout
    assert "inputs past.0.key N×4×P×8 float32, and 29 alike outputs" in words(output)


def test_misses(refused, folder) -> None:
    name = encoder(folder)
    message = refused("inspect", name, "encoder.layr.1")
    assert "text.onnx has no value 'encoder.layr.1'; did you mean 'encoder.layer.1'" in message
    assert "'embed'" in refused("inspect", name, "embd")
    audio = listener(folder)
    message = refused("inspect", audio, "blocks.1:32")
    assert message == "blocks.1 has 32 units, 0 to 31; there is no unit 32"
    for given in (["--image", "photo.jpg"], ["--mean", 0, 0, 0], ["--channel-axis", "embed=1"]):
        message = refused("inspect", name, *given)
        assert "the input tokens (N×L int64) of text.onnx is no picture" in message
        assert message.endswith(f"{given[0]} is for networks that take pictures")
    assert "`onnxscope inspect` lists their values" in refused("render", name, "head:1")


def test_what_cannot_be_told(run, folder) -> None:
    """Operators of others, and inputs without a shape: what is known is shown, and why no more."""
    net = exporters.Network()
    net.add("Frobnicate", ["x"], "y", "odd", domain="acme")
    net.add("Relu", ["y"], "z", "relu")
    graph = helper.make_graph(
        net.nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 7])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", "M"])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "net.onnx")
    result = run("inspect", "net.onnx")
    assert result.exit_code == 0, result.output
    assert ["z", "N×M", "Relu"] in [row[:3] for row in cells(result.stdout)]
    assert "no gradient was found: onnxscope has no standard form of acme's Frobnicate" in words(
        result.stdout
    )
    assert "as the file says; it cannot be told" in words(run("inspect", "net.onnx", "z").stdout)


def test_an_input_without_a_shape(run, folder) -> None:
    net = exporters.Network()
    net.add("Cast", ["x"], "real", "cast", to=TensorProto.FLOAT)
    net.add("Exp", ["real"], "y", "exp")
    inputs = {"x": (TensorProto.INT64, None)}
    name = save(net, folder / "net.onnx", inputs, {"y": (TensorProto.FLOAT, None)})
    output = run("inspect", name).stdout
    assert "inputs x ? int64 outputs y ? float32" in words(output)
    assert ["y", "?", "Exp"] in cells(output)
    reason = "the file does not say how many axes the input 'x' has"
    assert f"no gradient was found: {reason}" in words(output)
    assert reason in words(run("inspect", name, "y").stdout)


def test_where_the_first_real_value_has_no_gradient_the_next_is_tried(run, folder) -> None:
    net = exporters.Network()
    # As Keras looks tokens up, counted from the end where they are negative.
    net.add("Cast", ["tokens"], "real", "cast", to=TensorProto.FLOAT)
    net.constant("zero", 0, np.float32)
    net.constant("count", 5)
    net.add("Less", ["real", "zero"], "negative", "less")
    net.add("Cast", ["negative"], "ones", "ones", to=TensorProto.INT64)
    net.add("Mul", ["ones", "count"], "turned", "turned")
    net.add("Add", ["tokens", "turned"], "rows", "rows")
    net.add("Gather", [net.weight("table", 5, 4), "rows"], "embedded", "embed")
    net.add("Exp", ["embedded"], "y", "exp")
    inputs = {"tokens": (TensorProto.INT64, ["N", "L"])}
    name = save(net, folder / "net.onnx", inputs, {"y": (TensorProto.FLOAT, ["N", "L", 4])})
    assert example(run("inspect", name).stdout)[2:5] == ["y", "--wrt", "embedded"]


def test_only_shapes(run, folder) -> None:
    net = exporters.Network()
    net.add("Shape", ["x"], "y", "shape")
    output = run(
        "inspect", save(net, folder / "s.onnx", {"x": (1, ["N", 3])}, {"y": (7, [2])})
    ).stdout
    assert ["y", "2", "int64", "Shape"] in cells(output)
    assert "no gradient was found: only real numbers have a gradient" in output


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 100])
def test_a_thousand_nodes(run, folder, monkeypatch, columns) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    name = encoder(folder, blocks=115, masked=True)
    assert len(onnx.load(folder / name).graph.node) > 1000
    started = time.process_time()
    result = run("inspect", name)
    # A second and a half on the slowest machine tried; more would be another order of growth.
    assert time.process_time() - started < 6
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if not line.startswith("  onnxscope ")]
    assert max(map(len, lines)) <= columns
    assert len(lines) < 30
    assert "⋮ 113 alike" in words(result.stdout)
    assert run(*example(result.stdout)).exit_code == 0


def test_long_names_of_sizes_leave_room_for_values(run, folder, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    net = exporters.Network()
    dims = ["batch_size", "sequence_length", "number_of_features"]
    net.add("Relu", ["x"], "activated", "relu")
    net.add("Exp", ["activated"], "y", "exp")
    name = save(net, folder / "net.onnx", {"x": (1, dims)}, {"y": (1, dims)})
    rows = cells(run("inspect", name, "--all").stdout)
    assert rows[0][:2] == ["activated", "batch_s…×sequenc…×number_…"]
    shape = words(run("inspect", name, "activated").stdout)
    assert "shape batch_size×sequence_length×number_of_features" in shape


def test_an_empty_graph(refused, folder) -> None:
    graph = helper.make_graph([], "net", [helper.make_tensor_value_info("x", 7, ["N"])], [])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), folder / "empty.onnx")
    assert "has no nodes: it is empty" in refused("inspect", "empty.onnx")


def test_a_network_without_inputs(run, folder) -> None:
    net = exporters.Network()
    net.add("Exp", [net.weight("w", 3)], "y", "exp")
    result = run("inspect", save(net, folder / "net.onnx", {}, {"y": (1, [3])}))
    assert result.exit_code == 0, result.output
    assert "inputs none" in words(result.stdout)
    assert ["y", "3", "Exp"] in cells(result.stdout)
