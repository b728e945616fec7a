"""Graphs of ascents, kept: the same pictures with and without the cache, and stale graphs never."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope import cache
from onnxscope.ascent import step
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.graphs import Graphs
from onnxscope.cache import GraphCache
from onnxscope.errors import StraightThroughWarning
from onnxscope.parameterizations.fourier import Fourier
from onnxscope.transforms.composition import compose

QUICK = {"size": 64, "steps": 3, "provider": "cpu"}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of graphs that were built."""
    kinds: list[str] = []

    def watch(name: str) -> None:
        build = getattr(step, name)

        def counted(*arguments: object) -> onnx.ModelProto:
            kinds.append(name)
            return build(*arguments)

        monkeypatch.setattr(step, name, counted)

    for name in ("step_graph", "image_graph", "gradient_graph"):
        watch(name)
    return kinds


def _composition(model: osc.Model, **changes: object) -> Composition:
    start = Composition(
        model, osc.channel("fire5", 3), Fourier(), compose(osc.lucid()), 1, 64, 64, None
    )
    return replace(start, **changes)


@pytest.mark.slow
def test_a_folder_that_cannot_be_used_is_no_cache(
    squeezenet: osc.Model, folder: Path, built: list[str]
) -> None:
    wanted = osc.render(squeezenet, "fire5:3", cache=False, **QUICK)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file, not a folder")
    built.clear()
    picture = osc.render(squeezenet, "fire5:3", **QUICK)
    np.testing.assert_array_equal(picture.images, wanted.images)
    assert built


def test_another_graph_has_another_key(squeezenet: osc.Model) -> None:
    start = _composition(squeezenet)
    others = [
        start,
        replace(start, objective=osc.channel("fire5", 4)),
        replace(start, objective=osc.channel("fire5", 3, reduction="sum")),
        replace(start, objective=osc.neuron("fire5", 3)),
        replace(start, objective=osc.neuron("fire5", 3, y=0, x=0)),
        replace(start, objective=osc.each([osc.channel("fire5", 3)])),
        replace(start, objective=1.0 * osc.channel("fire5", 3)),
        replace(start, objective=1.5 * osc.channel("fire5", 3)),
        replace(start, objective=-osc.channel("fire5", 3)),
        replace(start, objective=osc.before_activation(osc.channel("fire5", 3))),
        replace(start, parameterization=Fourier(decay_power=1.1)),
        replace(start, parameterization=osc.Pixels()),
        replace(start, transforms=()),
        replace(start, transforms=compose(osc.distill())),
        replace(start, batch=2),
        replace(start, height=65),
        replace(start, width=65),
        replace(start, precision="float16"),
    ]
    graphs = [_keys(Graphs(one)) for one in others]
    step_keys = [keys["step"] for keys in graphs]
    assert len({*step_keys}) == len(others)
    several = _keys(Graphs(start))
    assert several == graphs[0]
    assert len({*several.values()}) == len(several)


def _keys(graphs: Graphs) -> dict[str, str]:
    """The keys under which graphs would be kept, by kind."""
    found: list[str] = []

    class Noting(GraphCache):
        def get(self, key: str) -> bytes:
            found.append(key)
            facts = b'{"footprint": {}, "warnings": []}'
            return len(facts).to_bytes(4, "little") + facts

    graphs._cache = Noting(Path())
    asked = {
        "step": lambda: graphs.step("cpu", osc.Adam()),
        "slower": lambda: graphs.step("cpu", osc.Adam(0.01, beta1=0.5)),
        "redirected": lambda: graphs.step("cpu", osc.Adam(), redirected=True),
        "cuda": lambda: graphs.step("cuda", osc.Adam()),
        "gradient": lambda: graphs.gradient("cpu"),
        "image": graphs.image,
    }
    for ask in asked.values():
        with pytest.raises(TypeError):  # an empty footprint
            ask()
    return dict(zip(asked, found, strict=True))


@pytest.mark.slow
def test_a_second_time_nothing_is_built_and_the_picture_is_the_same(
    squeezenet: osc.Model, folder: Path, built: list[str]
) -> None:
    # A neuron that is off, so that there is a redirected graph as well.
    without = osc.render(squeezenet, osc.neuron("fire7", 33), cache=False, **QUICK)
    assert not folder.exists()
    first = osc.render(squeezenet, osc.neuron("fire7", 33), **QUICK)
    assert built.count("step_graph") == 4
    built.clear()
    again = osc.render(squeezenet, osc.neuron("fire7", 33), **QUICK)
    assert built == []
    for picture in (first, again):
        np.testing.assert_array_equal(picture.images, without.images)
        np.testing.assert_array_equal(picture.values, without.values)
    osc.render(squeezenet, osc.neuron("fire7", 34), **QUICK)
    assert built[0] == "step_graph"
    # Both units read the same weights.
    parts = sum(path.stat().st_size for path in folder.glob("*.part"))
    entries = sum(path.stat().st_size for path in folder.glob("*.graph"))
    assert parts < 3_000_000
    assert entries < 3_000_000


