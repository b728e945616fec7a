"""Values of a model's other inputs on the command line, and the bare gradient of any model."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import onnxscope as osc
import pytest
from onnx import numpy_helper

PICTURES = ("--input-range", -1, 1, "--size", 16)
SHORT = ("--steps", 2, "--provider", "cpu", "--transforms", "none")


@pytest.fixture
def guided(folder):
    """The path of a network that takes pictures, a class, and how much the class counts."""
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 18]>
        g (float[N, 3, H, W] image, int64[N] kind, float[1, 4, 1, 1] gain) => (float[N, 4, h, w] y)
        <int64[2] axes = {2, 3}> {
            c = Conv (image, kernel)
            e = Gather (table, kind)
            u = Unsqueeze (e, axes)
            scaled = Mul (u, gain)
            y = Add (c, scaled)
        }""")
    rng = np.random.default_rng(1)
    for name, shape in (("kernel", (4, 3, 3, 3)), ("table", (10, 4))):
        array = rng.standard_normal(shape).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(proto, folder / "guided.onnx")
    return "guided.onnx"


def opened(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


# --input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", ["2.5", "2.5,2.5,2.5,2.5", "gain.npy"])
def test_a_gradient_at_given_values(run, guided, gain):
    np.save("gain.npy", np.full((1, 4, 1, 1), 2.5))
    given = ("--input", "kind=3", "--input", f"gain={gain}")
    result = run("gradient", guided, "y:1", *PICTURES, *given, "-o", "g.onnx")
    assert result.exit_code == 0, result.output
    session = opened("g.onnx")
    assert [value.name for value in session.get_inputs()] == ["image"]
    image = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    value, gradient = session.run(["value", "grad_image"], {"image": image})
    feeds = {
        "image": 2 * image - 1,
        "kind": np.array([3]),
        "gain": np.full((1, 4, 1, 1), 2.5, np.float32),
    }
    assert value[0] == pytest.approx(opened(guided).run(["y"], feeds)[0][0, 1].mean(), rel=1e-4)
    assert gradient.any()


@pytest.mark.slow
def test_a_picture_at_given_values_and_the_same_again(run, refused, guided):
    given = ("--input", "kind=3", "--input", "gain=2")
    done = run("render", guided, "y:1", *PICTURES, *SHORT, *given, "-o", "a.png", "-q")
    assert done.exit_code == 0, done.output
    values = osc.read_recipe("a.png").model["preprocessing"]["inputs"]
    assert values == {"kind": [3], "gain": np.full((1, 4, 1, 1), 2.0).tolist()}
    assert run("render", "--recipe", "a.png", "-o", "b.png", "-q").exit_code == 0
    with open("a.png", "rb") as first, open("b.png", "rb") as second:
        assert first.read() == second.read()
    message = refused("render", "--recipe", "a.png", "--input", "gain=3", "-o", "c.png")
    assert "leave out --input" in message


def test_layers_behind_given_values(run, guided):
    missing = run("inspect", guided).stdout.replace("\n", " ")
    assert "--input kind=VALUE" in " ".join(missing.split())
    result = run("inspect", guided, "--input", "kind=3", "--input", "gain=2")
    assert result.exit_code == 0
    assert "it needs" not in result.stdout
    assert "Add" in result.stdout


@pytest.mark.slow
def test_a_gradient_is_verified_at_given_values(run, refused, guided):
    given = ("--input", "kind=3", "--input", "gain=0.5")
    result = run("verify", guided, *given, "--shape", "image=1,3,9,9", "--json")
    assert result.exit_code == 0, result.output
    assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {"image", "gain"}
    result = run("verify", guided, "y:1", *given, "--image-input", "image", "--size", 9, "--json")
    assert result.exit_code == 0, result.output
    assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {"image"}
    result = run("verify", guided, "y:1", *given, *PICTURES, "--json")
    assert result.exit_code == 0, result.output
    assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {"image"}
    message = refused("verify", guided, "z:1", *given, "--shape", "image=1,3,9,9")
    assert "no value 'z:1'" in message
    assert "--image-input NAME, or another option about pictures" in message
    given = (*given, "--shape", "image=1,3,9,9", "--layout", "NCHW")
    assert "with --shape it is not asked for any" in refused("verify", guided, *given)
    assert "did you mean 'kind'" in refused("verify", guided, "--input", "kinds=3")


def test_speed_at_given_values(refused, guided):
    np.save("many.npy", np.zeros(5000))
    message = refused("bench", guided, "y:1", *PICTURES, "--input", "kind=many.npy")
    assert "up to 4,096 numbers by --input, not 5,000" in message
    assert "no input 'gian'" in refused("bench", guided, "y:1", "--input", "gian=1")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("gian=1", "no input 'gian', only image (N×3×H×W), kind (N int64), gain (1×4×1×1); did"),
        ("gain", "a name and a number, numbers with commas between them, or a .npy file"),
        ("=1", "a name and a number"),
        ("gain=", "a name and a number"),
        ("gain=1,,2", "not 'gain=1,,2'"),
        ("gain=much", "not 'gain=much'"),
        ("gain=1,2", "the input gain (1×4×1×1) does not take 2 numbers in a row"),
        ("kind=1.5", "the input kind (N int64) takes numbers of the type int64, not 1.5"),
        ("kind=99999999999999999999", "takes numbers of the type int64"),
        ("gain=1e39", "takes numbers of the type float, not 1e+39"),
        ("kind=wide.npy", "input 'kind' has shape (N), not (2, 2)"),
        ("gain=none.npy", "cannot read none.npy: No such file or directory"),
        ("gain=text.npy", "text.npy is no .npy file of numbers"),
        ("gain=words.npy", "takes numbers of the type float"),
        ("gain=several.npy", "several.npy holds several arrays"),
    ],
)
def test_values_that_do_not_fit(refused, guided, value, words):
    np.save("wide.npy", np.zeros((2, 2)))
    np.save("words.npy", np.array(["a", "b"]))
    with open("text.npy", "w") as file:
        file.write("no array at all")
    with open("several.npy", "wb") as file:
        np.savez(file, a=np.zeros(2), b=np.ones(2))
    assert words in refused("inspect", guided, "--input", value)
    assert words in refused("render", guided, "y:1", *PICTURES, "--input", value)


