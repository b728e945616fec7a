"""The site of a project: its files, and what a browser makes of them."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import onnxscope as osc
import pytest
from onnxscope.locks import locked
from onnxscope.pages.microscope import Site, write_microscope
from onnxscope.store.filling import fill
from onnxscope.store.plan import Plan, make_plan
from onnxscope.store.project import Project

pytestmark = pytest.mark.slow

EVIL = "</script><img src=x onerror=alert(1)>"
UNITS = "0:3,70:72,126:128"


def planned(network: osc.Model) -> Plan:
    return make_plan(
        network,
        ["fire3", "fire4", "logits"],
        units=UNITS,
        kinds=["channel", "neuron"],
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers, of whose pictures all channels are made and the first neurons."""
    network = osc.load("squeezenet", labels=[EVIL, *(f"class {n}" for n in range(1, 1000))])
    plan = planned(network)
    project = Project.create(tmp_path_factory.mktemp("site") / "scope", network)
    order = plan.order()
    fill(plan, project, order=order[:22])
    return write_microscope(plan, project)


def test_pages_are_the_same_in_whichever_order_pictures_came(squeezenet, tmp_path):
    plan = make_plan(
        squeezenet,
        ["fire3"],
        units="0:4",
        kinds=["channel"],
        size=48,
        steps=2,
        settings={"provider": "cpu"},
    )
    project = Project.create(tmp_path, squeezenet)
    growing = Site(plan, project)
    for unit in (2, 0, 3, 1):
        fill(plan, project, order=[(plan.layers[0], unit, plan.kinds[0])])
        growing.write()
    written = {file: file.read_bytes() for file in (tmp_path / "data").glob("*.js")}
    assert len(written) == 3
    for file in written:
        file.unlink()
    write_microscope(plan, project)
    assert written == {file: file.read_bytes() for file in written}


