"""What notebooks show: tables, pictures with captions, and what takes its time; nowhere else."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import helper
from onnxscope.errors import InputError
from onnxscope.tables import panel, table

QUICK = {"steps": 3, "size": 16, "provider": "cpu"}


@pytest.fixture(scope="module")
def loaded() -> osc.Model:
    kernel = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["y"]),
        helper.make_node("Relu", ["y"], ["<b>z</b>"]),
    ]
    inputs = {"x": (np.float32, ("N", 3, "H", "W"))}
    return osc.load(model(nodes, inputs, ["<b>z</b>"], {"w": kernel}), input_range=(0, 1))


class Text(HTMLParser):
    """Collects what is read, and sees that tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.slow
def test_tables(loaded):
    found = osc.verify(loaded, "y:1", provider="cpu", directions=2)
    rule = osc.check_rule("Relu", None, [np.array([-1.0, 2.0, 3.0], np.float32)])
    for shown, words in (
        (loaded, ["the model", "224×224 pixels, by default", "<b>z</b>", "Relu", "4×224×224"]),
        (loaded.layers, ["3 layers", "<b>z</b>", "Relu"]),
        (found, ["Gradient of the model", "agrees", "channel y:1", "by differences"]),
        (rule, ["The rule of Relu, in float64", "agrees"]),
        (osc.Gradient(loaded, "y:1"), ["Gradient of channel y:1", "the model"]),
    ):
        html = shown._repr_html_()
        assert set(words) <= set(Text(html).words), words
        assert "<b>" not in html
        # One page is light and another dark: only the verdicts have colours of their own.
        colours = set(re.findall(r"(?<![-\w])color:([^;\"]+)", html))
        assert colours <= {"inherit", "#2f9e44", "#e03131", "#e08e0b"}


def test_text_is_escaped():
    html = panel("a < b", table(["<i>"], [["x & y"]]))
    assert "<i>" not in html
    assert {"a < b", "<i>", "x & y"} <= set(Text(html).words)


@pytest.mark.slow
def test_captions_and_grids(loaded):
    both = osc.render(loaded, ["y:0", osc.neuron("y", 2)], **QUICK)
    assert both.captions == ("channel y:0", "neuron y:2")
    starts = osc.render(loaded, "y:1", batch=2, **QUICK)
    assert starts.captions == ("channel y:1, start 0", "channel y:1, start 1")
    assert starts[1].captions == ("channel y:1",)
    row, column = both.grid(columns=2), both.grid(columns=1)
    assert row.width > column.width
    assert column.height > row.height
    assert both.grid(columns=2, captions=["1", "2"]).height == row.height
    with pytest.raises(InputError, match="captions must be 2 texts"):
        both.grid(captions=["one"])
    with pytest.raises(InputError, match="columns must be at least 1"):
        both.grid(columns=0)
    assert both._repr_png_().startswith(b"\x89PNG")

    @osc.objective("y")
    def mine(y):
        return y[:, 0].mean((1, 2))

    assert osc.render(loaded, mine, **QUICK).captions == ("mine(y)",)


@pytest.mark.slow  # a process that makes a picture
def test_nothing_is_imported_or_shown_elsewhere():
    code = (
        "import sys, onnxscope as osc\n"
        "model = osc.load('squeezenet')\n"
        "osc.render(model, 'fire2:1', steps=2, size=64, provider='cpu')\n"
        "print('IPython' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


CELLS = (
    """
import onnxscope as osc
from onnxscope import notebook
notebook._PATIENCE = 0.0
model = osc.load("squeezenet")
model.layers
""",
    "picture = osc.render(model, 'fire2:1', steps=200, size=64, provider='cpu')\npicture",
    "osc.render(model, 'fire2:1', steps=2, size=64, provider='cpu', progress=False)",
    "picture.show()",
    "osc.render(model, 'fire2:9999')",
    """
import tempfile
how = {"units": "0:2", "kinds": "channel", "size": 48, "steps": 30, "provider": "cpu"}
osc.microscope(model, tempfile.mkdtemp(), "fire2", batch_size=1, **how)
""",
)


@pytest.mark.slow  # a kernel starts
def test_in_a_kernel(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")

    shown: list[tuple[int, str, str]] = []

    class Client(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            kind = msg["header"]["msg_type"]
            if kind in ("display_data", "update_display_data"):
                data = msg["content"]["data"]
                shown.append((cell_index, kind, data.get("text/plain", "")))
            return super().process_message(msg, cell, cell_index)

    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    Client(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
    *waits, layers = book.cells[0].outputs
    assert waits
    assert all(wait["data"] == {"text/html": "", "text/plain": ""} for wait in waits)
    assert "squeezenet" not in layers["data"]["text/html"]
    said = [text for cell, _, text in shown if cell == 1]
    assert said[0] == "preparing channel fire2:1 of squeezenet …"
    assert any(re.search(r"step \d+ of 200, value [\d.]+", text) for text in said)
    # What was shown on the way is gone at the end, and not replaced a hundred times a second.
    assert said[-1] == ""
    assert len(said) < 40
    for cell in book.cells[1:3]:
        assert "image/png" in cell.outputs[-1]["data"]
    assert len(book.cells[2].outputs) == 1
    (image,) = book.cells[3].outputs
    assert "image/png" in image["data"]
    assert book.cells[4].outputs[-1]["ename"] == "LayerError"
    assert all(text == "" for text in [text for cell, _, text in shown if cell == 4][-1:])
    # Of many pictures one line says how far it is, and nothing is left behind.
    line, result = book.cells[5].outputs
    assert line["data"]["text/plain"] == ""
    assert "2 of 2 pictures" in result["data"]["text/plain"]
    said = [text for cell, _, text in shown if cell == 5]
    assert any("of 2 pictures" in text and "channel of fire2:" in text for text in said)
