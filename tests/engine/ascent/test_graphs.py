"""The cache of graphs: the same pictures with and without, and never a graph of something else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope import cache, identity
from onnxscope.ascent import step
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.graphs import Graphs
from onnxscope.cache import GraphCache
from onnxscope.errors import StraightThroughWarning
from onnxscope.gradient import objective
from onnxscope.identity import NoIdentityError, describe, key_of
from onnxscope.parameterizations.fourier import Fourier
from onnxscope.rules.by_provider import rules_for
from onnxscope.transforms.registry import compose

QUICK = {"size": 64, "steps": 3, "provider": "cpu"}
KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that is turned on."""
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path))
    monkeypatch.delenv(cache.VARIABLE)
    return tmp_path / "graphs"


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


# The store ----------------------------------------------------------------------------------------


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    store = GraphCache(tmp_path / "new" / "graphs")
    weights = [
        os.urandom(50_000),
        os.urandom(20_000),
        b"small",
        weights_twice := os.urandom(30_000),
    ]
    data = b"head" + weights[0] + b"between" + weights[1] + weights[2] + weights_twice + b"end"
    assert store.get(KEY) is None
    store.put(KEY, data, weights)
    store.put(OTHER, b"other" + data, weights)
    assert store.get(KEY) == data
    assert store.get(OTHER) == b"other" + data
    # The large parts are stored once.
    assert len(list(store.folder.glob("*.part"))) == 3
    assert store.size() < len(data) + 2_000
    # Parts that are not where they are said to be are stored within.
    store.put(KEY, data, [weights[1], weights[0], os.urandom(90_000)])
    assert store.get(KEY) == data
    store.clear()
    assert store.get(KEY) is None
    assert store.size() == 0


