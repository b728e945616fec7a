"""The page of building blocks: its files, and what a browser makes of them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.pages import site
from onnxscope.pages.sprites import write_sheet
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from seen_network import LABELS, taken_apart


@pytest.fixture(scope="module")
def found() -> osc.Blocks:
    return taken_apart()


@pytest.fixture(scope="module")
def page(found: osc.Blocks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    found = replace(found, model="/home/somebody/net.onnx")
    other = replace(found, name="other <b>.png", photo=found.photo[::-1])
    return osc.write_blocks([found, other], folder / "page")


@pytest.mark.slow
def test_the_page_refers_to_what_is_there_and_to_nothing_else(page):
    text = page.read_text()
    for name in re.findall(r'(?:src|href)="([^"#]+)"', text):
        assert (page.parent / name).is_file(), name
    for file in page.parent.rglob("*"):
        if file.suffix in (".html", ".js", ".css"):
            outside = re.findall(r"https?://[^\s\"')]+", file.read_text())
            assert set(outside) <= {"http://www.w3.org/2000/svg"}, file


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("squeezenet", "squeezenet"),
        ("/home/somebody/my models/net.onnx", "net.onnx"),
        ("C:\\models\\net.onnx", "net.onnx"),
        ("models/net/", "net"),
    ],
)
def test_a_page_names_no_folders(name, called):
    assert site.model_called(name) == called


@pytest.mark.slow
def test_names_are_texts_and_never_markup(page):
    text = page.read_text()
    assert "other <b>" not in text
    assert "<h1>net.onnx</h1>" in text
    assert "somebody" not in text
    assert "other &lt;b&gt;.png" in text
    data = (page.parent / "photos" / "photo" / "data.js").read_text()
    assert "<" not in data
    given = json.loads(data.removeprefix('window.onnxscope.arrived("photo", ').removesuffix(");\n"))
    assert sorted(one["name"] for one in given["classes"]) == sorted(LABELS)


@pytest.mark.slow
def test_it_is_light(page):
    weight = sum(file.stat().st_size for file in page.parent.rglob("*") if file.is_file())
    assert weight < 1_500_000, weight


def test_a_sheet_holds_every_tile_with_its_edge(tmp_path):
    rng = np.random.default_rng(0)
    tiles = np.repeat(np.repeat(rng.integers(0, 256, (7, 2, 2, 3)), 8, axis=1), 8, axis=2)
    sheet = write_sheet(tiles.astype(np.uint8), tmp_path, "sheet.webp")
    image = np.asarray(Image.open(tmp_path / "sheet.webp").convert("RGB")).astype(int)
    assert image.shape == (sheet.rows * 18, sheet.columns * 18, 3)
    for number, tile in enumerate(tiles):
        top, left = number // sheet.columns * 18 + 1, number % sheet.columns * 18 + 1
        assert np.abs(image[top : top + 16, left : left + 16] - tile).mean() < 16


def test_numbers_go_through_bytes():
    values = np.array([[0, 0, 0], [1, -4, 0.5], [1000, 3, -2]], np.float32)
    whole, scales = site.scaled_to_bytes(values)
    assert whole.dtype == np.int8
    np.testing.assert_allclose(whole * scales[:, None], values, atol=1000 / 127 / 2)
    assert not whole[0].any()


@pytest.mark.slow
def test_what_is_refused(found, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="at least one photo"):
        osc.write_blocks([], tmp_path / "none")
    other = replace(found, model="another")
    with pytest.raises(InputError, match="one page shows one network"):
        osc.write_blocks([found, other], tmp_path / "both")
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'onnxscope\[pages\]'"):
        osc.write_blocks([found], tmp_path / "page")


# In a browser -----------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, page):
    """Opens the page from the file system; whatever it complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def opening(**settings: Any) -> Any:
        contexts.append(browser.new_context(**settings))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        tab.goto(page.as_uri())
        tab.wait_for_selector("#grids-panels .cell")
        return tab

    yield opening
    for context in contexts:
        context.close()
    assert not complaints


def here(tab: Any, figure: str) -> list[str]:
    names = tab.eval_on_selector_all(
        f"#{figure} .cell.here", "all => all.map(one => one.getAttribute('aria-label'))"
    )
    return [name.split(":")[0] for name in names]


