"""Models whose graph is read only when something needs it: the same answers, the same pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import exporters
import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope import cache, identity
from onnxscope.importer import opsets as loading
from onnxscope.network.activations import Activations
from onnxscope.network.facts import Facts

QUICK = {"steps": 3, "provider": "cpu"}
TARGETS = (["fire5:3"], ["daisy"], ["fire5:3", "--objective", "neuron", "--y", "0", "--x", "1"])

# What a user types, and whether anything that reads or builds graphs was imported for it.
PROCESS = """
import json, sys
from onnxscope.cli.app import app

folder, *targets = json.loads(sys.argv[1])
for number, target in enumerate(targets):
    app(
        ["render", "squeezenet", *target, "--steps", "3", "--size", "64", "--provider", "cpu"]
        + ["-o", f"{folder}/{number}.png"],
        standalone_mode=False,
    )
heavy = ["onnx", "onnx_ir", "sympy", "onnxscope.graph.builder", "onnxscope.network.network"]
print("imported:", *[name for name in heavy if name in sys.modules])
"""

# The same picture by the library, and all that was imported for it.
LIBRARY = """
import sys
import onnxscope as osc

osc.render("squeezenet", "fire5:3", steps=3, size=64, provider="cpu")
print(*sys.modules)
"""

# All of this package that such a start imports, by room: a class costs it half a millisecond.
NEEDED = {
    "": "cache declarations distributions errors files forms identity images notebook patience "
    "plain planes registry",
    "ascent": "batching climbers climbing compiled_climber composition falling fitting forecast "
    "graphs host_climber interrupts leak loop optimizers registry schedules starts streams",
    "graph": "advice metadata passes passes.precision tensor traits walks wire",
    "importer": "model_file",
    "models": "cache catalogue conversion installed verification",
    "network": "described facts finite identified inputs inputs.expectations inputs.preprocessing "
    "inputs.presets layers layers.axes layers.blocks layers.layer layers.naming layers.scopes "
    "layers.skips loading model photos reading saturation",
    "objectives": "algebra depth fed labels own_objectives preactivation ranges seen targets units",
    "parameterizations": "base colors fourier",
    "pictures": "arguments arrays asked_for display fields formats importance picture recipe "
    "remarks rendering rising tiles",
    "rules": "named",
    "runtime": "bound_session cores creation finished half memory reasons session small_types",
    "transforms": "base composition geometric presets warp",
}
# Of Python's own, what costs a start milliseconds and is for other work.
FOR_OTHER_WORK = (
    *("concurrent.futures", "difflib", "email", "importlib.metadata", "tarfile", "tempfile"),
    *("zipfile", "onnx", "onnx_ir", "sympy"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that is turned on."""
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(cache.VARIABLE)
    return tmp_path / "cache" / "graphs"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The sources whose graph was read."""
    sources: list[object] = []
    load_graph = loading.load_graph

    def counted(source: loading.ModelSource) -> loading.LoadedModel:
        sources.append(source)
        return load_graph(source)

    monkeypatch.setattr(loading, "load_graph", counted)
    return sources


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network with names of modules, which says what it expects."""
    path = tmp_path / "traced.onnx"
    proto = exporters.torch_traced()
    proto.metadata_props.add(key="mean", value="0.485,0.456,0.406")
    onnx.save(proto, path)
    return path


@pytest.mark.slow
def test_a_cached_start_imports_nothing_that_reads_graphs(folder: Path, tmp_path: Path) -> None:
    def start(name: str, **variables: str) -> tuple[list[bytes], list[str]]:
        made = tmp_path / name
        made.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", PROCESS, json.dumps([str(made), *TARGETS])],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        names = done.stdout.splitlines()[-1].split()[1:]
        return [(made / f"{n}.png").read_bytes() for n in range(len(TARGETS))], names

    without, imported = start("without", **{cache.VARIABLE: "off"})
    assert "onnx_ir" in imported
    assert not folder.exists()
    first, imported = start("first")
    assert "onnx_ir" in imported
    again, imported = start("again")
    assert imported == []
    assert without == first == again

    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.splitlines()[-1].split())
    needed = {
        f"{room}.{name}".lstrip(".") for room, names in NEEDED.items() for name in names.split()
    }
    ours = {name.removeprefix("onnxscope.") for name in modules if name.startswith("onnxscope.")}
    more = sorted(ours - needed - NEEDED.keys())
    assert more == [], more
    assert sorted(modules & set(FOR_OTHER_WORK)) == []


@pytest.mark.parametrize(
    "make",
    [
        exporters.torch_traced,
        exporters.tensorflow,
        exporters.vision_transformer,
    ],
)
def test_a_model_from_facts_answers_alike(
    make: Callable[[], onnx.ModelProto], folder: Path, read: list[object]
) -> None:
    data = make().SerializeToString()
    first = osc.load(data, input_range=(0, 1))
    wanted = first.layers
    origins = {name: first.origin_of(name) for name in wanted}
    assert any(operator for operator, _ in origins.values())
    assert len(read) == 1
    again = osc.load(data, input_range=(0, 1))
    found = again.layers
    assert len(read) == 1
    assert dict(found) == dict(wanted)
    assert found.left_out == wanted.left_out
    assert again._facts == first._facts
    assert again._facts.to_json().keys() == vars(first._facts).keys()
    assert again.names.naming == first.names.naming
    assert {n: again.names.meanings(n) for n in found} == {
        n: first.names.meanings(n) for n in found
    }
    # Why a picture is grey, as any is after one step, is asked without the graph.
    assert {name: again.origin_of(name) for name in wanted} == origins
    assert again.identity == first.identity
    assert again.arguments() == first.arguments()
    assert repr(again) == repr(first)
    assert len(read) == 1
    # The graph is there for those who ask, from the same bytes.
    layer = list(wanted)[-1]
    images = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    expected = first.activations(images, layer)[layer]
    np.testing.assert_array_equal(again.activations(images, layer)[layer], expected)
    assert len(read) == 2


