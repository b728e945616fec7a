"""What a unit has to do with others, while pictures are made: what the site says later on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxscope as osc
from onnxscope.pages.microscope import write_microscope
from onnxscope.server.asked import Asking
from onnxscope.server.near import Nearness
from onnxscope.store.filling import fill
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project

BEFORE = "fire4/squeeze1x1"


def written(folder: Path, slug: str) -> dict[str, Any]:
    """What a page's script reads of the units of a sheet."""
    text = (folder / "data" / f"{slug}.0.js").read_text()
    found: dict[str, Any] = json.loads(text.partition("(")[2].rpartition(")")[0])
    return found


def test_it_is_told_at_once_in_both_directions(squeezenet: osc.Model, tmp_path):
    how = {"kinds": ["channel"], "quality": "draft", "size": 48, "steps": 2}
    how |= {"settings": {"provider": "cpu"}}
    plan = make_plan(squeezenet, [BEFORE, "fire4", "fire5"], units="0:3", **how)
    project, asking = Project.create(tmp_path / "p", squeezenet), Asking(plan)
    nearness = Nearness(asking, project)
    slug = asking.neighbours.slugs[BEFORE]
    order = plan.order()
    fill(plan, project, order=[one for one in order if one[0].title == BEFORE])
    places = [asking.of_plan((slug, unit, "channel")) for unit in range(3)]
    assert all((nearness.of(one) or {})["later"] == {} for one in places)
    fill(plan, project, order=order)
    write_microscope(plan, project)
    page = written(project.folder, slug)
    found = [nearness.of(one) for one in places]
    assert any(one["later"].get("fire4") for one in found)
    for unit, one in enumerate(found):
        told = json.loads(json.dumps(one))
        assert told["later"] == page[str(unit)]["later"]
        assert told["earlier"] == page[str(unit)]["earlier"]
        if "fire4" in told["later"]:
            assert told["others"]["fire4"] == {
                "name": "fire4",
                "slug": "fire4",
                "units": [0, 1, 2],
                "sheets": [],
            }
    assert nearness.of(Asking(plan).of_plan(("fire5", 0, "channel"))) is not None