@pytest.fixture
def opened(browser, site):
    """Opens a page from the file system; whatever it complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def opening(name: str = "index.html", **settings: Any) -> Any:
        contexts.append(browser.new_context(**settings))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        tab.goto(f"{site.parent.as_uri()}/{name}")
        return tab

    yield opening
    for context in contexts:
        context.close()
    assert not complaints


def test_pages_refer_to_what_is_there_and_to_nothing_else(site):
    pages = sorted(site.parent.glob("*.html"))
    assert [page.name for page in pages] == [
        "fire3.html",
        "fire4.html",
        "index.html",
        "logits.html",
    ]
    for page in pages:
        for name in re.findall(r'(?:src|href)="([^"#]+)', page.read_text()):
            assert (site.parent / name).is_file(), name
    for file in [*pages, *site.parent.rglob("*.js"), *site.parent.rglob("*.css")]:
        outside = re.findall(r"https?://[^\s\"')]+", file.read_text())
        assert set(outside) <= {"http://www.w3.org/2000/svg"}, file


def test_labels_are_texts_and_never_markup(site, opened):
    for file in [*site.parent.glob("*.html"), *(site.parent / "data").glob("*.js")]:
        assert EVIL not in file.read_text(), file
    tab = opened("logits.html#logits-0")
    tab.wait_for_selector("dialog[open]")
    assert tab.locator("dialog header p").inner_text() == EVIL
    assert tab.locator("img[src=x]").count() == 0


def test_the_first_page_has_every_layer_and_says_how_far_it_is(opened):
    tab = opened()
    assert tab.locator(".storey strong").all_inner_texts() == ["fire3", "fire4", "logits"]
    assert (
        "21 units in 3 layers, of whose 35 pictures 22 are made"
        in tab.locator(".lead").inner_text()
    )
    tab.wait_for_function("document.querySelectorAll('.sample.sprite').length === 21")
    tab.locator(".sample").nth(1).click()
    tab.wait_for_selector("dialog[open]")
    assert tab.url.endswith("fire3.html#fire3-1")


@pytest.mark.parametrize(
    ("sought", "lands"),
    [
        ("fire4:71", "fire4.html#fire4-71"),
        ("FIRE3", "fire3.html"),
        ("class 126", "logits.html#logits-126"),
        ("fire4:5", None),
        ("fire", None),
        ("nothing", None),
    ],
)
def test_search(opened, sought, lands):
    tab = opened()
    tab.keyboard.press("/")
    tab.keyboard.type(sought)
    assert tab.locator("#sought-said").inner_text()
    tab.keyboard.press("Enter")
    if lands is None:
        assert tab.url.endswith("index.html")
    else:
        tab.wait_for_url(f"**/{lands}")


def test_a_unit_is_opened_by_its_address_and_walked_by_keys(opened, site):
    tab = opened("fire3.html#fire3-2")
    tab.wait_for_selector("dialog[open]")
    assert tab.locator("#unit-name").inner_text() == "fire3:2"
    assert tab.locator("dialog .view h3").all_inner_texts() == ["channel", "neuron"]
    tab.wait_for_function("document.querySelector('dialog .view img').naturalWidth === 48")
    assert "fire3:2 --size 48 --steps 2" in tab.locator("dialog code").first.inner_text()
    tab.keyboard.press("n")
    assert tab.locator("#unit-name").inner_text() == "fire3:70"
    assert tab.url.endswith("#fire3-70")
    tab.keyboard.press("p")
    tab.keyboard.press("p")
    assert tab.locator("#unit-name").inner_text() == "fire3:1"
    tab.keyboard.press("Escape")
    assert tab.locator("dialog[open]").count() == 0
    assert tab.evaluate("document.activeElement.id") == "fire3-1"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("dialog[open]")
    assert tab.locator("#unit-name").inner_text() == "fire3:2"


def test_numbers_shown_are_those_of_the_answers(opened, site):
    tab = opened("fire3.html#fire3-0")
    tab.wait_for_selector("dialog[open]")
    source = tab.locator("dialog .view a").first.get_attribute("href")
    known = json.loads((site.parent / source).with_suffix(".json").read_text())
    assert (known["layer"], known["unit"], known["kind"]) == ("fire3", 0, "channel")
    look = known["looks"][0]
    shown = tab.evaluate(f"[{look['mean']}, {look['max']}].map(onnxscope.number)")
    assert tab.locator("dialog .where b").all_inner_texts()[:2] == shown
    size = tab.locator("dialog .where canvas").first.evaluate("one => [one.height, one.width]")
    assert size == [look["map"]["rows"], look["map"]["columns"]]


def test_order_and_what_responds(opened, site):
    tab = opened("fire4.html")
    numbers = "all => all.filter(one => !one.hidden).map(one => +one.dataset.unit)"

    def shown() -> list[int]:
        return tab.eval_on_selector_all("#units .unit", numbers)

    assert shown() == [0, 1, 2, 70, 71, 126, 127]
    values = tab.evaluate("onnxscope.layer.values")
    tab.select_option("#order", "value")
    assert shown() == sorted(map(int, values), key=lambda unit: (-values[str(unit)], unit))
    tab.select_option("#order", "likeness")
    assert shown() == tab.evaluate("onnxscope.layer.likeness")
    tab.check("#alive")
    assert set(shown()) == {int(unit) for unit, value in values.items() if value > 0}


def test_kinds_have_their_own_pictures_and_what_is_not_made_has_none(opened):
    tab = opened("fire3.html")
    tab.wait_for_function("document.querySelectorAll('#units .sprite').length === 7")
    tab.locator("#kinds [data-kind=neuron]").click()
    pictured = (
        "[...document.querySelectorAll('#units i')].filter(i => i.style.backgroundImage).length"
    )
    tab.wait_for_function(f"{pictured} === 1")
    assert "fire3-neuron-0.webp" in tab.locator("#fire3-0 i").get_attribute("style")


def test_on_paper_is_what_is_there_whether_it_was_scrolled_to_or_not(opened):
    pictured = "[...document.querySelectorAll('{}')].map(i => Boolean(i.style.backgroundImage))"
    tab = opened(viewport={"width": 360, "height": 200})
    assert not all(tab.evaluate(pictured.format(".sample")))
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert all(tab.evaluate(pictured.format(".sample")))
    tab = opened("fire3.html", viewport={"width": 360, "height": 200})
    assert not any(tab.evaluate(pictured.format("#units i")))
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert all(tab.evaluate(pictured.format("#units i")))
    assert tab.locator(".unmade").count() == 0
    tab.locator("#kinds [data-kind=neuron]").click()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert tab.locator("#units .unit:visible").count() == 1
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    tab.emulate_media(media="screen")
    assert tab.locator("#units .unit:visible").count() == 7


def test_a_picture_alone_is_no_larger_than_it_is_worth(opened):
    tab = opened("fire3.html#fire3-1", viewport={"width": 1280, "height": 900})
    tab.wait_for_selector("dialog[open] .view img")
    assert max(box["width"] for box in map(_box, tab.locator(".view").all())) <= 448


def _box(element: Any) -> Any:
    return element.bounding_box()


def test_units_are_laid_side_by_side(opened):
    tab = opened("fire3.html#fire3-1")
    tab.wait_for_selector("dialog[open]")
    tab.keyboard.press("c")
    tab.keyboard.press("n")
    tab.keyboard.press("c")
    tab.keyboard.press("Escape")
    assert tab.locator("#tray figure").all_inner_texts() == ["1", "2"]
    tab.locator("#tray button", has_text="compare 2").click()
    tab.wait_for_selector("dialog[open] .compared")
    assert tab.locator(".compared .view h3").all_inner_texts() == ["fire3:1", "fire3:2"] * 2
    tab.keyboard.press("Escape")
    tab.locator("#tray button", has_text="empty").click()
    assert tab.locator("#tray").is_hidden()


def test_a_phone_scrolls_in_one_direction_only(opened):
    for name in ("index.html", "fire3.html", "fire3.html#fire3-1"):
        tab = opened(name, viewport={"width": 360, "height": 700})
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, name


def test_what_is_small_is_not_written_as_nothing(opened):
    tab = opened("fire3.html")
    numbers = "[0, 1234.5, 12.34, -0.0456, 0.000123, -1e-12].map(onnxscope.number)"
    assert tab.evaluate(numbers) == [
        "0", "1235", "12.3", "−0.0456", "1.2 · 10⁻⁴", "−1.0 · 10⁻¹²"
    ]  # fmt: skip
    shares = "[0, 1, 0.123, 0.0123, 0.0007, 0.0004].map(onnxscope.percent)"
    assert tab.evaluate(shares) == ["0 %", "100 %", "12 %", "1.2 %", "0.1 %", "< 0.1 %"]


def test_the_line_of_layers_begins_where_one_is_and_buttons_keep_their_width(opened):
    tab = opened("logits.html", viewport={"width": 150, "height": 700})
    assert tab.evaluate("document.querySelector('.layers').scrollLeft") > 0
    box = tab.locator(".layers").bounding_box()
    here = tab.locator(".layers [aria-current]").bounding_box()
    assert box["x"] <= here["x"] + 1
    assert here["x"] + here["width"] <= box["x"] + box["width"] + 1
    tab = opened("fire3.html#fire3-0", viewport={"width": 360, "height": 700})
    tab.wait_for_selector("dialog[open]")
    for _ in range(5):
        tab.keyboard.press("c")
        tab.keyboard.press("n")
    tab.keyboard.press("Escape")
    buttons = tab.locator("#tray button").all()
    assert len(buttons) == 2
    assert all(one.bounding_box()["height"] < 40 for one in buttons)


def test_branches_lead_to_units_that_have_pages(opened):
    tab = opened("fire3.html")
    links = tab.locator("[data-branch]")
    assert links.evaluate_all("all => all.map(one => one.dataset.branch)") == ["0", "70"]
    tab.check("#alive")
    links.last.click()
    assert tab.locator("#fire3-70").is_visible()


def test_what_is_as_it_was_is_not_written_again(site):
    network = osc.load("squeezenet")
    before = {file: file.stat().st_mtime_ns for file in (site.parent / "sheets").glob("*.webp")}
    plan = planned(network)
    write_microscope(plan, Project.open(site.parent))
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_of_two_that_write_it_at_once_one_waits_or_writes_nothing(tmp_path):
    network = osc.load("squeezenet")
    plan = make_plan(network, ["fire3"], units="0:2", size=48, steps=2)
    pages = Site(plan, Project.create(tmp_path / "p", network))
    (tmp_path / "p" / "data").mkdir()
    with locked(tmp_path / "p" / "data" / ".lock", 0):
        page = pages.write(0)
        assert not page.exists()
        waiting = threading.Thread(target=pages.write, daemon=True)
        waiting.start()
        waiting.join(0.3)
        assert not page.exists()
    waiting.join(60)
    assert page.is_file()
    page.unlink()
    assert pages.write(0).is_file()


def test_data_that_do_not_come_are_said(site, browser, tmp_path):
    copied = tmp_path / "scope"
    shutil.copytree(site.parent, copied)
    (copied / "data" / "fire3.0.js").unlink()
    (copied / "data" / "fire4.0.js").write_text("window.onnxscope.arrived({});")
    tab = browser.new_page()
    for layer in ("fire3", "fire4"):
        tab.goto(f"{(copied / layer).as_uri()}.html")
        tab.locator(f"#{layer}-1").click()
        assert f"data/{layer}.0.js" in tab.locator("dialog[open] [role=alert]").inner_text()
        tab.locator("dialog button", has_text="close").click()
    tab.close()
