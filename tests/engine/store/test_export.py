"""One file of all that is known: it is what the answers and the pictures say."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.objectives.registry import from_json
from onnxscope.store.export import export
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project


@pytest.fixture(scope="module")
def made(squeezenet: osc.Model, tmp_path_factory: pytest.TempPathFactory):
    plan = make_plan(
        squeezenet,
        ["fire3/squeeze1x1", "fire3", "logits"],
        units="0:4",
        kinds=["channel", "neuron", "diversity"],
        quality="draft",
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )
    project = Project.create(tmp_path_factory.mktemp("export") / "p", squeezenet)
    # The last layers' last pictures are missing.
    fill(plan, project, order=plan.order()[:-4])
    return plan, project


@pytest.mark.slow
def test_json(made):
    plan, project = made
    data = json.loads(export(plan, project, "json").read_text())
    assert [layer["name"] for layer in data["layers"]] == ["fire3/squeeze1x1", "fire3", "logits"]
    for layer, told in zip(plan.layers, data["layers"], strict=True):
        assert [one["unit"] for one in told["units"]] == [0, 1, 2, 3]
        for one in told["units"]:
            for name, picture in one["pictures"].items():
                kind = next(kind for kind in plan.kinds if kind.name == name)
                wanted = plan.wanted(layer, one["unit"], kind)
                assert project.folder / picture["file"] == project.path_of(wanted.question, ".png")
                assert (project.folder / picture["file"]).is_file()
                if "importance" in picture:
                    assert (project.folder / picture["importance"]).is_file()
                assert from_json(picture["asked"]["objective"]) == wanted.objective
                assert len(picture["values"]) == kind.pictures
    squeezed, expanded, logits = data["layers"]
    assert set(logits["units"][0]["pictures"]) == {"channel"}
    earlier = expanded["units"][1]["earlier"]
    assert list(earlier) == ["fire3/squeeze1x1"]
    unit, share = earlier["fire3/squeeze1x1"][0]
    if unit < 4:
        later = dict(squeezed["units"][unit]["later"]["fire3"])
        assert later[1] == pytest.approx(share)


@pytest.mark.slow
def test_npz(made):
    plan, project = made
    with np.load(export(plan, project, "npz")) as file:
        found = {name: file[name] for name in file.files}
    layer, kind = plan.layers[1], plan.kinds[0]
    np.testing.assert_array_equal(found["units/channel/fire3"], range(4))
    known = [project.answer(plan.wanted(layer, u, kind).question) for u in range(4)]
    means = [one["looks"][0]["mean"] for one in known]
    np.testing.assert_allclose(found["mean/channel/fire3"][:, 0], means)
    assert found["means/channel/fire3"].shape == (4, 128)
    assert found["mean/diversity/fire3/squeeze1x1"].shape[1] == 4
    shares = found["shares/fire3/squeeze1x1/fire3"]
    assert shares.shape == (len(found["sharing/fire3/squeeze1x1/fire3"]), 16)


@pytest.mark.slow
def test_another_form(made):
    with pytest.raises(InputError, match="json or npz"):
        export(*made, "jsn")
