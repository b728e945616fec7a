"""Layers of other kinds: very wide ones, such without positions, and tokens."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.pages.microscope import Site
from onnxscope.store.filling import fill
from onnxscope.store.kinds import KINDS
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project
from seen_network import tokens

SMALL = {"steps": 1, "settings": {"provider": "cpu"}}


@pytest.fixture(scope="module")
def wide() -> osc.Model:
    """Cells of 4,096 channels, and as many features behind them."""
    rng = np.random.default_rng(1)
    builder = Builder("wide")
    image = builder.input("image", (1, 3, 16, 16), np.float32)
    weights = rng.standard_normal((4096, 3, 4, 4)).astype(np.float32)
    cells = builder.op.Relu(
        builder.op.Conv(image, builder.constant(weights), strides=[4, 4], kernel_shape=[4, 4])
    )
    cells.value.name = "cells"
    mixing = (rng.standard_normal((4096, 4096)) / 64).astype(np.float32)
    features = builder.op.Relu(cells.mean([2, 3]) @ builder.constant(mixing))
    builder.output("features", features)
    return osc.load(model_of(builder), preprocessing="none")


def titles(plan, name: str) -> list[str]:
    return [kind.name for kind in plan.kinds_of(plan.model.layers[name])]


@pytest.mark.slow
def test_a_layer_of_4096_units(wide: osc.Model, tmp_path):
    plan = make_plan(wide, ["cells", "features"], kinds=["channel"], quality="draft", **SMALL)
    assert plan.count() == 2 * 4096
    project = Project.create(tmp_path / "p", wide)
    filling = fill(plan, project, order=plan.order()[:64])
    assert (filling.made, filling.failed) == (64, [])
    page = Site(plan, project).write()
    text = (page.parent / "cells.html").read_text()
    assert text.count('class="unit"') == 4096
    assert len(text) < 600_000
    data = sorted((page.parent / "data").glob("cells.[0-9]*.js"))
    assert len(data) == 128


def test_without_positions_neuron_and_channel_coincide(wide: osc.Model, tmp_path):
    plan = make_plan(wide, ["cells", "features"], units="0:2", quality="draft", **SMALL)
    assert titles(plan, "cells") == ["channel", "neuron", "negative", "diversity"]
    assert titles(plan, "features") == ["channel", "negative"]
    project = Project.create(tmp_path / "p", wide)
    page = Site(plan, project).write()
    said = "a unit's neuron and its channel are the same, and pictured once"
    assert said in (page.parent / "features.html").read_text()
    assert said not in (page.parent / "cells.html").read_text()
    with pytest.raises(InputError, match=r"no positions.*choose channel"):
        make_plan(wide, ["features"], kinds=["neuron"], **SMALL)


@pytest.mark.slow
def test_tokens(tmp_path):
    network = osc.load(tokens())
    names = [layer.title for layer in network.layers.values() if len(layer.shape) == 2]
    assert names
    plan = make_plan(network, names, units="0:2", quality="draft", **SMALL)
    project = Project.create(tmp_path / "p", network)
    filling = fill(plan, project)
    assert (filling.left, filling.failed) == (0, [])
    assert filling.made == plan.count()
    Site(plan, project).write()


def test_what_a_unit_likes_least_is_looked_at_before_its_activation(wide: osc.Model, tmp_path):
    kinds = ["channel", "negative"]
    plan = make_plan(wide, ["cells"], kinds=kinds, units="0:2", quality="draft", **SMALL)
    project = Project.create(tmp_path / "p", wide)
    assert fill(plan, project).failed == []
    layer = plan.model.layers["cells"]
    for unit in (0, 1):
        channel, negative = (
            project.answer(plan.wanted(layer, unit, KINDS[kind]).question) for kind in kinds
        )
        assert channel is not None
        assert negative is not None
        assert "before_activation" not in channel
        assert negative["before_activation"] is True
        (look,) = negative["looks"]
        assert look["mean"] < 0
        assert look["map"]["low"] < look["mean"] < look["map"]["high"]


def test_what_is_not_finite_is_said_and_costs_nothing_else(tmp_path):
    """Two units that are well beside two that overflow: pages could not be written of that."""
    builder = Builder("half")
    image = builder.input("image", (1, 3, 16, 16), np.float32)
    rng = np.random.default_rng(1)
    weights = [builder.constant(rng.random((2, 3, 1, 1)).astype(np.float32)) for _ in range(2)]
    well = builder.op.Relu(builder.op.Conv(image, weights[0]))
    huge = builder.op.Exp(builder.op.Conv(image, weights[1]) * 1000.0)
    well.value.name = "well"
    builder.output("half", builder.op.Concat(well, huge, axis=1))
    opened = osc.load(model_of(builder), preprocessing="none")
    plan = make_plan(opened, ["well", "half"], units="0", kinds=["channel"], size=16, **SMALL)
    project = Project.create(tmp_path / "p", opened)
    filling = fill(plan, project)
    assert filling.made == 1
    ((wanted, reason),) = filling.failed
    assert (wanted.target, "not finite" in reason) == ("half:0", True)
    assert Site(plan, project).write().is_file()
