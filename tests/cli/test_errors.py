"""Bad input: one sentence on stderr, exit code 2, nothing written, no traceback."""

from __future__ import annotations

import errno
import json
import os
import shlex
from pathlib import Path

import onnx
import pytest
from onnx import helper
from onnxscope.pictures.recipe import read_recipe
from PIL import Image, PngImagePlugin

SHORT = ("--steps", 2, "--size", 32, "--provider", "cpu")


def unary(path, *operators):
    """A model of operators in a row, the domain before a dot: a, b, c, …"""
    names = ["image", *"abcdef"[: len(operators)]]
    nodes = []
    for operator, x, y in zip(operators, names, names[1:], strict=False):
        domain, _, op_type = operator.rpartition(".")
        nodes.append(helper.make_node(op_type, [x], [y], name=f"make_{y}", domain=domain))
    graph = helper.make_graph(
        nodes,
        "row",
        [helper.make_tensor_value_info("image", 1, [1, 3, 32, 32])],
        [helper.make_tensor_value_info(names[-1], 1, None)],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)
    return path


@pytest.fixture
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


def test_missing_file(refused):
    assert "cannot read no.onnx" in refused("render", "no.onnx", "mixed4a:1")
    assert "no model of that name in the catalogue; did you mean 'squeezenet'?" in refused(
        "render", "squeezenett", "mixed4a:1"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"I am text, not a model.\n" * 9, "is a text file"),
        (bytes(range(256)), "is not an ONNX model, or truncated"),
    ],
)
@pytest.mark.parametrize("command", ["render", "inspect", "gradient"])
def test_not_a_model(refused, elsewhere, command, content, words):
    path = elsewhere / "model.onnx"
    path.write_bytes(content)
    rest = ["-o", "gradient.onnx"] if command == "gradient" else []
    assert words in refused(command, path, "mixed4a:1", *rest)


def test_truncated_model(refused, elsewhere, tiny):
    path = elsewhere / "model.onnx"
    data = Path(tiny).read_bytes()
    for length in (len(data) // 3, len(data) - 100):
        path.write_bytes(data[:length])
        assert str(path) in refused("inspect", path)


def test_folder(refused, elsewhere):
    assert "is a folder" in refused("inspect", elsewhere)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mixed4b:1", "has no layer 'mixed4b'; did you mean 'mixed4a'"),
        ("mixed4b", "no layer and no class 'mixed4b'; did you mean 'mixed4a'"),
        ("dasiy", "no layer and no class 'dasiy'; did you mean 'daisy'"),
        ("crane", "2 classes of"),
        ("crane", "called 'crane': 2, 3; give the number of one"),
        ("mixed4a:16", "mixed4a has 16 channels, 0 to 15; there is no channel 16"),
        ("mixed4a:-1", "'-1' is no unit"),
        ("mixed4a:" + "9" * 6000, "the unit has 6000 digits"),
        ("9" * 6000, "the class has 6000 digits"),
        ("mixed4a:x", "'x' is no unit"),
        ("mixed4a:", "'' is no unit"),
        (":3", "the target ':3' names no layer; expected LAYER:UNIT"),
        ("", "the target '' names no layer"),
        ("5", "logits has 5 channels, 0 to 4; there is no channel 5"),
    ],
)
def test_target(refused, tiny, target, words):
    assert words in refused("render", tiny, target, *SHORT)


@pytest.mark.parametrize("target", ["-mixed4a:1", '-"mixed4a:1" + "mixed4a:2"'])
def test_a_target_with_a_minus(run, tiny, target):
    message = run("render", tiny, target, *SHORT).stderr
    assert f"behind all options and --: -- {shlex.quote(target)}" in " ".join(
        message.replace("│", " ").split()
    )
    options = ("--size", 32, "--provider", "cpu", "--steps", 1, "-o", "minus.png")
    assert run("render", tiny, *options, "--", target).exit_code == 0
    assert "behind all" not in run("render", tiny, "mixed4a:1", "-j", 3).stderr


