"""`onnxscope prepare`: what a file expects of pictures, said once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import detectors
import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.network.inputs.preprocessing import Preprocessing
from onnxscope.network.inputs.presets import PRESETS, preset_name

SHORT = ("--steps", 2, "--size", 32, "--provider", "cpu")
NAMES = ["a cat", "a dog", "a bird", "a fish", "a fox"]


@pytest.fixture(autouse=True)
def settings(tmp_path_factory, monkeypatch):
    path = tmp_path_factory.mktemp("settings")
    monkeypatch.setenv("ONNXSCOPE_CONFIG", str(path))
    return path


@pytest.fixture
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "names.txt"
    path.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_says_all(run, foreign, folder, name):
    result = run("prepare", foreign, "--preprocessing", name, "-o", "ready.onnx")
    assert result.exit_code == 0, result.output
    ready, given = osc.load("ready.onnx"), osc.load(foreign, preprocessing=name)
    assert ready.preprocessing == given.preprocessing == PRESETS[name]
    assert ready.labels == ()
    words = " ".join(run("inspect", "ready.onnx").stdout.split())
    assert "found in the file's metadata" in words
    assert preset_name(ready.preprocessing) in PRESETS


def test_the_rest_of_the_file_is_untouched(run, foreign, folder, labels):
    data = Path(foreign).read_bytes()
    command = ("prepare", foreign, "--preprocessing", "clip", "--labels", labels, "-o")
    assert run(*command, "ready.onnx").exit_code == 0
    ready = Path("ready.onnx").read_bytes()
    assert ready.startswith(data)
    again = ("prepare", "ready.onnx", "--preprocessing", "caffe", "-o", "other.onnx")
    assert run(*again).exit_code == 0
    other = onnx.load("other.onnx")
    assert len(other.metadata_props) == len({prop.key for prop in other.metadata_props})
    assert osc.load("other.onnx").preprocessing == PRESETS["caffe"]
    assert osc.load("other.onnx").labels == tuple(NAMES)
    del other.metadata_props[:]
    original = onnx.load(foreign)
    del original.metadata_props[:]
    assert other == original


@pytest.mark.slow
def test_single_options(run, foreign, folder):
    given = ("--input-range", 0, 255, "--mean", 1, 2.5, 3, "--std", 4, 5, 6)
    command = ("prepare", foreign, *given, "--channel-order", "bgr", "-o", "ready.onnx")
    result = run(*command)
    assert result.exit_code == 0, result.output
    wanted = Preprocessing((0, 255), (1, 2.5, 3), (4, 5, 6), "bgr")
    assert osc.load("ready.onnx").preprocessing == wanted
    assert run("render", "ready.onnx", "mixed4a:1", *SHORT).exit_code == 0
    assert run("render", foreign, "mixed4a:1", *given, "--channel-order", "bgr", *SHORT, "-o",
               "given.png").exit_code == 0  # fmt: skip
    pictures = [
        osc.read_recipe(name).model["preprocessing"] for name in ("mixed4a-1.png", "given.png")
    ]
    assert pictures[0] == pictures[1]


def test_labels_alone(run, foreign, folder, labels):
    assert run("prepare", foreign, "--labels", labels, "-o", "ready.onnx").exit_code == 0
    assert osc.load("ready.onnx").labels == tuple(NAMES)
    assert osc.load("ready.onnx").preprocessing is None
    result = run("render", "ready.onnx", "a fox", *SHORT, "--preprocessing", "none")
    assert result.exit_code == 0
    assert "logit 4, a fox" in result.stdout


def test_weights_in_another_file(run, foreign, folder):
    (folder / "from").mkdir()
    onnx.save(onnx.load(foreign), "from/big.onnx", save_as_external_data=True,
              location="big.onnx.data", size_threshold=0)  # fmt: skip
    result = run("prepare", "from/big.onnx", "--preprocessing", "yolo", "-o", "from/ready.onnx")
    assert result.exit_code == 0, result.output
    (folder / "to").mkdir()
    result = run("prepare", "from/big.onnx", "--preprocessing", "yolo", "-o", "to/ready.onnx")
    assert result.stdout.splitlines()[0] == ", ".join(
        [os.path.join("to", "ready.onnx"), os.path.join("to", "big.onnx.data")]
    )
    photo = np.random.default_rng(0).random((32, 32, 3))
    expected = osc.load(foreign, preprocessing="yolo").activations(photo, "logits")["logits"]
    for place in ("from", "to"):
        found = osc.load(f"{place}/ready.onnx").activations(photo, "logits")["logits"]
        np.testing.assert_array_equal(found, expected)
    (folder / "to" / "big.onnx.data").write_bytes(b"others")
    assert (
        "holds other weights"
        in run("prepare", "from/big.onnx", "--preprocessing", "yolo", "-o", "to/ready.onnx").stderr
    )


@pytest.mark.slow
def test_it_is_remembered_and_forgotten(run, refused, foreign, folder, labels, settings):
    assert "does not say" in refused("render", foreign, "mixed4a:1", *SHORT)
    command = ("prepare", foreign, "--preprocessing", "caffe", "--labels", labels, "--remember")
    assert run(*command).exit_code == 0
    result = run("render", foreign, "a fox", *SHORT)
    assert result.exit_code == 0, result.output
    assert "preprocessing: remembered for this file: BGR in [0, 255], minus" in result.stderr
    moved = folder / "moved.onnx"
    moved.write_bytes(Path(foreign).read_bytes())
    assert "remembered for this file" in run("inspect", moved).stderr
    said = run("render", moved, "mixed4a:1", "--preprocessing", "none", *SHORT)
    assert "remembered for" not in said.stderr
    assert run("prepare", foreign, "--forget").stdout == "forgotten\n"
    assert run("prepare", foreign, "--forget").stdout == f"nothing is remembered of {foreign}\n"
    assert run("render", foreign, "mixed4a:1", *SHORT).exit_code == 2


def test_what_is_remembered_may_be_damaged(run, foreign, settings):
    assert run("prepare", foreign, "--preprocessing", "tf", "--remember").exit_code == 0
    (path,) = (settings / "preprocessing").iterdir()
    path.write_text("{", encoding="utf-8")
    result = run("inspect", foreign)
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(path) in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "x.onnx"], "say what the network expects, such as --preprocessing imagenet"),
        (["--preprocessing", "tf"], "say with -o FILE where to write the new file, or --remember"),
        (["--preprocessing", "imgnet", "-o", "x.onnx"], "no preprocessing 'imgnet'"),
        (["--preprocessing", "imgnet", "-o", "x.onnx"], "did you mean 'imagenet'"),
        (
            ["--preprocessing", "tf", "--mean", 1, 1, 1, "-o", "x.onnx"],
            "give the one or the others",
        ),
        (["--mean", 1, 1, 1, "-o", "x.onnx"], "need input_range as well"),
        (["--preprocessing", "tf", "-o", "no/x.onnx"], "there is no folder no"),
        (["--labels", "no.txt", "-o", "x.onnx"], "cannot read the labels no.txt"),
        (["--forget", "--preprocessing", "tf"], "--forget goes alone; leave out --preprocessing"),
    ],
)
def test_refusals(refused, foreign, options, words):
    assert words in refused("prepare", foreign, *options)


def test_what_says_itself_what_it_is(refused, tiny, foreign, tmp_path_factory):
    assert "says itself" in refused("prepare", tiny, "--preprocessing", "tf", "-o", "x.onnx")
    assert "catalogue" in refused("prepare", "squeezenet", "--preprocessing", "tf", "-o", "x.onnx")
    assert "is the model itself" in refused(
        "prepare", foreign, "--preprocessing", "tf", "-o", foreign
    )
    plain = onnx.load(tiny)
    del plain.metadata_props[:]
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    onnx.save(plain, path)
    message = refused("prepare", path, "--preprocessing", "caffe", "-o", "x.onnx")
    assert "normalises pictures itself" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb\n", "there are 2 labels, and logits of"),
        ("a\n\nb\nc\nd\n", "has no name for class 1, in line 2"),
        ("", "names no classes"),
        ("[1, 2]", "names no classes"),
        ("[1, 2", "is no JSON"),
        ('{"0": "a", "2": "b"}', "does not name the classes 0 to 1, each once"),
    ],
)
def test_labels_that_are_none(refused, foreign, tmp_path_factory, text, words):
    path = tmp_path_factory.mktemp("labels") / "names.txt"
    path.write_text(text, encoding="utf-8")
    assert words in refused("prepare", foreign, "--labels", path, "-o", "x.onnx")
    given = ("--preprocessing", "none", "--labels", path)
    assert words in refused("render", foreign, "mixed4a:1", *SHORT, *given)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(NAMES),
        "\r\n".join([*NAMES, "", ""]),
        json.dumps(NAMES),
        json.dumps(dict(enumerate(NAMES))),
        "\n".join(f"n0144076{i} {name}" for i, name in enumerate(NAMES)),
    ],
)
def test_labels_in_several_forms(run, foreign, folder, text):
    (folder / "names.txt").write_text(text, encoding="utf-8", newline="")
    result = run("inspect", foreign, "a dog", "--labels", "names.txt", "--preprocessing", "none")
    assert result.exit_code == 0, result.output
    assert "the score of the class 'a dog'" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "axis"), [("yolov5", "output0=2"), ("ssd", "scores=2")])
@pytest.mark.parametrize("where", ["file", "here"])
def test_a_detector_is_ready(run, folder, kind, axis, where):
    proto = detectors.detector(kind)
    del proto.metadata_props[:]
    onnx.save(proto, "net.onnx")
    Path("names.txt").write_text("\n".join(detectors.NAMES), encoding="utf-8")
    given = ("--preprocessing", "yolo", "--labels", "names.txt", "--channel-axis", axis)
    to = ("-o", "ready.onnx") if where == "file" else ("--remember",)
    result = run("prepare", "net.onnx", *given, *to)
    assert result.exit_code == 0, result.output
    layer = axis.partition("=")[0]
    if where == "file":
        assert f"3 labels, channels of {layer} on axis 2" in " ".join(result.stdout.split())
    name = "ready.onnx" if where == "file" else "net.onnx"
    listed = json.loads(run("classes", name, "--json").stdout)
    assert [entry["name"] for entry in listed] == list(detectors.NAMES)
    assert listed[0]["target"].startswith(f"{layer}:")
    result = run("render", name, "bicycle", "--steps", 2, "--provider", "cpu")
    assert result.exit_code == 0, result.output
    assert "logit 1, bicycle" in result.stdout


def test_axes_of_others_metadata(foreign):
    proto = onnx.load(foreign)
    entry = proto.metadata_props.add(key="channel_axis", value="1")
    assert osc.load(proto).arguments() == osc.load(foreign).arguments()
    entry.value = '{"nothing": 1}'
    with pytest.raises(osc.OnnxscopeError, match="no layer 'nothing'"):
        osc.load(proto)
