"""`compare`: what is said of a unit is what its numbers are."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnxscope as osc
import pytest
from onnx import numpy_helper, parser
from onnxscope.errors import LayerError, TargetError
from onnxscope.studies.cells import Cells
from onnxscope.studies.comparison import Comparison
from onnxscope.studies.findings import findings

NAMES = ["middle", "upper right", "lower left", "corner", "channel", "negative"]


@pytest.fixture(scope="module")
def found(squeezenet: osc.Model) -> Comparison:
    return osc.compare(squeezenet, "fire5:100", size=160, steps=24, provider="cpu")


@pytest.mark.slow
def test_values_are_those_of_the_objectives(squeezenet, found):
    assert [look.name for look in found.looks] == NAMES
    for other in found.looks:
        gradient = osc.Gradient(squeezenet, other.objective, provider="cpu")
        expected = gradient(found.picture.images)[0]
        values = [look.values[other.name] for look in found.looks]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-3)
    cells = squeezenet.activations(found.picture.images, "fire5")["fire5"][:, 100]
    np.testing.assert_allclose(np.stack([look.map for look in found.looks]), cells, rtol=1e-4)


@pytest.mark.slow
def test_each_picture_is_the_best_for_what_it_was_made_for(found):
    for name in ("middle", "upper right", "lower left", "channel", "negative"):
        values = {look.name: look.values[name] for look in found.looks}
        assert max(values, key=values.__getitem__) == name


@pytest.mark.slow
def test_a_middle_neuron_lights_up_in_the_middle(found):
    look = found["middle"]
    assert np.unravel_index(look.map.argmax(), look.map.shape) == look.cell
    assert found.active("channel") > 5 * found.active("middle") > 0


@pytest.mark.slow
def test_moved_by_its_stride_a_picture_gives_another_neuron_the_same(found):
    own = found["middle"].values["middle"]
    assert found.stride == (8, 8)
    assert found.field == (47, 47)
    for name in ("upper right", "lower left"):
        assert found.moved[name] == pytest.approx(own, rel=1e-3)


@pytest.mark.slow
def test_sentences_follow_from_the_numbers(found):
    text = "\n".join(found.findings)
    share = found["middle"].values["channel"] / found["channel"].values["channel"]
    assert "A cell sees 47×47 of 160×160 pixels" in text
    assert f"{100 * share:.2g} % of the channel's value" in text
    assert "100 % each of what it gives the middle one: they look for the same" in text
    box = found["corner"].box
    assert f"the neuron in the corner sees {box.bottom}×{box.right} pixels, " in text
    assert "Negative: on its picture the unit is off in" in text
    # Other numbers, other words.
    looks = {look.name: look for look in found.looks}
    own = looks["middle"].values["middle"]
    strong = replace(looks["corner"], values=looks["corner"].values | {"corner": 2 * own})
    changed = replace(found, looks=tuple((looks | {"corner": strong}).values()))
    assert "reaches 200 % of the middle one's value: the padding itself" in "\n".join(
        findings(changed)
    )
    weak = replace(looks["upper right"], values={"upper right": own / 10, "channel": 1.0})
    changed = replace(found, looks=tuple((looks | {"upper right": weak}).values()))
    assert "% apart" in "\n".join(findings(changed))
    off = [replace(look, map=np.zeros_like(look.map)) for look in found.looks]
    assert list(findings(replace(found, looks=tuple(off)))) == [
        "The unit is off on all of these pictures: try another seed, more steps, or a unit that is "
        "not dead."
    ]


@pytest.mark.slow
def test_figure_and_data(found, tmp_path):
    path = found.save(tmp_path / "found.png")
    assert osc.read_recipe(path).batch == 6
    assert found.figure().width > 6 * 200
    data = json.loads(json.dumps(found.to_json()))
    assert [one["name"] for one in data["pictures"]] == NAMES
    assert data["cells"] == [19, 19]
    assert data["pictures"][3]["cell"] == [0, 0]
    assert found.table()[0] == ["picture", *NAMES]


@pytest.mark.slow
def test_after_an_early_end_there_is_what_there_is(found):
    """Pictures that Ctrl-C left unmade are missing, and nothing is said of them."""
    part = replace(found, looks=found.looks[:2])
    said = list(findings(part))
    assert any(line.startswith("Which neuron: 2 neurons") for line in said)
    assert not any(line.startswith(("Negative", "At the border")) for line in said)
    assert replace(part, findings=tuple(said)).figure().height > 200


@pytest.mark.slow
def test_small_maps_have_fewer_neurons(squeezenet):
    found = osc.compare(squeezenet, "fire9:3", size=48, steps=2, provider="cpu")
    assert [look.name for look in found.looks] == ["middle", "corner", "channel", "negative"]
    assert found.looks[0].map.shape == (2, 2)
    found.figure()


def test_fields_and_strides(squeezenet):
    cells = Cells.of(squeezenet, "fire8", 5, (227, 227))
    assert (cells.height, cells.width, cells.stride()) == (13, 13, (16, 16))
    assert cells.whole_field(6, 6) == (143, 143)
    assert cells.whole_field(0, 0) is None


@pytest.mark.slow
def test_cells_may_be_tokens():
    proto = parser.parse_model(_TOKENS)
    rng = np.random.default_rng(0)
    weights = {"w": (12, 3, 8, 8), "m": (12, 12)}
    for name, shape in weights.items():
        array = rng.standard_normal(shape).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    found = osc.compare(osc.load(proto, input_range=(-1, 1)), "r:3", steps=4, provider="cpu")
    text = "\n".join(found.findings)
    assert found.looks[0].map.shape == (4, 4)
    assert found.looks[0].cell == (2, 2)
    assert text.startswith("The cells are tokens, 8 pixels apart;")
    assert "At the border" not in text
    # Patches do not overlap: moved by whole patches a picture does the same there.
    assert "100 % each of what it gives the middle one" in text


_TOKENS = """<ir_version: 8, opset_import: ["": 18]>
network (float[N,3,32,32] image) => (float[N,16,12] y) <
    float[12,3,8,8] w, float[12,12] m, int64[3] s = {0, 12, 16}
> {
    c = Conv<strides=[8,8]>(image, w)
    f = Reshape(c, s)
    t = Transpose<perm=[0,2,1]>(f)
    d = MatMul(t, m)
    r = Relu(d)
    y = MatMul(r, m)
}"""


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        ("fire5", TargetError, "write fire5:0"),
        ('channel("fire5", 1) - l2()', TargetError, "one unit"),
        ("daisy", LayerError, "a neuron and a channel are the same"),
        ("fire5:999", LayerError, "no channel 999"),
        ("fire55:1", LayerError, "fire5"),
    ],
)
def test_refused(squeezenet, target, error, said):
    with pytest.raises(error) as caught:
        osc.compare(squeezenet, target)
    assert said in str(caught.value)
