"""`blocks`: a photograph taken apart, its figures, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError
from onnxscope.studies.building import BlockMaker

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from seen_network import network, photo, taken_apart, tokens

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> osc.Blocks:
    return taken_apart()


def test_every_cell_has_a_picture_and_its_units(found):
    assert [layer.name for layer in found.layers] == ["one", "two", "three"]
    one, two, three = found.layers
    assert one.cells == (24, 24)
    assert one.shape == (14, 14)
    assert two.shape == three.cells == (12, 12)
    model = osc.load(network())
    cells = model.activations(photo(), ["two"])["two"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(two.vectors, cells, rtol=1e-5)
    assert two.pictures.shape == (12, 12, 16, 16, 3)
    units = two.dictionary(3, 4)
    assert units == sorted(units, key=lambda pair: -pair[1])
    assert {unit for unit, _ in units} <= two.units.keys()
    assert units[0][1] == pytest.approx(cells[3, 4].max())
    # Cells at which nothing fires are grey.
    dead = ~three.vectors.any(axis=2)
    assert (three.pictures[dead] == 128).all()
    assert three.pictures[~dead].std() > 0


def test_classes_and_what_speaks_for_them(found):
    scores = osc.load(network()).activations(photo(), ["logits"])["logits"][0]
    assert [one.index for one in found.classes] == list(np.argsort(-scores))
    assert sum(one.probability for one in found.classes) == pytest.approx(1)
    for layer in found.layers:
        for which, one in enumerate(found.classes):
            assert layer.class_maps[which].sum() == pytest.approx(one.score, rel=1e-3)
            assert layer.class_channels[which].sum() == pytest.approx(one.score, rel=1e-3)
    assert list(found.layers[2].influences) == ["one", "two"]


def test_groups_have_pictures_effects_and_flow(found):
    for layer in found.layers:
        assert list(layer.groups) == [2, 3]
    first, second = found.layers[0].groups[3], found.layers[1].groups[3]
    assert first.flow is None
    assert second.flow.shape == (3, 3)
    assert second.effects.shape == (3, 4)
    assert second.pictures.shape == (3, 16, 16, 3)
    # As much as the groups explain they have of what the layer does.
    total = found.layers[1].class_maps.sum((1, 2))
    assert np.abs(second.effects.sum(0) - total).max() < 0.35 * np.abs(total).max()


def test_two_photos_share_the_pictures_of_units():
    maker = BlockMaker(
        osc.load(network()), ["two"], steps=2, size=16, groups=(), classes=0, provider="cpu"
    )
    said: list[str] = []
    first = maker(photo(), report=said.append)
    second = maker(photo()[::-1])
    both = first.layers[0].units.keys() & second.layers[0].units.keys()
    assert both
    for unit in both:
        np.testing.assert_array_equal(first.layers[0].units[unit], second.layers[0].units[unit])
    again = maker(photo())
    np.testing.assert_array_equal(again.layers[0].pictures, first.layers[0].pictures)
    assert any("step 2 of 2" in words for words in said)
    assert not first.classes
    assert first.layers[0].class_maps is None


def test_a_network_without_classes_and_one_whose_last_layer_reads_the_first():
    trunk = osc.blocks(
        osc.load(network(skip=True, classes=False)),
        photo(),
        ["one", "three", "sum"],
        steps=1,
        size=16,
        groups=(2,),
        provider="cpu",
    )
    assert not trunk.classes
    total = trunk.layers[2].influences["one"].sum((2, 3))
    np.testing.assert_allclose(total, trunk.layers[2].lengths, rtol=1e-3, atol=1e-4)
    assert trunk.layers[1].groups[2].effects is None


# A cell after the other, all by one graph.
@pytest.mark.usefixtures("kept_graphs")
def test_a_network_that_takes_one_picture_of_one_size():
    given = {"steps": 1, "size": 16, "groups": (), "units": 1, "classes": 2, "provider": "cpu"}
    fixed = osc.blocks(osc.load(network(fixed=True)), photo(), ["three"], **given)
    free = osc.blocks(osc.load(network()), photo(), ["three"], **given)
    assert fixed.layers[0].pictures.shape == (12, 12, 16, 16, 3)
    one, other = fixed.layers[0].class_maps, free.layers[0].class_maps
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_patches_among_tokens_are_cells():
    model = osc.load(tokens())
    taken = osc.blocks(
        model, photo(), ["block0", "block1"], steps=1, size=16, groups=(2,), provider="cpu"
    )
    assert [layer.shape for layer in taken.layers] == [(6, 6), (6, 6)]
    cells = model.activations(photo(), ["block1"])["block1"][0][:, 1:].reshape(16, 6, 6)
    np.testing.assert_allclose(taken.layers[1].vectors, cells.transpose(1, 2, 0), rtol=1e-5)
    assert taken.layers[0].class_maps.any()


def test_what_is_interrupted_gives_no_pictures_that_are_less_far(monkeypatch):
    from onnxscope.studies import miniatures

    real = miniatures.render

    def interrupted(*given, **named):
        return replace(real(*given, **named), interrupted=True)

    monkeypatch.setattr(miniatures, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        taken_apart(groups=())


def test_figures(found):
    grid = found.grid("two", cell=20)
    assert grid.size == (12 * 21 + 1, 12 * 21 + 1)
    by_length = np.asarray(found.grid("two", magnitude=True, cell=20))
    assert (by_length == 230).all(axis=2).mean() > (np.asarray(grid) == 230).all(axis=2).mean()
    assert found.dictionary("one", 0, 3).width > 300
    assert found.heat("two", 1).size == (48, 48)
    assert found.channels("three").height > 200
    assert found.groups("three", 2).width > 200
    html = found._repr_html_()
    assert html.count("<img") == 4
    assert "&lt;img src=x onerror" in html


def test_what_is_refused(found):
    model = osc.load(network())
    with pytest.raises(LayerError, match=r"logits \(4\) has no cells"):
        osc.blocks(model, photo(), ["logits"])
    with pytest.raises(LayerError, match="four"):
        osc.blocks(model, photo(), ["four"])
    with pytest.raises(InputError, match="one photo at a time, not 2"):
        osc.blocks(model, [photo(), photo()], ["one"])
    with pytest.raises(LayerError, match=r"'tow' was not looked at.*two"):
        found.grid("tow")
    with pytest.raises(InputError, match="4 classes were looked at, 0 to 3"):
        found.heat("two", 4)
    with pytest.raises(InputError, match="divided into 2, 3 groups, not into 7"):
        found.groups("two", 7)
    with pytest.raises(InputError, match="12×12 cells, from 0; there is none in row 12, column 0"):
        found.dictionary("two", 12, 0)
