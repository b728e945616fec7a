"""The pages live, in a browser: pictures that sharpen, what is typed, a photograph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from live_server import Caller, planned, running

EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    network = osc.load("squeezenet", labels=[EVIL, *(f"class {n}" for n in range(1, 1000))])
    folder = tmp_path_factory.mktemp("live") / "scope"
    with running(planned(network, steps=12, units="0:40"), folder) as caller:
        yield caller


@pytest.fixture
def opened(browser, live):
    """Opens a page of the server; whatever it complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def opening(name: str = "", **settings: Any) -> Any:
        # What tests wait for is evaluated, which the pages themselves may not.
        contexts.append(browser.new_context(**{"bypass_csp": True, **settings}))
        tab = contexts[-1].new_page()
        tab.add_init_script(NOTES)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        tab.goto(live.address)
        tab.wait_for_selector(".live-bar")
        if name:
            tab.goto(f"http://{live.host}/{name}")
            tab.wait_for_selector(".live-bar")
        return tab

    yield opening
    for context in contexts:
        context.close()
    # What the server refuses, the browser notes by itself.
    assert not [one for one in complaints if "status of 422" not in one]


NOTES = """
window.said = [];
new MutationObserver(() => {
  const found = document.querySelector("dialog .live-said");
  if (found) window.said.push(found.textContent);
}).observe(document, { subtree: true, childList: true });
"""
PICTURE = "document.querySelector('{}').style.backgroundImage"


@pytest.mark.slow
def test_a_thumbnail_sharpens_until_it_is_done(opened):
    tab = opened("fire3.html")
    first = PICTURE.format("#fire3-0 i")
    tab.wait_for_function(f"{first}.includes('data:image/webp')")
    tab.wait_for_function(f"{first}.includes('/live/thumbnail/')")
    assert tab.evaluate("onnxscope.layer.values[0]") is not None
    # Another page, later: it is there.
    tab = opened()
    tab.wait_for_function(PICTURE.format(".storey .sample") + ".includes('/live/thumbnail/')")


@pytest.mark.slow
def test_another_kind_is_made_when_it_is_looked_at(opened):
    tab = opened("fire4.html")
    tab.locator("#kinds [data-kind=neuron]").click()
    tab.wait_for_function(PICTURE.format("#fire4-0 i") + ".includes('/live/thumbnail/')")
    asked = tab.evaluate("onnxscope.microscope.kind()")
    assert asked == "neuron"


@pytest.mark.slow
def test_what_counted_is_shown_of_the_channel_and_other_tabs_ask_for_nothing(opened):
    tab = opened("fire4.html")
    tab.locator("#kinds [data-kind=importance]").click()
    tab.wait_for_function(PICTURE.format("#fire4-1 i") + ".includes('-importance.webp')")
    tab.locator("#kinds [data-kind=channel]").click()
    tab.wait_for_function(PICTURE.format("#fire4-1 i") + ".includes('/live/thumbnail/')")
    said = tab.locator(".lead").inner_text()
    assert said == "40 units, Concat, 256×27×27. Pictures are made of what is looked at."


@pytest.mark.slow
def test_a_unit_opened_large_rises_with_its_curve(opened):
    tab = opened("fire4.html#fire4-30")
    tab.wait_for_selector("dialog .view[data-kind=channel] .where canvas")
    tab.wait_for_selector("dialog .view[data-kind=neuron] .where canvas")
    assert [one for one in tab.evaluate("said") if " of 12, value " in one]
    assert tab.locator("dialog .command").count() == 2
    source = tab.locator("dialog .view img").first.get_attribute("src")
    assert source.startswith("answers/")
    tab.wait_for_function("document.querySelector('dialog .view img').naturalWidth === 48")


@pytest.mark.slow
def test_what_a_unit_is_made_of_and_like_is_there_as_soon_as_its_picture(opened):
    tab = opened("fire4.html#fire4-20")
    tab.wait_for_selector("dialog[open] .friend")
    assert "Made of" in tab.locator("dialog h4").all_inner_texts()
    assert "fire4/squeeze1x1" in tab.locator("dialog h5").all_inner_texts()
    assert tab.locator("dialog .friend .number").first.inner_text().endswith("%")


@pytest.mark.slow
def test_what_is_typed_is_made_and_stays_from_page_to_page(opened):
    tab = opened()
    tab.locator(".live-tools summary").click()
    tab.fill("[name=target]", "fire4:5 + 0.5*fire3:10")
    tab.fill("[name=steps]", "5")
    tab.locator(".live-form [type=submit]").click()
    tab.wait_for_function("document.querySelector('.live-card img')?.naturalWidth === 48")
    tab.wait_for_function(
        "document.querySelector('.live-card .live-said').textContent.startsWith('5 steps')"
    )
    assert "--steps 5" in tab.locator(".live-card code").inner_text()
    tab.locator(".storey .named").first.click()
    tab.wait_for_selector(".live-card img")
    assert tab.locator(".live-card h3").inner_text() == "fire4:5 + 0.5*fire3:10"
    tab.locator(".live-card button").click()
    assert tab.locator(".live-card").count() == 0


