"""`onnxscope bench`, what it measures, and what it does without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.benchmarks import contestants, graphs, rounds
from onnxscope.benchmarks.contestants import CONTESTANTS, USUAL
from onnxscope.benchmarks.peak import Chain
from onnxscope.benchmarks.random_weights import random_network
from onnxscope.benchmarks.report import bench
from onnxscope.benchmarks.subject import Subject, save_random
from onnxscope.cli.app import app
from onnxscope.errors import ModelError
from onnxscope.models.architectures import ARCHITECTURES
from onnxscope.runtime.session import open_session
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    source = save_random("squeezenet", tmp_path_factory.mktemp("random"))
    return Subject.of(source, "fire3:7", size=64, provider="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_random_networks_are_whole(architecture: str) -> None:
    model = osc.load(random_network(architecture))
    assert model.metadata is not None
    last = model.metadata.layers[-1]
    image = np.random.default_rng(0).random((96, 96, 3), np.float32)
    probabilities = model.activations(image, last)[last]
    assert probabilities.shape == (1, 1000)
    assert probabilities.sum() == pytest.approx(1, rel=1e-4)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ModelError, match="did you mean 'inception_v3'"):
        random_network("inception_v33")


def test_operations_are_counted_by_hand(subject: Subject) -> None:
    # conv1, 32×32 behind stride 2, then pool1: 15×15, two fire modules, of the last one only the
    # 1×1 branch's one channel.
    forward = 64 * 32 * 32 * 3 * 9 + 15 * 15 * (16 * 64 + 64 * 16 + 64 * 16 * 9 + 16 * 128 + 1 * 16)
    assert graphs.convolution_flops(subject) == 2 * 2 * forward
    assert Chain(2, 8, 10).flops == 4 * 2 * 2 * 8 * 10 * 10 * 8 * 9


def test_the_graphs_are_of_the_same_function(subject: Subject) -> None:
    feeds = {"image": subject.pictures()}
    expected = osc.Gradient(subject.model, subject.objective, provider="cpu")(
        feeds["image"].transpose(0, 2, 3, 1)
    )
    for build in (graphs.cut, graphs.narrowed, graphs.forward, graphs.gradient):
        outputs = open_session(build(subject), "cpu").run(feeds)
        np.testing.assert_allclose(outputs["value"], expected[0], rtol=1e-5)
    gradient = open_session(graphs.uncropped_gradient(subject), "cpu").run(feeds)["grad_image"]
    np.testing.assert_allclose(gradient.transpose(0, 2, 3, 1), expected[1], atol=1e-7, rtol=1e-4)


@pytest.mark.slow
def test_contestants_take_turns_and_end(subject: Subject) -> None:
    said: list[str] = []
    names = ("onnxscope", "onnxscope-network", "onnxscope-forward", "lucent", "peak")
    found = bench(subject, rounds=2, steps=2, say=said.append, names=names)
    assert set(found.rows) == set(names) - {"lucent"}
    assert "lucent" in found.missing
    assert all(len(row.milliseconds) == 4 for row in found.rows.values())
    assert said[-1] == "round 2 of 2"
    assert found.limit is not None
    assert found.limit > 0
    text = "\n".join(found.lines())
    assert "onnxscope, render" in text
    assert "its convolutions alone at" in text
    assert "no row for Lucent" in text
    assert found.rows["onnxscope-network"].results["gradient"].shape == (1, 3, 64, 64)


@pytest.mark.slow
def test_a_contestant_that_fails_leaves_its_reason(subject: Subject) -> None:
    # It needs a layer that the network lacks, which it finds out in its own process.
    lost = Subject(subject.source, "fire77:1", "channel", 64)
    entrants = {"good": ("onnxscope-forward", subject), "bad": ("onnxscope-forward", lost)}
    rows, missing = rounds.measure(entrants, rounds=1, steps=1, say=lambda _: None)
    assert list(rows) == ["good"]
    assert "fire77" in missing["bad"]


def test_another_function_gets_no_row(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    right = rounds.Row("onnxscope-network", [1.0, 1.0])
    wrong = rounds.Row("torch-network", [1.0, 1.0])
    right.results = {"value": np.ones(1), "gradient": np.ones(4)}
    wrong.results = {"value": np.ones(1), "gradient": np.array([1.0, 1, 1, 2])}
    rows = {row.name: row for row in (right, wrong)}
    monkeypatch.setattr("onnxscope.benchmarks.report.measure", lambda *_, **__: (rows, {}))
    found = bench(subject, rounds=1, steps=1, say=lambda _: None)
    assert list(found.rows) == ["onnxscope-network"]
    assert "not the same network" in found.missing["torch-network"]


@pytest.mark.slow
def test_the_command_prints_and_writes(subject: Subject, tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    given = [subject.source, "fire2:3", "--size", "48", "--rounds", "1", "--steps", "2"]
    result = CliRunner().invoke(app, ["bench", *given, "--profile", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "load average" in result.output
    assert "onnxscope, all kernels of the step" in result.output
    facts = json.loads(file.read_text(encoding="utf-8"))
    (measurement,) = facts["measurements"]
    shown = {row["name"] for row in measurement["rows"]}
    assert shown | set(measurement["missing"]) == set(USUAL)
    assert {"onnxscope", "onnxscope-network", "onnxscope-forward", "peak"} <= shown
    assert measurement["kernels"][0]["milliseconds"] > 0
    assert facts["cpu"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["squeezenet"], "say which unit of squeezenet"),
        (["inception_v9", "--random", "mixed:1"], "no architecture 'inception_v9'"),
        (["squeezenet", "fire77:1", "--random"], "no layer 'fire77'"),
        (["squeezenet", "fire5:999", "--random"], "999"),
        (["--batch", "1,x"], "--batch takes numbers of pictures"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["squeezenet", "fire9:1", "--random", "--size", "8"], "too small"),
        (["--provider", "warp"], "no provider 'warp'"),
        (["--json", "nowhere/x.json"], "there is no folder nowhere"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_packages_are_named(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "find_spec", lambda _: None)
    reasons = {name: CONTESTANTS[name].missing(subject) for name in USUAL}
    assert reasons["torch"] == "PyTorch is not installed (pip install torch)"
    assert reasons["onnx-ad"] == "onnx-ad is not installed (pip install onnx-ad)"
    assert reasons["onnxscope"] == ""


def test_pytorch_computes_the_same(subject: Subject) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from onnxscope.benchmarks.torch_network import torch_network

    for architecture, layer in (
        ("inception_v1", "mixed3b"),
        ("inception_v3", "mixed"),
        ("squeezenet", "fire5"),
        ("efficientnet_lite0", "blocks_4"),
    ):
        model = osc.load(random_network(architecture))
        image = np.random.default_rng(0).random((1, 3, 97, 97), np.float32)
        found = torch_network(model, layer, image.shape)(torch.from_numpy(image)).numpy()
        expected = model.activations(image[0].transpose(1, 2, 0), layer)[layer]
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
