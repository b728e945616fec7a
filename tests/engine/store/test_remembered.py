"""What a project has by its last plan, and that the next one takes nothing of it away."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.store.plan import Plan, make_plan
from onnxscope.store.project import Project
from onnxscope.store.remembered import Remembered, together
from PIL import Image

HOW = {"size": 48, "steps": 2, "settings": {"provider": "cpu"}}


def planned(network: osc.Model, layers: str, units: str, kinds: str, **more) -> Plan:
    return make_plan(network, layers.split(), units=units, kinds=kinds.split(), **HOW | more)


def begin(project: Project, plan: Plan) -> None:
    with project.writing() as writer:
        writer.begin(plan)


@pytest.fixture
def project(squeezenet: osc.Model, tmp_path) -> Project:
    made = Project.create(tmp_path / "p", squeezenet)
    begin(made, planned(squeezenet, "fire3", "0:2", "channel neuron"))
    return made


def test_the_next_plan_adds_to_it(squeezenet: osc.Model, project):
    asked = planned(squeezenet, "fire2 fire3", "1:3", "channel negative")
    both = together(asked, project)
    assert [layer.title for layer in both.layers] == ["fire2", "fire3"]
    assert both.units == ((1, 2), (0, 1, 2))
    assert [kind.name for kind in both.kinds] == ["channel", "neuron", "negative"]
    begin(project, asked)
    last = Remembered.of(project)
    assert last is not None
    assert project.plan == json.loads(json.dumps(both.to_json()))
    assert list(last.units.values()) == [(1, 2), (0, 1, 2)]
    assert together(asked, project) == both


@pytest.mark.parametrize("more", [{"steps": 3}, {"quality": "draft"}], ids=["settings", "graphs"])
def test_pictures_that_are_made_otherwise_stand_alone(squeezenet: osc.Model, project, more):
    asked = planned(squeezenet, "fire2", "1", "channel", **more)
    assert together(asked, project) == asked


@pytest.mark.parametrize(
    "damage",
    [
        {"layers": 3},
        {"layers": [{"name": "fire3"}]},
        {"made_with": None},
        {"made_with": {"size": 48, "steps": 2, "seed": 0}},
        {"photos": 7},
    ],
)
def test_a_damaged_plan_is_said(squeezenet: osc.Model, project, damage):
    path = project.folder / "plan.json"
    path.write_text(json.dumps(project.plan | damage))
    with pytest.raises(InputError, match=r"plan\.json"):
        begin(project, planned(squeezenet, "fire2", "1", "channel"))


def test_pages_and_exports_show_what_earlier_calls_made(squeezenet: osc.Model, tmp_path):
    how = {"units": "0", "size": 48, "steps": 2, "provider": "cpu"}
    osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds=["channel", "neuron"], **how)
    scope = osc.microscope(squeezenet, tmp_path / "p", "fire2", kinds="channel", **how)
    assert (scope.filling.total, scope.filling.made) == (1, 1)
    assert scope.picture("fire3:0", "neuron").is_file()
    for name in ("index", "fire2", "fire3"):
        text = (tmp_path / "p" / f"{name}.html").read_text()
        assert 'href="fire2.html"' in text
        assert 'href="fire3.html"' in text
    assert '"neuron":' in (tmp_path / "p" / "data" / "fire3.0.js").read_text()
    told = json.loads(scope.export().read_text())
    assert [layer["name"] for layer in told["layers"]] == ["fire2", "fire3"]


@pytest.mark.slow
def test_serving_some_layers_changes_nothing_else(squeezenet: osc.Model, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    kinds = ["channel", "examples"]
    how = {"units": "0", "size": 48, "steps": 2, "seed": 3, "provider": "cpu"}
    made = osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds=kinds, photos=photos, **how)
    with osc.serve(squeezenet, tmp_path / "p", "fire2", units="5", provider="cpu") as server:
        plan = server.plan
    assert [layer.title for layer in plan.layers] == ["fire2", "fire3"]
    assert plan.made_with == made.plan.made_with
    assert (plan.photos.digest, plan.photos.count) == (made.plan.photos.digest, 12)
    assert '"examples":' in (tmp_path / "p" / "data" / "fire3.0.js").read_text()
    again = osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds="channel", **how)
    assert again.known("fire3:0", "examples")["photos"] == 12
