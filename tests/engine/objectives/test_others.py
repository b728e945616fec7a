"""Two networks in one objective: values, gradients, transforms, recipes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper
from onnxscope.errors import OnnxscopeError, TargetError
from onnxscope.objectives import others
from onnxscope.objectives.registry import from_json
from onnxscope.objectives.targets import resolve

IMAGES = np.random.default_rng(0).random((2, 48, 64, 3), np.float32)


def small(path: Path, seed: int = 1) -> Path:
    """A network of one layer of six units, that takes pictures in [−1, 1]."""
    weights = np.random.default_rng(seed).standard_normal((6, 3, 5, 5), np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w"], ["map"], strides=[2, 2]),
            helper.make_node("Relu", ["map"], ["units"]),
        ],
        "small",
        [helper.make_tensor_value_info("image", 1, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("units", 1, ["N", 6, None, None])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def other(tmp_path: Path) -> osc.Model:
    return osc.load(str(small(tmp_path / "other.onnx")), input_range=(-1, 1))


@pytest.mark.slow
def test_both_see_the_same_picture(squeezenet: osc.Model, other: osc.Model) -> None:
    objective = osc.channel("fire4", 9) - 0.5 * osc.seen_by(other, osc.channel("units", 3))
    value, gradient = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    one, along = osc.Gradient(squeezenet, "fire4:9", provider="cpu")(IMAGES)
    two, against = osc.Gradient(other, "units:3", provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, one - 0.5 * two, rtol=1e-4)
    np.testing.assert_allclose(gradient, along - 0.5 * against, atol=1e-5)
    assert osc.verify(squeezenet, objective, size=48, directions=2).agrees
    assert "− 0.5 × channel units:3 of " in str(objective)


@pytest.mark.slow  # three ascents
def test_an_ascent_for_both_and_its_recipe(
    squeezenet: osc.Model, other: osc.Model, tmp_path: Path
) -> None:
    given = {"size": 56, "steps": 8, "provider": "cpu"}
    unit = osc.neuron("fire4", 9)
    objective = unit - osc.seen_by(other, osc.channel("units", 3))
    picture = osc.render(squeezenet, objective, batch=2, **given)
    assert (picture.values[-1] > picture.values[0]).all()
    apart = osc.render(squeezenet, objective, batch=2, batch_size=1, **given)
    np.testing.assert_array_equal(apart.images, picture.images)
    each = osc.render(squeezenet, [objective, unit], **given)
    np.testing.assert_array_equal(each.images[0], picture.images[0])
    # In another process the file is read again.
    others._opened.clear()
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)
    assert from_json(objective.to_json()) == objective
    others._opened.clear()
    small(tmp_path / "other.onnx", seed=2)
    with pytest.raises(OnnxscopeError, match="is another network than the objective's"):
        osc.remake(picture.recipe, squeezenet)


@pytest.mark.slow
def test_in_an_expression(squeezenet: osc.Model) -> None:
    text = 'logit("daisy") - 0.5 * seen_by("squeezenet", "fire5:11")'
    found = resolve(squeezenet, text)
    wanted = osc.logit("daisy") - 0.5 * osc.seen_by(squeezenet, osc.channel("fire5", 11))
    assert found == wanted
    value, _ = osc.Gradient(squeezenet, found, provider="cpu")(IMAGES)
    plain = osc.logit("daisy") - 0.5 * osc.channel("fire5", 11)
    np.testing.assert_allclose(
        value, osc.Gradient(squeezenet, plain, provider="cpu")(IMAGES)[0], rtol=1e-5
    )
    own_labels = osc.channel("fire5", 0) * 0 + osc.seen_by(squeezenet, osc.logit("daisy"))
    value, _ = osc.Gradient(squeezenet, own_labels, provider="cpu")(IMAGES)
    logits = squeezenet.activations(IMAGES, "logits")["logits"]
    np.testing.assert_allclose(value, logits[:, 985], rtol=1e-4)


def test_what_is_refused(squeezenet: osc.Model, other: osc.Model) -> None:
    for make, message in (
        (lambda: osc.seen_by(3, osc.layer("units")), "one that load has given, or its name, not 3"),
        (lambda: osc.seen_by("none.onnx", osc.layer("units")), "none.onnx"),
        (lambda: osc.seen_by(other, 3), "expected an objective"),
        (lambda: osc.seen_by(other, osc.l2()), "needs no other network: add it outside"),
        (lambda: osc.seen_by(other, osc.diversity("units")), "needs no other network"),
    ):
        with pytest.raises(OnnxscopeError, match=message):
            make()
    with pytest.raises(TargetError, match="looks at no layer and not at the picture"):
        osc.render(squeezenet, osc.seen_by(other, osc.layer("units")), size=48, steps=1)