def test_facts_can_be_written_down(squeezenet: osc.Model) -> None:
    facts = squeezenet._facts
    assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_the_arguments_count(folder: Path, file: Path) -> None:
    plain = osc.load(file)
    assert plain.expectation.words.startswith("in the file's metadata")
    given = osc.load(file, input_range=(0, 255))
    assert given.expectation.words == "as given"
    assert osc.load(file).expectation == plain.expectation
    told = osc.load(file, channel_axis={"conv1": 2})
    assert told.layers["conv1"].channels == 16
    assert plain.layers["conv1"].channels == osc.load(file).layers["conv1"].channels == 8
    for _ in range(2):
        with pytest.raises(osc.OnnxscopeError, match="NHWC"):
            osc.load(file, layout="NHWC")
        with pytest.raises(osc.OnnxscopeError, match="conv9"):
            osc.load(file, channel_axis={"conv9": 1})


def test_another_file_of_that_name_is_another_model(
    folder: Path, file: Path, read: list[object]
) -> None:
    first = osc.load(file)
    onnx.save(exporters.torch_traced(blocks=1), file)
    other = osc.load(file)
    assert other.sha256 != first.sha256
    assert len(other.layer_names) < len(first.layer_names)
    assert other.preprocessing is None
    assert len(read) == 2


def test_another_engine_finds_out_anew(
    folder: Path, file: Path, read: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    osc.load(file)
    osc.load(file)
    assert len(read) == 1
    with monkeypatch.context() as patch:
        patch.setattr(identity, "_source", lambda: "another")
        identity._engine.cache_clear()
        osc.load(file)
    identity._engine.cache_clear()
    assert len(read) == 2


def test_damaged_facts_are_found_again(folder: Path, file: Path, read: list[object]) -> None:
    wanted = osc.load(file)._facts
    (entry,) = folder.iterdir()
    good = entry.read_bytes()
    for bad in (good[:-5], good[:-1] + b" ", b"", good.replace(b"conv1", b"conv2", 1)):
        entry.write_bytes(bad)
        read.clear()
        assert osc.load(file)._facts == wanted
        assert len(read) == 1
        assert osc.load(file)._facts == wanted
        assert len(read) == 1
        assert entry.read_bytes() == good


def test_the_graph_is_that_of_the_file_as_it_was(folder: Path, file: Path) -> None:
    expected = osc.render(osc.load(file), "conv1:3", **QUICK)
    model = osc.load(file)
    file.unlink()
    picture = osc.render(model, "conv1:3", cache=False, **QUICK)
    np.testing.assert_array_equal(picture.images, expected.images)


def test_weights_in_other_files_are_looked_at_each_time(tmp_path: Path, folder: Path) -> None:
    proto = exporters.torch_traced()
    path = tmp_path / "external.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights", size_threshold=0)
    first = osc.load(path, input_range=(0, 1))
    assert first.layers
    assert not folder.exists()
    weights = (tmp_path / "weights").read_bytes()
    (tmp_path / "weights").write_bytes(weights[:-4] + b"\0\0\0\0")
    assert osc.load(path, input_range=(0, 1)).sha256 != first.sha256


def test_inputs_that_are_given_are_looked_at_each_time(folder: Path) -> None:
    net = exporters.Network()
    net.traced("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "/conv/Conv")
    net.traced("Mul", ["/conv/Conv_output_0", "factor"], "/mul/Mul")
    data = net.model("/mul/Mul_output_0", others={"factor": [1]}).SerializeToString()
    images = np.full((1, 32, 32, 3), 0.5, np.float32)
    values = []
    for factor in (1, 2):
        arguments = {"inputs": {"factor": [factor]}, "image_input": "x", "input_range": (0, 1)}
        model = osc.load(data, **arguments)
        assert model.arguments()["inputs"] == {"factor": [factor]}
        values.append(model.activations(images, "mul")["mul"])
    np.testing.assert_allclose(values[1], 2 * values[0], rtol=1e-6)
    assert not folder.exists()


def test_what_a_class_of_the_users_finds_is_not_kept(folder: Path, file: Path) -> None:
    class Halved(osc.Model):
        def append(self, image, wanted, **options):
            found = super().append(image, wanted, **options)
            return Activations({n: v[:, :, ::2, ::2] for n, v in found.items()}, found.grids)

    mine = osc.load(file)
    mine.__class__ = Halved
    assert mine.layer_shape("conv1", 1, 32, 32) == (8, 8, 8)
    assert osc.load(file).layer_shape("conv1", 1, 32, 32) == (8, 16, 16)
    assert mine.layer_shape("conv1", 1, 32, 32) == (8, 8, 8)


@pytest.mark.slow
def test_without_the_cache_nothing_is_kept(
    folder: Path, file: Path, read: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert osc.load(file, cache=False).layers
        osc.render(str(file), "conv1:3", cache=False, **QUICK)
    monkeypatch.setenv(cache.VARIABLE, "off")
    assert osc.load(file).layers
    assert not folder.exists()
    assert len(read) == 5