def test_a_class_of_a_model_without_labels(refused, foreign):
    given = ("--input-range", 0, 1)
    assert "names no classes" in refused("render", foreign, "3", *SHORT, *given)
    assert "names no classes" in refused("render", foreign, "daisy", *SHORT, *given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", -3], "steps must be at least 1, not -3"),
        (["--batch", 0], "batch must be at least 1, not 0"),
        (["--seed", -1], "seed must be at least 0, not -1"),
        (["--size", 0], "size must be at least 1, not 0"),
        (["--size", 2], "too small for mixed4a:1"),
        (["--size", "big"], "--size is a number of pixels"),
        (["--learning-rate", 0], "the learning rate must be positive"),
        (["--learning-rate", "nan"], "learning_rate must be finite, not nan"),
        (["--y", 1], "y and x are the position of a neuron"),
        (["--objective", "neuron", "--y", 99], "there is no cell y=99"),
        (["--objective", "neuron", "--reduction", "sum"], "reduction is for a channel's"),
        (["--objective", "layer"], "takes a whole layer: mixed4a"),
        (["--provider", "nonsense"], "no provider 'nonsense'; it has "),
        (["--provider", ""], "provider must be a name such as 'auto' or 'cpu', not ''"),
        (["--snapshots", "1,2"], "--snapshots says which steps --strip FILE shows"),
        (["--snapshots", "1,x", "--strip", "s.png"], "numbers of steps such as 1,32,128"),
        (["--input-range", 0, 1], "says itself what it expects of a picture"),
    ],
)
def test_option(refused, tiny, options, words):
    words = words.replace("mixed4a:1", "mixed4a; the smallest is ")
    defaults = [] if options[0] in ("--steps", "--size", "--provider") else SHORT
    assert words in refused("render", tiny, "mixed4a:1", *defaults, *options)


def test_neuron_without_a_unit(refused, tiny):
    assert "a neuron needs a unit: mixed4a:UNIT" in refused(
        "render", tiny, "mixed4a", "--objective", "neuron", *SHORT
    )


def test_no_cuda(refused, tiny, monkeypatch):
    monkeypatch.setattr(
        "onnxscope.runtime.session._cuda_problem", lambda: "there is no NVIDIA driver"
    )
    monkeypatch.setattr("onnxscope.runtime.session.available_providers", lambda: ["cuda", "cpu"])
    assert refused("render", tiny, "mixed4a:1", "--provider", "cuda") == (
        "the provider cuda does not work here: there is no NVIDIA driver"
    )


def test_unknown_preprocessing(refused, foreign):
    for command in (("render",), ("gradient", "-o", "gradient.onnx")):
        message = refused(*command, foreign, "mixed4a:1")
        assert "does not say what its input expects of a picture" in message
        assert "give --preprocessing NAME, such as imagenet, or --input-range LOW" in message


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (["Relu", "acme.Frobnicate"], "onnxscope has no standard form of acme's Frobnicate"),
        (["Relu", "Frobnicate"], "ONNX has no operator Frobnicate"),
    ],
)
def test_unknown_operator(run, refused, elsewhere, operators, said):
    path = unary(elsewhere / "model.onnx", *operators, "Relu")
    given = ("--input-range", 0, 1, "--steps", 2, "--transforms", "none")
    for command in (("render", path, "c:1", *given), ("inspect", path, "c")):
        message = refused(*command)
        assert said in message
        assert "'make_b'" in message
    # Layers before it are none the worse for it.
    assert run("render", path, "a:1", *given).exit_code == 0
    assert run("inspect", path).exit_code == 0


# Files that cannot be written --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("nowhere/a.png", "there is no folder nowhere"),
        ("picture", "without a suffix it names no picture format"),
        ("picture.xyz", "its suffix names no picture format"),
        ("picture.onnx", "its suffix names no picture format"),
        ("picture.xbm", "XBM takes no RGB pictures here"),
    ],
)
@pytest.mark.parametrize("option", ["-o", "--strip"])
def test_output(refused, tiny, option, output, words):
    assert words in refused("render", tiny, "mixed4a:1", "--steps", 10**9, option, output)


def test_output_in_a_file_or_on_a_folder(refused, tiny, folder):
    (folder / "file").write_text("")
    (folder / "folder.png").mkdir()
    for output in ("file/a.png", "folder.png"):
        message = refused("render", tiny, "mixed4a:1", "--steps", 10**9, "-o", output)
        assert message.startswith(f"cannot write {output}")


def test_animation_suffix(refused, tiny):
    assert "use .gif, .webp or .png" in refused(
        "render", tiny, "mixed4a:1", "--steps", 10**9, "--animation", "a.jpg"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "a.png", "--strip", "a.png"], "-o and --strip are the same file"),
        (["-o", "a.png", "--strip", "../{folder}/a.png"], "-o and --strip are the same file"),
        (["-o", "a.png", "--animation", "a.png"], "-o and --animation are the same file"),
        (["--strip", "b.png", "--animation", "b.png"], "--strip and --animation are the same"),
    ],
)
def test_one_file_for_two(refused, tiny, folder, options, words):
    options = [option.format(folder=folder.name) for option in options]
    assert words in refused("render", tiny, "mixed4a:1", "--steps", 10**9, *options)