def test_a_value_given_twice(refused, guided):
    given = ("--input", "gain=1", "--input", "gain=2")
    assert "--input gives 'gain' twice" in refused("inspect", guided, *given)


# --wrt -------------------------------------------------------------------------------------------


def test_the_bare_gradient(run, guided):
    result = run("gradient", guided, "y", "--wrt", "gain", "--wrt", "table", "--wrt", "u",
                 "-o", "bare.onnx")  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "bare.onnx"
    assert "y of guided.onnx by gain, table, u: opset 18" in lines[1]
    assert lines[2:6] == [
        "  in   image  float32 N×3×H×W",
        "  in   kind  int64 N",
        "  in   gain  float32 1×4×1×1",
        "  in   grad_y  float32 N×4×(H - 2)×(W - 2)",
    ]
    assert [line.split()[1] for line in lines[6:]] == ["y", "grad_gain", "grad_table", "grad_u"]
    expected = osc.differentiate(guided, "y", ["gain", "table", "u"])
    assert onnx.load("bare.onnx") == expected


def test_the_bare_gradient_at_a_given_shape(run, guided):
    given = ("--wrt", "image", "--shape", "image=2,3,8,9", "--shape", "kind=2")
    result = run("gradient", guided, "y", *given, "-o", "bare.onnx")
    assert result.exit_code == 0, result.output
    assert "  out  grad_image  float32 2×3×8×9" in result.stdout.splitlines()


def test_the_bare_gradient_of_a_published_model(run, tiny):
    result = run("gradient", tiny, "conv5", "--wrt", "image", "-o", "bare.onnx")
    assert result.exit_code == 0, result.output
    # Its layers are outputs, all of which need not be listed.
    assert "and 12 more outputs of the model" in result.stdout
    assert len(result.stdout.splitlines()) == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("y", "--wrt", "gian"), "the model has no value 'gian'; did you mean 'gain'"),
        (("z", "--wrt", "gain"), "the model has no value 'z'; its output is y"),
        (("y", "--wrt", "kind"), "'kind' is int64: only real numbers have a gradient"),
        (("y", "--wrt", "gain", "--size", 8, "--input", "kind=2"), "leave out --size"),
        (("y", "--wrt", "gain", "--shape", "image=1,3"), "has shape (N, 3, H, W), not (1, 3)"),
        (("y", "--wrt", "gain", "--shape", "image:1"), "--shape is a name and numbers"),
        (("y:1", "--shape", "image=1,3,8,8"), "--shape is for --wrt NAME"),
    ],
)
def test_bare_gradients_that_are_refused(refused, guided, arguments, words):
    assert words in refused("gradient", guided, *arguments, "-o", "bare.onnx")


def test_a_network_that_takes_no_picture_is_sent_there(refused, folder):
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 18]>
        g (float[N, 5] x) => (float[N, 5] y) { y = Tanh (x) }""")
    onnx.save(proto, folder / "tanh.onnx")
    assert "`onnxscope gradient --wrt`" in refused("gradient", "tanh.onnx", "y", "-o", "g.onnx")


# Outputs that nobody asked for -------------------------------------------------------------------


def test_an_unknown_operator_behind_another_output(run, folder):
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 18, "acme" : 1]>
        g (float[1, 3, 8, 8] image) => (float[1, 3, 8, 8] y, float[1, 3, 8, 8] z)
        { y = Tanh (image)  z = acme.Frobnicate (y) }""")
    onnx.save(proto, folder / "acme.onnx")
    result = run("gradient", "acme.onnx", "y", "--wrt", "image", "-o", "g.onnx")
    assert result.exit_code == 0, result.output
    assert "warning: the output 'z' is left out" in result.stderr
    assert "Frobnicate" in result.stderr
    names = [value.name for value in onnx.load("g.onnx").graph.output]
    assert names == ["y", "grad_image"]
    for arguments in ((), ("--shape", "image=1,3,8,8")):
        result = run("verify", "acme.onnx", "y", *arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
    assert run("inspect", "acme.onnx").exit_code == 0


def test_a_model_without_layers(run, folder):
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 18]>
        g (float[1, 3, 8, 8] image) => (float y) { y = ReduceMean<keepdims = 0> (image) }""")
    onnx.save(proto, folder / "none.onnx")
    result = run("inspect", "none.onnx")
    assert result.exit_code == 0, result.output
    assert "It has no layers to show" in result.stdout
    assert "\n\n\n" not in result.stdout
    assert "shape  operator" not in result.stdout