@pytest.mark.slow
def test_a_wrong_target_names_the_nearest(opened):
    tab = opened("fire3.html")
    tab.locator(".live-tools summary").click()
    tab.fill("[name=target]", "fire33:5")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('.live-form .live-error').textContent")
    said = tab.locator(".live-form .live-error").inner_text()
    assert "no layer 'fire33'; did you mean 'fire3'" in said


@pytest.mark.slow
def test_labels_are_texts(opened):
    tab = opened("logits.html")
    tab.locator(".live-tools summary").click()
    tab.fill("[name=target]", EVIL)
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".live-card")
    tab.fill("[name=target]", "<img src=x onerror=alert(2)>")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('.live-form .live-error').textContent")
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.slow
def test_a_unit_is_made_otherwise(opened):
    tab = opened("fire3.html#fire3-2")
    tab.wait_for_selector("dialog[open]")
    tab.locator("dialog button", has_text="make it otherwise").click()
    assert tab.locator("dialog[open]").count() == 0
    assert tab.input_value("[name=target]") == "fire3:2"


@pytest.mark.slow
def test_a_photograph_cell_by_cell(opened, tmp_path):
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    tab = opened("fire4.html")
    tab.set_input_files("#live-file", tmp_path / "photo.png")
    tab.wait_for_selector(".live-photo .live-cell")
    assert tab.locator(".live-cell").count() == 27 * 27
    tab.locator(".live-cell").nth(3 * 27 + 5).hover()
    assert "Row 3, column 5" in tab.locator(".live-photo .live-said").inner_text()
    numbers = tab.locator(".live-strongest .number").all_inner_texts()
    values = [float(one.split(" · ")[1]) for one in numbers]
    assert values == sorted(values, reverse=True)
    opacity = (
        "[...document.querySelector('.live-seen canvas').getContext('2d')"
        ".getImageData(0, 0, 27, 27).data].filter((_, at) => at % 4 === 3)"
    )
    tab.locator(".live-strongest button").first.click()
    dark = tab.evaluate(opacity)
    assert min(dark) == 0
    assert max(dark) > 150
    tab.keyboard.press("Tab")
    # By the keyboard, too.
    tab.locator(".live-cell.here").focus()
    tab.keyboard.press("ArrowRight")
    assert "Row 3, column 6" in tab.locator(".live-photo .live-said").inner_text()
    # The next page shows it as well.
    tab.goto(tab.url.replace("fire4", "fire3"))
    tab.wait_for_selector(".live-photo .live-cell")
    assert "fire3" in tab.locator(".live-photo .live-said").inner_text()


@pytest.mark.slow
def test_no_photograph_is_said(opened, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture at all")
    tab = opened()
    tab.set_input_files("#live-file", tmp_path / "no.png")
    tab.wait_for_function(
        "document.querySelector('.live-photo .live-error')?.textContent.includes('no picture')"
    )


@pytest.mark.slow
def test_what_left_the_view_is_not_made(opened, live):
    tab = opened("fire4.html")
    tab.locator(".live-tools summary").click()
    tab.fill("[name=target]", "fire4:35")
    tab.fill("[name=steps]", "4000")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".live-card .live-below svg path[d*=L]", state="attached")
    assert " of 4000, value " in tab.locator(".live-card .live-said").inner_text()
    tab.close()
    # Nobody looks: the queue is empty as soon as the step is done.
    with live.listening() as listener:
        listener.view(seen=[["fire3", 39, "neuron"]])
        news = listener.until_done(1)
    assert {(one["layer"], one["unit"]) for one in news} == {("fire3", 39)}


@pytest.mark.slow
def test_the_policy_of_the_pages_lets_all_of_it_through(opened, tmp_path):
    Image.new("RGB", (60, 60), "orange").save(tmp_path / "photo.png")
    tab = opened("fire3.html#fire3-1", bypass_csp=False)
    tab.wait_for_selector("dialog .view[data-kind=neuron] .where canvas")
    tab.keyboard.press("Escape")
    tab.set_input_files("#live-file", tmp_path / "photo.png")
    tab.wait_for_selector(".live-photo .live-cell")
    width = tab.locator(".live-cell").nth(1).bounding_box()["width"]
    assert 3 < width < 30


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(opened, scheme):
    for name in ("", "fire3.html"):
        tab = opened(name, viewport={"width": 360, "height": 740}, color_scheme=scheme)
        tab.locator(".live-tools summary").click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
