"""What pages are called, whatever layers are called; and what to type for their pictures."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.network.inputs.typed import options_of
from onnxscope.pages.microscope import runs_of, write_microscope
from onnxscope.pages.neighbours import Neighbours
from onnxscope.pages.site import slug
from onnxscope.pages.typed import command_for
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project


def network(*names: str, channels: int = 40) -> Builder:
    """Convolutions one behind the other, each called so."""
    builder = Builder("named")
    value = builder.input("image", (1, 3, 16, 16), np.float32)
    rng = np.random.default_rng(1)
    for name in names:
        shape = (channels, value.dims[1], 1, 1)
        weights = builder.constant(rng.standard_normal(shape).astype(np.float32))
        value = builder.op.Relu(builder.op.Conv(value, weights))
        value.value.name = name
    builder.output("features", value.mean([2, 3]))
    return builder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mixed4a", "mixed4a"),
        ("features.0/Conv:0", "features-0-conv-0"),
        ("слой", "layer"),
        ("层 2", "2"),
        ("index", "index-2"),
        ("AUX", "aux-2"),
        ("com1", "com1-2"),
        ("../../etc", "etc"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_are_addresses(name, found):
    assert slug(name, set(), "layer") == found


def test_no_two_names_are_one_address():
    taken: set[str] = set()
    names = ["a.b", "a b", "a-b-2", "ж", "я", "y" * 90, "y" * 95]
    assert len({slug(name, taken, "layer") for name in names}) == len(names)


def test_a_layer_that_ends_in_a_number_keeps_its_data(tmp_path):
    """As of Keras, whose `conv2d` and `conv2d_1` are two layers."""
    opened = osc.load(model_of(network("conv2d", "conv2d_1", "index")), preprocessing="none")
    plan = make_plan(opened, ["conv2d", "conv2d_1", "index"], kinds=["channel"], size=16, steps=1)
    page = write_microscope(plan, Project.create(tmp_path / "p", opened))
    for name, address in Neighbours(plan).slugs.items():
        text = (page.parent / "data" / f"{address}.js").read_text()
        assert f'"name":"{name}"' in text
        for number in range(2):
            chunk = (page.parent / "data" / f"{address}.{number}.js").read_text()
            assert chunk.startswith("window.onnxscope.arrived(")
    assert "A microscope for" in page.read_text()


def test_what_is_typed_says_how_the_model_was_opened():
    proto = model_of(network("-x"))
    given = {
        "input_range": (0, 255),
        "mean": (1.5, 2, 3),
        "std": 4,
        "channel_order": "bgr",
        "colors": (2, 1, 0),
        "channel_axis": {"-x": 1},
    }
    opened = osc.load(proto, **given)
    settings = {"size": 16, "steps": 5, "seed": 7}
    words = shlex.split(command_for(opened, ["-x:3", "--negative"], settings, "none"))
    at = words.index("--")
    assert words[at:] == ["--", opened.name, "-x:3"]
    assert words[:9] == [
        "onnxscope", "render", "--negative", "--size", "16", "--steps", "5", "--seed", "7",
    ]  # fmt: skip
    assert words[9:at] == [
        "--transforms", "none", "--input-range", "0", "255", "--mean", "1.5", "2", "3",
        "--std", "4", "4", "4", "--channel-order", "bgr", "--colors", "2,1,0",
        "--channel-axis", "-x=1",
    ]  # fmt: skip
    assert options_of(osc.load(proto, preprocessing="imagenet")) == ["--preprocessing", "imagenet"]


def test_what_the_file_says_is_not_typed(squeezenet: osc.Model):
    assert options_of(squeezenet) == []


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [
        ([], []),
        ([3], [[3, 1]]),
        (range(1000), [[0, 1000]]),
        ([0, 1, 2, 5, 6, 9], [[0, 3], [5, 2], [9, 1]]),
        ([5, 6, 0], [[5, 2], [0, 1]]),
    ],
)
def test_numbers_of_units_are_a_few_runs(numbers: Iterable[int], runs: list[list[int]]) -> None:
    assert runs_of(numbers) == runs
    assert [first + at for first, count in runs for at in range(count)] == list(numbers)