@pytest.mark.slow
def test_pointing_at_a_cell_marks_the_place_everywhere(opened):
    tab = opened()
    grids = tab.locator("#grids-panels .cells")
    assert grids.count() == 3
    grids.nth(1).locator(".cell").nth(3 * 12 + 6).hover()
    assert here(tab, "grids") == ["one, row 4, column 7", "two, row 3, column 6",
                                  "three, row 3, column 6"]  # fmt: skip
    assert tab.locator("#closer-said").inner_text() == "two, row 3, column 6"
    left = tab.eval_on_selector("#here .frame", "one => parseFloat(one.style.left)")
    assert left == pytest.approx(50)
    assert tab.locator("#dictionary .entry").count() == 3
    # A click keeps it while the pointer goes on.
    grids.nth(1).locator(".cell").nth(0).click()
    grids.nth(2).locator(".cell").nth(80).hover()
    assert here(tab, "grids")[1] == "two, row 0, column 0"


@pytest.mark.slow
def test_the_keyboard_does_what_the_pointer_does(opened):
    tab = opened()
    first = tab.locator("#grids-panels .cells").nth(1).locator(".cell")
    stops = tab.eval_on_selector_all(
        "#grids-panels .cell", "all => all.filter(one => one.tabIndex === 0).length"
    )
    assert stops == 3  # one for each grid
    first.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "End", "ArrowRight", "ArrowLeft"):
        tab.keyboard.press(key)
    assert here(tab, "grids")[1] == "two, row 1, column 10"
    tab.keyboard.press("Escape")
    assert here(tab, "grids") == []
    tab.locator("#groups-count").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#groups-said").inner_text() == "3"
    assert tab.locator("#groups-flow .group").count() == 9
    assert tab.locator("#groups-flow path").count() > 3
    tab.locator("#channels-classes button").first.focus()
    tab.keyboard.press("ArrowRight")
    chosen = tab.locator("#channels-classes [aria-checked=true]").inner_text()
    assert chosen == tab.locator("#channels-classes button").nth(1).inner_text()


@pytest.mark.slow
def test_cells_show_what_speaks_for_them(opened, found):
    tab = opened()
    tab.locator("#influence-panels .cells").nth(2).locator(".cell").nth(5 * 12 + 5).hover()
    shown = tab.eval_on_selector_all(
        "#influence-panels .cells:nth-child(2)",
        "all => all.map(grid => [...grid.querySelectorAll('i')].map(one => +one.style.opacity))",
    )
    expected = np.abs(found.layers[2].influences["two"][5, 5]).ravel()
    expected = (expected / expected.max()) ** 0.6
    np.testing.assert_allclose(np.array(shown[1]), expected, atol=0.05)
    tab.locator("#influence-panels .class").first.hover()
    assert "score of" in tab.locator("#influence-now").inner_text()


@pytest.mark.slow
def test_labels_are_shown_as_they_are(opened):
    tab = opened()
    names = tab.locator("#influence-panels .class span:first-child span:first-child")
    assert sorted(names.all_inner_texts()) == sorted(LABELS)
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.slow
def test_magnitude_and_the_second_photo(opened):
    tab = opened()
    tab.locator("#magnitude").check()
    sizes = tab.eval_on_selector_all(
        "#grids-panels .cells:nth-child(2) i", "all => all.map(one => one.style.transform)"
    )
    assert len(set(sizes)) > 5
    tab.locator("#photos button").nth(1).click()
    tab.wait_for_function("document.querySelector('#here img').src.includes('other-b')")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(opened, scheme):
    tab = opened(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 28, 28)"}[scheme]


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 900])
def test_a_finger_reads_cells_on_narrow_screens(opened, width):
    tab = opened(viewport={"width": width, "height": 740}, has_touch=True)
    # The second lies somewhere else than what is shown at first.
    for number in (0, 5):
        cell = tab.locator("#grids-panels .cell").nth(number)
        cell.tap()
        assert "here" in cell.get_attribute("class")
        wanted = cell.get_attribute("aria-label")
        assert tab.locator("#closer").get_attribute("aria-label") == wanted
