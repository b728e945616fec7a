"""A unit's page: photographs, scores, what counted, and what it has to do with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.pages.microscope import Site
from onnxscope.store.filling import fill
from onnxscope.store.photos import Photos
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project
from onnxscope.store.scores import score_pictures
from onnxscope.store.sightings import look_at_photos
from PIL import Image

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer, the one before it, and photographs with markup in their names."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    for number in range(16):
        squares = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(squares).resize((96, 72), Image.Resampling.NEAREST)
        photo.save(folder / f"<b>{number:02}.png")
    network = osc.load("squeezenet")
    plan = make_plan(
        network,
        ["fire3/squeeze1x1", "fire3"],
        units="0:16",
        kinds=["channel", "examples", "scores"],
        quality="draft",
        size=48,
        steps=2,
        settings={"provider": "cpu"},
        photos=Photos.found([folder]),
    )
    project = Project.create(tmp_path_factory.mktemp("site") / "scope", network)
    look_at_photos(plan, project)
    fill(plan, project)
    score_pictures(plan, project)
    written = Site(plan, project)
    page = written.write()
    before = _times(page.parent)
    written.write()
    Site(plan, Project.open(page.parent)).write()
    after = _times(page.parent)
    kept = {name for name in before if name.startswith("sheets/") or name.endswith(".0.js")}
    assert kept
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    return page


def _times(folder: Path) -> dict[str, int]:
    return {
        file.relative_to(folder).as_posix(): file.stat().st_mtime_ns
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture
def opened(browser, site):
    """Opens a page from the file system; whatever it complains of fails the test."""
    complaints: list[str] = []
    tab = browser.new_page()
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))

    def opening(name: str) -> Any:
        tab.goto(f"{site.parent.as_uri()}/{name}")
        return tab

    yield opening
    tab.close()
    assert not complaints


def test_photographs_and_scores_of_a_unit(opened, site):
    tab = opened("fire3.html#fire3-5")
    tab.wait_for_selector("dialog[open] .patches")
    assert "of 16 photographs" in tab.locator("dialog .said").first.inner_text()
    patches = tab.locator("dialog .row i")
    assert patches.count() == 9 + 4 + 9
    assert patches.first.get_attribute("title").startswith("<b>")
    assert tab.locator("dialog .row b").count() == 0
    source = tab.evaluate(
        "onnxscope.layer && document.querySelector('dialog .row i').style.backgroundImage"
    )
    file = source.split('"')[1]
    assert (site.parent / file).is_file()
    names = tab.locator("dialog .scores dt").all_inner_texts()
    assert names == ["superstimulus", "path"]


def test_units_of_other_layers_are_linked(opened, site):
    tab = opened("fire3.html#fire3-5")
    tab.wait_for_selector("dialog[open] .friend")
    link = tab.locator("dialog a.friend").first
    goal = link.get_attribute("href")
    assert goal.startswith("fire3-squeeze1x1.html#fire3-squeeze1x1-")
    assert link.inner_text().endswith("%")
    link.click()
    tab.wait_for_url(f"**/{goal}")
    tab.wait_for_selector("dialog[open] .friend")
    assert "fire3" in tab.locator("dialog h5").all_inner_texts()


def test_only_what_counted(opened):
    tab = opened("fire3.html#fire3-5")
    tab.wait_for_selector("dialog[open] .view img")
    tab.check("#faded")
    tab.wait_for_selector("dialog .fading canvas.faded")
    assert tab.evaluate("document.activeElement.id") == "faded"
    # Pictures of the file system may be drawn, and not read back.
    assert tab.locator("dialog .fading img").first.is_hidden()
    tab.keyboard.press("n")
    assert tab.is_checked("#faded")


def test_photographs_and_importance_are_looked_at_of_all_units(opened):
    tab = opened("fire3.html")
    for kind in ("importance", "examples"):
        tab.locator(f"#kinds [data-kind={kind}]").click()
        there = f"i.style.backgroundImage.includes('fire3-{kind}-0')"
        tiles = f"[...document.querySelectorAll('#units i')].filter(i => {there})"
        tab.wait_for_function(f"{tiles}.length === 16")


def test_data_name_no_folders(site):
    for file in (site.parent / "data").glob("*.js"):
        assert "/photos" not in file.read_text(), file
    plan = json.loads((site.parent / "plan.json").read_text())
    assert plan["photos"]["count"] == 16


def test_a_unit_that_is_open_is_what_is_printed(opened):
    tab = opened("fire3.html#fire3-5")
    tab.wait_for_selector("dialog[open] .view img")
    tab.emulate_media(media="print")
    assert tab.locator("#units").is_hidden()
    assert tab.locator("#unit-sheet").is_visible()
    assert tab.locator(".actions").is_hidden()
    # All of it: a sheet that is longer than the paper begins where the paper does.
    assert tab.locator("#unit-sheet").bounding_box()["height"] > tab.viewport_size["height"]
    assert tab.locator("#unit-name").bounding_box()["y"] >= 0


def test_what_has_no_page_has_no_empty_picture(opened):
    tab = opened("fire3-squeeze1x1.html#fire3-squeeze1x1-1")
    tab.wait_for_selector("dialog[open] .friend")
    assert "fire2" in tab.locator("dialog h5").all_inner_texts()
    assert tab.locator("dialog span.friend").count() > 0
    assert tab.locator("dialog span.friend i").count() == 0
