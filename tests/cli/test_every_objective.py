"""All that the field optimises: typed at the command line, three ascents raise it on SqueezeNet's
weights, and its picture is made again bit for bit.

The table says for each thing what is called and what is typed; every objective that recipes and
expressions know is in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper
from onnxscope.objectives import expressions, registry
from onnxscope.objectives.algebra import Objective
from PIL import Image


class Row(NamedTuple):
    """What is typed for one thing.

    Attributes:
        called: The functions that make it, by the names that `onnxscope` calls them; of what has
            none, what it is.
        typed: The target, or expression.
        options: What else is typed.
        model: Of which network.
    """

    called: str
    typed: str
    options: tuple[str, ...] = ()
    model: str = "squeezenet"


# A start of some contrast: the penalties have something to take away.
GIVEN = ("--transforms", "none", "--parameterization", "fourier(sd=0.3)")
PIXELS = ("--transforms", "none", "--parameterization", "pixels(sd=0.3)")

TABLE = {
    "a channel": Row("channel", "fire5:11"),
    "a channel, summed up": Row("channel", 'channel("fire5", 11, reduction="sum")'),
    "a neuron": Row("neuron", 'neuron("fire5", 11, y=1, x=2)'),
    "a layer": Row("layer", "fire4"),
    "a logit by name": Row("logit", 'logit("daisy")'),
    "a logit by index": Row("logit", "logit(985)"),
    "a class by its name alone": Row("targets", "golden retriever"),
    "a probability": Row("probability", 'probability("daisy", log=True)', GIVEN),
    "a direction": Row("direction", 'direction("fire5", array("one.npy"))'),
    "dot and cosine, to a power": Row(
        "direction", 'direction("fire5", array("one.npy"), cosine=2)'
    ),
    "a direction at a position": Row(
        "direction", 'direction("fire5", array("one.npy"), y=1, x=2, radius=0)'
    ),
    "a direction over a region": Row(
        "direction", 'direction("fire5", array("one.npy"), box=(0, 0, 1, 0.5))'
    ),
    "a direction under a mask": Row(
        "direction", 'direction("fire5", array("one.npy"), mask=[[0, 1], [1, 0.5]])'
    ),
    "a whitened direction": Row(
        "direction", 'direction("fire5", array("one.npy"), whitening=array("white.npy"))'
    ),
    "a direction for each picture": Row("directions", 'directions("fire5", array("three.npy"))'),
    "a unit for each picture": Row("each_unit", 'each_unit("fire5", [11, 84, 3])'),
    "a cosine": Row("cosine", 'cosine("fire5", array("one.npy"))'),
    "weighted channels": Row("channels", 'channels("fire5", {11: 1, 84: 0.5, 3: -0.2})'),
    "a local group": Row("neurons", 'neurons("fire5", 11, y=1, x=1, radius=1)'),
    "an objective for each picture": Row("each", 'each(["fire5:1", "fire5:2", "fire4"])'),
    "before the activation": Row("before_activation", 'before_activation("fire5:11")'),
    "the negative": Row("before_activation", "fire5:11", ("--negative",)),
    "interpolation across a batch": Row(
        "interpolate", 'interpolate("fire5:1", "fire5:2", 3) - 0.01 * alignment("fire4")'
    ),
    "alignment": Row("alignment", '0 - alignment("fire4")', GIVEN),
    "diversity": Row("diversity", '"fire5:11" - 5 * diversity("fire5")'),
    "a difference of activations": Row("difference", '0 - difference("fire5", "photo.png")', GIVEN),
    "feature inversion": Row("inversion", 'inversion("fire5", "photo.png")', GIVEN),
    "a caricature": Row("caricature", 'caricature("fire5", "photo.png", cosine=2)'),
    "accentuation": Row(
        "difference",
        '"fire5:11" - 5 * difference("fire2", "photo.png")',
        ("--parameterization", 'start("photo.png")'),
    ),
    "a value to reach": Row("toward", 'toward("fire5:11", 9)'),
    "two networks": Row("seen_by", '"fire5:11" - 0.5 * seen_by("squeezenet", "fire5:12")'),
    "the L1 norm": Row("l1", "0 - l1()", GIVEN),
    "the L2 norm": Row("l2", "0 - l2()", GIVEN),
    "the L∞ norm": Row("linf", "0 - linf()", PIXELS),
    "total variation": Row("total_variation", "0 - total_variation()", GIVEN),
    "blur": Row("sharpness", "0 - sharpness()", GIVEN),
    "a boundary penalty": Row("boundary", "0 - boundary(8)", GIVEN),
    "the distance to a picture": Row("distance", '0 - distance("photo.png")', GIVEN),
    "style": Row("style", '0 - style(["fire2", "fire4"], "photo.png")', GIVEN),
    "a prior on statistics": Row(
        "statistics", '0 - statistics("fire3", array("means.npy"), array("vars.npy"))', GIVEN
    ),
    "a prior on batch normalisation": Row(
        "batch_norm_prior", '"n2:1" - batch_norm_prior()', ("--range", "0..1"), "normalized.onnx"
    ),
    "matching of distributions": Row(
        "distribution", '0 - distribution("fire4", "photo.png")', GIVEN
    ),
    "matching by relevance": Row(
        "relevance", '0 - distribution("fire4", "photo.png", weights=array("counts.npy"))', GIVEN
    ),
    "a unit of a dictionary": Row("dictionary", "fire5@sae.npz:2"),
    "a unit of an encoder": Row("encoder", 'encoder("encoder.onnx", "fire5", 2)'),
    "a picture that is transparent": Row(
        "opacity", '"fire5:11" - 2 * opacity()', ("--transparent",)
    ),
    "a sum with numbers": Row("algebra", '2 * "fire5:11" + "fire4:3" - 0.5'),
}


@pytest.fixture
def files(folder: Path, flower: np.ndarray) -> Path:
    rng = np.random.default_rng(0)
    Image.fromarray(flower).save("photo.png")
    np.save("one.npy", rng.standard_normal(256, np.float32))
    np.save("three.npy", rng.standard_normal((3, 256), np.float32))
    mixing = rng.standard_normal((256, 256)) / 16
    np.save("white.npy", (mixing @ mixing.T + np.eye(256)).astype(np.float32))
    np.save("means.npy", np.ones(128, np.float32))
    np.save("vars.npy", np.full(128, 2, np.float32))
    np.save("counts.npy", rng.random(256, np.float32))
    np.savez("sae.npz", directions=rng.standard_normal((5, 256)).astype(np.float32))
    cells = {"w": rng.standard_normal((256, 5), np.float32)}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["units"])],
        "sae",
        [helper.make_tensor_value_info("x", 1, ["M", 256])],
        [helper.make_tensor_value_info("units", 1, ["M", 5])],
        [onnx.numpy_helper.from_array(array, name) for name, array in cells.items()],
    )
    save(graph, "encoder.onnx")
    arrays = {
        "w1": rng.standard_normal((6, 3, 3, 3)),
        "w2": rng.standard_normal((4, 6, 3, 3)),
        **{f"{name}1": rng.random(6) + 0.5 for name in ("s", "b", "m", "v")},
        **{f"{name}2": rng.random(4) + 0.5 for name in ("s", "b", "m", "v")},
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"]),
        helper.make_node("BatchNormalization", ["c1", "s1", "b1", "m1", "v1"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("BatchNormalization", ["c2", "s2", "b2", "m2", "v2"], ["n2"]),
    ]
    graph = helper.make_graph(
        nodes,
        "normalized",
        [helper.make_tensor_value_info("image", 1, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("n2", 1, None)],
        [onnx.numpy_helper.from_array(np.float32(a), name) for name, a in arrays.items()],
    )
    save(graph, "normalized.onnx")
    return folder


def save(graph: onnx.GraphProto, name: str) -> None:
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), name)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_graphs")
@pytest.mark.parametrize("name", TABLE)
def test_three_ascents_raise_what_is_typed(run, files: Path, name: str) -> None:
    row = TABLE[name]
    given = ("--steps", 16, "--size", 64, "--provider", "cpu", "-o", "made.png", *row.options)
    result = run("render", row.model, row.typed, *given, "--batch", 3)
    assert result.exit_code == 0, result.output
    recipe = osc.read_recipe("made.png")
    model = osc.load(row.model, input_range=(0, 1)) if row.model != "squeezenet" else row.model
    again = osc.remake(recipe, model)
    assert len(again) == 3
    with Image.open("made.png") as image:
        sheet = again.sheet() if not again.is_transparent else Image.fromarray(np.asarray(image))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(sheet))
    # The transforms of each step are others: the mean over a few says whether it rises.
    few = 1 if recipe.transforms == [] else 4
    first, last = again.values[:few].mean(0), again.values[-few:].mean(0)
    if recipe.objective and registry.from_json(recipe.objective).mixes_pictures:
        first, last = first.sum(), last.sum()
    assert (last > first).all(), (first, last)


def test_all_that_is_known_is_in_the_table() -> None:
    typed = {row.called for row in TABLE.values()}
    words = set(re.findall(r"(\w+)\(", " ".join(row.typed for row in TABLE.values())))
    known = set(expressions._FUNCTIONS) | {"batch_norm_prior", "distribution", "seen_by"}
    assert known <= typed | words
    # Every kind that a recipe knows is what a function of the table makes, or what joins these.
    joins = {"sum", "product", "negative", "number"}
    kinds = {"encoded": "encoder"}
    assert {kinds.get(kind, kind) for kind in registry.kinds()} - joins <= typed | words


@pytest.mark.parametrize("called", sorted({row.called for row in TABLE.values()}))
def test_every_function_is_public_and_names_its_source(called: str) -> None:
    if called in ("targets", "algebra"):
        return
    function = getattr(osc, called)
    words = function.__doc__ or ""
    assert re.search(r"\b(19|20)\d\d\b|Lucid|DeepInversion", words), words


@pytest.mark.slow
def test_sums_of_hundreds_of_terms(squeezenet: osc.Model) -> None:
    total: Objective = osc.channel("fire5", 0)
    for unit in range(1, 300):
        total = total + 0.01 * osc.channel(f"fire{3 + unit % 3}", unit % 128)
    text = str(total)
    assert text.count(" + ") == 299
    again = registry.from_json(total.to_json())
    assert again == total
    picture = osc.render(squeezenet, total, size=48, steps=2, provider="cpu")
    assert np.isfinite(picture.values).all()