@pytest.mark.parametrize("command", ["gradient", "convert"])
def test_output_of_other_commands(refused, tiny, command):
    target = ["mixed4a:1"] if command == "gradient" else []
    assert "there is no folder nowhere" in refused(command, tiny, *target, "-o", "nowhere/a.onnx")


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["os.replace", "PIL.Image.Image.save"])
def test_full_disk(run, tiny, folder, monkeypatch, where):
    if where == "PIL.Image.Image.save":
        # The check before the work writes to memory; only then is the disk full.
        monkeypatch.setattr("onnxscope.pictures.picture.check_suffix", lambda *_arguments: None)
    (folder / "mixed4a-1.png").write_text("what was here before")
    monkeypatch.setattr(where, full)
    result = run("render", tiny, "mixed4a:1", *SHORT, "-q")
    assert result.exit_code == 2
    assert result.stderr == "error: cannot write mixed4a-1.png: No space left on device\n"
    assert [path.name for path in folder.iterdir()] == ["mixed4a-1.png"]
    assert (folder / "mixed4a-1.png").read_text() == "what was here before"


def test_full_disk_for_a_gradient(refused, tiny, monkeypatch):
    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in refused("gradient", tiny, "mixed4a:1", "-o", "g.onnx")


def test_not_enough_memory(refused, tiny, monkeypatch):
    def exhausted(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr("onnxscope.pictures.rendering.ascend", exhausted)
    assert "there is not enough memory; try a smaller --size" in refused(
        "render", tiny, "mixed4a:1", *SHORT
    )


# Recipes -----------------------------------------------------------------------------------------


@pytest.fixture
def picture(run, tiny, elsewhere):
    path = elsewhere / "picture.png"
    assert run("render", tiny, "mixed4a:1", *SHORT, "-o", path).exit_code == 0
    return path


def test_no_recipe(refused, elsewhere):
    plain = elsewhere / "plain.png"
    Image.new("RGB", (4, 4)).save(plain)
    (elsewhere / "text.png").write_text("no picture")
    for name, words in (
        ("no.png", "No such file"),
        ("text.png", "it is not a picture"),
        ("plain.png", "holds no recipe"),
    ):
        assert words in refused("render", "--recipe", elsewhere / name, "-o", "again.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda _data: "",
        lambda _data: "{",
        lambda _data: "[]",
        lambda _data: "{}",
        lambda data: json.dumps(data | {"size": 3}),
        lambda data: json.dumps(data | {"steps": "many"}),
        lambda data: json.dumps(data | {"steps": -1}),
        lambda data: json.dumps(data | {"model": None}),
        lambda data: json.dumps(data | {"objective": None}),
        lambda data: json.dumps(data | {"objective": {"channel": ["mixed4a"]}}),
        lambda data: json.dumps(data | {"transforms": [{"swirl": [3]}]}),
        lambda data: json.dumps(data | {"transforms": 3}),
        lambda data: json.dumps(data | {"optimizer": {"adam": {"speed": 3}}}),
        lambda data: json.dumps(data | {"parameterization": {"clay": {}}}),
        lambda data: json.dumps(data | {"surprise": 1}),
    ],
)
def test_damaged_recipe(refused, picture, elsewhere, change):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("onnxscope", change(json.loads(read_recipe(picture).to_text())))
    damaged = elsewhere / "damaged.png"
    Image.new("RGB", (4, 4)).save(damaged, pnginfo=info)
    assert refused("render", "--recipe", damaged, "-o", "again.png")


@pytest.mark.slow
def test_recipe_of_another_model(refused, picture, foreign):
    assert "is not the model of the recipe" in refused(
        "render", foreign, "--recipe", picture, "-o", "again.png"
    )


@pytest.mark.slow
def test_recipe_beside_what_it_says(refused, picture):
    assert refused("render", "--recipe", picture, "-o", "again.png", "--steps", 3).endswith(
        "leave out --steps"
    )
    assert "-o FILE" in refused("render", "--recipe", picture)


def test_neither_target_nor_recipe(refused, tiny):
    assert "give a MODEL and a TARGET" in refused("render", tiny)
    assert "give a MODEL and a TARGET" in refused("render", "--quiet")
