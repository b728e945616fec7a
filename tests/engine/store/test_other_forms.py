"""Networks that take other pictures than RGB: grey, of four channels, volumes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.pages.microscope import Site
from onnxscope.pictures.display import seen
from onnxscope.server import previews
from onnxscope.server.photos import Photos
from onnxscope.store.filling import fill
from onnxscope.store.opacity import SUFFIX
from onnxscope.store.plan import Plan, make_plan
from onnxscope.store.project import Project
from PIL import Image

FORMS = {"grey": (1, 20, 24), "four channels": (4, 20, 24), "volumes": (2, 6, 20, 24)}


def network(*shape: int) -> osc.Model:
    """Two layers, of which the second weighs the first."""
    rng = np.random.default_rng(5)
    builder = Builder("forms")
    value = builder.input("image", (1, *shape), np.float32)
    for name, before, after in (("first", shape[0], 5), ("second", 5, 3)):
        kernel = (3,) * (len(shape) - 1)
        weights = rng.normal(0.05, 0.3, (after, before, *kernel)).astype(np.float32)
        value = builder.op.Relu(builder.op.Conv(value, builder.constant(weights)))
        value.value.name = name
    builder.output("second", value)
    return osc.load(model_of(builder), preprocessing="none")


@pytest.fixture(scope="module", params=FORMS)
def plan(request: pytest.FixtureRequest) -> Plan:
    model = network(*FORMS[request.param])
    settings = {"provider": "cpu"}
    return make_plan(model, ["second"], units="0:2", quality="draft", steps=2, settings=settings)


def test_pages_show_what_render_makes_and_its_values(plan: Plan, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p", plan.model)
    filling = fill(plan, project)
    assert (filling.made, filling.failed) == (plan.count(), [])
    earlier = []
    for place in plan.order():
        wanted = plan.wanted(*place)
        asked = wanted.question
        picture = osc.render(plan.model, wanted.objective, **wanted.settings)
        with project.picture(asked) as kept:
            assert np.array_equal(np.asarray(kept), np.asarray(picture.sheet()))
        known = project.answer(asked)
        assert known is not None
        earlier.append(known.get("earlier"))
        if not wanted.kind.before_activation:
            answers = plan.model.activations(picture.images, ["second"])["second"]
            found = [look["mean"] for look in known["looks"]]
            np.testing.assert_allclose(
                found, [one[wanted.unit].mean() for one in answers], rtol=1e-3
            )
        # Of channels side by side, what was felt is none of one of them.
        alone = wanted.kind.pictures == 1 and plan.model.form.planes == 1
        assert project.path_of(asked, SUFFIX).is_file() == alone
    made_of = [one for one in earlier if one]
    assert made_of, "no unit is alive"
    for one in made_of:
        assert one["layer"] == "first"
        assert sum(one["shares"]) == pytest.approx(1, rel=0.02)
    page = Site(plan, project).write()
    assert "second" in (page.parent / "second.html").read_text()


def test_an_ascent_on_its_way_is_shown_as_pictures_are(plan: Plan) -> None:
    wanted = plan.wanted(*plan.order()[0])
    picture = osc.render(plan.model, wanted.objective, **wanted.settings)
    address = previews.address(seen(picture.images, plan.model.form), 400)
    assert address.startswith("data:image/webp;base64,")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        assert image.size == picture.sheet().size


def test_photographs_are_for_three_colours(plan: Plan, tmp_path: Path) -> None:
    said = "photographs in three colours, and .* takes .*pages of every unit without"
    with pytest.raises(InputError, match=said):
        Photos(plan).add(b"")
    with pytest.raises(InputError, match=said):
        osc.microscope(plan.model, tmp_path / "p", photos=tmp_path)
    assert not (tmp_path / "p").exists()