def test_what_was_warned_of_is_warned_of_again(folder: Path, built: list[str]) -> None:
    proto = text_model("""g (float[1, 3, H, W] x) => (float[N, C, h, w] y)
        <float s = {0.05}, uint8 z = {128}> {
            q = QuantizeLinear (x, s, z)
            d = DequantizeLinear (q, s, z)
            y = Conv (d, k)
        }""")
    kernel = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "k"))
    model = osc.load(proto, input_range=(-1, 1))
    said = []
    for _ in range(3):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            osc.render(model, "y:1", **QUICK)
        said.append([(w.category, str(w.message)) for w in caught])
    assert built.count("step_graph") == 1
    assert len(said[0]) == 1
    assert said[0][0][0] is StraightThroughWarning
    assert "QuantizeLinear" in said[0][0][1]
    assert said[1] == said[2] == said[0]


def test_what_others_warn_of_is_passed_on_and_not_kept(
    squeezenet: osc.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = step.image_graph

    def warns(composition: Composition) -> onnx.ModelProto:
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
        return build(composition)

    monkeypatch.setattr(step, "image_graph", warns)
    graphs = Graphs(_composition(squeezenet), GraphCache(tmp_path))
    with pytest.warns(RuntimeWarning, match="overflow"):
        graphs.image()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphs.image()


@pytest.mark.slow
def test_damaged_entries_are_made_again(
    squeezenet: osc.Model, folder: Path, built: list[str]
) -> None:
    first = osc.render(squeezenet, "fire5:3", **QUICK)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    built.clear()
    again = osc.render(squeezenet, "fire5:3", **QUICK)
    assert built
    np.testing.assert_array_equal(again.images, first.images)
    osc.render(squeezenet, "fire5:3", **QUICK)  # parts that others had left damaged
    built.clear()
    np.testing.assert_array_equal(osc.render(squeezenet, "fire5:3", **QUICK).images, first.images)
    assert built == []


@pytest.mark.slow
def test_what_is_the_users_own_is_never_kept(
    squeezenet: osc.Model, folder: Path, built: list[str]
) -> None:
    factor = [1.0]

    @osc.objective("fire5")
    def mine(a: osc.Tensor) -> osc.Tensor:
        return a[:, 3].mean((1, 2)) * factor[0]

    first = osc.render(squeezenet, mine, **QUICK)
    factor[0] = 2.0
    second = osc.render(squeezenet, mine, **QUICK)
    np.testing.assert_allclose(second.values[0], 2 * first.values[0], rtol=1e-5)
    rules = osc.standard_rules()
    osc.render(squeezenet, "fire5:3", rules=rules, **QUICK)
    assert built.count("step_graph") == 3
    assert {kind for kind in built if kind != "step_graph"} == {"image_graph"}

    class Mine(osc.Model):
        pass

    model = osc.load("squeezenet")
    model.__class__ = Mine
    for _ in range(2):
        osc.render(model, "fire5:3", **QUICK)
    assert built.count("step_graph") == 5


def test_weights_in_other_files_are_not_trusted(
    tmp_path: Path, folder: Path, built: list[str]
) -> None:
    proto = onnx.load(str(_squeezenet_path()))
    onnx.save_model(
        proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    # Handed over as an object, the weights are read when they are needed, from what is there then.
    there = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for tensor in there.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(tmp_path / "m.data")
    model = osc.load(there)
    assert not model.self_contained
    assert osc.load(tmp_path / "m.onnx").self_contained


def _squeezenet_path() -> Path:
    from onnxscope import models

    return models.path("squeezenet")


@pytest.mark.slow
def test_the_variable_turns_it_off(
    squeezenet: osc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("off", "0", " No "):
        monkeypatch.setenv(cache.VARIABLE, value)
        osc.render(squeezenet, "fire5:3", **QUICK)
    assert not folder.exists()
    monkeypatch.setenv(cache.VARIABLE, "on")
    osc.render(squeezenet, "fire5:3", **QUICK)
    assert folder.exists()


@pytest.mark.slow
def test_two_processes_at_once(folder: Path, tmp_path: Path, squeezenet: osc.Model) -> None:
    code = (
        "import sys, onnxscope as osc; "
        "osc.render('squeezenet', 'fire5:3', size=64, steps=3, provider='cpu').save(sys.argv[1])"
    )
    environment = os.environ | {"ONNXSCOPE_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / f"{n}.png"], env=environment)
        for n in range(3)
    ]
    try:
        assert [process.wait(600) for process in started] == [0, 0, 0]
    finally:
        for process in started:
            process.kill()
    wanted = osc.render(squeezenet, "fire5:3", cache=False, **QUICK).save(tmp_path / "wanted.png")
    for number in range(3):
        assert (tmp_path / f"{number}.png").read_bytes() == wanted.read_bytes()
    assert list(folder.glob("*.graph"))