@pytest.mark.parametrize("kind", ["graph", "part"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"more",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:33] + b"\xff" * 7 + data[40:],
    ],
)
def test_damage_is_noticed_and_mended(
    tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    store = GraphCache(tmp_path)
    part = os.urandom(40_000)
    store.put(KEY, b"head" + part, [part])
    (file,) = tmp_path.glob(f"*.{kind}")
    file.write_bytes(damage(file.read_bytes()))
    assert store.get(KEY) is None
    store.put(KEY, b"head" + part, [part])
    assert store.get(KEY) == b"head" + part


def test_an_entry_under_another_name_is_not_taken(tmp_path: Path) -> None:
    store = GraphCache(tmp_path)
    store.put(KEY, b"data")
    (tmp_path / f"{KEY}.graph").rename(tmp_path / f"{OTHER}.graph")
    assert store.get(OTHER) is None


def test_what_was_used_least_recently_goes(tmp_path: Path) -> None:
    store = GraphCache(tmp_path, limit=100_000)
    keys = [f"{number:064x}" for number in range(5)]
    for age, key in enumerate(keys[:4]):
        store.put(key, os.urandom(24_000))
        os.utime(tmp_path / f"{key}.graph", (1000 + age, 1000 + age))
    assert store.get(keys[0]) is not None  # used just now
    store.put(keys[4], os.urandom(24_000))
    assert [store.get(key) is not None for key in keys] == [True, False, True, True, True]
    store.put(KEY, os.urandom(100_001))
    assert store.get(KEY) is None  # larger than the cache: nothing else has to go for it
    assert store.get(keys[4]) is not None


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


def test_a_full_disk_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = GraphCache(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    store.put(KEY, b"data")
    assert store.get(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_many_write_and_read_at_once(tmp_path: Path) -> None:
    part = os.urandom(200_000)
    wanted = {f"{number:064x}": b"%d" % number + part for number in range(6)}
    wrong = []

    def work(seed: int) -> None:
        store = GraphCache(tmp_path, limit=700_000)
        order = np.random.default_rng(seed)
        for _ in range(60):
            key = str(order.choice(list(wanted)))
            if order.random() < 0.2:
                store.put(key, wanted[key], [part])
            if order.random() < 0.05:
                store.clear()
            found = store.get(key)
            if found not in (None, wanted[key]):
                wrong.append(key)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    store = GraphCache(tmp_path)
    for key, data in wanted.items():
        store.put(key, data, [part])
    assert all(store.get(key) == data for key, data in wanted.items())
    assert not list(tmp_path.glob(".*"))  # nothing half written is left


# Keys ---------------------------------------------------------------------------------------------


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


def test_another_engine_has_another_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = key_of(a=1)
    assert key_of(a=1) == first != key_of(a=2) != key_of(a=2.0) != key_of(a="2")
    for name, changed in (
        ("_source", lambda: "another"),
        ("library_version", lambda name: "9.9" if name == "onnx-ir" else "1"),
        ("_instructions", lambda: ["another"]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(identity, name, changed)
            identity._engine.cache_clear()
            assert key_of(a=1) != first
    identity._engine.cache_clear()
    assert key_of(a=1) == first
    # Any change of any module of the engine is another source, one of the command line is none.
    copied = tmp_path / "identity.py"
    copied.write_text("")
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(identity, "__file__", str(copied))
    sources = {identity._source()}
    for name, same in (("rules/pooling.py", False), ("step.py", False), ("cli/app.py", True)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
        assert (identity._source() in sources) == same
        sources.add(identity._source())


def test_no_identity_where_there_is_code_of_the_users(squeezenet: osc.Model) -> None:
    @osc.objective("fire5")
    def mine(a: osc.Tensor) -> osc.Tensor:
        return a[:, 3].mean((1, 2))

    class MyFourier(Fourier):
        def image(self, parameters, height, width):
            return super().image(parameters, height, width) * 0.5

    class MyAdam(osc.Adam):
        pass

    changed = osc.Adam()
    changed.append = lambda *arguments: None
    for value in (mine, mine + osc.layer("fire2"), MyFourier(), MyAdam(), changed, print, object()):
        with pytest.raises(NoIdentityError):
            describe(value)
    assert describe(osc.Adam()) == describe(osc.Adam(0.05))
    used = osc.Adam()
    used.update({"a": np.ones(3)}, {"a": np.ones(3)})
    assert describe(used) == describe(osc.Adam())  # its state is in no graph


def test_arrays_are_told_apart() -> None:
    array = np.arange(6.0)
    others = [array, array.astype(np.float32), array.reshape(2, 3), array + 1e-9, array[::-1]]
    assert len({str(describe(other)) for other in others}) == len(others)
    assert describe(np.arange(12.0)[::2]) == describe(np.arange(12.0)[::2].copy())


# Pictures -----------------------------------------------------------------------------------------


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
    assert [process.wait() for process in started] == [0, 0, 0]
    wanted = osc.render(squeezenet, "fire5:3", cache=False, **QUICK).save(tmp_path / "wanted.png")
    for number in range(3):
        assert (tmp_path / f"{number}.png").read_bytes() == wanted.read_bytes()
    assert list(folder.glob("*.graph"))


def test_gradients_are_kept_as_well(
    squeezenet: osc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By model, objective and shape; with rules of the user's, or where it is not wanted, never."""
    built: list[tuple[int, ...]] = []
    build = objective.gradient_of_image

    def counted(*arguments: Any) -> onnx.ModelProto:
        built.append(arguments[2])
        return build(*arguments)

    monkeypatch.setattr(objective, "gradient_of_image", counted)
    picture = np.random.default_rng(0).random((40, 40, 3), np.float32)

    def evaluate(target: str = "fire2:3", size: int = 40, **options: Any) -> np.ndarray:
        gradient = osc.Gradient(squeezenet, target, provider="cpu", **options)
        return gradient(picture[:size])[1]

    first = evaluate()
    np.testing.assert_array_equal(evaluate(), first)
    assert len(built) == 1
    evaluate("fire2:4")
    evaluate(size=36)
    assert len(built) == 3
    np.testing.assert_array_equal(evaluate(cache=False), first)
    np.testing.assert_array_equal(evaluate(rules=rules_for("cpu")), first)
    assert len(built) == 5
    assert len(list(folder.iterdir())) >= 3
